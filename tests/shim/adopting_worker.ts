/** The worker of ffi_test.ts: adopts the shim by the number of the memfd and closes what it finds in the shared table. */

import { adoptShim, type Shim } from "../../shim/ffi.ts";

export interface Order {
  readonly memfd: number;
  readonly memory: SharedArrayBuffer;
  /** Descriptor and generation of each connection. */
  readonly connections: readonly (readonly [number, number])[];
  /** One word: the two threads count themselves in. */
  readonly gate: SharedArrayBuffer;
}

/** Waits until both threads have come to the gate for the `times`th time, so that they go on at the same moment. */
export function meet(gate: SharedArrayBuffer, times: number): void {
  const word = new Int32Array(gate);
  Atomics.add(word, 0, 1);
  for (const deadline = performance.now() + 10_000; Atomics.load(word, 0) < 2 * times;) {
    if (performance.now() > deadline) throw new Error("the other thread did not come: did it fail?");
  }
}

/** Closes each connection at the moment at which the other thread does. */
export function closeTogether(shim: Shim, { connections, gate }: Order): number[] {
  return connections.map(([fd, generation], index) => {
    meet(gate, index + 1);
    return shim.close(fd, generation);
  });
}

const scope = self as unknown as {
  onmessage: (event: MessageEvent<Order>) => void;
  postMessage(results: number[]): void;
};

if ("DedicatedWorkerGlobalScope" in globalThis) {
  scope.onmessage = ({ data }): void => {
    const shim = adoptShim(data.memfd);
    const status = shim.table(new Int32Array(data.memory), data.memory.byteLength);
    const results = closeTogether(shim, data);
    scope.postMessage([status, ...results]);
  };
}
