/** Covers http/writer.ts: everything that goes into a writer comes out in order, whatever it has to grow. */

import assert from "node:assert/strict";
import { utf8 } from "../../http/bytes.ts";
import { Writer } from "../../http/writer.ts";
import { concat } from "../support/feed.ts";
import { Prng, SEED } from "../support/prng.ts";
import { latin1Bytes, latin1Text } from "../support/wire_cases.ts";

function contents(writer: Writer): Uint8Array {
  const parts: Uint8Array[] = [];
  let from = 0;
  for (const { at, bytes } of writer.gathered) {
    parts.push(writer.bytes.subarray(from, at), bytes);
    from = at;
  }
  return concat([...parts, writer.bytes.subarray(from, writer.length)]);
}

Deno.test("writer: decimal writes what String writes, at every power of ten and of two", () => {
  const values = [0, 1, 9];
  for (let power = 10; power <= 1e16; power *= 10) values.push(power - 1, power, power + 1);
  for (let power = 2; power <= 2 ** 53; power *= 2) values.push(power - 1, power);
  for (const value of values.filter(Number.isSafeInteger)) {
    const writer = new Writer(1);
    writer.decimal(value);
    assert.equal(latin1Text(contents(writer)), String(value));
  }
});

Deno.test("writer: utf8 returns bytes, short and long, ASCII and not, lone surrogates replaced", () => {
  const writer = new Writer(4);
  const expected: Uint8Array[] = [];
  const texts = ["", "a", "ü", "a世🎉", "\ud800", "x".repeat(64), "x".repeat(65), `${"x".repeat(63)}ü`];
  for (const text of [...texts, "ü".repeat(64), "世".repeat(5000), "x\udc00y".repeat(30), `${"y".repeat(70)}ü`]) {
    assert.equal(writer.utf8(text), utf8(text).length, JSON.stringify(text.slice(0, 10)));
    expected.push(utf8(text));
  }
  assert.deepEqual(contents(writer), concat(expected));
});

Deno.test(`writer: any mixture of calls comes out in order (seed ${SEED})`, () => {
  const prng = new Prng();
  for (let round = 0; round < 200; round++) {
    const writer = new Writer(prng.between(1, 64));
    const expected: Uint8Array[] = [];
    for (let call = 0; call < 20; call++) {
      const bytes = prng.bytes(prng.below(200));
      const kind = prng.below(4);
      if (kind === 0) writer.append(bytes);
      else if (kind === 1) writer.gather(bytes);
      else if (kind === 2) writer.latin1(latin1Text(bytes));
      else writer.decimal(bytes.length);
      expected.push(kind === 3 ? latin1Bytes(String(bytes.length)) : bytes);
    }
    assert.deepEqual(contents(writer), concat(expected));
    assert.equal(writer.length + writer.gatheredBytes, concat(expected).length);
    assert.equal(writer.empty, concat(expected).length === 0);
  }
});

Deno.test("writer: append copies, gather does not, and an empty body is not gathered", () => {
  const writer = new Writer(16);
  const bytes = latin1Bytes("abc");
  writer.append(bytes);
  writer.gather(bytes);
  writer.gather(new Uint8Array(0));
  assert.equal(writer.gathered.length, 1);
  bytes.fill(0x7a);
  assert.equal(latin1Text(contents(writer)), "abczzz");
});

Deno.test("writer: truncate takes back, clear empties and gives a grown buffer back", () => {
  const writer = new Writer(16);
  writer.latin1("keep");
  const { length } = writer;
  writer.latin1("drop");
  writer.truncate(length);
  writer.latin1("!");
  assert.equal(latin1Text(contents(writer)), "keep!");
  const { bytes } = writer;
  writer.clear();
  assert.ok(writer.empty);
  assert.equal(writer.bytes, bytes, "a buffer of the usual size stays");
  writer.reserve(65);
  writer.gather(bytes);
  assert.ok(!writer.empty, "gathered bytes are output too");
  writer.clear();
  assert.equal(writer.bytes.length, 16);
  assert.equal(writer.gatheredBytes, 0);
  assert.ok(writer.empty);
});

Deno.test("writer: reserve keeps what was written", () => {
  const writer = new Writer(4);
  writer.latin1("abcd");
  writer.reserve(1);
  assert.equal(latin1Text(contents(writer)), "abcd");
  assert.ok(writer.bytes.length >= 5);
  const { bytes } = writer;
  writer.reserve(bytes.length - writer.length);
  assert.equal(writer.bytes, bytes, "what fits needs no new buffer");
});
