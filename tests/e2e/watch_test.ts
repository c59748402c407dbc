/**
 * `deno run --watch`: the server comes back at each change, on the same port, and leaves no descriptor behind.
 *
 * @module
 */

import assert from "node:assert/strict";
import { RawClient } from "../support/raw_client.ts";
import { appFile, appUrl, Child } from "../support/server.ts";

const RESTARTS = 20, WARM_UP = 3;

/** Changes that come within its debouncing are lost on Deno's watcher now and then: after this long, once more. */
const NUDGE_MS = 5000, NUDGES = 4;

/** A port that was free a moment ago: all rounds have to bind the same one. */
function somePort(): number {
  using probe = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return probe.addr.port;
}

/** Changes the main module and waits until it has started again; the number of descriptors it had then. */
async function startRound(child: Child, main: string, round: number, port: number): Promise<number> {
  for (let nudge = 0;; nudge++) {
    if (round > 0 || nudge > 0) await writeMain(main, round);
    try {
      const ready = await child.said(new RegExp(`ready ${round} port ${port} descriptors (\\d+)\n`), NUDGE_MS);
      return Number(ready[1]);
    } catch (error) {
      if (nudge === NUDGES || !child.isRunning) throw error;
    }
  }
}

function writeMain(main: string, round: number): Promise<void> {
  const text = `import { begin } from ${JSON.stringify(appFile("watched_main"))};\n\nawait begin(${round});\n`;
  return Deno.writeTextFile(main, text);
}

Deno.test("--watch restarts 20 times with the port rebound and the number of descriptors flat", async () => {
  const folder = await Deno.makeTempDir({ prefix: "sluice-watch." });
  const main = `${folder}/main.ts`;
  const clients: RawClient[] = [];
  const counts: number[] = [];
  try {
    await writeMain(main, 0);
    const port = somePort();
    const flags = ["run", "-A", "--no-check", "--watch", "--no-clear-screen"];
    await using child = new Child({ args: [...flags, main, appUrl("main"), `${port}`] });
    for (let round = 0; round <= RESTARTS; round++) {
      counts.push(await startRound(child, main, round, port));
      const client = await RawClient.connect({ port });
      clients.push(client);
      // It stays open over the restart.
      assert.equal((await client.request("GET / HTTP/1.1\r\nHost: h\r\n\r\n")).text, "hello\n");
    }
    const flat = counts.slice(WARM_UP);
    const told = `descriptors at each start: ${counts.join(" ")}`;
    console.log(told);
    assert.ok(flat.at(-1)! <= flat[0]! + 1, told);
    assert.ok(Math.max(...flat) <= Math.min(...flat) + 4, told);
    assert.doesNotMatch(child.stderr, /error|in use|did not let go/i, child.output);
    // The connections of earlier rounds have ended with them.
    for (const client of clients.slice(0, -1)) await client.untilClosed(2000);
  } finally {
    for (const client of clients) client.close();
    await Deno.remove(folder, { recursive: true });
  }
});
