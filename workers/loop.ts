/**
 * One epoll loop inside Deno's event loop: the only place of a thread that waits, and the only clock.
 *
 * A turn, from a wake to the next arming:
 *
 *   1. read the clock;
 *   2. take at most EVENTS_PER_ROUND ready events and hand each to its owner;
 *   3. run the ready list: tasks that can go on without an event (output of a handler that finished, input left over
 *      by the per-turn budget, a pipeline that was held);
 *   4. if handlers wait, let microtasks run, for they may be what finishes them;
 *   5. repeat from 2 until nothing is ready or the turn is over, which is looked at once a round;
 *   6. fire the deadlines that have passed: last, so that input already in the kernel comes before them;
 *   7. end of turn: what was closed may be reused now, not before;
 *   8. arm the wake, with a nudge if the ready list is not empty: the loop never sleeps on work.
 *
 * When nothing is ready but something was, step 2 first waits LINGER_US in the kernel: on a busy connection the next
 * request arrives sooner than a wake through Deno's loop takes. It does so only while no handler waits, since that
 * handler may wait for Deno's own loop.
 *
 * @module
 */

import { EPOLLIN, EVENT_WORDS, must, type Shim } from "../shim/ffi.ts";
import { Timers } from "./timers.ts";
import { openWake, type Wake, type WakeKind } from "./wake.ts";

/** Events taken at once; also how often the time is looked at. */
const EVENTS_PER_ROUND = 32;

/**
 * How long a turn keeps Deno's loop waiting, at most: while a handler waits, perhaps for a timer or a `fetch`, and while
 * none does. Going round Deno's loop costs as much as three requests, and a busy worker would do it a thousand times a
 * second for nobody.
 */
const TURN_US = 1000, UNDISTURBED_TURN_US = 4000;

/** The bounded wait: below the price of a wake, above the time between two requests of one busy client. */
const LINGER_US = 100;

/** Something that can go on without an event. */
export interface Task {
  /** Whether it is in the ready list; the loop's to write. */
  queued: boolean;
  /** Does a bounded piece of work; asks to be queued again if there is more. */
  run(): void;
}

/** Who is told what. */
export interface LoopClient {
  /**
   * An event for this descriptor is about to come: reads what handling it will need first, and returns any number made
   * of that. Hundreds of connections do not stay in the cache; when all of a round are looked at one after the other
   * the processor waits for them side by side.
   */
  touch(fd: number): number;
  /** Readiness of a connection. */
  onEvent(fd: number, generation: number, events: number): void;
  /** Whether handlers wait for something: microtasks have to run, and nothing may be waited for. */
  readonly handlersWaiting: boolean;
  /** Somebody signalled the loop's eventfd, perhaps the loop itself. */
  onNotify(): void;
  /** The turn begins, at this wall-clock time (milliseconds since 1970). */
  onTurnStart(epochMs: number): void;
  /** The turn ends: what was closed in it may be reused. */
  onTurnEnd(): void;
}

/** The loop. */
export class Loop {
  /** Monotonic milliseconds, as of the beginning of the turn. */
  nowMs = 0;
  /** See `LoopClient.touch`. */
  touched = 0;
  readonly timers = new Timers();

  readonly #client: LoopClient;
  readonly #events = new Int32Array(EVENTS_PER_ROUND * EVENT_WORDS);
  readonly #watchers = new Map<number, (events: number) => void>();
  readonly #timerFd: number;
  #wake: Wake | null = null;
  #clock: number;
  #timerSetMs = Infinity;
  #ready: Task[] = [];
  #spare: Task[] = [];
  #inTurn = false;
  #microtaskQueued = false;
  #closed = false;
  #canLinger = true;

