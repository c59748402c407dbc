/**
 * The first thread of a server with workers: makes what they share, starts them, stops them.
 *
 * It creates every listening socket and epoll instance and closes them last, so that a worker can come and go without
 * a connection being lost. Workers start one after the other (starting blocks this thread, it is not parallel), then
 * the listener, so that nobody is accepted before somebody can answer.
 *
 * @module
 */

import { must, provideShim, releaseShim, type Shim } from "../shim/ffi.ts";
import { ListeningSockets, requireDescriptors, requirePermission } from "./bind.ts";
import { log } from "./log.ts";
import { ABANDON, CONTROL_BYTES, ENDED, type FromWorker, type StartHttp, type StartListener } from "./messages.ts";
import type { CheckedOptions } from "./options.ts";
import type { Engine } from "./server.ts";
import { allocateOwner, type ConnectionTable, processTable } from "./table.ts";

/** How long a worker that has to free everything at once may take, all together. */
const ABANDON_MS = 500;

/** How much longer than its deadline a worker may take to say that it has stopped: its stop hook may take 1 s of it. */
const STOP_GRACE_MS = 1500;

/** A worker as the first thread sees it. */
interface Crew {
  readonly worker: Worker;
  readonly epollFd: number;
  readonly notifyFd: number;
  /** In the table; -1 for the listener. */
  readonly owner: number;
  /** Resolves when it serves; rejects with its sentence when it cannot. */
  readonly ready: Promise<void>;
  /** Resolves when it has freed everything. */
  readonly stopped: Promise<void>;
  /** Whether it has, or was given up. */
  gone: boolean;
}

/** Workers that serve one app. */
export class Supervisor implements Engine {
  readonly sockets: ListeningSockets;
  readonly #shim: Shim;
  readonly #memfd: number;
  readonly #table: ConnectionTable;
  readonly #options: CheckedOptions;
  readonly #control = new Int32Array(new SharedArrayBuffer(CONTROL_BYTES));
  readonly #crew: Crew[] = [];
  #freed = false;
  #serves = false;
  #stopError: string | undefined;

  private constructor(shim: Shim, memfd: number, sockets: ListeningSockets, options: CheckedOptions) {
    this.#shim = shim;
    this.#memfd = memfd;
    this.#table = processTable(shim);
    this.sockets = sockets;
    this.#options = options;
  }

