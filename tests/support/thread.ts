/**
 * A thread to test connections on: what `Connection` needs of a `ServingThread`, with a fake shim, a clock that tests
 * set and a ready list that tests run. A serving thread over real sockets, for the tests of thread and server. And a
 * test that looks whether all descriptors were closed.
 *
 * @module
 */

import assert from "node:assert/strict";
import { H1Services } from "../../http/h1/host.ts";
import { HeadWriter } from "../../http/h1/write.ts";
import { DEFAULT_LIMITS, type Limits } from "../../http/limits.ts";
import { type Application, type Handler, Reply } from "../../http/message.ts";
import { must, type Shim } from "../../shim/ffi.ts";
import { LoopBuffers } from "../../workers/buffers.ts";
import { Connection } from "../../workers/connection.ts";
import type { Task } from "../../workers/loop.ts";
import { allocateOwner, type ConnectionTable, processTable } from "../../workers/table.ts";
import { ServingThread, type ThreadOptions } from "../../workers/thread.ts";
import { makeTimer, Timers } from "../../workers/timers.ts";
import { descriptors } from "../shim/support.ts";
import { type FakePeer, FakeShim, type FakeSocket } from "./fake_shim.ts";
import { NOW } from "./h1_harness.ts";

/** The times of thread.ts. */
export const LINGER_MS = 2000, SEND_RETRY_MS = 10;

/** Flushes of one run: no test needs nearly as many. */
const FLUSHES_MAX = 10_000;

/** An application that does nothing but answer. */
export function application(handle: Handler, hooks: Partial<Application> = {}): Application {
  return { handle, start: () => Promise.resolve(), stop: () => Promise.resolve(), ...hooks };
}

/** A connection and its two ends. */
export interface Opened {
  readonly connection: Connection;
  readonly socket: FakeSocket;
}

export class FakeThread {
  readonly fake = new FakeShim();
  readonly shim: Shim = this.fake.shim;
  readonly table: ConnectionTable = this.fake.table;
  readonly limits: Readonly<Limits>;
  readonly buffers: LoopBuffers;
  readonly services: H1Services;
  readonly application: Application;
  readonly timers = new Timers();
  readonly loop = { nowMs: 0, queue: (task: Task) => this.#queue(task) };
  /** Connections that closed, in order. */
  readonly closedConnections: Connection[] = [];
  readonly failures: unknown[] = [];
  ready: Task[] = [];

  #flushes = 0;
  readonly #lingers = this.timers.add<Connection>(LINGER_MS, (connection) => connection.onLingerEnd());
  readonly #retries = this.timers.add<Connection>(SEND_RETRY_MS, (connection) => connection.retrySend());

  constructor(handle: Handler, limits: Partial<Limits> = {}) {
    this.application = application(handle);
    this.limits = { ...DEFAULT_LIMITS, ...limits };
    const headWriter = new HeadWriter();
    headWriter.setTime(NOW);
    this.buffers = new LoopBuffers(this.limits);
    this.services = new H1Services(this.limits, headWriter);
  }

  /** Connects a client; the object may be one that has served another before. */
  open(connection: Connection = new Connection(this as unknown as ServingThread, 0), peer?: FakePeer): Opened {
    const socket = this.fake.connect(0, peer);
    if (!this.table.claim(socket.fd, socket.generation, connection.slot)) throw new Error("not claimed");
    connection.open(socket.fd, socket.generation);
    this.#guard(connection);
    return { connection, socket };
  }

  /** A connection that flushes for ever would hang the test: throws instead. */
  #guard(connection: Connection): void {
    const h1 = connection.h1!;
    const flush = h1.flush.bind(h1);
    h1.flush = (writer) => {
      if (++this.#flushes > FLUSHES_MAX) throw new Error("the connection spins: it flushes and flushes");
      flush(writer);
    };
  }

  /** Tells the edges that are due, once. */
  tell({ connection, socket }: Opened): void {
    this.#flushes = 0;
    if (socket.edge) connection.onEvent(socket.takeEdge());
  }

  /** Tells edges, runs the ready list and lets microtasks run until nothing changes any more. */
  async settle(opened: Opened): Promise<void> {
    do {
      while (opened.socket.edge && opened.socket.gone === "") this.tell(opened);
      this.runReady();
      for (let turn = 0; turn < 12; turn++) await null;
    } while (this.ready.length > 0 || opened.socket.edge && opened.socket.gone === "");
  }

  runReady(): void {
    this.#flushes = 0;
    const tasks = this.ready;
    this.ready = [];
    for (const task of tasks) {
      task.queued = false;
      task.run();
    }
  }

  /** Time passes. */
  advance(ms: number): void {
    this.#flushes = 0;
    this.loop.nowMs += ms;
    this.fake.nowMs += ms;
    this.timers.expire(this.loop.nowMs);
  }

  armLinger(connection: Connection): void {
    this.timers.arm(this.#lingers, connection.timer ??= makeTimer(connection), this.loop.nowMs);
  }

  retryLater(connection: Connection): void {
    this.timers.arm(this.#retries, connection.timer ??= makeTimer(connection), this.loop.nowMs);
  }

  closed(connection: Connection): void {
    this.closedConnections.push(connection);
  }

  failure(error: unknown): Reply {
    this.failures.push(error);
    return new Reply("failed", 500);
  }

  #queue(task: Task): void {
    if (task.queued) return;
    task.queued = true;
    this.ready.push(task);
  }
}

/** A serving thread over real sockets; `close` frees the descriptors that it was given too. */
export async function openThread(
  shim: Shim,
  handle: Handler,
  options: Partial<ThreadOptions> = {},
): Promise<{ thread: ServingThread; owner: number; close(): Promise<void> }> {
  const epollFd = must(shim.epoll_create(), "make an epoll instance");
  const notifyFd = must(shim.eventfd(), "make an eventfd");
  const owner = allocateOwner();
  const thread = await ServingThread.open({
    shim,
    table: processTable(shim),
    owner,
    epollFd,
    notifyFd,
    limits: DEFAULT_LIMITS,
    trigger: "edge",
    application: application(handle),
    log: () => {},
    ...options,
  });
  return {
    thread,
    owner,
    async close(): Promise<void> {
      await thread.close();
      shim.close_descriptor(epollFd);
      shim.close_descriptor(notifyFd);
    },
  };
}

/**
 * A test after which no descriptor may be open that was not open before. Some may be gone: the thread of a Web Worker
 * of an earlier test ends when it likes.
 */
export function tidyTest(name: string, fn: () => void | Promise<void>): void {
  Deno.test(name, async () => {
    const before = descriptors();
    await fn();
    const left = () => [...descriptors()].filter(([fd, target]) => before.get(fd) !== target);
    // What Deno closes goes with its next turn.
    for (const endMs = performance.now() + 1000; left().length > 0 && performance.now() < endMs;) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    assert.deepEqual(left(), [], "left open");
  });
}
