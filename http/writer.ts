/**
 * Output of one connection while it is worked on: everything that one batch of requests produces is collected here and
 * leaves in as few writes as possible.
 *
 * Small things are copied into one buffer; long bodies are only noted, with the place in the buffer that they go
 * behind, and are gathered by the system call. One writer serves a whole loop, one connection at a time.
 *
 * @module
 */

import { utf8Into } from "./bytes.ts";

/** A body that goes out behind the first `at` bytes of the buffer. */
export interface Gathered {
  readonly at: number;
  readonly bytes: Uint8Array;
}

/** Growable output. */
export class Writer {
  /** The buffer; its first `length` bytes are output. */
  bytes: Uint8Array<ArrayBuffer>;
  length = 0;
  /** Long bodies in between, in order. */
  gathered: Gathered[] = [];
  /** Bytes of the bodies in `gathered`. */
  gatheredBytes = 0;

  readonly #initialBytes: number;

  constructor(initialBytes: number) {
    this.#initialBytes = initialBytes;
    this.bytes = new Uint8Array(initialBytes);
  }

  /** Whether there is nothing to send. */
  get empty(): boolean {
    return this.length === 0 && this.gathered.length === 0;
  }

  /** Makes sure that `count` more bytes fit into the buffer. */
  reserve(count: number): void {
    const needed = this.length + count;
    if (needed <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.bytes.length * 2));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }

  /** Copies bytes. */
  append(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** Copies a string of Latin-1 characters, which the caller has checked, a byte each. */
  latin1(text: string): void {
    this.reserve(text.length);
    const { bytes } = this;
    let at = this.length;
    for (let i = 0; i < text.length; i++) bytes[at++] = text.charCodeAt(i);
    this.length = at;
  }

  /** Copies a string as UTF-8 and returns how many bytes that took. */
  utf8(text: string): number {
    this.reserve(text.length * 3);
    if (text.length <= 64) {
      const written = this.#ascii(text);
      if (written >= 0) return written;
    }
    const { written } = utf8Into(text, this.bytes.subarray(this.length));
    this.length += written;
    return written;
  }

  /** A short string is written faster by hand than through the encoder; -1, and nothing written, if it is not ASCII. */
  #ascii(text: string): number {
    const { bytes, length } = this;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code > 0x7f) return -1;
      bytes[length + i] = code;
    }
    this.length += text.length;
    return text.length;
  }

  /** Copies a non-negative integer in decimal. */
  decimal(value: number): void {
    if (value > 0x7fffffff) {
      this.latin1(String(value));
      return;
    }
    this.reserve(10);
    let digits = 1;
    for (let rest = value; rest >= 10; rest = (rest / 10) | 0) digits++;
    let at = this.length + digits;
    this.length = at;
    let rest = value | 0;
    do {
      this.bytes[--at] = 0x30 + rest % 10;
      rest = (rest / 10) | 0;
    } while (rest > 0);
  }

  /** Notes a long body; it must not be changed until it is sent. */
  gather(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.gathered.push({ at: this.length, bytes });
    this.gatheredBytes += bytes.length;
  }

  /** Takes back everything behind `length`, for a head whose body turned out longer than it said. */
  truncate(length: number): void {
    this.length = length;
  }

  /** Empties it for the next connection; a buffer that one connection grew is given back. */
  clear(): void {
    this.length = 0;
    if (this.gathered.length > 0) {
      this.gathered = [];
      this.gatheredBytes = 0;
    }
    if (this.bytes.length > 4 * this.#initialBytes) this.bytes = new Uint8Array(this.#initialBytes);
  }
}
