/**
 * Fuzzes the decoder of the chunked coding (http/h1/chunked.ts).
 *
 * Right bodies, with chunks of random sizes, extensions and trailers, have to come out as they went in, and the bytes
 * behind them are not to be touched. Anything else may be refused, but never with an exception, and with the same
 * result at every split.
 *
 * @module
 */

import assert from "node:assert/strict";
import { ChunkedDecoder } from "../../http/h1/chunked.ts";
import { DEFAULT_LIMITS, type Limits } from "../../http/limits.ts";
import { concat, type Decoded, everyByte, feedChunked, someCuts } from "../support/feed.ts";
import type { Prng } from "../support/prng.ts";
import { latin1Bytes } from "../support/wire_cases.ts";
import { type CaseFuzzer, caseFuzzer, showBytes, withoutParts } from "./fuzzer.ts";
import { encodeChunked, mutated } from "./inputs.ts";

const SMALL: Readonly<Limits> = { ...DEFAULT_LIMITS, chunkExtensionBytes: 20, trailerBytes: 40, trailers: 2 };
const ALPHABET = "0123456789abcdefABCDEF;:=\r\r\n\n \tg\0\xff";
const SPLITS = 12;

interface Input {
  /** What has to come out; null if anything may. */
  readonly body: Uint8Array | null;
  readonly wire: Uint8Array;
  readonly small: boolean;
}

/** Loses a CR that is the last byte of a piece. */
class ForgetfulDecoder extends ChunkedDecoder {
  override step(bytes: Uint8Array, at: number, end: number): number {
    const next = super.step(bytes, at, at < end - 1 && bytes[end - 1] === 0x0d ? end - 1 : end);
    return next === end - 1 && !this.done && bytes[next] === 0x0d ? end : next;
  }
}

/** Gives one byte of each long piece of data too little. */
class ShortDecoder extends ChunkedDecoder {
  override step(bytes: Uint8Array, at: number, end: number): number {
    const next = super.step(bytes, at, end);
    if (this.dataEnd - this.dataStart > 100) this.dataEnd--;
    return next;
  }
}

function make(prng: Prng): Input {
  const kind = prng.below(3);
  if (kind === 2) return { body: null, wire: latin1Bytes(prng.text(prng.below(80), ALPHABET)), small: prng.oneIn(2) };
  const body = prng.bytes(prng.below(prng.oneIn(8) ? 6000 : 300));
  const wire = encodeChunked(prng, body);
  return kind === 0 ? { body, wire, small: false } : { body: null, wire: mutated(prng, wire), small: prng.oneIn(2) };
}

function check({ body, wire, small }: Input, prng: Prng, canary: string): void {
  const Decoder = { "": ChunkedDecoder, "lost-cr": ForgetfulDecoder, "lost-byte": ShortDecoder }[canary]!;
  const decode = (bytes: Uint8Array, cuts: readonly number[]): Decoded => {
    const decoder = new Decoder(small ? SMALL : DEFAULT_LIMITS);
    const decoded = feedChunked(decoder, bytes, cuts);
    assert.equal(decoder.done, decoded.done);
    return decoded;
  };
  const whole = decode(wire, []);
  const behind = body === null ? wire : concat([wire, prng.bytes(prng.below(20))]);
  if (body !== null) assert.deepEqual(whole, { data: body, done: true, taken: wire.length });
  for (let split = 0; split < SPLITS; split++) {
    const cuts = split === 0 ? everyByte(behind.length) : someCuts(behind.length, prng);
    const got = decode(behind, cuts);
    assert.ok(got.data.length <= behind.length, "more came out than went in");
    assert.deepEqual(got, whole, `cut at ${cuts.length > 20 ? "every byte" : cuts}`);
  }
}

export const chunked: CaseFuzzer = caseFuzzer({
  name: "chunked",
  about: "the chunked coding: there and back at random splits; garbage is the same at every split",
  canaries: ["lost-cr", "lost-byte"],
  make,
  check,
  show: ({ body, wire, small }) => {
    return `${body === null ? "garbage" : "body"}${small ? ", small limits" : ""}: "${showBytes(wire)}"`;
  },
  *smaller(input): Generator<Input> {
    if (input.body === null) { for (const wire of withoutParts(input.wire)) yield { ...input, wire }; }
  },
});
