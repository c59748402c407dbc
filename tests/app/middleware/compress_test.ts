import assert from "node:assert/strict";
import * as zlib from "node:zlib";
import { App } from "../../../app/app.ts";
import { compress } from "../../../app/middleware/compress.ts";

const LONG = Array.from({ length: 3000 }, (_, i) => `line ${i}\n`).join("");
const DECODERS: Record<string, (bytes: Uint8Array) => Uint8Array> = {
  gzip: zlib.gunzipSync,
  br: zlib.brotliDecompressSync,
  zstd: zlib.zstdDecompressSync,
};

function makeApp(): App {
  const app = new App().use(compress());
  app.get("/text", (c) => c.text(LONG));
  app.get("/huge", (c) => c.text(LONG.repeat(20)));
  app.get("/bytes", (c) => c.bytes(new TextEncoder().encode(LONG), 200, "application/json"));
  app.get("/stream", (c) => c.body(new Response(LONG).body, 200, "text/plain"));
  app.get("/response", () => new Response(LONG, { headers: { "content-type": "text/html", etag: '"e"' } }));
  return app;
}

for (const coding of ["gzip", "br", "zstd"]) {
  Deno.test(`compress: ${coding} of text, bytes, streams and Responses is what it was`, async () => {
    const app = makeApp();
    for (const path of ["/text", "/huge", "/bytes", "/stream", "/response"]) {
      const response = await app.request(path, { headers: { "accept-encoding": coding } });
      assert.equal(response.headers.get("content-encoding"), coding, path);
      assert.equal(response.headers.get("vary"), "Accept-Encoding");
      const bytes = new Uint8Array(await response.arrayBuffer());
      const wanted = path === "/huge" ? LONG.repeat(20) : LONG;
      assert.ok(bytes.length < wanted.length / 2, `${path}: ${bytes.length}`);
      const text = new TextDecoder().decode(DECODERS[coding]!(bytes));
      assert.equal(text, wanted, path);
    }
  });
}

Deno.test("compress: each event of a stream goes out when it happens", async () => {
  for (const coding of ["gzip", "br", "zstd"]) {
    let send!: (text: string) => void;
    const source = new ReadableStream<Uint8Array>({
      start: (controller) => void (send = (text) => controller.enqueue(new TextEncoder().encode(text))),
    });
    const app = new App().use(compress()).get("/", (c) => c.body(source, 200, "text/event-stream"));
    const response = await app.request("/", { headers: { "accept-encoding": coding } });
    const coded = response.body!.getReader();
    const decoder = coding === "gzip"
      ? zlib.createGunzip()
      : coding === "br"
      ? zlib.createBrotliDecompress()
      : zlib.createZstdDecompress();
    let seen = "";
    decoder.on("data", (bytes: Uint8Array) => seen += new TextDecoder().decode(bytes));
    for (const event of ["data: one\n\n", "data: two\n\n"]) {
      seen = "";
      send(event);
      while (seen !== event) {
        const { value } = await coded.read(); // would wait for ever for what was not flushed
        await new Promise((resolve) => decoder.write(value!, resolve));
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    }
    await coded.cancel();
    decoder.destroy();
  }
});

Deno.test("compress: what must not or need not be coded stays", async () => {
  const app = new App().use(compress());
  const fields: Record<string, string>[] = [
    { "content-type": "image/png" },
    { "content-type": "text/plain", "content-encoding": "x" },
    { "content-type": "text/plain", "cache-control": "public, no-transform" },
    { "content-type": "text/plain", "content-range": "bytes 0-9/10" },
  ];
  fields.forEach((headers, i) => app.get(`/${i}`, () => new Response(LONG, { headers })));
  app.get("/short", (c) => c.text("short"));
  app.get("/part", () => new Response(LONG, { status: 206, headers: { "content-type": "text/plain" } }));
  app.get("/none", (c) => c.body(null, 204));
  app.get("/text", (c) => c.text(LONG));
  const ask = (path: string, coding: string, method = "GET") =>
    app.request(path, { method, headers: { "accept-encoding": coding } });
  for (const path of ["/0", "/2", "/3", "/short", "/part", "/none"]) {
    const response = await ask(path, "gzip, br");
    assert.equal(response.headers.get("content-encoding"), null, path);
    await response.body?.cancel();
  }
  assert.equal((await ask("/1", "gzip")).headers.get("content-encoding"), "x");
  for (const coding of ["", "identity", "deflate", "gzip;q=0"]) {
    assert.equal((await ask("/text", coding)).headers.get("content-encoding"), null, coding);
  }
  assert.equal((await ask("/text", "gzip", "HEAD")).headers.get("content-encoding"), null);
  assert.throws(() => compress({ codings: ["lzma" as "gzip"] }), TypeError);
});

Deno.test("compress: a strong tag becomes weak, a stream's failure and end reach both sides", async () => {
  const response = await makeApp().request("/response", { headers: { "accept-encoding": "gzip" } });
  assert.equal(response.headers.get("etag"), 'W/"e"');
  await response.body!.cancel();
  let cancelled: unknown;
  const app = new App().use(compress());
  app.get(
    "/fail",
    (c) => c.body(new ReadableStream({ pull: (controller) => controller.error(new Error("gone")) }), 200, "text/plain"),
  );
  app.get(
    "/cancel",
    (c) => c.body(new ReadableStream({ cancel: (reason) => void (cancelled = reason) }), 200, "text/plain"),
  );
  const headers = { "accept-encoding": "br" };
  await assert.rejects((await app.request("/fail", { headers })).text(), /gone/);
  await (await app.request("/cancel", { headers })).body!.cancel("enough");
  assert.equal(cancelled, "enough");
});

Deno.test("compress: empty pieces are passed over, and a source that gives no bytes is cancelled", async () => {
  const pieces = ["hello", "", "", "world"].map((text) => new TextEncoder().encode(text));
  let cancelled = false;
  const app = new App().use(compress());
  app.get("/", (c) => c.body(ReadableStream.from(pieces), 200, "text/plain"));
  app.get("/bad", (c) =>
    c.body(
      new ReadableStream({
        start: (controller) => controller.enqueue(5 as unknown as Uint8Array<ArrayBuffer>),
        cancel: () => void (cancelled = true),
      }),
      200,
      "text/plain",
    ));
  for (const coding of ["gzip", "br", "zstd"]) {
    const headers = { "accept-encoding": coding };
    const bytes = new Uint8Array(await (await app.request("/", { headers })).arrayBuffer());
    assert.equal(new TextDecoder().decode(DECODERS[coding]!(bytes)), "helloworld", coding);
    cancelled = false;
    await assert.rejects((await app.request("/bad", { headers })).text());
    assert.equal(cancelled, true, coding);
  }
});
