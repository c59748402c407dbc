/** Covers http/response.ts: a web `Response` as a `Reply`, with a known length where there is one. */

import assert from "node:assert/strict";
import type { Reply } from "../../http/message.ts";
import { replyOf } from "../../http/response.ts";

type Chunks = readonly Uint8Array[];

function streamOf(chunks: Chunks, onCancel?: (reason: unknown) => void): ReadableStream<Uint8Array> {
  const rest = [...chunks];
  return new ReadableStream({
    pull(controller): void {
      const chunk = rest.shift();
      if (chunk) controller.enqueue(chunk);
      else controller.close();
    },
    cancel: onCancel,
  });
}

const BYTES = { a: Uint8Array.of(1, 2), b: Uint8Array.of(3), c: Uint8Array.of(4, 5, 6) };

Deno.test("replyOf: without a body it is there at once, with status and fields", () => {
  const headers = [["Content-Type", "text/x"], ["Set-Cookie", "a=1"], ["Set-Cookie", "b=2"], ["X-A", "b"]] as const;
  const reply = replyOf(new Response(null, { status: 304, headers: headers.map(([...pair]) => pair) })) as Reply;
  assert.deepEqual([reply.status, reply.content, reply.contentType], [304, null, "text/x"]);
  assert.deepEqual(reply.fields, ["set-cookie", "a=1", "set-cookie", "b=2", "x-a", "b"]);
  const plain = replyOf(new Response(null)) as Reply;
  assert.deepEqual([plain.status, plain.content, plain.contentType, plain.fields], [200, null, null, null]);
});

Deno.test("replyOf: a body of one piece has a known length", async () => {
  const bodies: readonly [BodyInit, Uint8Array][] = [
    ["Grüße", new TextEncoder().encode("Grüße")],
    [BYTES.a, BYTES.a],
    [BYTES.c.buffer, BYTES.c],
    [new URLSearchParams({ a: "b c" }), new TextEncoder().encode("a=b+c")],
    [new Blob(["blob"]), new TextEncoder().encode("blob")],
  ];
  for (const [body, bytes] of bodies) {
    const reply = await replyOf(new Response(body));
    assert.ok(!(reply.content instanceof ReadableStream), `${body} became a stream`);
    assert.deepEqual(reply.content, bytes);
  }
});

Deno.test("replyOf: an empty body has length 0", async () => {
  for (const body of ["", new Uint8Array(0), streamOf([])]) {
    const { content } = await replyOf(new Response(body));
    assert.ok(content === "" || (content instanceof Uint8Array && content.length === 0), String(content));
  }
});

Deno.test("replyOf: a stream of several chunks goes on as a stream, nothing lost, in order", async () => {
  for (const chunks of [[BYTES.a, BYTES.b], [BYTES.a, BYTES.b, BYTES.c], [BYTES.b, new Uint8Array(0), BYTES.c]]) {
    const { content } = await replyOf(new Response(streamOf(chunks)));
    const got = content instanceof ReadableStream ? await Array.fromAsync(content) : [content];
    assert.deepEqual(got, chunks);
  }
});

Deno.test("replyOf: a stream whose second chunk is late is not waited for", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  let pulls = 0;
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller): Promise<void> {
      if (++pulls === 1) return controller.enqueue(BYTES.a);
      await promise;
      controller.enqueue(BYTES.b);
      controller.close();
    },
  }, { highWaterMark: 0 });
  const { content } = await replyOf(new Response(stream));
  assert.ok(content instanceof ReadableStream);
  const reader = content.getReader();
  assert.deepEqual((await reader.read()).value, BYTES.a);
  resolve();
  assert.deepEqual((await reader.read()).value, BYTES.b);
  assert.ok((await reader.read()).done);
});

Deno.test("replyOf: cancelling what it made cancels the response's stream", async () => {
  let reason: unknown;
  const { content } = await replyOf(new Response(streamOf([BYTES.a, BYTES.b, BYTES.c], (given) => reason = given)));
  await (content as ReadableStream).cancel("gone");
  assert.equal(reason, "gone");
});

Deno.test("replyOf: a stream that fails at once rejects, one that fails later fails there", async () => {
  const broken = new ReadableStream<Uint8Array>({ pull: () => Promise.reject(new Error("at once")) });
  await assert.rejects(async () => await replyOf(new Response(broken)), { message: "at once" });
  let pulls = 0;
  const later = new ReadableStream<Uint8Array>({
    pull(controller): void {
      if (++pulls > 2) throw new Error("later");
      controller.enqueue(BYTES.a);
    },
  }, { highWaterMark: 0 });
  const { content } = await replyOf(new Response(later));
  await assert.rejects(Array.fromAsync(content as ReadableStream<Uint8Array>), { message: "later" });
});

Deno.test("replyOf: what cannot be sent throws", async () => {
  assert.throws(() => replyOf(Response.error()), RangeError);
  const used = new Response("x");
  await used.text();
  assert.throws(() => replyOf(used), { name: "TypeError", message: /used already/ });
});

Deno.test("replyOf: a stream of something else than bytes fails, however many chunks it has", async () => {
  const values: readonly unknown[] = ["text", 5, { a: 1 }, new ArrayBuffer(4), null];
  for (const value of values) {
    for (const count of [1, 2]) {
      const stream = new ReadableStream({
        start(controller): void {
          for (let i = 0; i < count; i++) controller.enqueue(value);
          controller.close();
        },
      });
      const outcome = await Promise.resolve().then(() => replyOf(new Response(stream))).then(({ content }) => {
        if (content instanceof ReadableStream) return "stream"; // reply_stream.ts refuses its chunks
        return content instanceof Uint8Array ? "bytes" : `content ${JSON.stringify(content)}`;
      }, () => "rejected");
      assert.ok(
        outcome === "rejected" || outcome === "stream",
        `${count} chunks of ${String(value)} became ${outcome}`,
      );
    }
  }
});
