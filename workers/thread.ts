/**
 * Everything that one thread serves with: a loop, the connections it owns, the buffers they share and the application.
 *
 * It runs the same in a Web Worker and on the calling thread (`serve(app)`).
 *
 * @module
 */

import { H1Services } from "../http/h1/host.ts";
import type { H1Request } from "../http/h1/request.ts";
import { HeadWriter } from "../http/h1/write.ts";
import type { Limits } from "../http/limits.ts";
import { type Application, Reply } from "../http/message.ts";
import { HANDED, type Shim } from "../shim/ffi.ts";
import { LoopBuffers } from "./buffers.ts";
import { Connection } from "./connection.ts";
import { Loop, type LoopClient } from "./loop.ts";
import type { Trigger } from "./options.ts";
import type { ConnectionTable } from "./table.ts";
import { makeTimer, type TimerList } from "./timers.ts";
import type { WakeKind } from "./wake.ts";

/** How long a connection that is closing waits for its peer. */
const LINGER_MS = 2000;

/** How long a send waits after the kernel had no memory for it; no edge tells that there is some again. */
const SEND_RETRY_MS = 10;

/** What a thread needs to serve. */
export interface ThreadOptions {
  readonly shim: Shim;
  readonly table: ConnectionTable;
  /** Whose connections these are, in the table: unique in the process. */
  readonly owner: number;
  readonly epollFd: number;
  readonly notifyFd: number;
  readonly limits: Readonly<Limits>;
  readonly application: Application;
  readonly wake?: WakeKind;
  readonly trigger: Trigger;
  /** Somebody signalled `notifyFd`. */
  readonly onNotify?: () => void;
  readonly log: (message: string, error?: unknown) => void;
}

/** A thread that serves. */
export class ServingThread implements LoopClient {
  readonly shim: Shim;
  readonly table: ConnectionTable;
  readonly limits: Readonly<Limits>;
  readonly application: Application;
  readonly buffers: LoopBuffers;
  readonly services: H1Services;
  readonly trigger: Trigger;
  loop!: Loop;

  readonly #options: ThreadOptions;
  readonly #headWriter = new HeadWriter();
  /** Connections by slot; closed ones stay for reuse. */
  readonly #pool: Connection[] = [];
  readonly #free: Connection[] = [];
  /** Closed in this turn: their slots are free when it ends. */
  #justClosed: Connection[] = [];
  #open = 0;
  #draining = false;
  #onEmpty: (() => void) | null = null;
  #lingers!: TimerList<Connection>;
  #sendRetries!: TimerList<Connection>;

  private constructor(options: ThreadOptions) {
    this.#options = options;
    this.shim = options.shim;
    this.table = options.table;
    this.limits = options.limits;
    this.application = options.application;
    this.trigger = options.trigger;
    this.buffers = new LoopBuffers(options.limits);
    this.services = new H1Services(options.limits, this.#headWriter);
  }

  /** Opens a thread's loop; connections may be handed to its epoll instance from then on. */
  static async open(options: ThreadOptions): Promise<ServingThread> {
    const thread = new ServingThread(options);
    thread.loop = await Loop.open(options.shim, options.epollFd, options.notifyFd, thread, options.wake);
    thread.#lingers = thread.loop.timers.add<Connection>(LINGER_MS, (connection) => connection.onLingerEnd());
    thread.#sendRetries = thread.loop.timers.add<Connection>(SEND_RETRY_MS, (connection) => connection.retrySend());
    return thread;
  }

  get handlersWaiting(): boolean {
    return this.services.waiting > 0;
  }

  onTurnStart(epochMs: number): void {
    this.#headWriter.setTime(epochMs);
  }

  onTurnEnd(): void {
    if (this.#justClosed.length === 0) return;
    this.#free.push(...this.#justClosed);
    this.#justClosed = [];
  }

  onNotify(): void {
    this.#options.onNotify?.();
  }

  touch(fd: number): number {
    const slot = this.table.slot(fd);
    return slot < 0 ? 0 : this.#pool[slot]?.touch() ?? 0;
  }

  onEvent(fd: number, generation: number, events: number): void {
    const slot = this.table.slot(fd);
    // Only a whole number is looked up: with -1 for an unclaimed one V8 would take the slow way for all.
    const known = slot < 0 ? undefined : this.#pool[slot];
    if (known !== undefined && known.fd === fd && known.generation === generation) {
      known.onEvent(events);
      return;
    }
    const connection = this.#claim(fd, generation);
    connection?.onEvent(events);
    if (this.#draining) connection?.drain();
  }

  /** The first event of a generation: makes the connection this thread's, unless somebody took it back. */
  #claim(fd: number, generation: number): Connection | null {
    const connection = this.#free.pop() ?? this.#grow();
    if (!this.table.claim(fd, generation, connection.slot)) {
      this.#free.push(connection);
      return null;
    }
    this.#open++;
    connection.open(fd, generation);
    return connection;
  }

  #grow(): Connection {
    const connection = new Connection(this, this.#pool.length);
    this.#pool.push(connection);
    return connection;
  }

  /** A connection has closed its descriptor. */
  closed(connection: Connection): void {
    this.#justClosed.push(connection);
    if (--this.#open === 0) this.#onEmpty?.();
  }

  /** Gives a closing connection its time. */
  armLinger(connection: Connection): void {
    this.loop.timers.arm(this.#lingers, connection.timer ??= makeTimer(connection), this.loop.nowMs);
  }

  /** Has a connection try again to send, soon. */
  retryLater(connection: Connection): void {
    this.loop.timers.arm(this.#sendRetries, connection.timer ??= makeTimer(connection), this.loop.nowMs);
  }

  /** Logs what went wrong with an answer; what a client may know of it. */
  failure(error: unknown, request: H1Request): Reply {
    this.#options.log(`${request.method} failed: the answer could not be sent`, error);
    return new Reply("500 Internal Server Error\n", 500, "text/plain;charset=UTF-8");
  }

  /**
   * Serves what it has and takes no further requests. Resolves when no connection is left, or when `deadlineMs` has
   * passed; then what is left is cut off.
   */
  async drain(deadlineMs: number): Promise<void> {
    await null; // a handler may have asked for it: its connection is in the middle of something
    this.#draining = true;
    let timer: ReturnType<typeof setTimeout> | undefined;
    await new Promise<void>((resolve) => {
      timer = setTimeout(resolve, deadlineMs);
      this.#onEmpty = () => this.#isEmpty && resolve();
      this.loop.perform(() => this.#pool.forEach((connection) => connection.drain()));
      this.#onEmpty();
    });
    clearTimeout(timer);
    this.#onEmpty = null;
  }

  /** Nobody is connected, and nobody is on the way. */
  get #isEmpty(): boolean {
    return this.#open === 0 && this.table.count(HANDED, this.#options.owner) === 0;
  }

  /** Closes every connection, claimed or not. */
  cut(): void {
    this.loop.perform(() => this.#pool.forEach((connection) => connection.cut()));
    this.table.each(this.#options.owner, (fd, generation) => this.shim.close(fd, generation));
  }

  /** Closes every connection and the loop; the epoll instance may be closed when the promise has resolved. */
  async close(): Promise<void> {
    this.cut();
    await this.loop.close();
  }
}
