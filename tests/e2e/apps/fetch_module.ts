// A module without an App: a `fetch` function that reads the body.
export default {
  async fetch(request: Request): Promise<Response> {
    await request.bytes();
    return new Response("ok");
  },
};