  private constructor(readonly shim: Shim, readonly epollFd: number, readonly notifyFd: number, client: LoopClient) {
    this.#client = client;
    this.#clock = shim.now_ms();
    this.#timerFd = must(shim.timerfd(), "make a timer");
    // Within a turn its end sets the timer once, whatever was armed and disarmed in between.
    this.timers.onEarlier = (deadlineMs) => this.#inTurn || this.#setTimer(deadlineMs);
    this.watch(this.#timerFd, EPOLLIN, () => this.#onTimer());
    this.watch(notifyFd, EPOLLIN, () => {
      shim.eventfd_drain(notifyFd);
      client.onNotify();
    });
  }

  /**
   * Opens a loop over an epoll instance and an eventfd that wakes it, both of which stay the caller's. `force` names a
   * way to wait instead of the self-test.
   */
  static async open(
    shim: Shim,
    epollFd: number,
    notifyFd: number,
    client: LoopClient,
    force?: WakeKind,
  ): Promise<Loop> {
    const loop = new Loop(shim, epollFd, notifyFd, client);
    try {
      loop.#wake = await openWake(shim, epollFd, () => loop.#turn(), force);
      loop.#wake.arm();
    } catch (error) {
      await loop.close();
      throw error;
    }
    return loop;
  }

  /** How this loop waits. */
  get wakeKind(): WakeKind {
    return this.#wake!.kind;
  }

  /** Calls back on readiness of a descriptor that is no connection; again with other events to change them. */
  watch(fd: number, events: number, callback?: (events: number) => void): void {
    if (callback) this.#watchers.set(fd, callback);
    must(this.shim.epoll_watch(this.epollFd, fd, events), "watch a descriptor");
  }

  /** Queues a task; it runs in this turn, or soon if none is going on. */
  queue(task: Task): void {
    if (task.queued) return;
    task.queued = true;
    this.#ready.push(task);
    if (this.#inTurn || this.#microtaskQueued || this.#closed) return;
    // Outside a turn a handler has finished: others that finish in the same breath come along.
    this.#microtaskQueued = true;
    queueMicrotask(() => {
      this.#microtaskQueued = false;
      this.perform(() => {});
    });
  }

  /** Does work on connections that no event asked for, and what that makes ready, as a turn: the clock is right. */
  perform(work: () => void): void {
    if (this.#closed) return;
    if (this.#inTurn) return work();
    this.#inTurn = true;
    this.#readClock();
    work();
    this.#runReady();
    this.#endTurn();
  }

  /** One turn. Asynchronous only for step 4: an `await` lets microtasks run and nothing else. */
  async #turn(): Promise<void> {
    if (this.#closed) return;
    this.#inTurn = true;
    this.#readClock();
    const startUs = this.shim.now_us();
    let worked = false;
    do {
      const count = this.#poll(worked);
      if (count === 0 && this.#ready.length === 0) break;
      worked = true;
      this.#dispatch(count);
      this.#runReady();
      if (this.#client.handlersWaiting) await null;
    } while (!this.#closed && !this.#isOver(startUs));
    this.#endTurn();
  }

  #isOver(startUs: number): boolean {
    const passedUs = (this.shim.now_us() - startUs) & 0x7fffffff; // the clock wraps
    return passedUs >= (this.#client.handlersWaiting ? TURN_US : UNDISTURBED_TURN_US);
  }

  #readClock(): void {
    const clock = this.shim.now_ms();
    this.nowMs += (clock - this.#clock) & 0x7fffffff;
    this.#clock = clock;
    this.#client.onTurnStart(Date.now());
  }

  /** Takes what is ready. If there was something before and nothing else to do, waits a little for more: one call. */
  #poll(worked: boolean): number {
    const { shim, epollFd } = this;
    const events = this.#events;
    if (worked && this.#canLinger && this.#ready.length === 0 && !this.#client.handlersWaiting) {
      const count = shim.epoll_pwait2(epollFd, events, events.byteLength, EVENTS_PER_ROUND, LINGER_US);
      if (count >= 0) return count;
      this.#canLinger = false; // Linux before 5.11: it works without, at a higher price per lone request
    }
    return must(shim.epoll_wait(epollFd, events, events.byteLength, EVENTS_PER_ROUND), "wait for events");
  }

  #dispatch(count: number): void {
    const events = this.#events;
    // The sum is of no use, but what is used is not optimized away.
    for (let i = 0; i < count; i++) this.touched += this.#client.touch(events[i * EVENT_WORDS + 1]!) & 1;
    for (let i = 0; i < count; i++) {
      const at = i * EVENT_WORDS;
      const generation = events[at + 2]!;
      if (generation !== 0) this.#client.onEvent(events[at + 1]!, generation, events[at]!);
      else this.#watchers.get(events[at + 1]!)?.(events[at]!);
      if (this.#closed) return;
    }
  }

  #runReady(): void {
    const tasks = this.#ready;
    if (tasks.length === 0) return;
    this.#ready = this.#spare;
    for (const task of tasks) {
      task.queued = false;
      task.run();
    }
    tasks.length = 0;
    this.#spare = tasks;
  }

  #endTurn(): void {
    this.timers.expire(this.nowMs);
    this.#client.onTurnEnd();
    this.#inTurn = false;
    if (this.#closed) return;
    const { nextMs } = this.timers;
    if (nextMs !== Infinity) this.#setTimer(nextMs);
    if (this.#ready.length > 0) this.shim.eventfd_signal(this.notifyFd);
    this.#wake!.arm();
  }

  #setTimer(deadlineMs: number): void {
    if (deadlineMs >= this.#timerSetMs || this.#closed) return;
    this.#timerSetMs = deadlineMs;
    must(this.shim.timerfd_set(this.#timerFd, Math.max(1, deadlineMs - this.nowMs)), "set the timer");
  }

  /** The timer fired: the end of this turn does the work. */
  #onTimer(): void {
    this.shim.eventfd_drain(this.#timerFd); // a timerfd is read like an eventfd
    this.#timerSetMs = Infinity;
  }

  /** Stops for good. The epoll instance and the eventfd may be closed when the promise has resolved. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#ready.length = 0;
    this.shim.close_descriptor(this.#timerFd); // now, for a thread that is abandoned does not come back here
    await this.#wake?.close(() => this.shim.eventfd_signal(this.notifyFd));
  }
}
