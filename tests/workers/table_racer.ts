/**
 * One of the threads that race for the rows of a table: claims every row once it is let go, and tells which it got.
 */

/// <reference lib="deno.worker" />

import { ConnectionTable } from "../../workers/table.ts";

declare const self: DedicatedWorkerGlobalScope & typeof globalThis;

const PATIENCE = 10_000;

self.onmessage = ({ data }: MessageEvent<{ memory: SharedArrayBuffer; gate: SharedArrayBuffer; slot: number }>) => {
  const table = new ConnectionTable(data.memory);
  const gate = new Int32Array(data.gate);
  const won: number[] = [];
  Atomics.add(gate, 0, 1);
  while (Atomics.load(gate, 1) === 0);
  for (let fd = 0; fd < table.entries; fd++) {
    // Row by row side by side, or one thread would be far ahead; a little patience, for the other may have no processor.
    Atomics.store(gate, 2 + data.slot, fd);
    for (let spins = 0; spins < PATIENCE && Atomics.load(gate, 3 - data.slot) < fd; spins++);
    if (table.claim(fd, 1, data.slot)) won.push(fd);
  }
  self.postMessage(won);
};
