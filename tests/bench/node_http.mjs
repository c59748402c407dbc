// The same answers from Node: usage: node node_http.mjs PORT
import { createServer } from "node:http";

createServer((request, response) => {
  const path = request.url;
  const [status, body] = path === "/"
    ? [200, "Hello, world\n"]
    : path.startsWith("/users/")
    ? [200, `user ${path.slice(7)}\n`]
    : [404, "404 Not Found\n"];
  response.writeHead(status, { "content-type": "text/plain;charset=UTF-8", "content-length": body.length });
  response.end(body);
}).listen(Number(process.argv[2]), "127.0.0.1");
