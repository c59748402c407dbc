/**
 * Fuzzes the HTTP/1 machine (http/h1/conn.ts and what it is made of) against itself: the same bytes whole, byte by
 * byte and in random pieces, to handlers that answer at once, later, in another order, as streams, with other limits of
 * how much may wait. Every time the same bytes have to come out, and the same input has to be left over.
 *
 * Not compared is what may differ: 100 (Continue), which depends on whether the body came with the head; and, once the
 * connection is at its end, what is left over and which handlers were started behind the last answer. A handler that
 * waits reads the body first: an answer that comes before a body that turns out to be broken may stay open, one that
 * comes behind may not.
 *
 * @module
 */

import assert from "node:assert/strict";
import { HttpError } from "../../http/errors.ts";
import type { H1Request } from "../../http/h1/request.ts";
import { DEFAULT_LIMITS, type Limits } from "../../http/limits.ts";
import { type Answer, Reply } from "../../http/message.ts";
import { type Cuts, everyByte, pieces, someCuts } from "../support/feed.ts";
import { Harness, resultOf } from "../support/h1_harness.ts";
import type { Prng } from "../support/prng.ts";
import { type CaseFuzzer, caseFuzzer, showBytes, withoutParts } from "./fuzzer.ts";
import { corpus, someRequests } from "./inputs.ts";

/** Limits that short inputs go over. */
const SMALL: Partial<Limits> = {
  methodBytes: 7,
  targetBytes: 60,
  headBytes: 300,
  fieldBytes: 90,
  fields: 5,
  chunkExtensionBytes: 20,
  trailerBytes: 40,
  trailers: 2,
};

const LONG = new Uint8Array(40_000).fill(0x61);
/** No answer of a handler here is longer, with its head. */
const LONGEST_ANSWER = LONG.length + 1000;
/** Longer inputs are not cut at every byte. */
const EVERY_BYTE_MAX = 700;
const SPLITS = 4;
/** So many runs without news, of twelve turns each, and there will be none. */
const QUIET_RUNS = 4;

interface Input {
  readonly bytes: Uint8Array;
  readonly small: boolean;
}

/** What is no business of the peer's. */
interface Variant {
  readonly cuts: Cuts;
  readonly limits: Partial<Limits>;
  readonly scratchBytes: number;
}

interface Outcome {
  readonly result: string;
  readonly output: string;
  /** Bytes that were not taken; -1 once the connection is at its end. */
  readonly unread: number;
  /** Handlers that were started; -1 then too, for those behind the last answer may have been. */
  readonly started: number;
}

/** A sum over bytes in order. */
function digest(bytes: Uint8Array, start = 7): number {
  return bytes.reduce((sum, byte) => (Math.imul(sum, 31) + byte) >>> 0, start);
}

function textDigest(text: string): number {
  let sum = 7;
  for (let i = 0; i < text.length; i++) sum = (Math.imul(sum, 31) + text.charCodeAt(i)) >>> 0;
  return sum;
}

/** Everything that a handler can see of a head. */
function describe(request: H1Request): string {
  const { method, target, path, queryText, authority, protocol } = request;
  const fields = JSON.stringify([path, queryText, authority, request.headers(), request.header("host")]);
  return `${method} ${protocol} ${textDigest(target)} ${textDigest(fields)}`;
}

/** One connection, and handlers that wait until they are told. */
class Play {
  readonly harness: Harness;
  #waiting: (() => void)[] = [];
  #running = 0;
  readonly #limits: Readonly<Limits>;

  constructor(readonly variant: Variant, readonly prng: Prng, canary: string) {
    this.#limits = { ...DEFAULT_LIMITS, ...variant.limits };
    const { limits, scratchBytes } = variant;
    this.harness = new Harness((request) => this.#handle(request), { limits, scratchBytes });
    this.#watch(canary);
  }

  /** Looks at the limits after every call of the machine. */
  #watch(canary: string): void {
    const { conn, writer } = this.harness;
    const { headBytes, unsentBytes } = this.#limits;
    const receive = conn.receive.bind(conn);
    conn.receive = (bytes, start, end, into) => {
      const cut = canary === "lost-cr" && end - start > 1 && bytes[end - 1] === 0x0d ? 1 : 0;
      const taken = receive(bytes, start, end - cut, into) + cut;
      if (canary === "all-at-once" && taken === end) this.#running++;
      const left = end - taken;
      if (conn.starved) assert.ok(left < headBytes, `an incomplete head of ${left} bytes is kept`);
      const written = writer.length + writer.gatheredBytes;
      assert.ok(written <= 2 * unsentBytes + LONGEST_ANSWER, `${written} bytes lie in the writer`);
      return taken;
    };
  }

