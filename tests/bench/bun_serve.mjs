// The same answers from Bun: usage: bun bun_serve.mjs PORT
const headers = { "content-type": "text/plain;charset=UTF-8" };

Bun.serve({
  port: Number(process.argv[2]),
  hostname: "127.0.0.1",
  fetch(request) {
    const { pathname } = new URL(request.url);
    if (pathname === "/") return new Response("Hello, world\n", { headers });
    if (pathname.startsWith("/users/")) return new Response(`user ${pathname.slice(7)}\n`, { headers });
    return new Response("404 Not Found\n", { status: 404, headers });
  },
});
