/**
 * What the first thread and its workers say to each other. Everything else that they share is memory: the connection
 * table and the control words.
 *
 * @module
 */

import type { Limits } from "../http/limits.ts";
import type { Target } from "./listener.ts";
import type { Trigger } from "./options.ts";
import type { WakeKind } from "./wake.ts";

/** What every worker needs. */
interface StartCommon {
  readonly type: "start";
  readonly memfd: number;
  readonly table: SharedArrayBuffer;
  readonly control: SharedArrayBuffer;
  readonly epollFd: number;
  readonly notifyFd: number;
  readonly wake?: WakeKind;
  readonly trigger: Trigger;
}

/** To a worker that serves. */
export interface StartHttp extends StartCommon {
  readonly role: "http";
  readonly owner: number;
  readonly worker: number;
  readonly limits: Readonly<Limits>;
  readonly appUrl: string;
}

/** To the worker that accepts. */
export interface StartListener extends StartCommon {
  readonly role: "listener";
  readonly listenFds: readonly number[];
  readonly targets: readonly Target[];
}

/** From the first thread. `stop`: finish what is in flight within `drainMs`, then end. */
export type ToWorker = StartHttp | StartListener | { readonly type: "stop"; readonly drainMs: number };

/** To the first thread. */
export type FromWorker =
  | { readonly type: "ready" }
  | { readonly type: "failed"; readonly message: string }
  /** `error` is what its stop hook threw. */
  | { readonly type: "stopped"; readonly error?: string }
  /** The app ended its worker, by `how`. */
  | { readonly type: "left"; readonly how: string };

/** Control words: set to 1 to make every thread drop everything at once; how many threads own nothing any more. */
export const ABANDON = 0, ENDED = 1;
/** Bytes of the control words. */
export const CONTROL_BYTES = 8;
