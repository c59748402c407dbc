/**
 * A connection over a fake socket: its states, its latches, its budgets, and how it ends.
 */

import assert from "node:assert/strict";
import { DISCARD_BYTES } from "../../http/limits.ts";
import { type Answer, Reply, type ServerRequest } from "../../http/message.ts";
import { EAGAIN, ENOBUFS } from "../../shim/errno.ts";
import { EPOLLIN, EPOLLOUT, FREE } from "../../shim/ffi.ts";
import { CLOSED, Connection, FLUSHING, LINGERING, OPEN } from "../../workers/connection.ts";
import type { ServingThread } from "../../workers/thread.ts";
import { ECONNRESET, EPIPE } from "../support/fake_shim.ts";
import { parseAnswers } from "../support/h1_harness.ts";
import { FakeThread, LINGER_MS, type Opened, SEND_RETRY_MS } from "../support/thread.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const GET_CLOSE = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

type Handle = (request: ServerRequest) => Answer | Promise<Answer>;

/** A connection that was told that it is writable, as the first event of every connection does. */
function start(handle: Handle = () => new Reply("ok")): Opened & { thread: FakeThread } {
  const thread = new FakeThread(handle);
  const opened = thread.open();
  thread.tell(opened);
  return { thread, ...opened };
}

function statuses(output: string, methods: string[]): number[] {
  return parseAnswers(output, methods).map(({ status }) => status);
}

// ---- states ----

Deno.test("connection: OPEN, FLUSHING, LINGERING, CLOSED for a request that closes", async () => {
  const opened = start();
  const { thread, connection, socket } = opened;
  assert.equal(connection.state, OPEN);
  socket.room = 10;
  socket.arrive(GET_CLOSE);
  await thread.settle(opened);
  assert.equal(connection.state, FLUSHING);
  assert.equal(socket.shut, false);
  socket.open(10_000);
  thread.tell(opened);
  assert.equal(connection.state, LINGERING);
  assert.equal(socket.shut, true);
  assert.equal(socket.gone, "");
  socket.end();
  thread.tell(opened);
  assert.equal(connection.state, CLOSED);
  assert.equal(socket.gone, "closed");
  assert.equal(thread.fake.state(socket.fd), FREE);
  assert.deepEqual(thread.closedConnections, [connection]);
  assert.deepEqual(statuses(socket.output, ["GET"]), [200]);
  assert.deepEqual(socket.violations, []);
});

Deno.test("connection: a state that may not follow throws", () => {
  const { thread, connection } = start();
  assert.throws(() => connection.open(20, 1), /assertion failed: connection \d+ went from state 0 to 0/);
  for (const from of [FLUSHING, LINGERING]) {
    const other = new Connection(thread as unknown as ServingThread, 1);
    other.state = from;
    assert.throws(() => other.open(20, 1), new RegExp(`assertion failed: .* from state ${from} to 0`));
    assert.equal(other.state, from);
  }
});

Deno.test("connection: a closed one is not closed again", () => {
  const { thread, connection, socket } = start();
  connection.cut();
  assert.equal(socket.gone, "reset");
  connection.cut();
  connection.drain();
  connection.run();
  connection.wake();
  connection.onLingerEnd();
  connection.onEvent(EPOLLIN | EPOLLOUT);
  assert.equal(thread.closedConnections.length, 1);
  assert.equal(thread.ready.length, 0, "a late wake queues nothing");
});

// ---- latches and budgets ----

Deno.test("connection: no recv after a short read until there is an event", async () => {
  const opened = start();
  const { thread, connection, socket } = opened;
  assert.equal(socket.recvs, 0, "nothing was said to be readable");
  socket.arrive(GET);
  await thread.settle(opened);
  assert.equal(socket.recvs, 1, "a short read is the last one");
  connection.run();
  connection.wake();
  await thread.settle(opened);
  assert.equal(socket.recvs, 1);
  socket.arrive(GET);
  await thread.settle(opened);
  assert.equal(socket.recvs, 2);
  assert.deepEqual(statuses(socket.output, ["GET", "GET"]), [200, 200]);
});

Deno.test("connection: a full read is followed by another one", async () => {
  const opened = start(async ({ body }) => new Reply(String((await body.bytes(1 << 20)).length)));
  const { thread, socket } = opened;
  const scratch = thread.buffers.scratch.length;
  const head = `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n`;
  socket.arrive(head + "x".repeat(scratch - head.length));
  thread.tell(opened);
  assert.equal(socket.recvs, 2, "the first was full, the second said EAGAIN");
  socket.arrive("x".repeat(100_000 - (scratch - head.length)));
  await thread.settle(opened);
  assert.equal(parseAnswers(socket.output, ["POST"])[0]!.body, "100000");
  assert.deepEqual(socket.violations, []);
});

