/**
 * How an epoll descriptor wakes Deno's event loop. The riskiest thing in this repository, and all of it is here.
 *
 * The fast way has no thread in between: a Linux AIO poll on the epoll descriptor signals an eventfd, and the eventfd
 * is read by Deno's own loop through the `Pipe` of `process.binding("pipe_wrap")`, which takes any descriptor. It is
 * tried at start, on a descriptor that is ready already; a kernel, a sandbox or a runtime that refuses any part of it
 * gets the other way: a blocking poll() on a thread of Deno's pool. Both are one-shot, complete at once when the epoll
 * descriptor is readable already, so no wake-up is lost, and leave the events where they are.
 *
 * @module
 */

import { AIO_BYTES, EPOLLIN, must, type Shim } from "../shim/ffi.ts";

/** The two ways. */
export type WakeKind = "aio" | "poll";

/** Wakes somebody when an epoll descriptor is readable. */
export interface Wake {
  readonly kind: WakeKind;
  /** Calls back once, as soon as the epoll descriptor is readable. Armed twice, it calls back once. */
  arm(): void;
  /**
   * Never calls back again, and frees what it owns. `nudge` makes the epoll descriptor readable; when the promise
   * resolves nobody waits for that descriptor any more, and it may be closed.
   */
  close(nudge: () => void): Promise<void>;
}

/** How long the self-test may take; it takes 0.1 ms where it works. */
const SELF_TEST_MS = 1000;

/**
 * Wakes of the fallback in a row that had nothing to wait for, before it gives way. Its completions do not pass through
 * the runtime's I/O driver, which is looked at only every 61st time while there is always something else to do: timers
 * in user code were a third of a second late.
 */
const BUSY_WAKES_MAX = 4;

/** A poll() that takes less than this had nothing to wait for. */
const BUSY_MS = 0.5;

/** The bits of Node's internal Pipe that are used. */
interface Pipe {
  open(fd: number): number;
  readStart(): number;
  close(): void;
  onread: () => void;
}

interface Internals {
  Pipe: new (type: number) => Pipe;
  streamBaseState: Int32Array;
}

function internals(): Internals {
  // deno-lint-ignore no-explicit-any
  const { binding } = (globalThis as any).process;
  return { Pipe: binding("pipe_wrap").Pipe, streamBaseState: binding("stream_wrap").streamBaseState };
}

/** Opens the wake of an epoll descriptor: AIO if its self-test passes, unless `force` names one. */
export async function openWake(shim: Shim, epollFd: number, onWake: () => void, force?: WakeKind): Promise<Wake> {
  if (force !== "poll" && await aioWorks(shim)) return new AioWake(shim, epollFd, onWake);
  if (force === "aio") throw new Error("Cannot wake by AIO: its self-test failed on this kernel or runtime");
  return new PollWake(shim, epollFd, onWake);
}

/** Arms an AIO wake on an epoll instance that is readable, and sees whether it calls back. */
async function aioWorks(shim: Shim): Promise<boolean> {
  const epollFd = must(shim.epoll_create(), "make an epoll instance");
  const eventFd = must(shim.eventfd(), "make an eventfd");
  let wake: Wake | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    must(shim.epoll_watch(epollFd, eventFd, EPOLLIN), "watch an eventfd");
    must(shim.eventfd_signal(eventFd), "signal an eventfd");
    return await new Promise<boolean>((resolve) => {
      wake = new AioWake(shim, epollFd, () => resolve(true));
      timer = setTimeout(() => resolve(false), SELF_TEST_MS);
      wake.arm();
    });
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
    await (wake as Wake | null)?.close(() => {});
    shim.close_descriptor(eventFd);
    shim.close_descriptor(epollFd);
  }
}

class AioWake implements Wake {
  readonly kind = "aio";
  readonly #shim: Shim;
  readonly #epollFd: number;
  readonly #eventFd: number;
  readonly #pipe: Pipe;
  readonly #state = new Uint8Array(AIO_BYTES);
  #armed = false;

  constructor(shim: Shim, epollFd: number, onWake: () => void) {
    const { Pipe, streamBaseState } = internals();
    this.#shim = shim;
    this.#epollFd = epollFd;
    must(shim.aio_setup(this.#state, AIO_BYTES), "set up Linux AIO");
    this.#eventFd = shim.eventfd();
    this.#pipe = new Pipe(0);
    const opened = this.#eventFd < 0 ? this.#eventFd : this.#pipe.open(this.#eventFd);
    if (opened < 0) {
      shim.aio_destroy(this.#state, AIO_BYTES);
      if (this.#eventFd >= 0) shim.close_descriptor(this.#eventFd);
      throw new Error("Cannot read an eventfd through the runtime's Pipe");
    }
    this.#pipe.onread = () => {
      if (streamBaseState[0]! <= 0 || !this.#armed) return;
      this.#armed = false;
      shim.aio_drain(this.#state, AIO_BYTES);
      onWake();
    };
    this.#pipe.readStart();
  }

  arm(): void {
    if (this.#armed) return;
    this.#armed = true;
    must(this.#shim.aio_arm(this.#state, AIO_BYTES, this.#epollFd, this.#eventFd), "arm the AIO poll");
  }

  close(): Promise<void> {
    this.#armed = false;
    this.#shim.aio_destroy(this.#state, AIO_BYTES);
    this.#pipe.close(); // the eventfd with it
    return Promise.resolve();
  }
}

class PollWake implements Wake {
  readonly kind = "poll";
  readonly #shim: Shim;
  readonly #epollFd: number;
  readonly #onWake: () => void;
  #pending: Promise<void> | null = null;
  #busyWakes = 0;
  #closed = false;

  constructor(shim: Shim, epollFd: number, onWake: () => void) {
    this.#shim = shim;
    this.#epollFd = epollFd;
    this.#onWake = onWake;
  }

  arm(): void {
    if (this.#pending === null && !this.#closed) this.#pending = this.#wait();
  }

  async #wait(): Promise<void> {
    const startMs = performance.now();
    const status = await this.#shim.poll(this.#epollFd, -1);
    if (performance.now() - startMs > BUSY_MS) this.#busyWakes = 0;
    else if (++this.#busyWakes > BUSY_WAKES_MAX) {
      this.#busyWakes = 0;
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    this.#pending = null;
    if (this.#closed) return;
    must(status, "poll the epoll descriptor");
    this.#onWake();
  }

  /** The thread that waits has to be let go, or it would outlive the descriptor it waits for. */
  async close(nudge: () => void): Promise<void> {
    this.#closed = true;
    if (this.#pending === null) return;
    nudge();
    await this.#pending;
  }
}
