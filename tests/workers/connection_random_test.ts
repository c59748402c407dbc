/**
 * Random pipelines over a socket that takes what it likes: short writes, EAGAIN and ENOBUFS at random places, input in
 * random pieces. What the peer gets has to be, byte for byte, what it gets from a socket that takes everything.
 */

import assert from "node:assert/strict";
import { Reply, type ServerRequest } from "../../http/message.ts";
import { EAGAIN, ENOBUFS } from "../../shim/errno.ts";
import { EPOLLOUT } from "../../shim/ffi.ts";
import { LINGERING } from "../../workers/connection.ts";
import { concat } from "../support/feed.ts";
import { Prng, SEED } from "../support/prng.ts";
import { FakeThread, type Opened, SEND_RETRY_MS } from "../support/thread.ts";
import { latin1Bytes } from "../support/wire_cases.ts";

const RUNS = 2000;

/** Bodies are windows of this: a byte that is lost, sent twice or out of order shows. */
const NOISE = new Prng(7).bytes(200_000);
const TEXT = new Prng(8).text(20_000, "abcdefghijklmnopqrstuvwxyz0123456789");

/** Answers `/KIND/FROM/LENGTH`; with a body it says how many bytes that had and their sum. */
function handle(request: ServerRequest): Reply | Promise<Reply> {
  const [, kind, from, length] = request.path.split("/") as [string, string, string, string];
  const start = Number(from), end = start + Number(length);
  switch (kind) {
    case "text":
      return new Reply(TEXT.slice(start, end));
    case "bytes":
      return new Reply(NOISE.subarray(start, end));
    case "later":
      return later(3 + start % 5, new Reply(NOISE.subarray(start, end)));
    case "stream":
      return new Reply(pieces(NOISE.subarray(start, end)));
    default:
      return echo(request);
  }
}

async function later(turns: number, reply: Reply): Promise<Reply> {
  for (let turn = 0; turn < turns; turn++) await null;
  return reply;
}

async function echo({ body }: ServerRequest): Promise<Reply> {
  const bytes = await body.bytes(1 << 20);
  return new Reply(`${bytes.length} ${bytes.reduce((sum, byte) => (sum * 31 + byte) >>> 0, 7)}`);
}

/** Chunks of 1 to 30,000 bytes: copied and gathered ones. */
function pieces(bytes: Uint8Array): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    pull(controller): void {
      if (at >= bytes.length) return controller.close();
      const next = at + 1 + NOISE[at % NOISE.length]! ** 2 % 30_000;
      controller.enqueue(bytes.slice(at, next));
      at = next;
    },
  }, { highWaterMark: 0 });
}

function randomRequest(prng: Prng): Uint8Array {
  const kind = prng.pick(["text", "text", "bytes", "bytes", "later", "stream", "post"]);
  if (kind === "post") {
    const body = NOISE.subarray(0, prng.oneIn(4) ? prng.below(100_000) : prng.below(500));
    const head = `POST /post/0/0 HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n`;
    return concat([latin1Bytes(head), body]);
  }
  const most = kind === "text" ? 16_000 : prng.oneIn(8) ? 120_000 : 20_000;
  const length = prng.oneIn(3) ? prng.below(100) : prng.below(most);
  return latin1Bytes(`GET /${kind}/${prng.below(4000)}/${length} HTTP/1.1\r\nHost: a\r\n\r\n`);
}

/** What comes out when nothing goes wrong. */
async function expected(input: Uint8Array): Promise<Uint8Array> {
  const thread = new FakeThread(handle);
  const opened = thread.open();
  opened.socket.arrive(input);
  for (let rounds = 0; rounds < 4; rounds++) {
    for (let before = -1; before !== opened.socket.sentBytes;) {
      before = opened.socket.sentBytes;
      await thread.settle(opened);
    }
  }
  return concat(opened.socket.sent);
}

/** A send that takes all, a part, or fails. */
function faultySend(prng: Prng, rarely: number): (wanted: number) => number | null {
  return (wanted) => {
    if (!prng.oneIn(rarely)) return null;
    const choice = prng.below(8);
    return choice === 0 ? ENOBUFS : choice < 3 ? EAGAIN : prng.between(1, wanted);
  };
}

/** One step of what may happen in any order. */
function step(prng: Prng, thread: FakeThread, opened: Opened, pending: Uint8Array[]): void {
  const { connection, socket } = opened;
  switch (prng.below(6)) {
    case 0:
      if (pending.length > 0) socket.arrive(pending.shift()!);
      return;
    case 1:
      return socket.open(prng.oneIn(3) ? 200_000 : prng.below(5000));
    case 2:
    case 3:
      return thread.tell(opened);
    case 4:
      return thread.runReady();
    default:
      if (thread.timers.nextMs !== Infinity) socket.allow(EPOLLOUT);
      thread.advance(SEND_RETRY_MS);
      connection.run(); // a late wake does no harm
  }
}

async function run(seed: number): Promise<void> {
  const prng = new Prng(seed);
  const input = concat(Array.from({ length: prng.between(1, 10) }, () => randomRequest(prng)));
  const want = await expected(input);
  const pending: Uint8Array[] = [];
  for (let at = 0; at < input.length;) {
    const next = at + prng.between(1, prng.oneIn(2) ? 200 : 100_000);
    pending.push(input.subarray(at, next));
    at = next;
  }
  const thread = new FakeThread(handle);
  const opened = thread.open();
  const { connection, socket } = opened;
  socket.room = 0;
  socket.onSend = faultySend(prng, prng.between(1, 6));
  socket.beforeRecv = () => {
    if (connection.unsentBytes >= thread.limits.unsentBytes) socket.violations.push("recv while congested");
  };
  let steps = 0;
  for (; steps < 50_000 && socket.sentBytes < want.length; steps++) {
    step(prng, thread, opened, pending);
    if (prng.oneIn(2)) { for (let turn = prng.below(8); turn > 0; turn--) await null; }
  }
  const where = `seed ${seed}, ${steps} steps, ${socket.sentBytes} of ${want.length} bytes`;
  assert.deepEqual(socket.violations, [], where);
  assert.equal(socket.gone, "", where);
  const got = concat(socket.sent);
  if (got.length !== want.length || got.some((byte, at) => byte !== want[at])) {
    assert.fail(`${where}: byte ${got.findIndex((byte, at) => byte !== want[at])} differs`);
  }
  // Nothing comes afterwards; and it ends as it should.
  socket.onSend = () => null;
  socket.open(Infinity);
  await thread.settle(opened);
  socket.allow(EPOLLOUT);
  thread.advance(SEND_RETRY_MS);
  assert.equal(socket.sentBytes, want.length, where);
  assert.deepEqual([connection.unsent.length, connection.unsentBytes, connection.tail], [0, 0, null], where);
  assert.ok(thread.buffers.writer.empty, where);
  connection.drain();
  assert.equal(connection.state, LINGERING, where);
}

Deno.test(`connection: nothing is lost and nothing sent twice in ${RUNS} random runs, seed ${SEED}`, async () => {
  for (let at = 0; at < RUNS; at++) await run(SEED * 1_000_003 + at);
});
