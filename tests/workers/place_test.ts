/**
 * Where code runs: a thread is a worker once it is marked, also for another copy of the module.
 */

import assert from "node:assert/strict";
import { isWorker, markAsWorker } from "../../workers/place.ts";

Deno.test("place: a thread is none of our workers until it is marked, and all copies of the module see it", async () => {
  assert.equal(isWorker(), false);
  markAsWorker();
  try {
    assert.equal(isWorker(), true);
    const copy = await import(new URL("../../workers/place.ts?copy", import.meta.url).href);
    assert.notEqual(copy.isWorker, isWorker);
    assert.equal(copy.isWorker(), true);
  } finally {
    delete (globalThis as Record<symbol, unknown>)[Symbol.for("sluice.worker")];
  }
  assert.equal(isWorker(), false);
});
