/**
 * The 212 vectors of HTTP/1.1 (tests/cases/h1_vectors.txt) against the machine: whole, byte by byte, at every split,
 * with bytes behind them, and ended by the peer. Also that the text file still says what ../shared/h1-vectors says.
 */

import assert from "node:assert/strict";
import { ALL_SPLITS_BYTES, concat, type Cuts, everyByte, pieces, splitsInTwo } from "../../support/feed.ts";
import { answerAtOnce, Harness, readAndAnswer, type TestHandler } from "../../support/h1_harness.ts";
import { needs, unless } from "../../support/needs.ts";
import { Prng, SEED } from "../../support/prng.ts";
import { CANARY, latin1Bytes, latin1Text, loadWireCases, type WireCase } from "../../support/wire_cases.ts";

const VECTORS = loadWireCases("h1_vectors.txt");
const JSON_PATH = "../shared/h1-vectors/vectors.json";
const CONTINUE = /HTTP\/1\.1 100 Continue\r\n\r\n/g;

const HANDLERS: readonly [string, TestHandler][] = [["awaited", readAndAnswer], ["at once", answerAtOnce]];

/** What comes behind the vectors: a request, and what is none. */
const TRAILERS: readonly string[] = [
  "GET /trailing HTTP/1.1\r\nHost: h\r\n\r\n",
  "\0\xff trailing garbage\r\n\r\n",
  "\r\n",
];

interface Outcome {
  readonly result: string;
  /** All output but 100 (Continue), which depends on whether the body came with the head. */
  readonly output: string;
}

function wire(vector: WireCase): Uint8Array<ArrayBuffer> {
  return vector.canary ? concat([vector.bytes, latin1Bytes(CANARY)]) : vector.bytes;
}

async function play(bytes: Uint8Array, cuts: Cuts, handler: TestHandler): Promise<Outcome> {
  const harness = new Harness(handler);
  for (const piece of pieces(bytes, cuts)) await harness.send(piece);
  assert.deepEqual(harness.failures, []);
  return { result: harness.result.replace(/^100,/, ""), output: harness.output.replace(CONTINUE, "") };
}

function label(vector: WireCase, how: string): string {
  return `${vector.id} ${vector.name}, ${how} (seed ${SEED})`;
}

function assertExpected(vector: WireCase, result: string, how: string): void {
  const matches = new RegExp(`^(?:${vector.expect})`).test(result);
  assert.ok(matches, `${label(vector, how)}: expected ${vector.expect}, got ${result || "(no answer)"}`);
}

async function checkSplits(vector: WireCase, handler: TestHandler, name: string): Promise<void> {
  const bytes = wire(vector);
  const whole = await play(bytes, [], handler);
  assertExpected(vector, whole.result, `whole, ${name}`);
  // The long ones are answered alike by both handlers: all splits with one of them are enough.
  const skip = bytes.length > ALL_SPLITS_BYTES && handler !== readAndAnswer;
  const splits = skip ? [] : splitsInTwo(bytes.length, new Prng(SEED + vector.id));
  for (const cuts of [everyByte(bytes.length), ...splits]) {
    const how = `${name}, ${cuts.length === 1 ? `cut at ${cuts[0]}` : "byte by byte"}`;
    assert.deepEqual(await play(bytes, cuts, handler), whole, label(vector, how));
  }
}

async function checkTrailing(vector: WireCase, handler: TestHandler, name: string): Promise<void> {
  const bytes = wire(vector);
  const alone = await play(bytes, [], handler);
  for (const trailer of TRAILERS) {
    const how = `${name}, with ${JSON.stringify(trailer)} behind it`;
    const { result, output } = await play(concat([bytes, latin1Bytes(trailer)]), [], handler);
    if (alone.result.endsWith("!")) assert.equal(result, alone.result, label(vector, how));
    assert.ok(output.startsWith(alone.output), `${label(vector, how)}: got ${result} after ${alone.result}`);
  }
}

/** Checks every vector before it fails, so that one run shows all that are wrong. */
async function checkEach(vectors: readonly WireCase[], check: (vector: WireCase) => Promise<void>): Promise<void> {
  const wrong: string[] = [];
  for (const vector of vectors) await check(vector).catch((error) => wrong.push(error.message));
  assert.equal(wrong.join("\n"), "");
}

const GROUPS = [...new Set(VECTORS.map(({ group }) => group))];

for (const group of GROUPS) {
  const vectors = VECTORS.filter((vector) => vector.group === group);
  for (const [name, handler] of HANDLERS) {
    Deno.test(`vectors ${group}, answered ${name}: whole, byte by byte, at every split (seed ${SEED})`, () => {
      return checkEach(vectors, (vector) => checkSplits(vector, handler, name));
    });
    Deno.test(`vectors ${group}, answered ${name}: with trailing bytes`, () => {
      return checkEach(vectors.filter(({ wait }) => !wait), (vector) => checkTrailing(vector, handler, name));
    });
  }
}

Deno.test("vectors: when the peer ends, every one is answered or closed, at every split of the waiting ones", async () => {
  for (const vector of VECTORS) {
    const harness = new Harness();
    await harness.send(wire(vector));
    const before = harness.result;
    await harness.end();
    assert.ok(harness.conn.finished, label(vector, "then the end"));
    if (before !== "") assert.ok(harness.result.startsWith(before), label(vector, "then the end"));
  }
  const ends: Record<number, string> = { 111: "413!", 124: "400!", 201: "400!", 212: "!" };
  for (const vector of VECTORS.filter(({ wait }) => wait)) {
    for (const cuts of [[], everyByte(vector.bytes.length), ...splitsInTwo(vector.bytes.length, new Prng())]) {
      const harness = new Harness();
      for (const piece of pieces(vector.bytes, cuts)) await harness.send(piece);
      await harness.end();
      assert.equal(harness.result, ends[vector.id], label(vector, `cut at ${cuts}, then the end`));
    }
  }
});

Deno.test("vectors: 212 in six groups, none twice", () => {
  const counts = GROUPS.map((group) => VECTORS.filter((vector) => vector.group === group).length);
  assert.deepEqual(counts, [48, 42, 34, 34, 43, 11]);
  assert.deepEqual(VECTORS.map(({ id }) => id), Array.from({ length: 212 }, (_, i) => i + 1));
});

Deno.test({
  name: `vectors: the text file says the same as ${JSON_PATH}`,
  fn: () => {
    const rows = JSON.parse(Deno.readTextFileSync(new URL(`../../../${JSON_PATH}`, import.meta.url)));
    const ours = VECTORS.map(({ token: _, ...vector }) => ({ ...vector, bytes: latin1Text(vector.bytes) }));
    assert.equal(ours.length, rows.length);
    for (const [index, row] of rows.entries()) assert.deepEqual(ours[index], row);
  },
  ...unless(needs({ paths: [JSON_PATH] })),
});