  #handle(request: H1Request): Answer | Promise<Answer> {
    const mode = textDigest(request.target) % 7;
    const head = describe(request);
    if (mode < 2) return new Reply(head);
    if (mode === 2 && request.body.ended) {
      return new Reply(LONG.subarray(0, 15_000 + request.target.length * 1000 % 25_000));
    }
    return this.#count(this.#later(request, head, mode));
  }

  async #count<T>(answer: Promise<T>): Promise<T> {
    this.#running++;
    const most = this.#limits.pipelined;
    if (this.#running > most) this.harness.failures.push(new Error(`${this.#running} handlers run, ${most} may`));
    try {
      return await answer;
    } finally {
      this.#running--;
    }
  }

  async #later(request: H1Request, head: string, mode: number): Promise<Answer> {
    let text = head;
    try {
      const bytes = await request.body.bytes();
      text += ` ${bytes.length} ${digest(bytes)}`;
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      return new Reply(error.message, error.status);
    }
    if (mode > 3) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    // Only the memory of the head itself can give the same text again.
    if (!request.aborted) assert.equal(describe(request), head);
    if (mode === 5) {
      return new Reply(ReadableStream.from([text, "", text].map((part) => new TextEncoder().encode(part))));
    }
    return mode === 6 ? new Response(text) : new Reply(text);
  }

  /** Lets one of the handlers that wait go on. */
  async #release(): Promise<void> {
    this.#waiting.splice(this.prng.below(this.#waiting.length), 1)[0]!();
    await this.harness.run();
  }

  /** Lets all of them go on, until nothing happens any more. Streams take many turns of the microtask queue. */
  async #releaseAll(): Promise<void> {
    const { harness } = this;
    for (let quiet = 0; quiet < QUIET_RUNS; quiet++) {
      const before = harness.wakes;
      while (this.#waiting.length > 0) await this.#release();
      await harness.run();
      if (harness.wakes !== before || this.#waiting.length > 0) quiet = -1;
    }
  }

  async run(bytes: Uint8Array): Promise<Outcome> {
    const { harness, variant, prng } = this;
    for (const piece of pieces(bytes, variant.cuts)) {
      await harness.send(piece);
      const most = this.#limits.headBytes + variant.scratchBytes;
      assert.ok(harness.tailBytes <= most, `${harness.tailBytes} bytes are kept`);
      while (this.#waiting.length > 0 && prng.oneIn(2)) await this.#release();
    }
    await this.#releaseAll();
    assert.deepEqual(harness.failures, []);
    const output = harness.output.replace(/HTTP\/1\.1 100 Continue\r\n\r\n/g, "");
    const { finished } = harness.conn;
    const unread = finished ? -1 : harness.unread;
    const started = finished ? -1 : harness.started.length;
    const result = resultOf(output, finished || harness.conn.broken);
    await harness.end();
    await this.#releaseAll();
    assert.ok(harness.conn.finished || harness.conn.broken, "the peer has ended, and the connection waits");
    assert.equal(harness.conn.services.waiting, 0, "handlers are waited for that nobody waits for");
    return { result, output, unread, started };
  }
}

function variants(input: Input, prng: Prng): Variant[] {
  const fixed = input.small ? SMALL : {};
  const headBytes = fixed.headBytes ?? DEFAULT_LIMITS.headBytes;
  const all: Variant[] = [{ cuts: [], limits: fixed, scratchBytes: headBytes + 64 * 1024 }];
  for (let i = 0; i < SPLITS; i++) {
    const isEvery = i === 0 && input.bytes.length <= EVERY_BYTE_MAX;
    all.push({
      cuts: isEvery ? everyByte(input.bytes.length) : i === 1 ? [] : someCuts(input.bytes.length, prng),
      limits: { ...fixed, pipelined: prng.pick([1, 2, 3, 16]), unsentBytes: prng.pick([1, 2000, 64 * 1024]) },
      scratchBytes: headBytes + prng.pick([1, 50, 64 * 1024]),
    });
  }
  return all;
}

async function check(input: Input, prng: Prng, canary: string): Promise<void> {
  let whole: Outcome | null = null;
  for (const variant of variants(input, prng)) {
    const outcome = await new Play(variant, prng, canary).run(input.bytes);
    whole ??= outcome;
    assert.deepEqual(outcome, whole, `with ${JSON.stringify(variant)}`);
  }
}

export const h1: CaseFuzzer = caseFuzzer({
  name: "h1",
  about: "the HTTP/1 machine against itself at other splits, with other timing and other limits",
  canaries: ["lost-cr", "all-at-once"],
  prepare: () => void corpus(),
  make: (prng): Input => ({ small: prng.oneIn(2), bytes: someRequests(prng) }),
  check,
  show: ({ bytes, small }) => `${small ? "small limits" : "usual limits"}: "${showBytes(bytes)}"`,
  *smaller(input): Generator<Input> {
    for (const bytes of withoutParts(input.bytes)) yield { ...input, bytes };
  },
});
