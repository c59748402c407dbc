/**
 * A connection that is drained, cut off, or used again for another client: who is told, and what is written to whom.
 */

import assert from "node:assert/strict";
import { type Answer, Reply, type ServerRequest } from "../../http/message.ts";
import { EPOLLIN, EPOLLOUT } from "../../shim/ffi.ts";
import { CLOSED, FLUSHING, LINGERING, OPEN } from "../../workers/connection.ts";
import { parseAnswers } from "../support/h1_harness.ts";
import { FakeThread, LINGER_MS, type Opened } from "../support/thread.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const CLOSING = /^Connection: close\r$/m;

type Handle = (request: ServerRequest) => Answer | Promise<Answer>;

function start(handle: Handle = () => new Reply("ok")): Opened & { thread: FakeThread } {
  const thread = new FakeThread(handle);
  const opened = thread.open();
  thread.tell(opened);
  return { thread, ...opened };
}

/** `drain` reads without an edge: what the kernel has comes first. */
function drain({ connection, socket }: Opened): void {
  if (connection.state !== CLOSED) socket.allow(EPOLLIN);
  connection.drain();
}

// ---- drain ----

Deno.test("drain: an idle connection lingers at once", async () => {
  const opened = start();
  opened.socket.arrive(GET);
  await opened.thread.settle(opened);
  drain(opened);
  assert.equal(opened.connection.state, LINGERING);
  assert.equal(opened.socket.shut, true);
  opened.thread.advance(LINGER_MS);
  assert.equal(opened.socket.gone, "closed");
});

Deno.test("drain: a connection that never said anything lingers too", () => {
  const opened = start();
  drain(opened);
  assert.equal(opened.connection.state, LINGERING);
  assert.equal(opened.socket.output, "");
});

Deno.test("drain: a request that lies in the kernel unannounced is answered first", () => {
  const opened = start();
  opened.socket.arrive(GET);
  drain(opened);
  assert.equal(parseAnswers(opened.socket.output, ["GET"])[0]!.status, 200);
  assert.equal(opened.connection.state, LINGERING);
});

Deno.test("drain: a running handler finishes, its answer says close, and nothing follows", async () => {
  const answer = Promise.withResolvers<Reply>();
  const opened = start(() => answer.promise);
  const { thread, connection, socket } = opened;
  socket.arrive(GET);
  await thread.settle(opened);
  drain(opened);
  assert.equal(connection.state, OPEN);
  answer.resolve(new Reply("done"));
  await thread.settle(opened);
  const [received] = parseAnswers(socket.output, ["GET"]);
  assert.equal(received!.body, "done");
  assert.match(received!.head, CLOSING);
  assert.equal(connection.state, LINGERING);
});

Deno.test("drain: half a request may be completed, then it closes", async () => {
  const opened = start();
  opened.socket.arrive(GET.slice(0, 10));
  await opened.thread.settle(opened);
  drain(opened);
  assert.equal(opened.connection.state, OPEN);
  opened.socket.arrive(GET.slice(10));
  await opened.thread.settle(opened);
  const [received] = parseAnswers(opened.socket.output, ["GET"]);
  assert.match(received!.head, CLOSING);
  assert.equal(opened.connection.state, LINGERING);
});

