/** Covers http/h1/reply_stream.ts: the pump, its brake, failures, and cancelling. */

import assert from "node:assert/strict";
import { ReplyStream } from "../../../http/h1/reply_stream.ts";
import { BY_CHUNKS } from "../../../http/h1/write.ts";
import { latin1Bytes } from "../../support/wire_cases.ts";

async function turns(count = 30): Promise<void> {
  for (let turn = 0; turn < count; turn++) await null;
}

interface Producer {
  readonly stream: ReadableStream<Uint8Array>;
  /** Chunks that were asked for. */
  pulls: number;
  /** What it was cancelled with. */
  cancelled: unknown[];
}

/** Gives chunks of `size` bytes for ever, or `count` of them. */
function producer(size: number, count = Infinity): Producer {
  const made: { pulls: number; cancelled: unknown[] } = { pulls: 0, cancelled: [] };
  const stream = new ReadableStream<Uint8Array>({
    pull(controller): void {
      if (made.pulls++ < count) controller.enqueue(new Uint8Array(size).fill(0x78));
      else controller.close();
    },
    cancel(reason): void {
      made.cancelled.push(reason);
    },
  }, { highWaterMark: 0 });
  return Object.assign(made, { stream });
}

Deno.test("ReplyStream: everything in order, then the end", async () => {
  let progress = 0;
  const chunks = ["a", "", "bc"].map(latin1Bytes);
  const stream = new ReplyStream(ReadableStream.from(chunks), BY_CHUNKS, 100, () => progress++);
  await stream.pump();
  assert.deepEqual(stream.chunks, chunks);
  assert.deepEqual([stream.waiting, stream.ended, stream.settled, stream.failed], [3, true, true, undefined]);
  assert.equal(progress, chunks.length + 1, "each chunk and the end are told");
});

Deno.test("ReplyStream: stops pulling at the limit until resume, and then pulls no more than what fits again", async () => {
  const source = producer(10);
  const stream = new ReplyStream(source.stream, BY_CHUNKS, 100, () => {});
  const pumping = stream.pump();
  await turns(200);
  assert.deepEqual([stream.waiting, source.pulls], [100, 10]);
  stream.taken();
  await turns(200);
  assert.equal(source.pulls, 10, "taken alone does not let the producer go on");
  stream.resume();
  await turns(200);
  assert.deepEqual([stream.waiting, source.pulls], [100, 20]);
  stream.cancel("enough");
  await pumping;
  assert.deepEqual(source.cancelled, ["enough"]);
});

Deno.test("ReplyStream: a resume before it is needed is not kept", async () => {
  const source = producer(10);
  const stream = new ReplyStream(source.stream, BY_CHUNKS, 20, () => {});
  stream.resume();
  stream.resume();
  stream.pump();
  await turns(100);
  assert.equal(source.pulls, 2);
  stream.cancel("end");
});

Deno.test("ReplyStream: a producer that fails, and one that gives no bytes", async () => {
  const broken = new ReadableStream<Uint8Array>({ pull: () => Promise.reject(new Error("broken")) });
  const first = new ReplyStream(broken, BY_CHUNKS, 100, () => {});
  await first.pump();
  assert.ok(first.settled && !first.ended);
  assert.equal((first.failed as Error).message, "broken");
  let cancelled: unknown;
  const text = new ReadableStream({
    pull: (controller) => controller.enqueue("text"),
    cancel: (reason) => void (cancelled = reason),
  });
  const second = new ReplyStream(text, BY_CHUNKS, 100, () => {});
  await second.pump();
  assert.ok(second.failed instanceof TypeError);
  assert.match(second.failed.message, /chunk of type string/);
  assert.equal(cancelled, second.failed);
  const silent = new ReadableStream<Uint8Array>({ pull: () => Promise.reject(undefined) });
  const third = new ReplyStream(silent, BY_CHUNKS, 100, () => {});
  await third.pump();
  assert.ok(third.settled && third.failed !== undefined, "a failure without a reason is a failure");
});

Deno.test("ReplyStream: cancel while it reads, while it waits, twice, and after the end", async () => {
  const reading = new ReadableStream<Uint8Array>({ pull: () => new Promise(() => {}) });
  let progress = 0;
  const first = new ReplyStream(reading, BY_CHUNKS, 100, () => progress++);
  const pumping = first.pump();
  await turns();
  first.cancel("gone");
  first.cancel("again");
  await pumping;
  assert.deepEqual([progress, first.ended], [0, false]);
  const source = producer(100);
  const second = new ReplyStream(source.stream, BY_CHUNKS, 100, () => {});
  const waiting = second.pump();
  await turns();
  second.cancel("gone");
  second.cancel("again");
  await waiting;
  assert.deepEqual([source.cancelled, second.chunks, source.pulls], [["gone"], [], 1]);
  assert.ok(!second.ended, "what was cancelled has not ended");
  const finished = producer(1, 1);
  const third = new ReplyStream(finished.stream, BY_CHUNKS, 100, () => {});
  await third.pump();
  third.cancel("late");
  assert.deepEqual([finished.cancelled, third.ended], [[], true]);
});

Deno.test("ReplyStream: a stream that is cancelled by a producer which throws leaves nothing behind", async () => {
  const stream = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new Uint8Array(200)),
    cancel: () => Promise.reject(new Error("cancel failed")),
  });
  const reply = new ReplyStream(stream, BY_CHUNKS, 100, () => {});
  const pumping = reply.pump();
  await turns();
  reply.cancel("gone");
  await pumping;
  await turns();
});
