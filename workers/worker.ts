/**
 * What runs in each Web Worker: the listener in one, a serving thread in each of the others. A thin adapter between
 * messages and the classes that do the work.
 *
 * @module
 */

/// <reference lib="deno.worker" />

import { adoptShim, type Shim } from "../shim/ffi.ts";
import { Listener } from "./listener.ts";
import { loadApplication } from "./load_app.ts";
import { log, messageOf } from "./log.ts";
import { Loop, type LoopClient } from "./loop.ts";
import { ABANDON, ENDED, type FromWorker, type StartHttp, type StartListener, type ToWorker } from "./messages.ts";
import { markAsWorker } from "./place.ts";
import { ConnectionTable } from "./table.ts";
import { ServingThread } from "./thread.ts";

declare const self: DedicatedWorkerGlobalScope & typeof globalThis;

/** What a started worker can do. */
interface Running {
  /** Finishes what is in flight, then frees everything. */
  stop(drainMs: number): Promise<void>;
  /** Frees everything now. */
  abandon(): void;
}

let running: Running | null = null;
let control: Int32Array | null = null;

function post(message: FromWorker): void {
  self.postMessage(message);
}

/** This thread owns nothing any more; says so once, where the first thread can see it while it waits. */
function end(): void {
  if (control === null) return;
  Atomics.add(control, ENDED, 1);
  Atomics.notify(control, ENDED);
  control = null;
  self.close();
}

/** The first thread is going away and waits, but not for long: everything goes now. */
function onNotify(): void {
  if (control === null || Atomics.load(control, ABANDON) === 0) return;
  running?.abandon();
  running = null;
  end();
}

async function startHttp(message: StartHttp, shim: Shim, table: ConnectionTable): Promise<Running> {
  const application = await loadApplication(message.appUrl);
  const stopping = new AbortController();
  await startApplication(() => application.start({ worker: message.worker, signal: stopping.signal }));
  const thread = await ServingThread.open({
    ...message,
    shim,
    table,
    application,
    onNotify,
    log: (text, error) => log(`worker ${message.worker}: ${text}`, error),
  });
  return {
    async stop(drainMs): Promise<void> {
      stopping.abort(new DOMException("The server is shutting down", "AbortError"));
      await thread.drain(drainMs);
      thread.cut();
      try {
        await application.stop();
      } finally {
        await thread.close();
      }
    },
    abandon(): void {
      thread.close();
    },
  };
}

/** Runs a `start` hook; what it throws becomes one sentence. */
async function startApplication(start: () => Promise<void>): Promise<void> {
  try {
    await start();
  } catch (error) {
    throw new Error(`Cannot start the app: its start hook failed: ${messageOf(error)}`, { cause: error });
  }
}

async function startListener(message: StartListener, shim: Shim, table: ConnectionTable): Promise<Running> {
  const client: LoopClient = {
    handlersWaiting: false,
    onEvent: () => {},
    onNotify,
    onTurnStart: () => {},
    onTurnEnd: () => {},
  };
  const loop = await Loop.open(shim, message.epollFd, message.notifyFd, client, message.wake);
  const listener = new Listener(loop, table, message.listenFds, message.targets, (text) => log(text));
  listener.start();
  return {
    async stop(): Promise<void> {
      listener.stop();
      await loop.close();
    },
    abandon(): void {
      loop.close();
    },
  };
}

async function start(message: StartHttp | StartListener): Promise<void> {
  control = new Int32Array(message.control);
  try {
    const shim = adoptShim(message.memfd);
    const table = new ConnectionTable(message.table);
    table.install(shim);
    running = message.role === "http"
      ? await startHttp(message, shim, table)
      : await startListener(message, shim, table);
    post({ type: "ready" });
  } catch (error) {
    post({ type: "failed", message: messageOf(error) });
    end();
  }
}

async function stop(drainMs: number): Promise<void> {
  try {
    await running?.stop(drainMs);
  } catch (error) {
    log("the stop hook failed", error);
  }
  running = null;
  post({ type: "stopped" });
  end();
}

markAsWorker();
self.onmessage = ({ data }: MessageEvent<ToWorker>) => {
  if (data.type === "start") start(data);
  else stop(data.drainMs);
};
