/**
 * The request head of HTTP/1.1: from bytes to positions (RFC 9112 sections 2 to 5).
 *
 * `parse` answers how many bytes the head took, 0 for "need more", or a negative code of errors.ts. It stores where
 * things are, not what they are: four numbers a field, relative to the first byte of the head, so that a head can be
 * moved (to the front of another buffer, or to a copy of its own) by changing `bytes` and `base`.
 *
 * A head that comes in pieces is not parsed from the start each time: whole lines are kept, the unfinished one is
 * looked at again. Every limit counts from a fixed place, and scanning stops at the limit even when more bytes are
 * there, so every split of the same bytes gives the same answer, and what is wrong is said at once, not when the line
 * ends.
 *
 * @module
 */

import {
  CR,
  equalsIgnoreCase,
  IS_FIELD_VALUE,
  IS_TOKEN,
  isDigit,
  latin1,
  LF,
  SP,
  TAB,
  TARGET_BITS,
  TARGET_QUERY,
} from "../bytes.ts";
import * as errors from "../errors.ts";
import { LEADING_BLANK_LINES, type Limits } from "../limits.ts";

/** Numbers per field in `positions`: name start, name end, value start, value end. */
export const FIELD_STRIDE = 4;

const NOTHING: Uint8Array = new Uint8Array(0);
const VERSION_PREFIX = "HTTP/";

/** What a head has parsed so far: lines are finished one after the other. */
const BLANK_LINES = 0, REQUEST_LINE = 1, FIELDS = 2, DONE = 3;

/** The fields that decide framing and connection: where the first of each is, and how many there are. */
export class SingleField {
  /** Index of the first such field, -1 if there is none. */
  index = -1;
  /** How many there are. */
  count = 0;

  note(index: number): void {
    if (this.count++ === 0) this.index = index;
  }

  reset(): void {
    this.index = -1;
    this.count = 0;
  }
}

/** A parsed or half-parsed request head. Pooled: `reset` makes it new. */
export class RequestHead {
  bytes: Uint8Array = NOTHING;
  base = 0;
  method = "";
  targetStart = 0;
  targetEnd = 0;
  /** Whether there is a `?` in the target. */
  hasQuery = false;
  /** The minor version: HTTP/1.0 or HTTP/1.1; 1.2 and later count as 1 (RFC 9110 section 2.5). */
  minor = 1;
  fieldCount = 0;
  positions: Int32Array;
  readonly host = new SingleField();
  readonly contentLength = new SingleField();
  readonly transferEncoding = new SingleField();
  readonly connection = new SingleField();
  readonly expect = new SingleField();
  /** Whether one of these but Host is there; nearly always there is none, and then nobody has to look at each. */
  hasControl = false;

  #phase = BLANK_LINES;
  /** Bytes of finished lines. */
  #finished = 0;

  constructor(readonly limits: Readonly<Limits>) {
    this.positions = new Int32Array(limits.fields * FIELD_STRIDE);
  }

  /** Makes it ready for another head. */
  reset(): void {
    this.bytes = NOTHING;
    this.method = "";
    this.minor = 1;
    this.#phase = BLANK_LINES;
    this.#finished = 0;
    this.#resetFields();
  }

