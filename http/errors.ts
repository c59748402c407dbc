/**
 * Every way in which a peer can break HTTP/1.1, as data, and the one error class that carries a status.
 *
 * A parser never throws: it returns the negative code of a row. All rows end the connection (scope `connection`),
 * because after any of them the two sides no longer agree on where the next message begins (RFC 9112 section 9.2).
 *
 * @module
 */

import { checkFields } from "./headers.ts";

/** One row: what is counted and logged, what goes on the wire, and how far it reaches. */
export interface PeerError {
  /** Short and stable: a counter and a log word. */
  readonly token: string;
  /** The status of the answer. */
  readonly status: number;
  /** What is lost: this request only, or the connection with it. */
  readonly scope: "request" | "connection";
  /** The sentence that the peer reads. It never repeats what the peer sent. */
  readonly message: string;
}

const ROWS: PeerError[] = [];

function row(token: string, status: number, message: string): number {
  ROWS.push({ token, status, scope: "connection", message });
  return -ROWS.length;
}

export const BAD_REQUEST_LINE: number = row("bad-request-line", 400, "The request line is malformed");
export const BAD_TARGET: number = row("bad-target", 400, "The request target is malformed");
export const BAD_VERSION: number = row("bad-version", 400, "The protocol version is malformed");
export const UNSUPPORTED_VERSION: number = row(
  "unsupported-version",
  505,
  "Only HTTP/1.0 and HTTP/1.1 are spoken here",
);
export const METHOD_TOO_LONG: number = row("method-too-long", 501, "The method is too long");
export const METHOD_NOT_OFFERED: number = row("method-not-offered", 501, "This method is not offered");
export const TARGET_TOO_LONG: number = row("target-too-long", 414, "The request target is too long");
export const HEAD_TOO_LARGE: number = row("head-too-large", 431, "The request head is too large");
export const FIELD_TOO_LARGE: number = row("field-too-large", 431, "A header field is too large");
export const TOO_MANY_FIELDS: number = row("too-many-fields", 431, "There are too many header fields");
export const BAD_LINE_END: number = row("bad-line-end", 400, "A line does not end in CR LF");
export const BAD_FIELD_NAME: number = row("bad-field-name", 400, "A header field name is malformed");
export const BAD_FIELD_VALUE: number = row("bad-field-value", 400, "A header field value has a forbidden character");
export const BAD_HOST: number = row("bad-host", 400, "The Host header field is missing, repeated or malformed");
export const BAD_CONTENT_LENGTH: number = row("bad-content-length", 400, "Content-Length is malformed or repeated");
export const CONTENT_LENGTH_TOO_LARGE: number = row("content-length-too-large", 413, "Content-Length is too large");
export const BAD_TRANSFER_CODING: number = row(
  "bad-transfer-coding",
  400,
  "Transfer-Encoding is malformed or misplaced",
);
export const UNKNOWN_TRANSFER_CODING: number = row(
  "unknown-transfer-coding",
  501,
  "Only the transfer coding chunked is known",
);
export const UNKNOWN_EXPECTATION: number = row(
  "unknown-expectation",
  417,
  "Only the expectation 100-continue is known",
);
export const BAD_CHUNK: number = row("bad-chunk", 400, "A chunk is malformed");
export const CHUNK_TOO_LARGE: number = row("chunk-too-large", 413, "A chunk is too large");
export const CHUNK_EXTENSIONS_TOO_LARGE: number = row(
  "chunk-extensions-too-large",
  400,
  "The chunk extensions are too large",
);
export const BAD_TRAILER: number = row("bad-trailer", 400, "A trailer field is malformed");
export const TRAILERS_TOO_LARGE: number = row("trailers-too-large", 431, "The trailer section is too large");
export const TRUNCATED_BODY: number = row("truncated-body", 400, "The connection ended within the request body");
export const BODY_TOO_LARGE: number = row("body-too-large", 413, "The request body is too large");

/** The row of a code that a parser returned. */
export function peerError(code: number): PeerError {
  const found = ROWS[-code - 1];
  if (!found) throw new RangeError(`Cannot look up peer error ${code}: expected -1 to -${ROWS.length}`);
  return found;
}

/** All rows, for the test that each of them is produced by some case. */
export function peerErrors(): readonly PeerError[] {
  return ROWS;
}

/** What else an `HttpError` may carry. */
export interface HttpErrorOptions {
  /** What caused it, for the log. */
  cause?: unknown;
  /** Whether the client may read the message. Default: statuses below 500. */
  expose?: boolean;
  /** Further header fields of the answer: `{ "retry-after": "30" }`. */
  headers?: Readonly<Record<string, string>>;
}

/**
 * An error that knows its status: thrown in a handler it becomes the answer.
 *
 * ```ts
 * import { HttpError } from "@sluice/http";
 *
 * const error = new HttpError(404, "No such user");
 * console.assert(error.status === 404 && error.expose);
 * ```
 */
export class HttpError extends Error {
  /** `"HttpError"`. */
  override readonly name = "HttpError";
  /** The status of the answer, 400 to 599. */
  readonly status: number;
  /** Whether the client may read the message. */
  readonly expose: boolean;
  /** Further header fields of the answer, names and values in turn. */
  readonly fields: readonly string[];

  /**
   * Throws a `RangeError` unless `status` is an integer from 400 to 599, and a `TypeError` for a header that cannot be
   * sent.
   */
  constructor(status: number, message?: string, options: HttpErrorOptions = {}) {
    super(message ?? `HTTP ${status}`, options.cause === undefined ? undefined : { cause: options.cause });
    if (!Number.isInteger(status) || status < 400 || status > 599) {
      throw new RangeError(`Cannot make an HttpError with status ${status}: expected an integer from 400 to 599`);
    }
    this.status = status;
    this.expose = options.expose ?? status < 500;
    this.fields = checkFields(Object.entries(options.headers ?? {}).flat());
  }
}

/** The error that a handler sees when its peer broke the protocol in the middle of a body. */
export function httpErrorOf(code: number): HttpError {
  const { status, message } = peerError(code);
  return new HttpError(status, message);
}
