/**
 * A request body between the protocol that receives it and the handler that reads it.
 *
 * The protocol is the only writer (`push`, `end`, `fail`), the handler the only reader (`bytes`, `text`, `json` or
 * `stream`, one of them, once). Until somebody reads, bytes wait here, and from `waitBytes` on the protocol stops
 * reading the connection; a gathering read is bounded by its limit instead. A body that breaks off is an error,
 * never an end (RFC 9112 section 8).
 *
 * @module
 */

import { utf8Text } from "./bytes.ts";
import { BODY_TOO_LARGE, HttpError, httpErrorOf } from "./errors.ts";
import { DEFAULT_LIMITS, DISCARD_BYTES } from "./limits.ts";

/** What a body tells its protocol. */
export interface BodySource {
  /** The handler wants the body: a withheld one is asked for now (100-continue), a paused one read on. */
  onBodyWanted(): void;
}

const OPEN = 0, ENDED = 1, FAILED = 2;

/** Small pieces are put together in blocks of this size: one object for each would cost a hundred times the bytes. */
const BLOCK_BYTES = 4096;

/** One request body. */
export class RequestBody {
  /** Bytes announced by Content-Length, -1 when it is chunked. */
  readonly length: number;
  /** Bytes that are gathered in memory at most, unless a reader says otherwise. */
  readonly limit: number;
  /** Bytes received so far. */
  received = 0;
  /** Of them, those that were thrown away as they came. */
  thrownAway = 0;
  /** What went wrong with it, if something did. */
  error: HttpError | null = null;

  #source: BodySource | null;
  #state: number;
  #chunks: Uint8Array<ArrayBuffer>[] = [];
  /** Bytes used of the last chunk; behind them is room for more. */
  #lastUsed = 0;
  #waiting = 0;
  #used = false;
  #reading = false;
  #discarded = false;
  /** Called when there is something new to see: bytes, the end or an error. */
  #notify: (() => void) | null = null;
  #gatherLimit = -1;

  /**
   * A body of `length` bytes, -1 for a chunked one; 0 makes one that has ended already. `limit` is how many bytes
   * `bytes`, `text` and `json` gather unless they are told otherwise.
   */
  constructor(length: number, source: BodySource | null, limit: number = DEFAULT_LIMITS.bodyBytes) {
    this.length = length;
    this.limit = limit;
    this.#source = source;
    this.#state = length === 0 ? ENDED : OPEN;
  }

  /** Whether a handler has begun to read it. */
  get used(): boolean {
    return this.#used;
  }

  /** Whether all of it has arrived. */
  get ended(): boolean {
    return this.#state === ENDED;
  }

  /** Whether it neither ended nor failed: more is to come. */
  get open(): boolean {
    return this.#state === OPEN;
  }

  /** Whether a handler is reading what is still to come; a stream that was made and never pulled does not count. */
  get wanted(): boolean {
    return this.#reading && !this.#discarded && this.#state === OPEN;
  }

