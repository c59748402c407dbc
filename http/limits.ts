/**
 * Every limit of a message, in one place, with its reason. A peer that goes over one gets the status named here; a
 * limit that no test hits does not belong in this file.
 *
 * @module
 */

/** Limits that the caller of `serve()` may set. Sizes are bytes, counts are numbers of things. */
export interface Limits {
  /** Longest method: the registered ones have at most 17. Over it: 501. */
  methodBytes: number;
  /** Longest request target: RFC 9112 section 3 asks for at least 8000. Over it: 414. */
  targetBytes: number;
  /** Request line and fields together, what Node, nginx and Go's neighbours settled at. Over it: 431. */
  headBytes: number;
  /** One field line; cookies are the long ones, and browsers stop at 4 KiB each. Over it: 431. */
  fieldBytes: number;
  /** Field lines of a head. Over it: 431. */
  fields: number;
  /** A body that `json()`, `text()` and `bytes()` gather in memory. Over it: 413. */
  bodyBytes: number;
  /** Chunk extensions of one body, together: nobody uses them, attackers do. Over it: 400. */
  chunkExtensionBytes: number;
  /** The trailer section. Over it: 431. */
  trailerBytes: number;
  /** Field lines of a trailer section. Over it: 431. */
  trailers: number;
  /** Requests of one connection whose handlers may run at once. Reached: reading stops. */
  pipelined: number;
  /** Bytes that wait for a slow reader or a slow handler before their producer has to wait. Reached: reading stops. */
  unsentBytes: number;
}

/** The limits that hold unless the caller says otherwise. */
export const DEFAULT_LIMITS: Readonly<Limits> = {
  methodBytes: 32,
  targetBytes: 8 * 1024,
  headBytes: 16 * 1024,
  fieldBytes: 8 * 1024,
  fields: 100,
  bodyBytes: 1024 * 1024,
  chunkExtensionBytes: 16 * 1024,
  trailerBytes: 16 * 1024,
  trailers: 100,
  pipelined: 16,
  unsentBytes: 64 * 1024,
};

/** Empty lines before a request line: RFC 9112 section 2.2 asks to ignore one; old clients sent one behind a POST. */
export const LEADING_BLANK_LINES: number = 2;

/** Digits of a Content-Length or a chunk size: 16 hold 2^53 - 1, more cannot be represented exactly. */
export const SIZE_DIGITS: number = 16;

/** What is read and thrown away of a body that its handler did not want, before the connection is closed instead. */
export const DISCARD_BYTES: number = 256 * 1024;

/** Bodies up to this are copied behind their head, so that one send has both; longer ones are gathered uncopied. */
export const COPY_BYTES: number = 16 * 1024;
