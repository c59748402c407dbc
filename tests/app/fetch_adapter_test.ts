import assert from "node:assert/strict";
import { HttpError } from "../../http/errors.ts";
import { Reply } from "../../http/message.ts";
import { FetchRequest, toResponse } from "../../app/fetch_adapter.ts";

const tick = () => new Promise<void>((resolve) => setTimeout(resolve, 0));

function streaming(chunks: Iterable<Uint8Array>, onCancel = () => {}): Request {
  const iterator = chunks[Symbol.iterator]();
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      const { done, value } = iterator.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: onCancel,
  }, { highWaterMark: 0 });
  return new Request("http://a.example/", { method: "POST", body, duplex: "half" } as RequestInit);
}

function* endless(): Generator<Uint8Array> {
  for (;;) yield new Uint8Array(16 * 1024);
}

Deno.test("a Request is seen as a received one", () => {
  const controller = new AbortController();
  const request = new FetchRequest(
    new Request("http://a.example:81/x/../b%20c?d=e#f", { headers: { "X-A": "1" }, signal: controller.signal }),
  );
  assert.equal(request.method, "GET");
  assert.equal(request.target, "/b%20c?d=e");
  assert.equal(request.path, "/b%20c");
  assert.equal(request.queryText, "d=e");
  assert.equal(request.authority, "a.example:81");
  assert.equal(request.header("x-a"), "1");
  assert.equal(request.header("x-b"), null);
  assert.deepEqual(request.headers(), [["x-a", "1"]]);
  assert.deepEqual(request.remoteAddr, { transport: "tcp", hostname: "127.0.0.1", port: 0 });
  assert.equal(request.body.length, 0);
  controller.abort();
  assert.equal(request.signal.aborted, true);
});

Deno.test("the remote address is what the caller says", () => {
  const request = new Request("http://a/");
  const address = (remoteAddr: { transport: string; hostname?: string; port?: number }) =>
    new FetchRequest(request, { remoteAddr }).remoteAddr;
  assert.deepEqual(address({ transport: "tcp", hostname: "::1", port: 5 }), {
    transport: "tcp",
    hostname: "::1",
    port: 5,
  });
  assert.deepEqual(address({ transport: "unix" }), { transport: "unix", hostname: "", port: 0 });
});

Deno.test("the body can be gathered, and streamed", async () => {
  const make = () => new FetchRequest(new Request("http://a/", { method: "POST", body: "hello" }));
  assert.equal(await make().body.text(100), "hello");
  let text = "";
  for await (const chunk of make().body.stream()) text += new TextDecoder().decode(chunk);
  assert.equal(text, "hello");
});

Deno.test("a body that is too long is refused and its source ended", async () => {
  let cancelled = false;
  const request = new FetchRequest(streaming(endless(), () => void (cancelled = true)));
  await assert.rejects(request.body.bytes(100_000), (error) => error instanceof HttpError && error.status === 413);
  await tick();
  assert.equal(cancelled, true);
});

Deno.test("a streamed body is not read far ahead, and ends with its reader", async () => {
  let cancelled = false;
  let given = 0;
  function* counted(): Generator<Uint8Array> {
    for (const chunk of endless()) {
      given++;
      yield chunk;
    }
  }
  const request = new FetchRequest(streaming(counted(), () => void (cancelled = true)));
  const reader = request.body.stream().getReader();
  assert.equal(given, 0);
  for (let i = 0; i < 20; i++) await reader.read();
  await tick();
  assert(given >= 20 && given <= 26, `${given}`);
  await reader.cancel();
  await tick();
  assert.equal(cancelled, true);
});

Deno.test("a body whose source fails is a 400", async () => {
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      controller.error(new Error("source"));
    },
  });
  const request = new FetchRequest(new Request("http://a/", { method: "POST", body, duplex: "half" } as RequestInit));
  await assert.rejects(request.body.text(100), (error) => error instanceof HttpError && error.status === 400);
});

Deno.test("toResponse() has status, fields and content of a Reply", async () => {
  const response = toResponse(
    new Reply("ü", 201, "text/plain", ["x-a", "1", "set-cookie", "a", "set-cookie", "b", "connection", "close"]),
    "GET",
  );
  assert.equal(response.status, 201);
  assert.deepEqual([...response.headers], [
    ["content-type", "text/plain"],
    ["set-cookie", "a"],
    ["set-cookie", "b"],
    ["x-a", "1"],
  ]);
  assert.equal(await response.text(), "ü");
  assert.equal(toResponse(new Reply("x"), "GET").headers.get("content-type"), null);
  assert.deepEqual(await toResponse(new Reply(new Uint8Array([1, 2])), "GET").bytes(), new Uint8Array([1, 2]));
  assert.equal(toResponse(new Reply(null), "GET").body, null);
});

Deno.test("toResponse() leaves content out where there is none, and ends its stream", async () => {
  for (const status of [204, 205, 304]) assert.equal(toResponse(new Reply("x", status), "GET").body, null);
  const head = toResponse(new Reply("ü", 200, "text/plain"), "HEAD");
  assert.equal(head.body, null);
  assert.equal(head.headers.get("content-length"), "2");
  let cancelled = 0;
  const stream = () => new ReadableStream<Uint8Array>({ cancel: () => void cancelled++ });
  assert.equal(toResponse(new Reply(stream()), "HEAD").body, null);
  assert.equal(toResponse(new Response(stream(), { headers: { "x-a": "1" } }), "HEAD").headers.get("x-a"), "1");
  await tick();
  assert.equal(cancelled, 2);
  const response = new Response("x");
  assert.equal(toResponse(response, "GET"), response);
});