  /** Binds, starts the workers and then the listener. Rejects with one sentence, everything closed again. */
  static async start(appUrl: string, options: CheckedOptions): Promise<Supervisor> {
    requireModules(appUrl);
    const { shim, memfd } = provideShim();
    let sockets: ListeningSockets;
    try {
      requireDescriptors(shim, options.workers + 1);
      sockets = await ListeningSockets.bind(shim, options.addresses);
    } catch (error) {
      releaseShim();
      throw error;
    }
    const supervisor = new Supervisor(shim, memfd, sockets, options);
    try {
      for (let worker = 0; worker < options.workers; worker++) supervisor.#spawnHttp(worker, appUrl);
      const http = [...supervisor.#crew];
      await Promise.all(http.map(({ ready }) => ready));
      await supervisor.#spawnListener(http).ready;
      supervisor.#serves = true;
    } catch (error) {
      await supervisor.#stopWorkers(0);
      supervisor.#free();
      throw error;
    }
    return supervisor;
  }

  #spawnHttp(worker: number, appUrl: string): void {
    const owner = allocateOwner();
    this.#spawn(`sluice-http-${worker}`, owner, {
      role: "http",
      owner,
      worker,
      limits: this.#options.checkedLimits,
      appUrl,
    });
  }

  #spawnListener(http: readonly Crew[]): Crew {
    return this.#spawn("sluice-listener", -1, {
      role: "listener",
      listenFds: this.sockets.fds,
      targets: http.map(({ owner, epollFd }) => ({ owner, epollFd })),
    });
  }

  #spawn(
    name: string,
    owner: number,
    part:
      | Pick<StartHttp, "role" | "owner" | "worker" | "limits" | "appUrl">
      | Pick<
        StartListener,
        "role" | "listenFds" | "targets"
      >,
  ): Crew {
    const epollFd = must(this.#shim.epoll_create(), "make an epoll instance");
    const notifyFd = must(this.#shim.eventfd(), "make an eventfd");
    const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name });
    const ready = Promise.withResolvers<void>();
    const stopped = Promise.withResolvers<void>();
    const crew: Crew = {
      worker,
      epollFd,
      notifyFd,
      owner,
      ready: ready.promise,
      stopped: stopped.promise,
      gone: false,
    };
    worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
      if (data.type === "ready") ready.resolve();
      if (data.type === "failed") ready.reject(new Error(data.message));
      if (data.type === "stopped" && data.error !== undefined) this.#stopError ??= data.error;
      if (data.type === "left") {
        const error = new Error(`A worker has ended: the app called ${data.how}, which leaves its clients alone`);
        ready.reject(error);
        if (this.#serves) reportError(error); // as for any worker that dies: the process goes with it
      }
      if (data.type !== "ready") {
        crew.gone = true;
        stopped.resolve();
      }
    };
    ready.promise.catch(() => {}); // whoever waits for it gets it; nobody may be waiting yet
    worker.postMessage({
      type: "start",
      memfd: this.#memfd,
      table: this.#table.memory,
      control: this.#control.buffer,
      epollFd,
      notifyFd,
      wake: this.#options.wake,
      trigger: this.#options.trigger,
      ...part,
    });
    this.#crew.push(crew);
    return crew;
  }

  /** Stops accepting, then lets the workers finish what is in flight, `drainMs` at most. */
  async stop(drainMs: number): Promise<void> {
    this.#serves = false;
    await this.#stopWorkers(drainMs);
    this.#free();
    if (this.#stopError !== undefined) throw new Error(this.#stopError);
  }

  async #stopWorkers(drainMs: number): Promise<void> {
    const listener = this.#crew.find(({ owner }) => owner < 0);
    if (listener) await this.#stopOne(listener, 0);
    this.sockets.close(); // what had connected was accepted; who comes now is refused
    await Promise.all(this.#crew.filter(({ owner }) => owner >= 0).map((crew) => this.#stopOne(crew, drainMs)));
  }

  async #stopOne(crew: Crew, drainMs: number): Promise<void> {
    if (!crew.gone) {
      crew.worker.postMessage({ type: "stop", drainMs });
      let timer: ReturnType<typeof setTimeout> | undefined;
      const late = new Promise<void>((resolve) => timer = setTimeout(resolve, drainMs + STOP_GRACE_MS));
      await Promise.race([crew.stopped, late]);
      clearTimeout(timer);
      crew.gone = true;
    }
    crew.worker.terminate();
  }

  /** Closes what this thread made, and the connections of workers that did not; once, whoever asks first. */
  #free(): void {
    if (this.#freed) return;
    this.#freed = true;
    for (const { owner, epollFd, notifyFd } of this.#crew.splice(0)) {
      if (owner >= 0) this.#table.each(owner, (fd, generation) => this.#shim.close(fd, generation));
      this.#shim.close_descriptor(epollFd);
      this.#shim.close_descriptor(notifyFd);
    }
    this.sockets.close();
    releaseShim();
  }

  /** Has every worker drop everything, waits for them a moment, and closes the rest. */
  abandon(): void {
    Atomics.store(this.#control, ABANDON, 1);
    for (const { notifyFd } of this.#crew) this.#shim.eventfd_signal(notifyFd);
    const endMs = performance.now() + ABANDON_MS;
    for (;;) {
      const ended = Atomics.load(this.#control, ENDED);
      if (ended >= this.#crew.length) break;
      const leftMs = endMs - performance.now();
      if (leftMs <= 0 || Atomics.wait(this.#control, ENDED, ended, leftMs) === "timed-out") {
        log("a worker did not let go in time");
        break;
      }
    }
    this.#free();
  }
}

/** Workers read their modules as files, with the permission to do so. */
function requireModules(appUrl: string): void {
  for (const url of [new URL("./worker.ts", import.meta.url), new URL(appUrl)]) {
    if (url.protocol !== "file:") continue;
    const path = decodeURIComponent(url.pathname);
    requirePermission({ name: "read", path }, `start a worker from ${path}`, "--allow-read");
  }
}
