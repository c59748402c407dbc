/**
 * What runs in each Web Worker: the listener in one, a serving thread in each of the others. A thin adapter between
 * messages and the classes that do the work.
 *
 * @module
 */

/// <reference lib="deno.worker" />

import { adoptShim, type Shim } from "../shim/ffi.ts";
import { Listener } from "./listener.ts";
import { loadApplication, startApplication, stopApplication } from "./load_app.ts";
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

const close = self.close.bind(self);
const exit = Deno.exit;

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
  close();
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
  await startApplication(application, { worker: message.worker, signal: stopping.signal });
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
        await stopApplication(application);
      } finally {
        await thread.close();
      }
    },
    abandon(): void {
      thread.close();
    },
  };
}

async function startListener(message: StartListener, shim: Shim, table: ConnectionTable): Promise<Running> {
  const client: LoopClient = {
    handlersWaiting: false,
    touch: () => 0,
    onEvent: () => {},
    onNotify,
    onTurnStart: () => {},
    onTurnEnd: () => {},
  };
  const loop = await Loop.open(shim, message.epollFd, message.notifyFd, client, message.wake);
  const { listenFds, targets, trigger } = message;
  const listener = new Listener(loop, table, listenFds, targets, trigger, (text) => log(text));
  listener.start();
  return {
    async stop(): Promise<void> {
      listener.stop();
      await loop.close();
    },
    abandon(): void {
      listener.close();
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
  let error: string | undefined;
  try {
    await running?.stop(drainMs);
  } catch (thrown) {
    error = messageOf(thrown);
  }
  running = null;
  post({ type: "stopped", error });
  end();
}

/** An app that ends its worker leaves connections behind that nobody serves: the first thread has to know. */
function watchTheDoor(): void {
  self.close = () => {
    if (control !== null) post({ type: "left", how: "self.close()" });
    close();
  };
  Deno.exit = (code) => {
    if (control !== null) post({ type: "left", how: `Deno.exit(${code ?? ""})` });
    return exit(code);
  };
}

markAsWorker();
watchTheDoor();
self.onmessage = ({ data }: MessageEvent<ToWorker>) => {
  if (data.type === "start") start(data);
  else stop(data.drainMs);
};
