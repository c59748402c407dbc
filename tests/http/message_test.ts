/** Covers http/message.ts: what a Reply accepts. */

import assert from "node:assert/strict";
import { Reply } from "../../http/message.ts";

Deno.test("Reply: what was given, with its defaults", () => {
  const plain = new Reply("text");
  assert.deepEqual({ ...plain }, { content: "text", status: 200, contentType: null, fields: null });
  const bytes = Uint8Array.of(1);
  const full = new Reply(bytes, 404, "text/plain", ["vary", "accept"]);
  assert.equal(full.content, bytes);
  assert.deepEqual([full.status, full.contentType, full.fields], [404, "text/plain", ["vary", "accept"]]);
});

Deno.test("Reply: a content that cannot be sent throws a TypeError that says what it is", () => {
  const wrong: readonly [unknown, RegExp][] = [
    [42, /type Number/],
    [undefined, /type undefined/],
    [{}, /type Object/],
    [new ArrayBuffer(10), /type ArrayBuffer/],
    [new Uint16Array([1, 2, 3]), /type Uint16Array/],
    [new Blob(["x"]), /type Blob/],
  ];
  for (const [content, says] of wrong) {
    assert.throws(() => new Reply(content as string), (error: Error) => {
      assert.ok(error instanceof TypeError);
      assert.match(error.message, says);
      return true;
    });
  }
});

Deno.test("Reply: statuses that cannot be sent throw a RangeError", () => {
  for (const status of [0, 99, 100, 101, 199, 600, 1000, NaN, 200.5]) {
    assert.throws(() => new Reply(null, status), RangeError, String(status));
  }
  for (const status of [200, 201, 204, 304, 599]) assert.equal(new Reply(null, status).status, status);
});