  /** Whether so much waits, or has come that nobody wants, that the connection should not be read on. */
  isFull(waitBytes: number): boolean {
    if (this.#discarded) return this.thrownAway > DISCARD_BYTES;
    return this.#waiting >= waitBytes && this.#gatherLimit < 0;
  }

  /** The protocol received bytes; they are copied, for the buffer they lie in is the loop's. */
  push(bytes: Uint8Array, start: number, end: number): void {
    this.received += end - start;
    if (this.#discarded || this.#state !== OPEN) {
      this.thrownAway += end - start;
      return;
    }
    if (this.#gatherLimit >= 0 && this.received > this.#gatherLimit) {
      this.#refuse();
      return;
    }
    this.#keep(bytes, start, end);
    if (this.#gatherLimit < 0) this.#notify?.();
  }

  #keep(bytes: Uint8Array, start: number, end: number): void {
    const count = end - start;
    this.#waiting += count;
    const last = this.#chunks.at(-1);
    if (last !== undefined && last.length - this.#lastUsed >= count) {
      for (let i = 0; i < count; i++) last[this.#lastUsed + i] = bytes[start + i]!;
      this.#lastUsed += count;
      return;
    }
    if (last !== undefined) this.#trimLast();
    // The first piece is often the only one; a second small one is a sign of many.
    const chunk = new Uint8Array(last === undefined ? count : Math.max(count, BLOCK_BYTES));
    chunk.set(bytes.subarray(start, end));
    this.#chunks.push(chunk);
    this.#lastUsed = count;
  }

  #trimLast(): void {
    const at = this.#chunks.length - 1;
    this.#chunks[at] = this.#chunks[at]!.subarray(0, this.#lastUsed);
  }

  /** The protocol received the end. */
  end(): void {
    if (this.#state !== OPEN) return;
    this.#state = ENDED;
    this.#notify?.();
  }

  /** The body cannot be received; a reader gets the error now, a later one when it comes. */
  fail(error: HttpError): void {
    if (this.#state !== OPEN) return;
    this.#state = FAILED;
    this.error = error;
    this.#chunks = [];
    this.#waiting = 0;
    this.#notify?.();
  }

  /** What waits and what comes is thrown away. Whoever reads it nevertheless gets an error: it is not whole. */
  discard(): void {
    this.#discarded = true;
    this.#chunks = [];
    this.#waiting = 0;
    this.#notify?.();
  }

  /**
   * All of it. Rejects with an `HttpError` 413 when it is longer than `limit` bytes, 400 when it broke off, and with
   * a `TypeError` when it was read before.
   */
  async bytes(limit: number = this.limit): Promise<Uint8Array<ArrayBuffer>> {
    this.#begin();
    if (this.length > limit || this.received > limit) {
      this.discard();
      throw httpErrorOf(BODY_TOO_LARGE);
    }
    this.#gatherLimit = limit;
    this.#reading = true;
    if (this.#state === OPEN) {
      this.#source?.onBodyWanted();
      await new Promise<void>((resolve) => this.#notify = resolve);
      this.#notify = null;
    }
    this.#throwIfLost();
    return this.#takeAll();
  }

  /** All of it as UTF-8 text; errors as for `bytes`. */
  async text(limit: number = this.limit): Promise<string> {
    return utf8Text(await this.bytes(limit));
  }

  /** All of it parsed as JSON; errors as for `bytes`, and an `HttpError` 400 when it is no JSON. */
  async json(limit: number = this.limit): Promise<unknown> {
    const text = await this.text(limit);
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw new HttpError(400, "The request body is not valid JSON", { cause });
    }
  }

  /** It as a stream, which reads no further ahead than its consumer. Throws a `TypeError` when it was read before. */
  stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    this.#begin();
    const wait = () => new Promise<void>((resolve) => this.#notify = resolve);
    return new ReadableStream({
      pull: async (controller) => {
        this.#reading = true;
        while (this.#chunks.length === 0 && this.#state === OPEN && !this.#discarded) {
          this.#source?.onBodyWanted();
          await wait();
          this.#notify = null;
        }
        this.#throwIfLost();
        if (this.#chunks.length === 1) this.#trimLast();
        const chunk = this.#chunks.shift();
        if (chunk === undefined) return controller.close();
        this.#waiting -= chunk.length;
        controller.enqueue(chunk);
      },
      cancel: () => {
        this.discard();
        this.#source?.onBodyWanted();
      },
    }, { highWaterMark: 0 });
  }

  #begin(): void {
    if (this.#used) throw new TypeError("Cannot read the request body: it has been read already");
    this.#used = true;
  }

  #throwIfLost(): void {
    if (this.error) throw this.error;
    if (this.#discarded) throw new TypeError("Cannot read the request body: its answer is complete");
  }

  #refuse(): void {
    this.#state = FAILED;
    this.error = httpErrorOf(BODY_TOO_LARGE);
    this.discard();
    this.#notify?.();
  }

  #takeAll(): Uint8Array<ArrayBuffer> {
    const chunks = this.#chunks;
    if (chunks.length > 0) this.#trimLast();
    this.#chunks = [];
    this.#waiting = 0;
    if (chunks.length === 1) return chunks[0]!;
    const whole = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
    let at = 0;
    for (const chunk of chunks) {
      whole.set(chunk, at);
      at += chunk.length;
    }
    return whole;
  }
}
