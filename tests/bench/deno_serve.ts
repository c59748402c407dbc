// The same answers from Deno.serve: usage: deno run -A deno_serve.ts PORT
const TEXT = { "content-type": "text/plain;charset=UTF-8" };

Deno.serve({ port: Number(Deno.args[0]), hostname: "127.0.0.1" }, (request) => {
  const { pathname } = new URL(request.url);
  if (pathname === "/") return new Response("Hello, world\n", { headers: TEXT });
  if (pathname.startsWith("/users/")) return new Response(`user ${pathname.slice(7)}\n`, { headers: TEXT });
  return new Response("404 Not Found\n", { status: 404, headers: TEXT });
});
