/**
 * A web `Request` as the request that handlers get, and their answer as a `Response`: what lets an App run without our
 * own server, in tests and under `Deno.serve(app.fetch)`.
 *
 * @module
 */

import { type BodySource, RequestBody } from "../http/body.ts";
import { HttpError } from "../http/errors.ts";
import { isConnectionField } from "../http/headers.ts";
import { DEFAULT_LIMITS } from "../http/limits.ts";
import {
  type Answer,
  discardAnswer,
  isStream,
  type RemoteAddress,
  Reply,
  type ServerRequest,
} from "../http/message.ts";
import { isBodiless } from "../http/status.ts";

/** What the caller of `app.fetch` knows beside the request; `Deno.serve` passes it. */
export interface FetchInfo {
  /** Where the request came from. Default: 127.0.0.1, port 0. */
  readonly remoteAddr?: {
    /** `"tcp"` or `"unix"`. */
    readonly transport: string;
    /** An IP address. */
    readonly hostname?: string;
    /** A port. */
    readonly port?: number;
  };
}

/** A web `Request`, seen as a received one. */
export class FetchRequest implements ServerRequest, BodySource {
  readonly method: string;
  readonly target: string;
  readonly path: string;
  readonly queryText: string;
  readonly authority: string;
  readonly protocol: string = "HTTP/1.1";
  readonly remoteAddr: RemoteAddress;
  readonly body: RequestBody;
  readonly #request: Request;
  #reader: ReadableStreamDefaultReader<Uint8Array> | null = null;
  #pumping = false;
  #streamed = false;

  /** Takes the body of the request when a handler asks for it. */
  constructor(request: Request, info?: FetchInfo) {
    const url = new URL(request.url);
    this.#request = request;
    this.method = request.method;
    this.path = url.pathname;
    this.target = url.pathname + url.search;
    this.queryText = url.search.slice(1);
    this.authority = url.host;
    const { transport = "tcp", hostname, port = 0 } = info?.remoteAddr ?? {};
    const isUnix = transport === "unix";
    this.remoteAddr = {
      transport: isUnix ? "unix" : "tcp",
      hostname: hostname ?? (isUnix ? "" : "127.0.0.1"),
      port,
    };
    this.body = new RequestBody(request.body === null ? 0 : -1, this);
  }

  get signal(): AbortSignal {
    return this.#request.signal;
  }

  header(name: string): string | null {
    return this.#request.headers.get(name);
  }

  headers(): [string, string][] {
    return [...this.#request.headers];
  }

  onBodyWanted(): void {
    if (this.#pumping || !this.body.open) return;
    this.#pumping = true;
    this.#pump().catch((cause) => {
      this.body.fail(new HttpError(400, "The request body could not be read", { cause }));
    }).finally(() => this.#pumping = false);
  }

  /** Moves the body over until it ends, nobody wants it, or enough of it waits for its reader. */
  async #pump(): Promise<void> {
    const { body } = this;
    this.#reader ??= this.#request.body!.getReader();
    // isFull(0) is true only while somebody reads it as a stream, and not any more when that has been cancelled.
    this.#streamed ||= body.isFull(0);
    const isWanted = () => body.open && (!this.#streamed || body.isFull(0));
    while (isWanted() && !body.isFull(DEFAULT_LIMITS.unsentBytes)) {
      const { done, value } = await this.#reader.read();
      if (done) body.end();
      else body.push(value, 0, value.length);
    }
    if (!body.ended && !isWanted()) await this.#reader.cancel(body.error);
  }
}

/** The `Response` for an answer to a request with this method. Throws a `TypeError` for a body that was used. */
export function toResponse(answer: Answer, method: string): Response {
  if (answer instanceof Reply) return replyToResponse(answer, method);
  if (method !== "HEAD" || answer.body === null) return answer;
  discardAnswer(answer);
  return new Response(null, answer);
}

function replyToResponse(reply: Reply, method: string): Response {
  const { content, status, contentType, fields } = reply;
  const headers = new Headers();
  if (contentType !== null) headers.set("content-type", contentType);
  for (let i = 0; fields !== null && i < fields.length; i += 2) {
    if (!isConnectionField(fields[i]!.toLowerCase())) headers.append(fields[i]!, fields[i + 1]!);
  }
  if (method !== "HEAD" && !isBodiless(status) && status !== 205) {
    const response = new Response(content as BodyInit | null, { status, headers });
    // A string brings its own content type.
    if (contentType === null) response.headers.delete("content-type");
    return response;
  }
  discardAnswer(reply);
  if (method === "HEAD" && !isBodiless(status) && content !== null && !isStream(content)) {
    headers.set(
      "content-length",
      String(typeof content === "string" ? new TextEncoder().encode(content).length : content.length),
    );
  }
  return new Response(null, { status, headers });
}
