/**
 * The chunked transfer coding, decoded in place (RFC 9112 section 7.1).
 *
 *     chunked-body = *chunk last-chunk trailer-section CRLF
 *     chunk        = chunk-size [ chunk-ext ] CRLF chunk-data CRLF
 *
 * `step` runs until it has a piece of data, the end of the body or the end of the input, and returns where it stopped
 * or a negative code. Only CR LF ends a line (erratum 7633), sizes have at most 16 digits, white space before the CR
 * or the semicolon is refused: each of these has been a request-smuggling hole somewhere. Extensions are skipped
 * (section 7.1.1) and trailer fields checked and dropped, never merged into the header (section 7.1.2).
 *
 * @module
 */

import { CR, HEX_VALUE, IS_FIELD_VALUE, IS_TOKEN, LF } from "../bytes.ts";
import * as errors from "../errors.ts";
import { type Limits, SIZE_DIGITS } from "../limits.ts";

const SIZE = 0, EXTENSION = 1, SIZE_LF = 2, DATA = 3, DATA_CR = 4, DATA_LF = 5;
const TRAILER = 6, TRAILER_NAME = 7, TRAILER_VALUE = 8, TRAILER_LF = 9, LAST_LF = 10, DONE = 11;

/** Decodes one body. */
export class ChunkedDecoder {
  /** The piece of data that the last step found: bytes [dataStart, dataEnd) of its input; none if they are equal. */
  dataStart = 0;
  dataEnd = 0;

  #state = SIZE;
  #size = 0;
  #digits = 0;
  #extensionBytes = 0;
  #trailerBytes = 0;
  #trailers = 0;

  constructor(readonly limits: Readonly<Limits>) {}

  /** Whether the body has ended. */
  get done(): boolean {
    return this.#state === DONE;
  }

  /** Decodes from `at`; returns where it stopped, at most `end`, or a negative code of errors.ts. */
  step(bytes: Uint8Array, at: number, end: number): number {
    this.dataStart = this.dataEnd = at;
    while (at < end && this.#state !== DONE) {
      if (this.#state === DATA) {
        this.dataStart = at;
        this.dataEnd = Math.min(end, at + this.#size);
        this.#size -= this.dataEnd - at;
        if (this.#size === 0) this.#state = DATA_CR;
        return this.dataEnd;
      }
      const status = this.#state < TRAILER ? this.#line(bytes[at]!) : this.#trailer(bytes[at]!);
      if (status < 0) return status;
      at++;
    }
    this.dataStart = this.dataEnd = at;
    return at;
  }

  /** One byte of a chunk's framing. */
  #line(code: number): number {
    switch (this.#state) {
      case SIZE: {
        const value = HEX_VALUE[code]!;
        if (value < 16) {
          if (++this.#digits > SIZE_DIGITS) return errors.BAD_CHUNK;
          this.#size = this.#size * 16 + value;
          return 0;
        }
        if (this.#digits === 0 || (code !== CR && code !== 0x3b)) return errors.BAD_CHUNK;
        if (this.#size > Number.MAX_SAFE_INTEGER) return errors.CHUNK_TOO_LARGE;
        this.#state = code === CR ? SIZE_LF : EXTENSION;
        return 0;
      }
      case EXTENSION:
        if (code === CR) {
          this.#state = SIZE_LF;
          return 0;
        }
        if (IS_FIELD_VALUE[code] !== 1) return errors.BAD_CHUNK;
        return ++this.#extensionBytes > this.limits.chunkExtensionBytes ? errors.CHUNK_EXTENSIONS_TOO_LARGE : 0;
      case SIZE_LF:
        if (code !== LF) return errors.BAD_CHUNK;
        this.#state = this.#size === 0 ? TRAILER : DATA;
        this.#digits = 0;
        return 0;
      case DATA_CR:
        if (code !== CR) return errors.BAD_CHUNK;
        this.#state = DATA_LF;
        return 0;
      default: // DATA_LF
        if (code !== LF) return errors.BAD_CHUNK;
        this.#state = SIZE;
        return 0;
    }
  }

  /** One byte of the trailer section: field lines, then an empty line. */
  #trailer(code: number): number {
    switch (this.#state) {
      case TRAILER:
        if (code === CR) {
          this.#state = LAST_LF;
          return 0;
        }
        if (IS_TOKEN[code] !== 1) return errors.BAD_TRAILER;
        if (++this.#trailers > this.limits.trailers) return errors.TRAILERS_TOO_LARGE;
        this.#state = TRAILER_NAME;
        break;
      case TRAILER_NAME:
        if (code === 0x3a) this.#state = TRAILER_VALUE;
        else if (IS_TOKEN[code] !== 1) return errors.BAD_TRAILER;
        break;
      case TRAILER_VALUE:
        if (code === CR) this.#state = TRAILER_LF;
        else if (IS_FIELD_VALUE[code] !== 1) return errors.BAD_TRAILER;
        break;
      case TRAILER_LF:
        if (code !== LF) return errors.BAD_TRAILER;
        this.#state = TRAILER;
        break;
      default: // LAST_LF
        if (code !== LF) return errors.BAD_CHUNK;
        this.#state = DONE;
        return 0;
    }
    return ++this.#trailerBytes > this.limits.trailerBytes ? errors.TRAILERS_TOO_LARGE : 0;
  }
}

const CRLF = Uint8Array.of(CR, LF);

/** What ends a chunk, and begins the data behind its size. */
export const CHUNK_END: Uint8Array = CRLF;

/** The last chunk and an empty trailer section. */
export const LAST_CHUNK: Uint8Array = Uint8Array.of(0x30, CR, LF, CR, LF);

/** The line before a chunk of `bytes` bytes, which has to be more than 0: that size ends the body. */
export function chunkSizeLine(bytes: number): string {
  return `${bytes.toString(16)}\r\n`;
}
