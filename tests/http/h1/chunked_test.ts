/**
 * Covers http/h1/chunked.ts: random bodies there and back at random splits, what is refused with which error, and that
 * the answer does not depend on the split. The edges of the limits are in ../limits_test.ts.
 */

import assert from "node:assert/strict";
import { peerError } from "../../../http/errors.ts";
import { CHUNK_END, ChunkedDecoder, chunkSizeLine, LAST_CHUNK } from "../../../http/h1/chunked.ts";
import { DEFAULT_LIMITS } from "../../../http/limits.ts";
import { allCuts, concat, type Decoded, everyByte, feedChunked, someCuts } from "../../support/feed.ts";
import { Prng, SEED } from "../../support/prng.ts";
import { latin1Bytes, latin1Text } from "../../support/wire_cases.ts";

const NAME = "abcXYZ019-_!~";
const VALUE = 'abc ,;:="\t\xe9\xff019';

function decode(bytes: Uint8Array, cuts: readonly number[]): Decoded {
  return feedChunked(new ChunkedDecoder(DEFAULT_LIMITS), bytes, cuts);
}

/** A body in the chunked coding: chunks cut at random, with extensions, leading zeros, upper case and trailers. */
function encode(body: Uint8Array, prng: Prng): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < body.length;) {
    const size = Math.min(body.length - at, prng.oneIn(4) ? prng.between(1, 3) : prng.between(1, 300));
    parts.push(latin1Bytes(sizeLine(size, prng)), body.slice(at, at + size), CHUNK_END);
    at += size;
  }
  parts.push(latin1Bytes(sizeLine(0, prng)));
  for (let i = prng.oneIn(2) ? 0 : prng.below(5); i > 0; i--) {
    const line = `${prng.text(prng.between(1, 8), NAME)}:${prng.text(prng.below(20), VALUE)}\r\n`;
    parts.push(latin1Bytes(line));
  }
  return concat([...parts, CHUNK_END]);
}

function sizeLine(size: number, prng: Prng): string {
  const digits = "0".repeat(prng.below(4)) + size.toString(16);
  const extension = prng.oneIn(3) ? `;${prng.text(prng.below(12), VALUE)}` : "";
  return `${prng.oneIn(2) ? digits.toUpperCase() : digits}${extension}\r\n`;
}

Deno.test(`chunked: random bodies come back as they were, at random splits (seed ${SEED})`, () => {
  const prng = new Prng();
  for (let round = 0; round < 400; round++) {
    const body = prng.bytes(prng.oneIn(8) ? 0 : prng.below(1500));
    const wire = encode(body, prng);
    const bytes = concat([wire, latin1Bytes("GET / HTTP/1.1\r\n")]);
    for (const cuts of [[], everyByte(bytes.length), someCuts(bytes.length, prng), someCuts(bytes.length, prng)]) {
      const decoded = decode(bytes, cuts);
      const label = `seed ${SEED}, round ${round}, cut at ${cuts.slice(0, 9)}`;
      assert.deepEqual(decoded.data, body, label);
      assert.deepEqual([decoded.done, decoded.taken], [true, wire.length], label);
    }
  }
});

Deno.test(`chunked: what the server writes, it reads (seed ${SEED})`, () => {
  const prng = new Prng();
  for (let round = 0; round < 100; round++) {
    const chunks = Array.from({ length: prng.below(8) }, () => prng.bytes(prng.between(1, 5000)));
    const wire = chunks.flatMap((chunk) => [latin1Bytes(chunkSizeLine(chunk.length)), chunk, CHUNK_END]);
    const decoded = decode(concat([...wire, LAST_CHUNK]), []);
    assert.deepEqual([decoded.data, decoded.done], [concat(chunks), true]);
  }
});

const GOOD: readonly [string, string][] = [
  ["0\r\n\r\n", ""],
  ["0000000000000000\r\n\r\n", ""],
  ["5\r\nhello\r\n0\r\n\r\n", "hello"],
  ["0000000000000005\r\nhello\r\n0\r\n\r\n", "hello"],
  ["a\r\n0123456789\r\nA\r\nabcdefghij\r\n0\r\n\r\n", "0123456789abcdefghij"],
  ['1;a=b;c="d;e"\r\nx\r\n0;z\r\n\r\n', "x"],
  ["2;\r\n\r\n\r\n0\r\nTransfer-Encoding: chunked\r\nContent-Length:\r\nX:\t\xff \r\n\r\n", "\r\n"],
];

Deno.test(`chunked: good bodies at every split (seed ${SEED})`, () => {
  const prng = new Prng();
  for (const [text, body] of GOOD) {
    for (const cuts of allCuts(text.length, prng)) {
      const { data, done, taken } = decode(latin1Bytes(text), cuts);
      assert.deepEqual(
        [latin1Text(data), done, taken],
        [body, true, text.length],
        `${JSON.stringify(text)} at ${cuts}`,
      );
    }
    for (let length = 0; length < text.length; length++) {
      const { done, taken } = decode(latin1Bytes(text.slice(0, length)), []);
      assert.deepEqual([done, taken], [false, length], `the first ${length} of ${JSON.stringify(text)}`);
    }
  }
});

