/**
 * The connection table: handing over and claiming, generations, and what it says of a peer.
 */

import assert from "node:assert/strict";
import { ENTRY_WORDS, FREE, HANDED, OWNED, PEER_WORDS } from "../../shim/ffi.ts";
import { allocateOwner, ConnectionTable, processTable } from "../../workers/table.ts";
import { shim } from "../shim/support.ts";
import { tidyTest } from "../support/thread.ts";

const NOBODY = new Int32Array(PEER_WORDS);

function makeTable(entries: number): { table: ConnectionTable; words: Int32Array<SharedArrayBuffer> } {
  const memory = new SharedArrayBuffer(entries * ENTRY_WORDS * 4);
  return { table: new ConnectionTable(memory), words: new Int32Array(memory) };
}

/** A `sluice_peer` record. */
function peer(family: number, port: number, address: readonly number[]): Int32Array {
  const words = new Int32Array(PEER_WORDS);
  words.set([9, family, port]);
  new Uint8Array(words.buffer).set(address, 12);
  return words;
}

Deno.test("table: a row is FREE, HANDED when it was handed, OWNED when it was claimed", () => {
  const { table } = makeTable(8);
  assert.equal(table.entries, 8);
  assert.equal(table.count(FREE), 8);
  const generation = table.hand(5, 3, 1, 1234, NOBODY, 0);
  assert.equal(generation, 1);
  assert.deepEqual([table.count(FREE), table.count(HANDED), table.count(OWNED)], [7, 1, 0]);
  assert.equal(table.slot(5), -1);
  assert.equal(table.acceptedAt(5), 1234);
  assert.equal(table.claim(5, generation, 7), true);
  assert.deepEqual([table.count(FREE), table.count(HANDED), table.count(OWNED)], [7, 0, 1]);
  assert.equal(table.slot(5), 7);
});

Deno.test("table: what is claimed already, taken back, or of another generation cannot be claimed", () => {
  const { table, words } = makeTable(8);
  const generation = table.hand(5, 0, 0, 0, NOBODY, 0);
  assert.equal(table.claim(5, generation + 1, 1), false);
  assert.equal(table.claim(4, generation, 1), false);
  assert.equal(table.claim(5, generation, 2), true);
  assert.equal(table.claim(5, generation, 3), false);
  assert.equal(table.slot(5), 2, "the loser does not write its slot");
  Atomics.store(words, 5 * ENTRY_WORDS + 1, FREE);
  assert.equal(table.claim(5, generation, 4), false);
  const next = table.hand(5, 0, 0, 0, NOBODY, 0);
  assert.equal(next, generation + 1);
  assert.equal(table.slot(5), -1, "the slot of the last owner is forgotten");
  assert.equal(table.claim(5, generation, 5), false);
  assert.equal(table.claim(5, next, 5), true);
});

Deno.test("table: generations go from 2^31-1 to 1 and are never 0", () => {
  const { table, words } = makeTable(4);
  words[3 * ENTRY_WORDS] = 2 ** 31 - 3;
  const generations = Array.from({ length: 4 }, () => table.hand(3, 0, 0, 0, NOBODY, 0));
  assert.deepEqual(generations, [2 ** 31 - 2, 2 ** 31 - 1, 1, 2]);
});

Deno.test("table: handing writes its own row only, and the state last of all matters", () => {
  const { table, words } = makeTable(3);
  words.fill(-7);
  table.hand(1, 2, 3, 4, peer(4, 80, [1, 2, 3, 4]), 0);
  assert.ok(words.subarray(0, ENTRY_WORDS).every((word) => word === -7));
  assert.ok(words.subarray(2 * ENTRY_WORDS).every((word) => word === -7));
  assert.deepEqual([...words.subarray(ENTRY_WORDS + 1, ENTRY_WORDS + 8)], [HANDED, 2, -1, 3, 4, 4, 80]);
});

