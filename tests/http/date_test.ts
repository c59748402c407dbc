/** Covers http/date.ts: IMF-fixdate. */

import assert from "node:assert/strict";
import { DATE_BYTES, httpDate } from "../../http/date.ts";
import { Prng, SEED } from "../support/prng.ts";

const DATES: readonly [number, string][] = [
  [0, "Thu, 01 Jan 1970 00:00:00 GMT"],
  [Date.UTC(1994, 10, 6, 8, 49, 37), "Sun, 06 Nov 1994 08:49:37 GMT"],
  [Date.UTC(1994, 10, 6, 8, 49, 37) + 999, "Sun, 06 Nov 1994 08:49:37 GMT"],
  [Date.UTC(2000, 1, 29, 23, 59, 59), "Tue, 29 Feb 2000 23:59:59 GMT"],
  [Date.UTC(2038, 0, 19, 3, 14, 8), "Tue, 19 Jan 2038 03:14:08 GMT"],
];

Deno.test("httpDate: known dates", () => {
  for (const [epochMs, text] of DATES) assert.equal(httpDate(epochMs), text);
});

Deno.test(`httpDate: always the same length and shape (seed ${SEED})`, () => {
  const prng = new Prng();
  const shape = /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z][a-z] \d{4} \d\d:\d\d:\d\d GMT$/;
  for (let i = 0; i < 1000; i++) {
    const epochMs = prng.uint32() * 1000 + prng.below(1000);
    const text = httpDate(epochMs);
    assert.equal(text.length, DATE_BYTES);
    assert.match(text, shape);
    assert.equal(Date.parse(text), Math.floor(epochMs / 1000) * 1000);
  }
});
