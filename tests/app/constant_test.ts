import assert from "node:assert/strict";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { App } from "../../app/app.ts";

const TEXT = "User-agent: *\nDisallow: /private\n".repeat(40);

Deno.test("a constant Response is answered again and again, with an entity tag and 304", async () => {
  const app = new App().get(
    "/robots.txt",
    new Response("User-agent: *\n", { headers: { "cache-control": "max-age=60" } }),
  );
  let etag = "";
  for (let i = 0; i < 3; i++) {
    const response = await app.request("/robots.txt");
    assert.deepEqual([response.status, await response.text()], [200, "User-agent: *\n"]);
    assert.equal(response.headers.get("content-type"), "text/plain;charset=UTF-8");
    etag = response.headers.get("etag")!;
  }
  assert.match(etag, /^"[\w+/]{16}"$/);
  for (const tag of [etag, `W/${etag}`, `"other", ${etag}`, "*"]) {
    const response = await app.request("/robots.txt", { headers: { "if-none-match": tag } });
    assert.deepEqual([response.status, await response.text(), response.headers.get("etag")], [304, "", etag], tag);
    assert.equal(response.headers.get("cache-control"), "max-age=60");
  }
  assert.equal((await app.request("/robots.txt", { headers: { "if-none-match": '"other"' } })).status, 200);
  assert.equal((await app.request("/robots.txt", { method: "HEAD" })).headers.get("content-length"), "14");
});

Deno.test("a constant Response has compressed forms, each with a tag of its own", async () => {
  const app = new App().get("/", new Response(TEXT, { headers: { etag: '"v1"' } }));
  const ask = async (coding: string) => {
    const response = await app.request("/", { headers: { "accept-encoding": coding } });
    const bytes = new Uint8Array(await response.arrayBuffer());
    return { fields: ["content-encoding", "etag", "vary"].map((name) => response.headers.get(name)), bytes };
  };
  const plain = await ask("identity"), br = await ask("gzip, br"), gzip = await ask("gzip");
  assert.deepEqual(plain.fields, [null, '"v1"', "Accept-Encoding"]);
  assert.deepEqual(br.fields, ["br", '"v1-br"', "Accept-Encoding"]);
  assert.deepEqual(gzip.fields, ["gzip", '"v1-gzip"', "Accept-Encoding"]);
  for (const bytes of [plain.bytes, brotliDecompressSync(br.bytes), gunzipSync(gzip.bytes)]) {
    assert.equal(new TextDecoder().decode(bytes), TEXT);
  }
  assert.ok(br.bytes.length < 200 && gzip.bytes.length < 200);
});

Deno.test("a constant Response stays as it is where coding it would be wrong", async () => {
  const app = new App();
  app.get("/png", new Response(TEXT, { headers: { "content-type": "image/png" } }));
  app.get("/stay", new Response(TEXT, { headers: { "cache-control": "no-transform" } }));
  app.get("/coded", new Response(TEXT, { headers: { "content-encoding": "x" } }));
  app.get("/short", new Response("short"));
  app.get("/error", new Response(TEXT, { status: 410 }));
  app.get("/away", Response.redirect("http://a.test/", 301));
  for (const path of ["/png", "/stay", "/short", "/error", "/away"]) {
    const response = await app.request(path, { headers: { "accept-encoding": "gzip, br" } });
    assert.deepEqual([response.headers.get("content-encoding"), response.headers.get("vary")], [null, null], path);
    await response.body?.cancel();
  }
  assert.equal((await app.request("/error")).headers.get("etag"), null);
  const away = await app.request("/away");
  assert.deepEqual([away.status, away.headers.get("location")], [301, "http://a.test/"]);
});

Deno.test("a constant Response that was read before is refused, and middleware wraps it", async () => {
  const used = new Response("x");
  await used.text();
  assert.throws(() => new App().get("/", used), TypeError);
  const app = new App().use((c, next) => (c.header("x-a", "1"), next())).get("/", { use: [] }, new Response("x"));
  for (let i = 0; i < 2; i++) assert.equal((await app.request("/")).headers.get("x-a"), "1");
});

Deno.test("a constant Response is 304 for GET and HEAD with 200 only", async () => {
  const app = new App().all("/", new Response("x")).get(
    "/gone",
    new Response("x", { status: 410, headers: { etag: '"a"' } }),
  );
  const headers = { "if-none-match": "*" };
  assert.equal((await app.request("/", { headers })).status, 304);
  for (const method of ["POST", "DELETE"]) assert.equal((await app.request("/", { method, headers })).status, 200);
  assert.equal((await app.request("/gone", { headers })).status, 410);
});