Deno.test("drain: flushing, lingering and closed ones stay what they are", async () => {
  const opened = start();
  const { thread, connection, socket } = opened;
  socket.room = 3;
  socket.arrive(GET.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
  await thread.settle(opened);
  for (const state of [FLUSHING, LINGERING, CLOSED]) {
    assert.equal(connection.state, state);
    drain(opened);
    assert.equal(connection.state, state);
    if (state === FLUSHING) socket.open(1000);
    else if (state === LINGERING) socket.end();
    if (state !== CLOSED) await thread.settle(opened);
  }
  assert.equal(parseAnswers(socket.output, ["GET"]).length, 1);
});

Deno.test("drain: an answer that is being flushed to a slow reader is sent to its end", async () => {
  const opened = start(() => new Reply("x".repeat(50_000)));
  const { thread, connection, socket } = opened;
  socket.room = 1000;
  socket.arrive(GET);
  await thread.settle(opened);
  drain(opened);
  for (let step = 0; step < 60 && connection.state !== LINGERING; step++) {
    socket.open(1000);
    await thread.settle(opened);
  }
  assert.equal(connection.state, LINGERING);
  assert.equal(parseAnswers(socket.output, ["GET"])[0]!.body.length, 50_000);
});

// ---- cut ----

Deno.test("cut: an open or flushing connection is reset and its handler told, a lingering one closed", async () => {
  let signal: AbortSignal | undefined;
  const running = start((request) => {
    signal = request.signal;
    return new Promise(() => {});
  });
  running.socket.arrive(GET);
  await running.thread.settle(running);
  running.connection.cut();
  assert.equal(running.socket.gone, "reset");
  assert.match(String(signal!.reason), /the server is shutting down/);

  const lingering = start();
  drain(lingering);
  lingering.connection.cut();
  assert.equal(lingering.socket.gone, "closed");
  assert.equal(lingering.thread.timers.nextMs, Infinity);
});

Deno.test("cut: a body that is being received fails for its reader", async () => {
  const failed = Promise.withResolvers<unknown>();
  const opened = start(async ({ body }) => {
    await body.bytes(1000).catch(failed.resolve);
    return new Reply("nobody sees this");
  });
  opened.socket.arrive("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n123");
  await opened.thread.settle(opened);
  opened.connection.cut();
  assert.match(String(await failed.promise), /connection was lost within the request body/);
  await opened.thread.settle(opened);
  assert.equal(opened.socket.output, "");
});

Deno.test("cut: the producer of a streamed answer is cancelled", async () => {
  const cancelled = Promise.withResolvers<unknown>();
  const content = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new Uint8Array(1000)),
    cancel: cancelled.resolve,
  });
  const opened = start(() => new Reply(content));
  opened.socket.room = 5000;
  opened.socket.arrive(GET);
  await opened.thread.settle(opened);
  opened.connection.cut();
  assert.match(String(await cancelled.promise), /the server is shutting down/);
});

Deno.test("a stream that fails resets the connection, so that the answer does not look complete", async () => {
  let pulled = 0;
  const content = new ReadableStream<Uint8Array>({
    pull(controller): void {
      if (pulled++ < 3) controller.enqueue(new Uint8Array(10));
      else controller.error(new Error("no more"));
    },
  });
  const opened = start(() => new Reply(content));
  opened.socket.arrive(GET);
  await opened.thread.settle(opened);
  assert.equal(opened.socket.gone, "reset");
  assert.equal(opened.thread.failures.length, 1);
  assert.equal(parseAnswers(opened.socket.output, ["GET"])[0]!.complete, false);
});

Deno.test("a slow reader stops the producer of a stream, and lets it go on", async () => {
  let pulled = 0;
  const content = new ReadableStream<Uint8Array>({
    pull(controller): void {
      if (++pulled > 100) controller.close();
      else controller.enqueue(new Uint8Array(10_000).fill(pulled));
    },
  }, { highWaterMark: 0 });
  const opened = start(() => new Reply(content));
  const { thread, connection, socket } = opened;
  socket.room = 0;
  socket.arrive(GET);
  await thread.settle(opened);
  const stalledAt = pulled;
  assert.ok(stalledAt < 30, `${stalledAt} chunks of 10,000 bytes were pulled for nobody`);
  assert.ok(connection.unsentBytes < 140_000, `${connection.unsentBytes}`);
  for (let step = 0; step < 300 && pulled <= 100; step++) {
    socket.open(10_000);
    await thread.settle(opened);
    assert.ok(connection.unsentBytes < 140_000 + 20_000, `${connection.unsentBytes}`);
  }
  socket.open(1 << 20);
  await thread.settle(opened);
  const [received] = parseAnswers(socket.output, ["GET"]);
  assert.equal(received!.complete, true);
  assert.equal(received!.body.length, 1_000_000);
});

// ---- one object, several clients ----

const FIRST = { address: [192, 0, 2, 1], port: 1111 }, SECOND = { address: [198, 51, 100, 2], port: 2222 };

Deno.test("reuse: a new client finds nothing of the last one", async () => {
  const opened = start();
  const { thread, connection } = opened;
  opened.socket.room = 10;
  opened.socket.arrive(GET + GET.slice(0, 10));
  opened.socket.end();
  await thread.settle(opened);
  connection.cut();
  const again = thread.open(connection);
  assert.equal(again.socket.fd, opened.socket.fd, "the number is the same one");
  assert.equal(again.connection.state, OPEN);
  assert.deepEqual([connection.ended, connection.ending, connection.readable, connection.writable], [
    false,
    false,
    false,
    false,
  ]);
  await thread.settle(again);
  assert.equal(again.socket.output, "");
  again.socket.arrive(GET);
  await thread.settle(again);
  assert.equal(parseAnswers(again.socket.output, ["GET"]).length, 1);
  assert.deepEqual(again.socket.violations, []);
});