Deno.test("connection: after RDHUP it reads to the end, short reads or not", async () => {
  const opened = start();
  const { thread, connection, socket } = opened;
  socket.onRecv = () => 7;
  socket.arrive(GET);
  socket.end();
  thread.tell(opened); // one event, and none after it
  assert.equal(connection.ended, true);
  assert.deepEqual(statuses(socket.output, ["GET"]), [200]);
  assert.equal(connection.state, CLOSED);
  assert.equal(socket.recvs, Math.ceil(GET.length / 7) + 1);
  await thread.settle(opened);
});

Deno.test("connection: at most 256 KiB a run, then it is queued and goes on without an event", async () => {
  const opened = start(async ({ body }) => new Reply(String((await body.bytes(1 << 20)).length)));
  const { thread, connection, socket } = opened;
  const length = 1000 * 1024;
  socket.arrive(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n` + "x".repeat(length));
  const scratch = thread.buffers.scratch.length;
  thread.tell(opened);
  assert.ok(socket.readBytes >= 256 * 1024, `${socket.readBytes} bytes read`);
  assert.ok(socket.unread > 0, "all of it in one run");
  for (let runs = 0, before = 0; socket.unread > 0; runs++) {
    assert.ok(socket.readBytes - before < 256 * 1024 + scratch, `${socket.readBytes - before} bytes in one run`);
    before = socket.readBytes;
    assert.deepEqual(thread.ready, [connection]);
    assert.ok(runs < 10);
    thread.runReady();
  }
  await thread.settle(opened);
  assert.equal(parseAnswers(socket.output, ["POST"])[0]!.body, String(length));
});

Deno.test("connection: stops reading at 64 KiB unsent, and goes on when there is room", async () => {
  const opened = start(() => new Reply("x".repeat(10_000)));
  const { thread, connection, socket } = opened;
  socket.room = 0;
  let requests = 0;
  for (; requests < 40; requests++) {
    socket.arrive(GET);
    thread.tell(opened);
    if (connection.unsentBytes >= 64 * 1024) break;
  }
  assert.ok(connection.unsentBytes < 64 * 1024 + 11_000, `${connection.unsentBytes} bytes wait`);
  const { recvs } = socket;
  for (let more = 0; more < 10; more++) {
    socket.arrive(GET);
    thread.tell(opened);
  }
  await thread.settle(opened);
  assert.equal(socket.recvs, recvs, "nothing is read while too much waits");
  socket.open(5000);
  await thread.settle(opened);
  assert.equal(socket.sentBytes, 5000);
  socket.open(1 << 20);
  await thread.settle(opened);
  const answered = statuses(socket.output, new Array(requests + 11).fill("GET"));
  assert.deepEqual(answered, new Array(requests + 11).fill(200));
  assert.deepEqual(socket.violations, []);
});

Deno.test("connection: what waits stays bounded although a hundred requests came at once", async () => {
  const opened = start(() => new Reply("x".repeat(10_000)));
  const { thread, connection, socket } = opened;
  socket.room = 0;
  socket.arrive(GET.repeat(100));
  await thread.settle(opened);
  assert.ok(connection.unsentBytes < 64 * 1024 + 11_000, `${connection.unsentBytes} bytes wait`);
  for (let step = 0; step < 200 && socket.sentBytes < 100 * 10_000; step++) {
    socket.open(20_000);
    await thread.settle(opened);
    // Just below 64 KiB it goes on, with one more batch of 64 KiB.
    assert.ok(connection.unsentBytes < 128 * 1024 + 11_000, `${connection.unsentBytes} bytes wait`);
  }
  assert.equal(statuses(socket.output, new Array(100).fill("GET")).length, 100);
  assert.equal(connection.tail, null);
});

Deno.test("connection: does not read once more when the answer of a handler has just filled the 64 KiB", async () => {
  const answer = Promise.withResolvers<Reply>();
  const opened = start(() => answer.promise);
  const { thread, connection, socket } = opened;
  socket.room = 0;
  socket.arrive(GET);
  await thread.settle(opened);
  socket.arrive(GET);
  connection.readable = true; // it has arrived, and was not read yet
  socket.allow(EPOLLIN);
  const { recvs } = socket;
  answer.resolve(new Reply(new Uint8Array(70_000)));
  for (let turn = 0; turn < 12; turn++) await null;
  thread.runReady();
  assert.ok(connection.unsentBytes >= 64 * 1024);
  assert.equal(socket.recvs, recvs);
});

Deno.test("connection: the answers of one batch leave in one send", async () => {
  const opened = start();
  opened.socket.arrive(GET.repeat(16));
  await opened.thread.settle(opened);
  assert.equal(opened.socket.sends, 1);
  assert.equal(statuses(opened.socket.output, new Array(16).fill("GET")).length, 16);
});

Deno.test("connection: an idle one keeps no buffer, also after half a head", async () => {
  const opened = start();
  const { thread, connection, socket } = opened;
  socket.arrive(GET.slice(0, 9));
  await thread.settle(opened);
  assert.equal(connection.tail!.length, 9);
  socket.arrive(GET.slice(9));
  await thread.settle(opened);
  assert.equal(connection.tail, null);
  assert.deepEqual([connection.unsent.length, connection.unsentBytes], [0, 0]);
  assert.deepEqual(statuses(socket.output, ["GET"]), [200]);
});

// ---- ends and errors ----

Deno.test("connection: the peer's end comes first, then the answer, then it closes without lingering", async () => {
  const answer = Promise.withResolvers<Reply>();
  const opened = start(() => answer.promise);
  const { thread, connection, socket } = opened;
  socket.arrive(GET);
  socket.end();
  await thread.settle(opened);
  assert.equal(connection.state, OPEN, "what it asked for is still answered");
  answer.resolve(new Reply("late"));
  await thread.settle(opened);
  assert.equal(parseAnswers(socket.output, ["GET"])[0]!.body, "late");
  assert.equal(socket.gone, "closed");
  assert.equal(socket.shut, false);
  assert.deepEqual(socket.violations, []);
});

Deno.test("connection: an idle one closes on the peer's end", async () => {
  const opened = start();
  opened.socket.arrive(GET);
  await opened.thread.settle(opened);
  opened.socket.end();
  await opened.thread.settle(opened);
  assert.equal(opened.socket.gone, "closed");
});

Deno.test("connection: half a head and then the end is no request", async () => {
  const opened = start(() => assert.fail("there was no request"));
  opened.socket.arrive(GET.slice(0, 20));
  opened.socket.end();
  await opened.thread.settle(opened);
  assert.equal(opened.socket.output, "");
  assert.equal(opened.socket.gone, "closed");
});

Deno.test("connection: HUP tells the handler, and no answer is tried", async () => {
  let signal: AbortSignal | undefined;
  const answer = Promise.withResolvers<Reply>();
  const opened = start((request) => {
    signal = request.signal;
    return answer.promise;
  });
  const { thread, connection, socket } = opened;
  socket.arrive(GET);
  await thread.settle(opened);
  const { sends } = socket;
  socket.hangUp();
  await thread.settle(opened);
  assert.equal(connection.state, CLOSED);
  assert.equal(signal!.aborted, true);
  assert.match(String(signal!.reason), /AbortError: The connection was lost: hung up/);
  answer.resolve(new Reply("too late"));
  await thread.settle(opened);
  assert.equal(socket.sends, sends);
});

Deno.test("connection: a request that lies in front of a HUP is still handled", async () => {
  let handled = 0;
  const opened = start(() => {
    handled++;
    return new Reply("ok");
  });
  opened.socket.arrive(GET);
  opened.socket.hangUp();
  await opened.thread.settle(opened);
  assert.equal(handled, 1);
  assert.equal(opened.socket.gone, "closed");
});

for (const [name, errno] of [["ECONNRESET", ECONNRESET], ["ETIMEDOUT", -110]] as const) {
  Deno.test(`connection: ${name} from recv loses it`, async () => {
    let signal: AbortSignal | undefined;
    const opened = start((request) => {
      signal = request.signal;
      return new Promise(() => {});
    });
    opened.socket.arrive(GET);
    await opened.thread.settle(opened);
    opened.socket.arrive("x");
    opened.socket.onRecv = () => errno;
    // The handler is at it and the next request may run beside it, so there is a read.
    await opened.thread.settle(opened);
    assert.equal(opened.connection.state, CLOSED);
    assert.match(String(signal!.reason), new RegExp(name));
  });
}

for (const [name, errno] of [["EPIPE", EPIPE], ["ECONNRESET", ECONNRESET]] as const) {
  Deno.test(`connection: ${name} from send loses it, whether the bytes are new or were kept`, async () => {
    for (const kept of [false, true]) {
      const opened = start();
      const { thread, connection, socket } = opened;
      if (kept) socket.room = 5;
      else socket.onSend = () => errno;
      socket.arrive(GET);
      await thread.settle(opened);
      if (kept) {
        assert.equal(connection.state, OPEN);
        socket.onSend = () => errno;
        socket.open(1000);
        await thread.settle(opened);
      }
      assert.equal(connection.state, CLOSED);
      assert.ok(thread.buffers.writer.empty, "the writer is everybody's: nothing may stay in it");
      assert.deepEqual([connection.unsent.length, connection.unsentBytes], [0, 0]);
    }
  });
}

Deno.test("connection: after ENOBUFS it tries again by timer, for there is no edge", async () => {
  const opened = start();
  const { thread, connection, socket } = opened;
  socket.onSend = () => ENOBUFS;
  socket.arrive(GET);
  await thread.settle(opened);
  assert.equal(connection.state, OPEN);
  const { sends } = socket;
  connection.run();
  await thread.settle(opened);
  assert.equal(socket.sends, sends, "not before the timer");
  thread.advance(SEND_RETRY_MS - 1);
  assert.equal(socket.sends, sends);
  socket.allow(EPOLLOUT);
  thread.advance(1);
  assert.equal(socket.sends, sends + 1, "again ENOBUFS");
  socket.onSend = () => null;
  socket.allow(EPOLLOUT);
  thread.advance(SEND_RETRY_MS);
  assert.deepEqual(statuses(socket.output, ["GET"]), [200]);
  assert.deepEqual(socket.violations, []);
});

Deno.test("connection: EAGAIN from send keeps everything until there is an edge", async () => {
  const opened = start();
  const { thread, socket } = opened;
  socket.onSend = () => EAGAIN;
  socket.arrive(GET);
  thread.tell(opened);
  assert.equal(socket.sends, 1);
  socket.onSend = () => null;
  await thread.settle(opened);
  assert.deepEqual(statuses(socket.output, ["GET"]), [200]);
});

for (const [name, errno] of [["EAGAIN", EAGAIN], ["ENOBUFS", ENOBUFS]] as const) {
  Deno.test(`connection: ${name} in the middle of the backlog, now below 64 KiB, does not make it spin`, async () => {
    const opened = start(() => Promise.resolve(new Reply(new Uint8Array(60_000))));
    const { thread, connection, socket } = opened;
    socket.room = 0;
    socket.arrive(GET.repeat(3)); // two heads and two bodies wait, a call for each answer; the third is not written yet
    await thread.settle(opened);
    assert.ok(connection.unsentBytes > 64 * 1024);
    let calls = 0;
    socket.onSend = () => ++calls === 2 ? errno : null;
    socket.open(1 << 20);
    thread.tell(opened);
    socket.allow(EPOLLOUT);
    thread.advance(SEND_RETRY_MS);
    await thread.settle(opened);
    assert.deepEqual(statuses(socket.output, ["GET", "GET", "GET"]), [200, 200, 200]);
  });
}

// ---- lingering ----

function lingering(): Opened & { thread: FakeThread } {
  const opened = start();
  opened.socket.arrive(GET_CLOSE);
  opened.thread.tell(opened);
  assert.equal(opened.connection.state, LINGERING);
  return opened;
}

Deno.test("connection: lingering ends after its time, and not before", () => {
  const { thread, connection, socket } = lingering();
  thread.advance(LINGER_MS - 1);
  assert.equal(connection.state, LINGERING);
  thread.advance(1);
  assert.equal(connection.state, CLOSED);
  assert.equal(socket.gone, "closed");
  assert.equal(thread.timers.nextMs, Infinity);
});

Deno.test("connection: lingering ends above 256 KiB, which are thrown away", () => {
  const opened = lingering();
  const { thread, connection, socket } = opened;
  for (let sent = 0; sent < DISCARD_BYTES; sent += 4096) {
    socket.arrive("x".repeat(4096));
    thread.tell(opened);
    assert.equal(connection.state, LINGERING, `after ${sent + 4096} bytes`);
  }
  socket.arrive("x");
  thread.tell(opened);
  assert.equal(connection.state, CLOSED);
  assert.equal(thread.timers.nextMs, Infinity, "its timer is disarmed");
});

Deno.test("connection: lingering ends with the peer's end, a reset, or an error", () => {
  for (const how of ["end", "hangUp", "error"] as const) {
    const opened = lingering();
    if (how === "error") {
      opened.socket.arrive("x");
      opened.socket.onRecv = () => ECONNRESET;
    } else opened.socket[how]();
    opened.thread.tell(opened);
    assert.equal(opened.connection.state, CLOSED, how);
    assert.equal(opened.socket.gone, "closed");
  }
});

Deno.test("connection: requests that arrive while it lingers are not answered", async () => {
  let handled = 0;
  const opened = start(() => {
    handled++;
    return new Reply("ok");
  });
  opened.socket.arrive(GET_CLOSE + GET);
  await opened.thread.settle(opened);
  opened.socket.arrive(GET);
  await opened.thread.settle(opened);
  assert.equal(handled, 1);
  assert.equal(opened.connection.state, LINGERING);
  assert.deepEqual(opened.socket.violations, []);
});
