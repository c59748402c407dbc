/**
 * SIGINT, SIGTERM and the end of the process, in child processes whose servers only say what is asked of them.
 */

import assert from "node:assert/strict";

interface Outcome {
  readonly code: number;
  readonly signal: Deno.Signal | null;
  readonly lines: readonly string[];
}

/** Runs a child and sends it signals, each `afterMs` after it was ready or after the signal before. */
async function run(kinds: string, ...signals: readonly (readonly [Deno.Signal, afterMs: number])[]): Promise<Outcome> {
  const script = new URL("./signals_child.ts", import.meta.url).pathname;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", script, kinds],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes("ready\n")) {
    const { done, value } = await reader.read();
    if (done) break;
    text += value;
  }
  for (const [signal, afterMs] of signals) {
    await new Promise((resolve) => setTimeout(resolve, afterMs));
    child.kill(signal);
  }
  for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) text += chunk.value;
  const { code, signal } = await child.status;
  return { code, signal, lines: text.split("\n").filter((line) => line !== "" && line !== "ready") };
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.test(`signals: ${signal} shuts all servers down, then the process ends with 0`, async () => {
    const { code, lines } = await run("quick,slow", [signal, 10]);
    assert.deepEqual(lines, ["quick shutdown", "quick done", "slow shutdown", "slow done"]);
    assert.equal(code, 0);
  });
}

Deno.test("signals: a signal that comes twice within half a second is one", async () => {
  const { code, lines } = await run("slow", ["SIGINT", 10], ["SIGINT", 50], ["SIGTERM", 50]);
  assert.deepEqual(lines, ["slow shutdown", "slow done"]);
  assert.equal(code, 0);
});

for (const [signal, expected] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
  Deno.test(`signals: a later ${signal} ends the process at once, with ${expected}`, async () => {
    const { code, lines } = await run("never", ["SIGINT", 10], [signal, 600]);
    assert.deepEqual(lines, ["never shutdown"], "nobody is abandoned: that could hang");
    assert.equal(code, expected);
  });
}

Deno.test("signals: a shutdown that fails makes the exit code 1, and the others end", async () => {
  const { code, lines } = await run("fails,quick", ["SIGTERM", 10]);
  assert.deepEqual(lines, ["fails shutdown", "quick shutdown", "quick done"]);
  assert.equal(code, 1);
});

Deno.test("signals: a server that leaves signals to the caller, or has ended, does not catch any", async () => {
  for (const kinds of ["deaf", "gone"]) {
    const { signal, lines } = await run(kinds, ["SIGTERM", 10]);
    assert.equal(signal, "SIGTERM");
    assert.deepEqual(lines, []);
  }
});

Deno.test("signals: when the process ends by itself, servers that still run are abandoned, ended ones are not", async () => {
  const { code, lines } = await run("quick,deaf,gone,end");
  assert.deepEqual(lines, ["quick abandon", "deaf abandon"]);
  assert.equal(code, 0);
});
