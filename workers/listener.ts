/**
 * Accepts connections and hands each to a loop; it owns none of them.
 *
 * The listening sockets are level-triggered in the listener's own epoll instance, so what one batch leaves is reported
 * again. A connection's row in the table is filled before its descriptor is added to the worker's epoll instance: that
 * one `epoll_ctl` is the hand-off, the kernel is the queue. EPOLLOUT is part of it, so that even a connection on which
 * nothing is ever said produces an event, and its worker learns of it.
 *
 * When the process has no descriptor left, accepting rests: whoever has connected waits in the kernel's queue and is
 * served if descriptors come back within a second. After that the oldest are refused, a batch at each rest, so that a
 * client learns that there is no place instead of waiting for ever. Accepting them, to be able to close them, takes a
 * descriptor: one is held in reserve for that.
 *
 * @module
 */

import { EAGAIN, EMFILE, ENFILE, ENOBUFS, ENOMEM, errnoName } from "../shim/errno.ts";
import { EPOLLET, EPOLLIN, EPOLLOUT, EPOLLRDHUP, PEER_WORDS, type Shim } from "../shim/ffi.ts";
import type { Loop } from "./loop.ts";
import type { Trigger } from "./options.ts";
import type { ConnectionTable } from "./table.ts";
import { disarm, makeTimer, type TimerList } from "./timers.ts";

/** Connections accepted at once: enough to be cheap, few enough that workers start on the first ones. */
const ACCEPT_BATCH = 16;

/** Batches taken from each socket at the end: a full accept queue, not an endless stream of new clients. */
const LAST_BATCHES = 256;

/** How long accepting rests after the kernel had no descriptor or memory left. */
const ACCEPT_REST_MS = 100;

/** Rests that those who wait to be accepted are left to wait. */
const PATIENT_RESTS = 10;

/** What a connection is added with. With edge triggering nothing changes it later; else its worker does. */
const LEVEL_EVENTS = EPOLLIN | EPOLLOUT | EPOLLRDHUP;
const EDGE_EVENTS = LEVEL_EVENTS | EPOLLET;

/** Errors that mean that something ran out: trying again at once would spin. */
const EXHAUSTED: ReadonlySet<number> = new Set([EMFILE, ENFILE, ENOBUFS, ENOMEM]);

/** Errors that mean that the listening socket is no longer one: EBADF, EINVAL, ENOTSOCK. */
const FATAL: ReadonlySet<number> = new Set([-9, -22, -88]);

/** Where connections may go. */
export interface Target {
  /** The worker's index, written to the table. */
  readonly owner: number;
  readonly epollFd: number;
}

/** Accepts from any number of listening sockets. */
export class Listener {
  readonly #loop: Loop;
  readonly #shim: Shim;
  readonly #table: ConnectionTable;
  readonly #listenFds: readonly number[];
  readonly #targets: readonly Target[];
  readonly #peers = new Int32Array(ACCEPT_BATCH * PEER_WORDS);
  readonly #rest: TimerList<Listener>;
  readonly #timer = makeTimer<Listener>(this);
  readonly #events: number;
  readonly #log: (message: string) => void;
  #next = 0;
  #stopped = false;
  /** How often in a row accepting had to rest. */
  #rests = 0;
  /** Connections refused during these rests. */
  #refused = 0;
  /** A descriptor to give up when there is no other; negative if there is none. */
  #reserveFd = -1;

  constructor(
    loop: Loop,
    table: ConnectionTable,
    listenFds: readonly number[],
    targets: readonly Target[],
    trigger: Trigger,
    log: (message: string) => void,
  ) {
    this.#loop = loop;
    this.#shim = loop.shim;
    this.#table = table;
    this.#listenFds = listenFds;
    this.#targets = targets;
    this.#events = trigger === "edge" ? EDGE_EVENTS : LEVEL_EVENTS;
    this.#log = log;
    this.#rest = loop.timers.add(ACCEPT_REST_MS, (listener) => listener.#watch(EPOLLIN));
  }

