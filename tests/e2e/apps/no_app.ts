// A module whose default export is no app.
export default { fecth: () => new Response("a typing error") };
