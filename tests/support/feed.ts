/**
 * Feeds the parsers of http/h1 the same bytes in different pieces: whole, byte by byte, at every split, at random.
 *
 * The rest of a piece is given again, in fresh memory and at another offset, and what a parser was given is
 * overwritten after the call: a parser that keeps a view of its input gives itself away.
 *
 * @module
 */

import type { ChunkedDecoder } from "../../http/h1/chunked.ts";
import type { RequestHead } from "../../http/h1/parse.ts";
import type { Prng } from "./prng.ts";

/** Above this many bytes only some of the splits are tried. */
export const ALL_SPLITS_BYTES = 2000;

/** How many of them. */
export const SEEDED_SPLITS = 256;

/** What input is overwritten with: no token, no field value of a test, no digit. */
export const POISON = 0xdd;

/** Where to cut, in ascending order; no cuts for one piece. */
export type Cuts = readonly number[];

/** A cut in front of every byte but the first. */
export function everyByte(length: number): Cuts {
  return Array.from({ length: Math.max(0, length - 1) }, (_, i) => i + 1);
}

/** Every way to cut `length` bytes in two; 256 seeded ones if that would be too many. */
export function* splitsInTwo(length: number, prng: Prng): Generator<Cuts> {
  if (length <= ALL_SPLITS_BYTES) {
    for (let at = 1; at < length; at++) yield [at];
    return;
  }
  for (let i = 0; i < SEEDED_SPLITS; i++) yield [prng.between(1, length - 1)];
}

/** Some random cuts into several pieces. */
export function someCuts(length: number, prng: Prng): Cuts {
  const cuts = new Set<number>();
  for (let i = prng.between(1, 8); i > 0 && length > 1; i--) cuts.add(prng.between(1, length - 1));
  return [...cuts].sort((a, b) => a - b);
}

/** Whole, byte by byte, every split in two, and some random ones. */
export function* allCuts(length: number, prng: Prng): Generator<Cuts> {
  yield [];
  yield everyByte(length);
  yield* splitsInTwo(length, prng);
  for (let i = 0; i < 16; i++) yield someCuts(length, prng);
}

/** The pieces that the cuts make, copied. */
export function pieces(bytes: Uint8Array, cuts: Cuts): Uint8Array<ArrayBuffer>[] {
  const edges = [0, ...cuts, bytes.length];
  return edges.slice(1).map((edge, i) => new Uint8Array(bytes.slice(edges[i]!, edge)));
}

/**
 * Feeds a head piece by piece, as a connection does: what was not taken comes again with more behind it. Returns the
 * first answer that is not 0 ("need more"), or 0. On success the head has memory of its own.
 */
export function feedHead(head: RequestHead, bytes: Uint8Array, cuts: Cuts): number {
  let tail = new Uint8Array(0);
  for (const [index, piece] of pieces(bytes, cuts).entries()) {
    const offset = index % 7;
    const input = new Uint8Array(offset + tail.length + piece.length + 3).fill(POISON);
    input.set(tail, offset);
    input.set(piece, offset + tail.length);
    const end = offset + tail.length + piece.length;
    const taken = head.parse(input, offset, end);
    if (taken > 0) head.detach();
    tail = input.slice(offset, end);
    input.fill(POISON);
    if (taken !== 0) return taken;
  }
  return 0;
}

/** What came out of a chunked body. */
export interface Decoded {
  readonly data: Uint8Array;
  /** Whether the body ended. */
  readonly done: boolean;
  /** How many bytes were taken, or the negative code of the error. */
  readonly taken: number;
}

/** Feeds a chunked body piece by piece until it ends, fails, or the bytes are used up. */
export function feedChunked(decoder: ChunkedDecoder, bytes: Uint8Array, cuts: Cuts): Decoded {
  const data: Uint8Array[] = [];
  let taken = 0;
  for (const piece of pieces(bytes, cuts)) {
    let at = 0;
    while (at < piece.length && !decoder.done) {
      const next = decoder.step(piece, at, piece.length);
      if (next < 0) return { data: concat(data), done: false, taken: next };
      data.push(piece.slice(decoder.dataStart, decoder.dataEnd));
      at = next;
    }
    taken += at;
    piece.fill(POISON);
    if (decoder.done) break;
  }
  return { data: concat(data), done: decoder.done, taken };
}

/** One array of several. */
export function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