Deno.test("table: the peer of IPv4, IPv6 and a Unix socket, also from within a batch", () => {
  const { table } = makeTable(8);
  const batch = new Int32Array(3 * PEER_WORDS);
  batch.set(peer(4, 65535, [192, 0, 2, 200]), 0);
  batch.set(peer(6, 443, [0x20, 1, 0x0d, 0xb8, ...new Array(11).fill(0), 0xff]), PEER_WORDS);
  batch.set(peer(0, 0, []), 2 * PEER_WORDS);
  for (let i = 0; i < 3; i++) table.hand(3 + i, 0, 0, 0, batch, i * PEER_WORDS);
  assert.deepEqual(table.remoteAddress(3), { transport: "tcp", hostname: "192.0.2.200", port: 65535 });
  assert.deepEqual(table.remoteAddress(4), { transport: "tcp", hostname: "2001:db8::ff", port: 443 });
  assert.deepEqual(table.remoteAddress(5), { transport: "unix", hostname: "", port: 0 });
});

Deno.test("table: an IPv4 peer in a row that had an IPv6 one", () => {
  const { table } = makeTable(8);
  table.hand(3, 0, 0, 0, peer(6, 1, new Array(16).fill(0xee)), 0);
  table.hand(3, 0, 0, 0, peer(4, 2, [10, 0, 0, 1]), 0);
  assert.deepEqual(table.remoteAddress(3), { transport: "tcp", hostname: "10.0.0.1", port: 2 });
});

Deno.test("table: count and each, by state and owner", () => {
  const { table, words } = makeTable(16);
  const owners = [1, 2, 1, 1, 2];
  owners.forEach((owner, i) => table.hand(4 + i, owner, 0, 0, NOBODY, 0));
  table.claim(4, 1, 0);
  table.claim(5, 1, 0);
  Atomics.store(words, 6 * ENTRY_WORDS + 1, FREE);
  assert.equal(table.count(HANDED), 2);
  assert.equal(table.count(HANDED, 1), 1);
  assert.equal(table.count(OWNED, 2), 1);
  assert.equal(table.count(OWNED, 3), 0);
  const visited = (owner: number) => {
    const found: [number, number][] = [];
    table.each(owner, (fd, generation) => found.push([fd, generation]));
    return found;
  };
  assert.deepEqual(visited(1), [[4, 1], [7, 1]]);
  assert.deepEqual(visited(2), [[5, 1], [8, 1]]);
  assert.deepEqual(visited(0), [], "rows that were never used have owner 0 and are nobody's");
});

Deno.test("table: two threads that claim 10,000 rows get each row exactly once", async () => {
  const rows = 10_000;
  const { table } = makeTable(rows);
  for (let fd = 0; fd < rows; fd++) table.hand(fd, 0, 0, 0, NOBODY, 0);
  const gate = new SharedArrayBuffer(16), gateWords = new Int32Array(gate);
  const racers = [0, 1].map((slot) => {
    const worker = new Worker(new URL("./table_racer.ts", import.meta.url), { type: "module" });
    const won = new Promise<number[]>((resolve) => worker.onmessage = ({ data }) => resolve(data));
    worker.postMessage({ memory: table.memory, gate, slot });
    return { worker, won, slot };
  });
  while (Atomics.load(gateWords, 0) < 2) await new Promise((resolve) => setTimeout(resolve, 1));
  Atomics.store(gateWords, 1, 1);
  const wins = await Promise.all(racers.map(({ won }) => won));
  racers.forEach(({ worker }) => worker.terminate());
  assert.deepEqual(wins.flat().sort((a, b) => a - b), Array.from({ length: rows }, (_, fd) => fd));
  wins.forEach((won, slot) => assert.ok(won.every((fd) => table.slot(fd) === slot)));
  assert.equal(table.count(OWNED), rows);
});

tidyTest("table: the table of the process is made once, with a row for every descriptor", () => {
  const table = processTable(shim);
  assert.equal(table, processTable(shim));
  assert.equal(table.entries, Math.min(shim.rlimit_nofile(), 2 ** 20));
  // The shim looks into it: a row that is handed can be closed, once.
  const fd = shim.eventfd();
  const generation = table.hand(fd, 0, 0, 0, NOBODY, 0);
  assert.equal(shim.close_descriptor(fd), -16, "EBUSY");
  assert.equal(shim.close(fd, generation), 0);
  assert.equal(table.count(HANDED), 0);
});

Deno.test("table: no owner is given twice", () => {
  const owners = Array.from({ length: 100 }, allocateOwner);
  assert.equal(new Set(owners).size, 100);
  assert.ok(owners.every((owner) => Number.isInteger(owner) && owner >= 0));
});
