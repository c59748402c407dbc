/**
 * Covers http/errors.ts: the rows, the error class, and that every row is produced by a wire case of
 * tests/cases/h1_errors.txt, at every split of its bytes.
 */

import assert from "node:assert/strict";
import { HttpError, httpErrorOf, peerError, peerErrors } from "../../http/errors.ts";
import { reasonPhrase } from "../../http/status.ts";
import { everyByte, pieces, splitsInTwo } from "../support/feed.ts";
import { Harness } from "../support/h1_harness.ts";
import { Prng, SEED } from "../support/prng.ts";
import { loadWireCases } from "../support/wire_cases.ts";

const CASES = loadWireCases("h1_errors.txt");

Deno.test(`errors: every case gets the status and the sentence of its row, at every split (seed ${SEED})`, async () => {
  const prng = new Prng();
  for (const { id, name, bytes, token, expect } of CASES) {
    const row = peerErrors().find((row) => row.token === token);
    assert.ok(row, `case ${id} is about ${token}, which is no row`);
    for (const cuts of [[], everyByte(bytes.length), ...splitsInTwo(bytes.length, prng)]) {
      const harness = new Harness();
      for (const piece of pieces(bytes, cuts)) await harness.send(piece);
      if (token === "truncated-body") await harness.end();
      const label = `${id} ${name}, cut at ${cuts.slice(0, 9)}`;
      assert.match(harness.result, new RegExp(`^(?:${expect})$`), label);
      assert.equal(harness.result, `${row.status}!`, label);
      assert.ok(harness.output.includes(row.message), `${label}: expected ${row.message}, got ${harness.output}`);
    }
  }
});

Deno.test("errors: every row is produced by some case, or by a limit of a reader", () => {
  const produced = new Set(CASES.map(({ token }) => token));
  for (const { token } of peerErrors()) assert.ok(produced.has(token), `no case of h1_errors.txt produces ${token}`);
});

Deno.test("errors: tokens are short, stable and used once; statuses are errors with a phrase", () => {
  const tokens = peerErrors().map(({ token }) => token);
  assert.equal(new Set(tokens).size, tokens.length);
  assert.equal(new Set(peerErrors().map(({ message }) => message)).size, tokens.length);
  for (const { token, status, scope, message } of peerErrors()) {
    assert.match(token, /^[a-z]+(-[a-z]+)*$/);
    assert.ok(status >= 400 && status < 600 && reasonPhrase(status) !== "", token);
    assert.equal(scope, "connection");
    assert.match(message, /^[A-Z][\x20-\x7e]+[A-Za-z0-9]$/, token);
  }
});

Deno.test("peerError: by its negative code, and nothing else", () => {
  const rows = peerErrors();
  rows.forEach((row, index) => assert.equal(peerError(-1 - index), row));
  for (const code of [0, 1, -rows.length - 1, NaN]) assert.throws(() => peerError(code), RangeError);
});

Deno.test("httpErrorOf: status and sentence of the row", () => {
  peerErrors().forEach(({ status, message }, index) => {
    const error = httpErrorOf(-1 - index);
    assert.deepEqual([error.status, error.message, error.name], [status, message, "HttpError"]);
  });
});

Deno.test("HttpError: what it carries, and which statuses it takes", () => {
  const cause = new Error("cause");
  const hidden = new HttpError(503, "database is down", { cause });
  assert.deepEqual([hidden.status, hidden.message, hidden.expose, hidden.cause], [
    503,
    "database is down",
    false,
    cause,
  ]);
  const shown = new HttpError(404);
  assert.deepEqual([shown.message, shown.expose, "cause" in shown], ["HTTP 404", true, false]);
  assert.ok(new HttpError(500, "x", { expose: true }).expose);
  assert.ok(!new HttpError(400, "x", { expose: false }).expose);
  assert.ok(shown instanceof Error);
  for (const status of [0, 200, 399, 600, 400.5, NaN]) assert.throws(() => new HttpError(status), RangeError);
  for (const status of [400, 499, 500, 599]) assert.equal(new HttpError(status).status, status);
});
