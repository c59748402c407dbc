/**
 * Connections over workers: evenly spread, and owned by a worker even when nothing is ever said on them.
 *
 * @module
 */

import assert from "node:assert/strict";
import { HANDED, OWNED } from "../../shim/ffi.ts";
import { processTable } from "../../workers/table.ts";
import { RawClient } from "../support/raw_client.ts";
import { appUrl, portOf, shim, start, until } from "../support/server.ts";

const WORKER = "GET /worker HTTP/1.1\r\nHost: h\r\n\r\n";

async function withClients(port: number, count: number, use: (clients: RawClient[]) => Promise<void>): Promise<void> {
  const clients: RawClient[] = [];
  try {
    for (let i = 0; i < count; i++) clients.push(await RawClient.connect({ port }));
    await use(clients);
  } finally {
    for (const client of clients) client.close();
  }
}

Deno.test("1,000 connections over 4 workers differ by at most one", async () => {
  await using server = await start(appUrl("main"), { workers: 4 });
  await withClients(portOf(server), 1000, async (clients) => {
    const counts = [0, 0, 0, 0];
    for (const client of clients) counts[Number((await client.request(WORKER)).text)]!++;
    assert.ok(Math.max(...counts) - Math.min(...counts) <= 1, counts.join(", "));
  });
});

Deno.test("2,000 silent clients are all owned by a worker within a second", async () => {
  await using server = await start(appUrl("main"), { workers: 4 });
  const table = processTable(shim);
  await withClients(portOf(server), 2000, async () => {
    const from = performance.now();
    await until("all are owned", () => table.count(OWNED) === 2000, 1000);
    assert.ok(performance.now() - from < 1000);
    assert.equal(table.count(HANDED), 0);
  });
  await until("all are closed", () => table.count(OWNED) === 0);
});

Deno.test("workers one after the other: every worker answers while others are busy", async () => {
  await using server = await start(appUrl("main"), { workers: 4 });
  await withClients(portOf(server), 8, async (clients) => {
    for (const client of clients) await client.send("GET /slow/100 HTTP/1.1\r\nHost: h\r\n\r\n");
    const answers = await Promise.all(clients.map((client) => client.response()));
    assert.ok(answers.every(({ text }) => text === "slow\n"));
  });
});