  #resetFields(): void {
    this.fieldCount = 0;
    this.host.reset();
    if (!this.hasControl) return;
    this.hasControl = false;
    this.contentLength.reset();
    this.transferEncoding.reset();
    this.connection.reset();
    this.expect.reset();
  }

  /** Whether a request line has begun; empty lines in front of it are none. */
  get begun(): boolean {
    return this.#phase !== BLANK_LINES;
  }

  /**
   * Parses `bytes` from `start`, the first byte of the head, to `end`. Returns the length of the head, 0 if it is
   * incomplete, or a negative code.
   */
  parse(bytes: Uint8Array, start: number, end: number): number {
    this.bytes = bytes;
    this.base = start;
    if (this.#phase === BLANK_LINES) {
      const status = this.#blankLines(bytes, start, end);
      if (status <= 0) return status;
    }
    // Scanning stops where the head may be no longer, whatever else has arrived.
    const stop = Math.min(end, start + this.limits.headBytes);
    if (this.#phase === REQUEST_LINE) {
      const status = this.#requestLine(bytes, start + this.#finished, stop);
      if (status < 0) return status;
      if (status === 0) return this.#more(start, end);
    }
    while (this.#phase === FIELDS) {
      const status = this.#fieldLine(bytes, start + this.#finished, stop);
      if (status < 0) return status;
      if (status === 0) return this.#more(start, end);
    }
    return this.#finished;
  }

  /** Incomplete: more is needed, unless the head has used up what it may take. */
  #more(start: number, end: number): number {
    return end - start >= this.limits.headBytes ? errors.HEAD_TOO_LARGE : 0;
  }

  /** Empty lines before the request line are skipped, a few of them (RFC 9112 section 2.2). */
  #blankLines(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    for (let lines = 0; at < end; lines++) {
      if (bytes[at] !== CR) {
        this.#phase = REQUEST_LINE;
        this.#finished = at - start;
        return 1;
      }
      if (lines === LEADING_BLANK_LINES) return errors.BAD_REQUEST_LINE;
      if (at + 1 === end) return 0;
      if (bytes[at + 1] !== LF) return errors.BAD_LINE_END;
      at += 2;
    }
    return 0;
  }

  /** request-line = method SP request-target SP HTTP-version CRLF, with exactly these spaces. */
  #requestLine(bytes: Uint8Array, start: number, end: number): number {
    const { methodBytes, targetBytes } = this.limits;
    let at = start;
    while (at < end && IS_TOKEN[bytes[at]!] === 1) {
      if (++at - start > methodBytes) return errors.METHOD_TOO_LONG;
    }
    if (at === end) return 0;
    if (at === start || bytes[at] !== SP) return errors.BAD_REQUEST_LINE;
    const methodEnd = at++;

    const targetStart = at;
    let bits = 0;
    while (at < end && TARGET_BITS[bytes[at]!] !== 0) {
      bits |= TARGET_BITS[bytes[at]!]!;
      if (++at - targetStart > targetBytes) return errors.TARGET_TOO_LONG;
    }
    if (at === end) return 0;
    if (at === targetStart) return errors.BAD_REQUEST_LINE;
    if (bytes[at] !== SP) return errors.BAD_TARGET;
    const targetEnd = at++;

    const status = this.#version(bytes, at, end);
    if (status <= 0) return status;
    this.method = methodName(bytes, start, methodEnd);
    this.targetStart = targetStart - this.base;
    this.targetEnd = targetEnd - this.base;
    this.hasQuery = (bits & TARGET_QUERY) !== 0;
    this.#finished = status - this.base;
    this.#phase = FIELDS;
    return 1;
  }

  /** HTTP-version CRLF = "HTTP/" DIGIT "." DIGIT CR LF; the name is case-sensitive. Returns the place behind it. */
  #version(bytes: Uint8Array, start: number, end: number): number {
    // What nearly every request says, looked at without a loop: "HTTP/1.1" CR LF.
    if (
      start + 10 <= end && bytes[start] === 0x48 && bytes[start + 1] === 0x54 && bytes[start + 2] === 0x54 &&
      bytes[start + 3] === 0x50 && bytes[start + 4] === 0x2f && bytes[start + 5] === 0x31 &&
      bytes[start + 6] === 0x2e && bytes[start + 7] === 0x31 && bytes[start + 8] === CR && bytes[start + 9] === LF
    ) {
      this.minor = 1;
      return start + 10;
    }
    for (let i = 0; i < 10; i++) {
      const at = start + i;
      if (at >= end) return 0;
      const code = bytes[at]!;
      const ok = i < 5
        ? code === VERSION_PREFIX.charCodeAt(i)
        : i === 5 || i === 7
        ? isDigit(code)
        : code === (i === 6 ? 0x2e : i === 8 ? CR : LF);
      if (!ok) return i < 8 ? errors.BAD_VERSION : errors.BAD_LINE_END;
    }
    if (bytes[start + 5] !== 0x31) return errors.UNSUPPORTED_VERSION;
    this.minor = bytes[start + 7] === 0x30 ? 0 : 1;
    return start + 10;
  }

  /**
   * field-line = field-name ":" OWS field-value OWS CRLF, or the empty line that ends the head. A line that begins
   * with white space (obs-fold, RFC 9112 section 5.2) has no name and is refused for that. One loop over one line: a
   * scan per part would hide that each byte is looked at once.
   */
  #fieldLine(bytes: Uint8Array, start: number, end: number): number {
    if (start === end) return 0;
    const { fieldBytes, fields } = this.limits;
    let at = start;
    if (bytes[at] === CR) {
      if (at + 1 === end) return 0;
      if (bytes[at + 1] !== LF) return errors.BAD_LINE_END;
      this.#finished = at + 2 - this.base;
      this.#phase = DONE;
      return 1;
    }
    if (this.fieldCount === fields) return errors.TOO_MANY_FIELDS;
    const stop = Math.min(end, start + fieldBytes + 1); // the CR may be the byte behind the last one
    while (at < stop && IS_TOKEN[bytes[at]!] === 1) at++;
    if (at === stop) return stop - start > fieldBytes ? errors.FIELD_TOO_LARGE : 0;
    if (at === start || bytes[at] !== 0x3a) return errors.BAD_FIELD_NAME;
    const nameEnd = at++;
    while (at < stop && (bytes[at] === SP || bytes[at] === TAB)) at++;
    const valueStart = at;
    while (at < stop && IS_FIELD_VALUE[bytes[at]!] === 1) at++;
    if (at === stop) return stop - start > fieldBytes ? errors.FIELD_TOO_LARGE : 0;
    if (bytes[at] !== CR) return bytes[at] === LF ? errors.BAD_LINE_END : errors.BAD_FIELD_VALUE;
    if (at + 1 >= end) return 0;
    if (bytes[at + 1] !== LF) return errors.BAD_FIELD_VALUE;
    let valueEnd = at;
    while (valueEnd > valueStart && (bytes[valueEnd - 1] === SP || bytes[valueEnd - 1] === TAB)) valueEnd--;
    this.#addField(bytes, start, nameEnd, valueStart, valueEnd);
    this.#finished = at + 2 - this.base;
    return 1;
  }

  #addField(bytes: Uint8Array, nameStart: number, nameEnd: number, valueStart: number, valueEnd: number): void {
    const index = this.fieldCount++;
    const at = index * FIELD_STRIDE;
    this.positions[at] = nameStart - this.base;
    this.positions[at + 1] = nameEnd - this.base;
    this.positions[at + 2] = valueStart - this.base;
    this.positions[at + 3] = valueEnd - this.base;
    switch (nameEnd - nameStart) {
      case 4:
        if (equalsIgnoreCase(bytes, nameStart, nameEnd, "host")) this.host.note(index);
        break;
      case 6:
        if (equalsIgnoreCase(bytes, nameStart, nameEnd, "expect")) this.#noteControl(this.expect, index);
        break;
      case 10:
        if (equalsIgnoreCase(bytes, nameStart, nameEnd, "connection")) this.#noteControl(this.connection, index);
        break;
      case 14:
        if (equalsIgnoreCase(bytes, nameStart, nameEnd, "content-length")) this.#noteControl(this.contentLength, index);
        break;
      case 17:
        if (equalsIgnoreCase(bytes, nameStart, nameEnd, "transfer-encoding")) {
          this.#noteControl(this.transferEncoding, index);
        }
        break;
    }
  }

  #noteControl(field: SingleField, index: number): void {
    this.hasControl = true;
    field.note(index);
  }

  /** Where the name of a field is, in `bytes`. */
  nameStart(index: number): number {
    return this.base + this.positions[index * FIELD_STRIDE]!;
  }
  nameEnd(index: number): number {
    return this.base + this.positions[index * FIELD_STRIDE + 1]!;
  }
  /** Where the value of a field is, in `bytes`, without the white space around it. */
  valueStart(index: number): number {
    return this.base + this.positions[index * FIELD_STRIDE + 2]!;
  }
  valueEnd(index: number): number {
    return this.base + this.positions[index * FIELD_STRIDE + 3]!;
  }

  /** Moves the head into memory of its own: from here on the buffer that it was parsed in may be reused. */
  detach(): void {
    this.bytes = Uint8Array.prototype.slice.call(this.bytes, this.base, this.base + this.#finished);
    this.base = 0;
  }
}

/** The method as a string; the usual ones without making a new one. Case matters (RFC 9110 section 9.1). */
function methodName(bytes: Uint8Array, start: number, end: number): string {
  if (end - start === 3 && bytes[start] === 0x47 && bytes[start + 1] === 0x45 && bytes[start + 2] === 0x54) {
    return "GET";
  }
  for (const name of METHODS[end - start] ?? []) {
    let i = 0;
    while (i < name.length && bytes[start + i] === name.charCodeAt(i)) i++;
    if (i === name.length) return name;
  }
  return latin1(bytes, start, end);
}

const METHODS: readonly (readonly string[])[] = [
  [],
  [],
  [],
  ["PUT"],
  ["POST", "HEAD"],
  ["PATCH", "TRACE"],
  ["DELETE"],
  ["OPTIONS", "CONNECT"],
];