Deno.test("reuse: the second client's lingering has all of its bytes and its time", () => {
  const opened = start();
  const { thread, connection } = opened;
  drain(opened);
  opened.socket.arrive("x".repeat(200 * 1024));
  thread.tell(opened);
  thread.advance(LINGER_MS - 10);
  connection.cut();
  const again = thread.open(connection);
  thread.tell(again);
  drain(again);
  again.socket.arrive("x".repeat(200 * 1024));
  thread.tell(again);
  thread.advance(LINGER_MS - 1);
  assert.equal(connection.state, LINGERING);
  thread.advance(1);
  assert.equal(connection.state, CLOSED);
});

Deno.test("reuse: a handler that finishes late writes nothing and still knows its own client", async () => {
  const answers: PromiseWithResolvers<Reply>[] = [];
  const requests: ServerRequest[] = [];
  const thread = new FakeThread((request) => {
    requests.push(request);
    const answer = Promise.withResolvers<Reply>();
    answers.push(answer);
    return answer.promise;
  });
  const first = thread.open(undefined, FIRST);
  first.socket.arrive(GET);
  await thread.settle(first);
  first.socket.hangUp();
  await thread.settle(first);
  assert.equal(first.connection.state, CLOSED);

  const second = thread.open(first.connection, SECOND);
  assert.equal(second.socket.fd, first.socket.fd);
  second.socket.arrive(GET.replace("/", "/second"));
  await thread.settle(second);
  assert.deepEqual(requests[0]!.remoteAddr, { transport: "tcp", hostname: "192.0.2.1", port: 1111 });
  assert.deepEqual(requests[1]!.remoteAddr, { transport: "tcp", hostname: "198.51.100.2", port: 2222 });
  assert.equal(requests[0]!.target, "/", "the view of a handler that is still at it stays readable");
  answers[0]!.resolve(new Reply("for the first"));
  await thread.settle(second);
  assert.equal(second.socket.output, "");
  answers[1]!.resolve(new Reply("for the second"));
  await thread.settle(second);
  assert.equal(parseAnswers(second.socket.output, ["GET"])[0]!.body, "for the second");
  assert.equal(thread.services.waiting, 0);
});

Deno.test("reuse: a handler that reads its body after the connection is gone wakes nobody", async () => {
  const go = Promise.withResolvers<void>(), outcome = Promise.withResolvers<unknown>();
  let calls = 0;
  const thread = new FakeThread(async ({ body }) => {
    if (calls++ > 0) return new Reply("second");
    await go.promise;
    outcome.resolve(await body.bytes(1000).catch((error) => error));
    return new Reply("first");
  });
  const first = thread.open(undefined, FIRST);
  first.socket.arrive("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n123");
  await thread.settle(first);
  first.socket.hangUp();
  await thread.settle(first);
  const second = thread.open(first.connection, SECOND);
  go.resolve();
  assert.match(String(await outcome.promise), /The connection (?:was lost|ended) within/);
  await thread.settle(second);
  assert.equal(second.socket.output, "");
  second.connection.onEvent(EPOLLOUT);
  assert.equal(second.socket.output, "");
});

Deno.test("reuse: a request that was kept beyond its answer never shows another client's address", async () => {
  const kept: ServerRequest[] = [];
  const thread = new FakeThread((request) => {
    kept.push(request);
    return new Reply("ok");
  });
  const first = thread.open(undefined, FIRST);
  first.socket.arrive(GET);
  first.socket.end();
  await thread.settle(first);
  assert.equal(first.connection.state, CLOSED);
  const second = thread.open(first.connection, SECOND);
  second.socket.arrive(GET);
  await thread.settle(second);
  // message.ts: "once the answer is complete, every access throws a TypeError".
  let shown: unknown = "a TypeError";
  try {
    shown = kept[0]!.remoteAddr.hostname;
  } catch (error) {
    assert.ok(error instanceof TypeError);
  }
  assert.notEqual(shown, "198.51.100.2", "the first client's request shows the second client's address");
});
