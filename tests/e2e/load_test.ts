/**
 * Under load and in idleness: wrk sees no error, timers of the user's stay punctual, doing nothing costs nothing.
 *
 * @module
 */

import assert from "node:assert/strict";
import { needs, unless } from "../support/needs.ts";
import { RawClient } from "../support/raw_client.ts";
import { cpuMs, run, sleep, startCli } from "../support/server.ts";

const wrk = needs({ programs: ["wrk"], debian: "wrk" });

/** Runs wrk and asserts that nothing went wrong; returns the number of requests. */
async function load(port: number, path: string, connections: number, seconds: number): Promise<number> {
  const args = ["-t1", `-c${connections}`, `-d${seconds}s`, `http://127.0.0.1:${port}${path}`];
  const { stdout } = await run("wrk", args);
  assert.doesNotMatch(stdout, /Socket errors|Non-2xx/, stdout);
  return Number(/(\d+) requests in/.exec(stdout)![1]);
}

Deno.test({
  name: "wrk: no socket errors, no answer but 2xx",
  async fn() {
    for (const workers of [1, 4]) {
      await using server = await startCli("main", workers);
      assert.ok(await load(server.port, "/", 50, 1) > 100);
      assert.ok(await load(server.port, "/async", 50, 1) > 100);
      assert.equal((await server.stop()).code, 0);
    }
  },
  ...unless(wrk),
});

Deno.test("idle: 4 workers with 1,000 open connections use under 1 % of a core", async () => {
  await using server = await startCli("main", 4);
  const clients: RawClient[] = [];
  try {
    for (let i = 0; i < 1000; i++) clients.push(await RawClient.connect({ port: server.port }));
    for (const client of clients) {
      assert.equal((await client.request("GET / HTTP/1.1\r\nHost: h\r\n\r\n")).status, 200);
    }
    await sleep(1000); // Deno's own threads settle
    const before = cpuMs(server.pid), from = performance.now();
    await sleep(5000);
    const percent = 100 * (cpuMs(server.pid) - before) / (performance.now() - from);
    console.log(`idle with 1,000 connections: ${percent.toFixed(2)} % of a core`);
    assert.ok(percent < 1, `${percent.toFixed(2)} % of a core`);
  } finally {
    for (const client of clients) client.close();
  }
  assert.equal((await server.stop()).code, 0);
});

/** Far more than the 20 ms that hold on an idle machine, for machines are shared. */
const SLACK_MS = 100;

Deno.test({
  name: "a saturated worker with a 50 µs handler keeps setInterval(10) punctual at p99",
  async fn() {
    await using server = await startCli("busy", 1);
    await load(server.port, "/burn", 500, 3);
    using client = await RawClient.connect({ port: server.port });
    const { text } = await client.request("GET /lateness HTTP/1.1\r\nHost: h\r\n\r\n");
    const { p50, p99, max, ticks } = JSON.parse(text);
    console.log(`setInterval(10) under load: p50 ${p50} ms, p99 ${p99} ms, max ${max} ms late (${ticks} ticks)`);
    assert.ok(ticks > 50, text);
    assert.ok(p99 < SLACK_MS, text);
  },
  ...unless(wrk),
});
