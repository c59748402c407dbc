/**
 * The buffers of a loop: there has to be room to read behind the longest head that may be incomplete.
 */

import assert from "node:assert/strict";
import { DEFAULT_LIMITS } from "../../http/limits.ts";
import { LoopBuffers } from "../../workers/buffers.ts";

Deno.test("buffers: behind the longest incomplete head there are 64 KiB to read into", () => {
  for (const headBytes of [1, DEFAULT_LIMITS.headBytes, 1024 * 1024]) {
    const { scratch, writer } = new LoopBuffers({ ...DEFAULT_LIMITS, headBytes });
    assert.equal(scratch.length - headBytes, 64 * 1024);
    assert.ok(writer.empty);
    assert.equal(writer.bytes.length, 64 * 1024);
  }
});

Deno.test("buffers: each loop has its own", () => {
  const one = new LoopBuffers(DEFAULT_LIMITS), two = new LoopBuffers(DEFAULT_LIMITS);
  assert.notEqual(one.scratch.buffer, two.scratch.buffer);
  assert.notEqual(one.writer, two.writer);
});
