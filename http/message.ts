/**
 * Requests and answers as handlers see them, whatever protocol carries them. This is the file in which the two
 * halves of the server meet: `app/` makes handlers, `workers/` calls them, and neither imports the other.
 *
 * An answer is a `Reply` (a light value: status, fields, content) or a web-standard `Response`.
 *
 * @module
 */

import type { RequestBody } from "./body.ts";
import { checkContentType, checkFields, type FieldList } from "./headers.ts";
import { checkStatus } from "./status.ts";

/** What a reply can carry: text (sent as UTF-8), bytes, a stream, or nothing. */
export type Content = string | Uint8Array | ReadableStream<Uint8Array> | null;

/** A light answer. `c.text()` and its kin make it; the protocol writes it without building a `Response`. */
export class Reply {
  /** 200 to 599. */
  status: number;
  /** What is sent behind the head. */
  content: Content;
  /** The Content-Type, or null for none; apart from `fields` because nearly every answer has just this one. */
  contentType: string | null;
  /** Further fields, or null. */
  fields: FieldList | null;

  /**
   * Throws a `RangeError` for a status that is not an integer from 200 to 599, and a `TypeError` for a content, a content
   * type or a field that cannot be sent.
   */
  constructor(content: Content, status = 200, contentType: string | null = null, fields: FieldList | null = null) {
    // RFC 9110 section 15.3.6: 205 has no content, whatever it was meant to have.
    this.content = status === 205 ? null : checkContent(content);
    this.status = status === 200 ? 200 : checkStatus(status);
    this.contentType = contentType === null ? null : checkContentType(contentType);
    this.fields = fields === null ? null : checkFields(fields);
  }
}

/** Whether content comes by and by. In Deno the name of a web class is a getter: what is at hand is looked for first. */
export function isStream(content: Content): content is ReadableStream<Uint8Array> {
  return typeof content !== "string" && content !== null && !(content instanceof Uint8Array) &&
    content instanceof ReadableStream;
}

/** Throws a `TypeError` if it is nothing that can be sent; returns it. What JSON gave may be anything. */
export function checkContent(content: Content): Content {
  if (typeof content === "string" || content === null || content instanceof Uint8Array || isStream(content)) {
    return content;
  }
  const kind = (content as object | undefined)?.constructor?.name ?? typeof content;
  throw new TypeError(`Cannot send content of type ${kind}: expected a string, Uint8Array, ReadableStream or null`);
}

/** What a handler returns. */
export type Answer = Reply | Response;

/** Whether the value is something that can be sent. */
export function isAnswer(value: unknown): value is Answer {
  return value instanceof Reply || value instanceof Response;
}

/** An answer will not be sent: ends its stream, unless somebody else reads that. Never throws. */
export function discardAnswer(answer: Answer): void {
  discardContent(answer instanceof Reply ? answer.content : answer.body);
}

/** Content will not be sent: ends it if it is a stream that nobody else reads. Never throws. */
export function discardContent(content: Content): void {
  if (isStream(content) && !content.locked) content.cancel().catch(() => {});
}

/** The address of the other end. */
export interface RemoteAddress {
  /** `"tcp"`, or `"unix"` for a Unix socket. */
  readonly transport: "tcp" | "unix";
  /** An IP address; empty for a Unix socket. */
  readonly hostname: string;
  /** The port; 0 for a Unix socket. */
  readonly port: number;
}

/**
 * A received request. What it says is read from the received bytes when it is asked for; once the answer is complete,
 * whatever would still have to be read there throws a `TypeError`, for the bytes belong to somebody else by then.
 * `method`, `protocol` and a target that was looked at before stay.
 */
export interface ServerRequest {
  /** The method, case kept: `"GET"`. */
  readonly method: string;
  /** The request target as it was sent: `"/users/42?q=hello"`. */
  readonly target: string;
  /** The path of the target, still percent-encoded; `"*"` for `OPTIONS *`. */
  readonly path: string;
  /** What follows the first `?` of the target, without it; empty if there is none. */
  readonly queryText: string;
  /** The host and port that the client asked for; empty if an HTTP/1.0 client named none. */
  readonly authority: string;
  /** `"HTTP/1.1"` or `"HTTP/1.0"`. */
  readonly protocol: string;
  /** Where it came from. */
  readonly remoteAddr: RemoteAddress;
  /**
   * Aborted, with a reason, when the connection is lost before the answer was complete: the client reset it, or an
   * answer could not be sent. A client that has merely ended its half (FIN) may still read, and is still answered.
   */
  readonly signal: AbortSignal;
  /** The content. */
  readonly body: RequestBody;
  /** The value of a field (name in any case), several joined by `", "` (cookies by `"; "`), or null. */
  header(name: string): string | null;
  /** All fields in the order received, names in lower case. */
  headers(): [string, string][];
}

/** Answers a request. It never throws and never rejects: what an application throws is made an answer before. */
export type Handler = (request: ServerRequest) => Answer | Promise<Answer>;

/** What runs in a worker: an App, or any module with a `fetch` function that has been wrapped as one. */
export interface Application {
  /** Opens what handlers need; resolves before a connection is accepted. Rejects if it cannot. */
  start(info: StartInfo): Promise<void>;
  /** Closes it, after the last answer. */
  stop(): Promise<void>;
  /** Answers one request; never throws and never rejects. */
  readonly handle: Handler;
}

/** What an application is told when it starts. */
export interface StartInfo {
  /** Which worker this is, from 0. */
  readonly worker: number;
  /** Aborted when the server begins to shut down. */
  readonly signal: AbortSignal;
}
