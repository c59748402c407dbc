/**
 * A running server as its user sees it, over whichever engine serves: workers, or one loop on this thread.
 *
 * @module
 */

import { ABI_VERSION, must, provideShim, releaseShim } from "../shim/ffi.ts";
import { BUILD_HASH } from "../shim/embedded.ts";
import type { Application } from "../http/message.ts";
import { formatHostPort } from "./address.ts";
import { ListeningSockets, requireDescriptors } from "./bind.ts";
import { Listener } from "./listener.ts";
import { startApplication, stopApplication } from "./load_app.ts";
import { log } from "./log.ts";
import type { BoundAddress, CheckedOptions } from "./options.ts";
import { register, type Stoppable, unregister } from "./signals.ts";
import { allocateOwner, processTable } from "./table.ts";
import { ServingThread } from "./thread.ts";

/** How long a shutdown waits for what is in flight: less than the 30 s after which Kubernetes kills. */
const DRAIN_MS = 25_000;

/** What serves. */
export interface Engine {
  readonly sockets: ListeningSockets;
  /** Accepts no more and finishes what is in flight, `drainMs` at most; then frees everything. */
  stop(drainMs: number): Promise<void>;
  /** Frees everything now. */
  abandon(): void;
}

/** A running server. */
export interface Server extends AsyncDisposable {
  /** Where it listens; with port 0 the port that the system chose. */
  readonly addrs: readonly BoundAddress[];
  /** Resolves when it has shut down. */
  readonly finished: Promise<void>;
  /**
   * Stops accepting, lets running handlers finish (25 seconds at most) and closes. Calling it again returns the same
   * promise.
   */
  shutdown(): Promise<void>;
}

/** One loop on this thread, which listens and serves. */
export class LocalEngine implements Engine {
  private constructor(
    readonly sockets: ListeningSockets,
    readonly thread: ServingThread,
    readonly listener: Listener,
    readonly application: Application,
    readonly stopping: AbortController,
    readonly undo: (() => void)[],
  ) {}

  /** Binds, starts the application and accepts. Rejects with one sentence, everything closed again. */
  static async start(application: Application, options: CheckedOptions): Promise<LocalEngine> {
    const { shim } = provideShim();
    const undo: (() => void)[] = [releaseShim];
    let hasStarted = false;
    try {
      requireDescriptors(shim, 1);
      const table = processTable(shim);
      const sockets = await ListeningSockets.bind(shim, options.addresses);
      undo.push(() => sockets.close());
      const stopping = new AbortController();
      await startApplication(application, { worker: 0, signal: stopping.signal });
      hasStarted = true;
      const epollFd = must(shim.epoll_create(), "make an epoll instance");
      undo.push(() => shim.close_descriptor(epollFd));
      const notifyFd = must(shim.eventfd(), "make an eventfd");
      undo.push(() => shim.close_descriptor(notifyFd));
      const owner = allocateOwner();
      const { wake, trigger, checkedLimits: limits } = options;
      const serving = { shim, table, owner, epollFd, notifyFd, limits, application, wake, trigger, log };
      const thread = await ServingThread.open(serving);
      const targets = [{ owner, epollFd }];
      const listener = new Listener(thread.loop, table, sockets.fds, targets, trigger, (text) => log(text));
      undo.push(() => listener.close());
      listener.start();
      return new LocalEngine(sockets, thread, listener, application, stopping, undo);
    } catch (error) {
      for (const step of undo.reverse()) step();
      if (hasStarted) await stopApplication(application);
      throw error;
    }
  }

  async stop(drainMs: number): Promise<void> {
    await null; // a handler may have asked for it: let it return first
    this.listener.stop();
    this.sockets.close();
    this.stopping.abort(new DOMException("The server is shutting down", "AbortError"));
    await this.thread.drain(drainMs);
    this.thread.cut();
    try {
      await stopApplication(this.application);
    } finally {
      await this.thread.close();
      this.#free();
    }
  }

  abandon(): void {
    this.thread.close();
    this.#free();
  }

  /** Once, whoever asks first: numbers that are closed belong to somebody else. */
  #free(): void {
    for (const step of this.undo.splice(0).reverse()) step();
  }
}

/** Makes a server of an engine that has started. */
export class RunningServer implements Server, Stoppable {
  readonly addrs: readonly BoundAddress[];
  readonly finished: Promise<void>;
  readonly #engine: Engine;
  readonly #end = Promise.withResolvers<void>();
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = () => void this.shutdown().catch((error) => log("shutting down failed", error));
  #stopping: Promise<void> | null = null;

  constructor(engine: Engine, options: CheckedOptions) {
    this.#engine = engine;
    this.addrs = engine.sockets.addresses;
    this.finished = this.#end.promise;
    this.finished.catch(() => {}); // a failed stop hook is told to whoever called shutdown
    register(this, options.handleSignals);
    this.#signal = options.signal;
    this.#signal?.addEventListener("abort", this.#onAbort, { once: true });
    if (this.#signal?.aborted) this.#onAbort();
  }

  shutdown(): Promise<void> {
    return this.#stopping ??= this.#shutdown();
  }

  async #shutdown(): Promise<void> {
    try {
      await this.#engine.stop(DRAIN_MS);
      this.#end.resolve();
    } catch (error) {
      this.#end.reject(error);
      throw error;
    } finally {
      this.#signal?.removeEventListener("abort", this.#onAbort);
      unregister(this);
    }
  }

  abandon(): void {
    this.#engine.abandon();
    this.#end.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.shutdown();
  }
}

/** The lines that say what is running where. */
export function banner(version: string, addresses: readonly BoundAddress[], threads: string): string {
  const build = BUILD_HASH.toString(16).padStart(8, "0");
  const places = addresses.map((address) => `  listening on ${describe(address)}`);
  return [`sluice ${version}, ${threads}, shim ABI ${ABI_VERSION} build ${build}`, ...places].join("\n");
}

function describe(address: BoundAddress): string {
  if (address.transport === "unix") return `unix:${address.path}`;
  const { hostname, port } = address;
  if (hostname === "::" || hostname === "0.0.0.0") return `http://localhost:${port}/ (all addresses)`;
  return `http://${formatHostPort(hostname, port)}/`;
}