/** The last byte of each is the one that is wrong. */
const BAD: readonly [string, string][] = [
  ["bad-chunk", "\r"],
  ["bad-chunk", ";"],
  ["bad-chunk", " "],
  ["bad-chunk", "g"],
  ["bad-chunk", "-"],
  ["bad-chunk", "+"],
  ["bad-chunk", "0x"],
  ["bad-chunk", "5\n"],
  ["bad-chunk", "5 "],
  ["bad-chunk", "5\t"],
  ["bad-chunk", "5\0"],
  ["bad-chunk", "5\xb5"],
  ["bad-chunk", "5\r\r"],
  ["bad-chunk", "5;\n"],
  ["bad-chunk", "5;a\x7f"],
  ["bad-chunk", "5;a\rb"],
  ["bad-chunk", "5\r\nhello\n"],
  ["bad-chunk", "5\r\nhello!"],
  ["bad-chunk", "5\r\nhello\r\r"],
  ["bad-chunk", "1\r\nx\r\n\r"],
  ["bad-chunk", "00000000000000000"],
  ["bad-chunk", "00000000000000001"],
  ["bad-chunk", "0\r\n\r\r"],
  ["bad-trailer", "0\r\n\n"],
  ["bad-trailer", "0\r\n "],
  ["bad-trailer", "0\r\n:"],
  ["bad-trailer", "0\r\nX "],
  ["bad-trailer", "0\r\nX\r"],
  ["bad-trailer", "0\r\nX: y\n"],
  ["bad-trailer", "0\r\nX: y\rz"],
  ["bad-trailer", "0\r\nX: \0"],
  ["bad-trailer", "0\r\nX: y\r\n\t"],
];

Deno.test(`chunked: bad bodies are refused at the byte that is wrong, at every split (seed ${SEED})`, () => {
  const prng = new Prng();
  for (const [token, text] of BAD) {
    for (const behind of ["", "0\r\n\r\n"]) {
      const bytes = latin1Bytes(text + behind);
      for (const cuts of allCuts(bytes.length, prng)) {
        const { done, taken } = decode(bytes, cuts);
        assert.ok(!done && taken < 0, `${JSON.stringify(text)} at ${cuts}: ${taken}`);
        assert.equal(peerError(taken).token, token, `${JSON.stringify(text)} at ${cuts}`);
      }
    }
    assert.equal(decode(latin1Bytes(text.slice(0, -1)), []).taken, text.length - 1, JSON.stringify(text));
  }
});

/** Sizes at the edge of what a number holds exactly: accepted, too large, or malformed (more than 16 digits). */
const SIZES: readonly [string, string | null][] = [
  ["1fffffffffffff", null],
  ["001fffffffffffff", null],
  ["20000000000000", "chunk-too-large"],
  ["0020000000000000", "chunk-too-large"],
  ["ffffffffffffffff", "chunk-too-large"],
  ["8000000000000000", "chunk-too-large"],
  ["0001fffffffffffff", "bad-chunk"],
  ["10000000000000000", "bad-chunk"],
  ["10000000000000005", "bad-chunk"],
  ["fffffffffffffffff", "bad-chunk"],
];

Deno.test("chunked: sizes up to 2^53 - 1 in at most 16 digits", () => {
  for (const [digits, token] of SIZES) {
    for (const end of ["\r\nx", ";a\r\nx"]) {
      const bytes = latin1Bytes(digits + end);
      for (const cuts of [[], everyByte(bytes.length)]) {
        const { taken } = decode(bytes, cuts);
        assert.equal(taken < 0 ? peerError(taken).token : null, token, digits);
      }
    }
  }
});

Deno.test("chunked: a piece of data is a view of the input, and nothing behind the end is touched", () => {
  const decoder = new ChunkedDecoder(DEFAULT_LIMITS);
  const bytes = latin1Bytes("##3\r\nabc\r\n0\r\n\r\nnext");
  const seen: [number, number, number][] = [];
  for (let at = 2; !decoder.done;) {
    at = decoder.step(bytes, at, bytes.length);
    seen.push([at, decoder.dataStart, decoder.dataEnd]);
  }
  assert.deepEqual(seen, [[8, 5, 8], [15, 15, 15]]);
  assert.equal(decoder.step(bytes, 15, bytes.length), 15, "a body that has ended takes nothing");
});

Deno.test("chunkSizeLine: lower-case hexadecimal", () => {
  assert.deepEqual([1, 15, 16, 255, 65536].map(chunkSizeLine), ["1\r\n", "f\r\n", "10\r\n", "ff\r\n", "10000\r\n"]);
});
