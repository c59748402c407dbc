/**
 * Ten thousand connections: opened, used, idled and closed, ten times over. Nothing fails, an idle one takes little
 * memory, and nothing of them stays behind.
 *
 * @module
 */

import assert from "node:assert/strict";
import { RawClient } from "../support/raw_client.ts";
import { Child, sleep, until } from "../support/server.ts";
import { get, withClient } from "./support.ts";

const CONNECTIONS = 10_000, FEW = 1000, ROUNDS = 10;

/** Measurements of memory, of which the median counts: a heap that grows by a MiB just then is 100 bytes for each. */
const RUNS = 3;

/** Connections that are being made at once: less than the kernel's accept queue holds. */
const AT_ONCE = 250;

/** What a server takes beside its connections, the client of `/stats` and what Deno itself opens meanwhile. */
const OTHERS = 10;

const APP = new URL("apps/many.ts", import.meta.url).pathname;
const REQUEST = new TextEncoder().encode(get("/"));

interface Stats {
  readonly owned: number;
  readonly handed: number;
  readonly slots: number;
  readonly descriptors: number;
  readonly resident: number;
}

function stats(port: number): Promise<Stats> {
  return withClient(port, async (client) => JSON.parse((await client.request(get("/stats"))).text));
}

/** One request and its answer, which is too short to come in pieces. */
async function use(connection: Deno.Conn, buffer: Uint8Array<ArrayBuffer>): Promise<void> {
  await connection.write(REQUEST);
  const count = await connection.read(buffer);
  if (count === null || buffer[9] !== 0x32 || buffer[count - 2] !== 0x6f) throw new Error("this is not our answer");
}

async function forAll(count: number, work: (index: number, buffer: Uint8Array<ArrayBuffer>) => Promise<void>) {
  let next = 0;
  const runner = async () => {
    const buffer = new Uint8Array(1024);
    while (next < count) await work(next++, buffer);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, runner));
}

/** Opens connections until there are `count`, and uses each. */
async function open(connections: Deno.Conn[], count: number, port: number): Promise<void> {
  await forAll(count - connections.length, async (_, buffer) => {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port });
    connections.push(connection);
    await use(connection, buffer);
  });
}

function close(connections: Deno.Conn[]): void {
  for (const connection of connections.splice(0)) connection.close();
}

/** Opens the first ten thousand in two steps and returns the bytes of memory that each of the last nine took. */
async function measure(connections: Deno.Conn[], port: number): Promise<number> {
  await open(connections, FEW, port);
  // What comes with load and not with connections comes first: code is compiled, heaps grow to their size.
  for (let i = 0; i < 20; i++) await forAll(FEW, (index, buffer) => use(connections[index]!, buffer));
  const few = await stats(port);
  await open(connections, CONNECTIONS, port);
  await sleep(100);
  const many = await stats(port);
  assert.equal(many.owned - few.owned, CONNECTIONS - FEW);
  return (many.resident - few.resident) / (CONNECTIONS - FEW);
}

function startServer(): Child {
  return new Child({ args: ["run", "-A", "--no-check", "--v8-flags=--expose-gc", APP] });
}

async function portsOf(server: Child): Promise<number[]> {
  return (await server.said(/ports ([\d,]+)/))[1]!.split(",").map(Number);
}

Deno.test("an idle connection takes less than 1 KB of memory", async () => {
  const measured: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    await using server = startServer();
    const connections: Deno.Conn[] = [];
    try {
      measured.push(await measure(connections, (await portsOf(server))[0]!));
    } finally {
      close(connections);
    }
  }
  const [, median] = measured.map(Math.round).sort((a, b) => a - b);
  console.log(`${median} bytes of memory per idle connection (of ${measured.map(Math.round).join(", ")})`);
  assert.ok(median! < 1024, `${median} bytes of memory per idle connection`);
});

Deno.test("ten thousand connections, opened, used, idled and closed ten times over", async () => {
  await using server = startServer();
  const ports = await portsOf(server);
  using watcher = await RawClient.connect({ port: ports[0]! });
  await watcher.request(get("/"));
  const connections: Deno.Conn[] = [];
  const before = await stats(ports[0]!);
  try {
    for (let round = 0; round < ROUNDS; round++) {
      const port = ports[round]!;
      await open(connections, CONNECTIONS, port);
      const full = await stats(ports[0]!);
      assert.ok(full.owned >= CONNECTIONS && full.owned <= CONNECTIONS + OTHERS, `${full.owned} owned`);
      assert.ok(
        full.slots <= CONNECTIONS + OTHERS,
        `round ${round}: ${full.slots} slots, those of earlier rounds are lost`,
      );
      // Idle ones are as good as new.
      await forAll(100, (index, buffer) => use(connections[index * 97]!, buffer));
      close(connections);
      await until(`everything is as before, round ${round}`, async () => {
        const now = await stats(ports[0]!);
        return now.owned === before.owned && now.handed === 0 && now.descriptors === before.descriptors;
      });
    }
    assert.equal((await watcher.request(get("/"))).text, "hello\n");
  } finally {
    close(connections);
  }
  assert.equal(server.stderr, "");
  assert.equal((await server.stop()).code, 0, server.output);
});
