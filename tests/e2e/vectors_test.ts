/**
 * All vectors of ../shared/h1-vectors against whole servers: by its own checker, over real sockets.
 *
 * @module
 */

import assert from "node:assert/strict";
import { needs, unless } from "../support/needs.ts";
import { appUrl, portOf, run, start, startCli } from "../support/server.ts";

const checker = needs({ programs: ["python3"], paths: ["../shared/h1-vectors/check.py"], debian: "python3" });

async function check(port: number): Promise<void> {
  const { stdout } = await run("python3", ["../shared/h1-vectors/check.py", "127.0.0.1", `${port}`], { fails: true });
  assert.equal(stdout, "match 212 of 212\n");
}

async function checkCli(app: string, workers: number): Promise<void> {
  await using server = await startCli(app, workers);
  await check(server.port);
  const { code, stderr } = await server.stop();
  assert.equal(code, 0);
  assert.doesNotMatch(stderr, /error|failed/i);
}

for (const [app, workers] of [["echo", 1], ["echo", 4], ["fetch_module", 1]] as const) {
  const name = `all 212 vectors match: command line, ${app}, ${workers} worker(s)`;
  Deno.test({ name, fn: () => checkCli(app, workers), ...unless(checker) });
}

async function withPoll(): Promise<void> {
  await using server = await start(appUrl("echo"), { workers: 2, wake: "poll" });
  await check(portOf(server));
}

Deno.test({ name: "all 212 vectors match: wake poll, 2 workers", fn: withPoll, ...unless(checker) });
