/**
 * A serving thread over real sockets: who gets an event, what draining waits for, and what closing leaves behind.
 */

import assert from "node:assert/strict";
import { DEFAULT_LIMITS } from "../../http/limits.ts";
import { type Handler, Reply } from "../../http/message.ts";
import { EPOLLET, EPOLLIN, EPOLLOUT, EPOLLRDHUP, HANDED, must, OWNED, PEER_WORDS, type Shim } from "../../shim/ffi.ts";
import { processTable } from "../../workers/table.ts";
import type { ServingThread, ThreadOptions } from "../../workers/thread.ts";
import { listenTcp, shim, until } from "../shim/support.ts";
import { parseAnswers } from "../support/h1_harness.ts";
import { openThread, tidyTest } from "../support/thread.ts";
import { latin1Bytes, latin1Text } from "../support/wire_cases.ts";

const EVENTS = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
const GET = latin1Bytes("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
const table = processTable(shim);

interface Setup {
  readonly thread: ServingThread;
  readonly owner: number;
  /** A client, whose connection is in the table but not yet in the thread's epoll instance; `add` hands it over. */
  client(): Promise<{ conn: Deno.TcpConn; fd: number; generation: number; add(): void }>;
  close(): Promise<void>;
}

async function setUp(handle: Handler, options: Partial<ThreadOptions> = {}): Promise<Setup> {
  const opened = await openThread(shim, handle, options);
  const listener = listenTcp();
  const { thread, owner } = opened;
  return {
    thread,
    owner,
    async client() {
      const conn = await Deno.connect({ hostname: "127.0.0.1", port: listener.port });
      const peers = new Int32Array(PEER_WORDS);
      must(shim.accept(listener.fd, peers, peers.byteLength, 1), "accept");
      const fd = peers[0]!;
      const generation = table.hand(fd, owner, 0, shim.now_ms(), peers, 0);
      const add = () => void must(shim.epoll_add(thread.loop.epollFd, fd, generation, EVENTS), "add");
      return { conn, fd, generation, add };
    },
    async close(): Promise<void> {
      await opened.close();
      must(shim.close_descriptor(listener.fd), "close the listener");
    },
  };
}

/** Everything until the end, or the error that came instead. */
async function readAll(conn: Deno.Conn): Promise<string> {
  const chunks: string[] = [];
  const buffer = new Uint8Array(65536);
  try {
    for (;;) {
      const count = await conn.read(buffer);
      if (count === null) return chunks.join("");
      chunks.push(latin1Text(buffer.subarray(0, count)));
    }
  } catch (error) {
    return `${chunks.join("")}${(error as Error).name}`;
  } finally {
    conn.close();
  }
}

async function readSome(conn: Deno.Conn): Promise<string> {
  const buffer = new Uint8Array(65536);
  return latin1Text(buffer.subarray(0, await conn.read(buffer) ?? 0));
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

const ok: Handler = () => new Reply("ok");

tidyTest("thread: the first event claims a connection, its end frees it, and its number may come again", async () => {
  const { thread, owner, client, close } = await setUp(ok);
  const seen: number[] = [];
  for (let round = 0; round < 5; round++) {
    const { conn, fd, generation, add } = await client();
    seen.push(generation);
    assert.equal(table.count(HANDED, owner), 1);
    add();
    await until(() => table.count(OWNED, owner) === 1, "it is claimed");
    assert.equal(table.slot(fd), 0, "one object serves them all");
    await conn.write(GET);
    assert.equal(parseAnswers(await readSome(conn), ["GET"])[0]!.body, "ok");
    conn.close();
    await until(() => table.count(OWNED, owner) === 0, "it is closed");
  }
  assert.equal(new Set(seen).size, 5);
  assert.equal(thread.handlersWaiting, false);
  await close();
});

tidyTest("thread: an event of a connection that was taken back, or is none of its own, is ignored", async () => {
  const { thread, owner, client, close } = await setUp(() => assert.fail("nobody asked"));
  const { conn, fd, generation } = await client();
  thread.onEvent(fd, generation + 1, EPOLLIN);
  assert.equal(table.count(HANDED, owner), 1);
  must(shim.close(fd, generation), "close");
  thread.onEvent(fd, generation, EPOLLIN | EPOLLOUT);
  assert.equal(table.count(OWNED, owner), 0);
  conn.close();
  await close();
});

tidyTest("thread: a connection closed in a turn is not used again before its end", async () => {
  const { thread, owner, client, close } = await setUp(ok);
  const first = await client(), second = await client();
  first.conn.close();
  await pause(20);
  // Both events in one turn: the second client gets another object, whatever became of the first.
  first.add();
  second.add();
  await until(() => table.count(OWNED, owner) === 1 && table.count(HANDED, owner) === 0, "both were seen");
  assert.equal(table.slot(second.fd), 1);
  const third = await client();
  third.add();
  await until(() => table.count(OWNED, owner) === 2, "the third is claimed");
  assert.equal(table.slot(third.fd), 0, "now the first object is free");
  await thread.close();
  second.conn.close();
  third.conn.close();
  await close();
});

tidyTest("thread: drain ends at once when nobody is there", async () => {
  const { thread, close } = await setUp(ok);
  const start = performance.now();
  await thread.drain(5000);
  assert.ok(performance.now() - start < 100);
  await close();
});

tidyTest("thread: drain lets idle clients go and running handlers finish", async () => {
  const answer = Promise.withResolvers<Reply>();
  const { thread, owner, client, close } = await setUp((request) =>
    request.path === "/slow" ? answer.promise : new Reply("ok")
  );
  const idle = await client(), slow = await client();
  idle.add();
  slow.add();
  await idle.conn.write(GET);
  await readSome(idle.conn);
  await slow.conn.write(latin1Bytes("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n"));
  await until(() => thread.handlersWaiting, "the handler runs");
  let drained = false;
  const drain = thread.drain(5000).then(() => drained = true);
  assert.equal(await readAll(idle.conn), "");
  await pause(20);
  assert.equal(drained, false);
  answer.resolve(new Reply("done"));
  const [received] = parseAnswers(await readAll(slow.conn), ["GET"]);
  assert.equal(received!.body, "done");
  assert.match(received!.head, /^Connection: close\r$/m);
  await drain;
  assert.equal(table.count(OWNED, owner), 0);
  await close();
});

tidyTest("thread: drain serves connections that are on their way, claimed or not", async () => {
  const { thread, owner, client, close } = await setUp(ok);
  const early = await client(), late = await client();
  for (const { conn } of [early, late]) await conn.write(GET);
  early.add();
  let drained = false;
  const drain = thread.drain(5000).then(() => drained = true);
  assert.equal(parseAnswers(await readAll(early.conn), ["GET"])[0]!.body, "ok");
  await pause(30);
  assert.equal(drained, false, "one is HANDED still");
  late.add();
  const [received] = parseAnswers(await readAll(late.conn), ["GET"]);
  assert.equal(received!.body, "ok");
  await drain;
  assert.deepEqual([table.count(HANDED, owner), table.count(OWNED, owner)], [0, 0]);
  await close();
});

tidyTest("thread: drain ends at its deadline although a handler never answers; closing cuts it off", async () => {
  let signal: AbortSignal | undefined;
  const { thread, owner, client, close } = await setUp((request) => {
    signal = request.signal;
    return new Promise(() => {});
  });
  const { conn, add } = await client();
  add();
  await conn.write(GET);
  await until(() => thread.handlersWaiting, "the handler runs");
  const start = performance.now();
  await thread.drain(100);
  const ms = performance.now() - start;
  assert.ok(ms >= 99 && ms < 400, `${ms} ms`);
  thread.cut();
  assert.equal(signal!.aborted, true);
  assert.equal(table.count(OWNED, owner), 0);
  assert.match(await readAll(conn), /ConnectionReset/);
  await close();
});

tidyTest("thread: close frees what was never claimed, and may be called twice", async () => {
  const { thread, owner, client, close } = await setUp(ok);
  const claimed = await client(), handed = await client();
  claimed.add();
  await until(() => table.count(OWNED, owner) === 1, "it is claimed");
  await Promise.all([thread.close(), thread.close()]);
  await thread.close();
  assert.deepEqual([table.count(HANDED, owner), table.count(OWNED, owner)], [0, 0]);
  await Promise.all([claimed, handed].map(({ conn }) => readAll(conn)));
  await close();
});

/** The shim with a clock that the test moves. */
function withClock(): { used: Shim; clock: { addMs: number } } {
  const clock = { addMs: 0 };
  return { used: { ...shim, now_ms: () => shim.now_ms() + clock.addMs } as unknown as Shim, clock };
}

tidyTest("thread: after an hour of silence draining still gives a closing connection its two seconds", async () => {
  const { used, clock } = withClock();
  const { thread, owner, client, close } = await setUp(ok, { shim: used });
  const one = await client(), two = await client();
  for (const { conn, add } of [one, two]) {
    add();
    await conn.write(GET);
    await readSome(conn);
  }
  await pause(20);
  clock.addMs = 3_600_000;
  const drain = thread.drain(300);
  await pause(20);
  one.conn.close(); // an event, so a turn in which deadlines are looked at
  await until(() => table.count(OWNED, owner) < 2, "the first is gone");
  await pause(20);
  assert.equal(table.count(OWNED, owner), 1, "the second has not been shut for 100 ms, and its time is up already");
  two.conn.close();
  await drain;
  await close();
});

tidyTest("thread: an answer that draining gives carries the date of now", async (): Promise<void> => {
  const RealDate = Date.now;
  const { thread, client, close } = await setUp(ok);
  const { conn, add } = await client();
  add();
  await conn.write(GET);
  await readSome(conn);
  try {
    Date.now = () => RealDate() + 3_600_000;
    const written = conn.write(GET); // it lies in the kernel when draining begins, with no turn in between
    const drain = thread.drain(1000);
    await written;
    const [received] = parseAnswers(await readAll(conn), ["GET"]);
    await drain;
    const date = new Date(/^Date: (.*)\r$/m.exec(received!.head)![1]!).getTime();
    assert.ok(Math.abs(date - Date.now()) < 5000, `${received!.head}`);
  } finally {
    Date.now = RealDate;
    await close();
  }
});

tidyTest("thread: what a handler cannot send is logged without anything of the peer's but the method", async () => {
  const logged: unknown[][] = [];
  const locked = new ReadableStream<Uint8Array>();
  locked.getReader();
  const log = (...args: unknown[]) => void logged.push(args);
  const { client, close } = await setUp(() => new Reply(locked), { log });
  const { conn, add } = await client();
  add();
  await conn.write(latin1Bytes("GET /secret HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
  const [received] = parseAnswers(await readAll(conn), ["GET"]);
  assert.equal(received!.status, 500);
  assert.equal(received!.body, "500 Internal Server Error\n");
  assert.equal(logged.length, 1);
  assert.match(String(logged[0]![0]), /^GET failed/);
  assert.doesNotMatch(String(logged[0]![0]), /secret/);
  await close();
});

tidyTest("thread: limits are those it was given", async () => {
  const { client, close } = await setUp(ok, { limits: { ...DEFAULT_LIMITS, targetBytes: 10 } });
  const { conn, add } = await client();
  add();
  await conn.write(latin1Bytes("GET /12345678901 HTTP/1.1\r\nHost: a\r\n\r\n"));
  assert.equal(parseAnswers(await readAll(conn), ["GET"])[0]!.status, 414);
  await close();
});
