/**
 * A headless Chromium shows a page of ours and what its script fetches from us.
 *
 * @module
 */

import assert from "node:assert/strict";
import { needs, unless } from "../support/needs.ts";
import { portOf, run, start } from "../support/server.ts";
import main, { BIG_BYTES } from "./apps/main.ts";

const chromium = needs({ programs: ["chromium"], debian: "chromium" });

const QUIET = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

async function show(...args: string[]): Promise<string> {
  const profile = await Deno.makeTempDir({ prefix: "sluice-chromium." });
  try {
    const all = [...QUIET, `--user-data-dir=${profile}`, `--virtual-time-budget=10000`, ...args];
    return (await run("chromium", all)).stdout;
  } finally {
    await Deno.remove(profile, { recursive: true });
  }
}

Deno.test({
  name: "Chromium: --dump-dom shows what the page fetched",
  async fn() {
    await using server = await start(main);
    const dom = await show("--dump-dom", `http://localhost:${portOf(server)}/page`);
    assert.ok(dom.includes(`sizes 6,6,5,${BIG_BYTES}`), dom);
  },
  ...unless(chromium),
});

Deno.test({
  name: "Chromium: --screenshot paints the page",
  async fn() {
    await using server = await start(main);
    const path = await Deno.makeTempFile({ prefix: "sluice-shot.", suffix: ".png" });
    try {
      await show(`--screenshot=${path}`, "--window-size=200,100", `http://localhost:${portOf(server)}/page`);
      const png = await Deno.readFile(path);
      assert.deepEqual([...png.subarray(0, 4)], [0x89, 0x50, 0x4e, 0x47]);
      assert.ok(png.length > 300);
    } finally {
      await Deno.remove(path);
    }
  },
  ...unless(chromium),
});
