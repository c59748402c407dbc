import assert from "node:assert/strict";
import { App } from "../../../app/app.ts";
import { etag } from "../../../app/middleware/etag.ts";

Deno.test("etag: equal content has an equal tag, and 304 for who names it", async () => {
  const app = new App().use(etag());
  app.get("/text", (c) => (c.header("cache-control", "no-cache"), c.text("Hello\n")));
  app.get("/bytes", (c) => c.bytes(new TextEncoder().encode("Hello\n")));
  app.get("/response", () => new Response("x", { headers: { etag: 'W/"own"' } }));
  const first = await app.request("/text"), bytes = await app.request("/bytes");
  const tag = first.headers.get("etag")!;
  assert.match(tag, /^"[\w+/]{24}"$/);
  assert.equal(bytes.headers.get("etag"), tag);
  assert.equal((await app.request("/text", { method: "HEAD" })).headers.get("etag"), tag);
  const again = await app.request("/text", { headers: { "if-none-match": `"x", ${tag}` } });
  assert.deepEqual([again.status, await again.text(), again.headers.get("etag")], [304, "", tag]);
  assert.equal(again.headers.get("content-type"), null);
  assert.equal(again.headers.get("cache-control"), "no-cache");
  assert.equal((await app.request("/response", { headers: { "if-none-match": '"own"' } })).status, 304);
});

Deno.test("etag: not for streams, errors and other methods", async () => {
  const app = new App().use(etag());
  app.get("/stream", (c) => c.body(new Response("x").body));
  app.get("/error", (c) => c.text("x", 404));
  app.post("/", (c) => c.text("x"));
  for (const [path, method] of [["/stream", "GET"], ["/error", "GET"], ["/", "POST"]] as const) {
    const response = await app.request(path, { method });
    assert.equal(response.headers.get("etag"), null, path);
    await response.text();
  }
});
