/**
 * A thread that signals an eventfd at random times, and again only when the last signal has been answered: a lost
 * wake-up is one that is not answered within a second.
 */

/// <reference lib="deno.worker" />

import { adoptShim } from "../../shim/ffi.ts";
import { Prng } from "../support/prng.ts";

declare const self: DedicatedWorkerGlobalScope & typeof globalThis;

export interface Order {
  readonly memfd: number;
  readonly eventFd: number;
  readonly answers: SharedArrayBuffer;
  readonly signals: number;
  readonly seed: number;
}

self.onmessage = ({ data }: MessageEvent<Order>) => {
  const shim = adoptShim(data.memfd);
  const answers = new Int32Array(data.answers);
  const prng = new Prng(data.seed);
  for (let sent = 0; sent < data.signals; sent++) {
    const endMs = performance.now() + prng.below(40) / 1000;
    while (performance.now() < endMs);
    shim.eventfd_signal(data.eventFd);
    while (Atomics.load(answers, 0) === sent) {
      if (Atomics.wait(answers, 0, sent, 1000) === "timed-out") return self.postMessage(`lost number ${sent}`);
    }
  }
  self.postMessage("all answered");
};