  /** Begins to accept. */
  start(): void {
    this.#reserveFd = this.#shim.eventfd();
    this.#listenFds.forEach((fd, index) => this.#loop.watch(fd, EPOLLIN, () => void this.#accept(fd, index)));
  }

  /** Accepts what has connected already, and no more. The sockets are their creator's to close. */
  stop(): void {
    this.#listenFds.forEach((fd, index) => {
      for (let batch = 0; batch < LAST_BATCHES && this.#accept(fd, index) > 0; batch++);
    });
    this.#stopped = true;
    disarm(this.#timer);
    this.#watch(0);
    this.close();
  }

  /** Gives the reserve back; all else belongs to others. */
  close(): void {
    if (this.#reserveFd >= 0) this.#shim.close_descriptor(this.#reserveFd);
    this.#reserveFd = -1;
  }

  #watch(events: number): void {
    for (const fd of this.#listenFds) this.#loop.watch(fd, events);
  }

  /** One batch; level triggering brings the next. */
  #accept(listenFd: number, index: number): number {
    if (this.#stopped) return 0;
    const count = this.#shim.accept(listenFd, this.#peers, this.#peers.byteLength, ACCEPT_BATCH);
    if (count < 0) this.#acceptFailed(count, listenFd);
    else if (this.#rests > 0) {
      this.#log(`accepting goes on after ${this.#rests} rests; ${this.#refused} connections were refused`);
      this.#rests = this.#refused = 0;
    }
    const nowMs = this.#shim.now_ms();
    for (let i = 0; i < count; i++) this.#hand(i * PEER_WORDS, index, nowMs);
    return count;
  }

  #hand(at: number, index: number, nowMs: number): void {
    const fd = this.#peers[at]!;
    if (fd >= this.#table.entries) {
      this.#log(`refused a connection: descriptor ${fd} is beyond the table of ${this.#table.entries}`);
      this.#shim.close_descriptor(fd);
      return;
    }
    const target = this.#targets[this.#next]!;
    this.#next = (this.#next + 1) % this.#targets.length;
    const generation = this.#table.hand(fd, target.owner, index, nowMs, this.#peers, at);
    const added = this.#shim.epoll_add(target.epollFd, fd, generation, this.#events);
    if (added < 0) {
      this.#log(`could not hand a connection to worker ${target.owner}: ${errnoName(added)}`);
      this.#shim.close(fd, generation);
    }
  }

  #acceptFailed(errno: number, listenFd: number): void {
    if (errno === EAGAIN) return;
    if (FATAL.has(errno)) throw new Error(`assertion failed: accept on a dead listening socket (${errnoName(errno)})`);
    if (!EXHAUSTED.has(errno)) return; // that client is gone; the next one is not
    if (this.#rests++ === 0) this.#log(`accepting rests, ${ACCEPT_REST_MS} ms at a time: ${errnoName(errno)}`);
    if (errno === EMFILE && this.#rests > PATIENT_RESTS) this.#refuseWaiting(listenFd);
    this.#watch(0);
    this.#loop.timers.arm(this.#rest, this.#timer, this.#loop.nowMs);
  }

  /** Accepts and closes a batch, in the place of the reserve. */
  #refuseWaiting(listenFd: number): void {
    this.close();
    const before = this.#refused;
    for (let i = 0; i < ACCEPT_BATCH; i++) {
      if (this.#shim.accept(listenFd, this.#peers, this.#peers.byteLength, 1) <= 0) break;
      this.#shim.close_descriptor(this.#peers[0]!);
      this.#refused++;
    }
    if (before === 0 && this.#refused > 0) this.#log("refusing connections: no file descriptors are left");
    this.#reserveFd = this.#shim.eventfd(); // somebody else may have been faster: then there is none until the next rest
  }
}
