/**
 * `c.req`: what handlers read of a request, each part made when it is asked for.
 *
 * The cheap parts (`method`, `path`, `header()`) are read from the received bytes. The web's objects (`url`, `query`,
 * `headers`, `raw`) cost microseconds and are made once, if at all. Body and `raw` share the one body there is, and
 * asking for either object does not begin to read it.
 *
 * @module
 */

import { parseCookies } from "./cookies.ts";
import { HttpError } from "../http/errors.ts";
import { requestUrl } from "../http/fetch_request.ts";
import type { RemoteAddress, ServerRequest } from "../http/message.ts";
import { checkBySchema, type StandardSchema } from "./schema.ts";

/** A request, as `c.req`. */
export class RequestView {
  readonly #request: ServerRequest;
  #url: URL | null = null;
  #query: URLSearchParams | null = null;
  #headers: Headers | null = null;
  #stream: ReadableStream<Uint8Array<ArrayBuffer>> | null = null;
  #raw: Request | null = null;
  #cookies: Map<string, string> | null = null;

  /** A view of a received request. */
  constructor(request: ServerRequest) {
    this.#request = request;
  }

  /** The method, case kept: `"GET"`. */
  get method(): string {
    return this.#request.method;
  }

  /** The path, still percent-encoded: `"/users/42"`. */
  get path(): string {
    return this.#request.path;
  }

  /** The request target as it was sent: `"/users/42?q=hello"`. */
  get target(): string {
    return this.#request.target;
  }

  /** The host and port that the client asked for: `"example.com:8000"`. Empty if an HTTP/1.0 client named none. */
  get host(): string {
    return this.#request.authority;
  }

  /** The absolute URL that the client asked for. Throws an `HttpError` 400 if what it sent makes none. */
  get url(): URL {
    if (this.#url === null) {
      const text = requestUrl(this.#request);
      if (!URL.canParse(text)) throw new HttpError(400, "The request target is malformed");
      this.#url = new URL(text);
    }
    return this.#url;
  }

  /** The parameters behind the `?`: `c.req.query.get("q")`. */
  get query(): URLSearchParams {
    return this.#query ??= new URLSearchParams(this.#request.queryText);
  }

  /** All header fields. For one of them, `header()` costs less. */
  get headers(): Headers {
    return this.#headers ??= new Headers(this.#request.headers());
  }

  /** The value of a header field (name in any case), or null; several are joined by `", "`, cookies by `"; "`. */
  header(name: string): string | null {
    return this.#request.header(name);
  }

  /** The value of a cookie, decoded, or null. */
  cookie(name: string): string | null {
    return this.cookies.get(name) ?? null;
  }

  /** All cookies by name. */
  get cookies(): ReadonlyMap<string, string> {
    return this.#cookies ??= parseCookies(this.header("cookie"));
  }

  /**
   * Aborted, with a reason, when the connection is lost before the answer was complete: the client reset it, or an
   * answer could not be sent. A client that has merely ended its half (FIN) may still read, and is still answered.
   */
  get signal(): AbortSignal {
    return this.#request.signal;
  }

  /** The address of the client, or of the proxy in front of us. */
  get remoteAddr(): RemoteAddress {
    return this.#request.remoteAddr;
  }

  /** `"HTTP/1.1"` or `"HTTP/1.0"`. */
  get protocol(): string {
    return this.#request.protocol;
  }

  /**
   * The body, parsed as JSON. Rejects with an `HttpError`: 400 if it is no JSON or broke off, 413 if it is longer than
   * `limits.bodyBytes` (1 MiB); and with a `TypeError` if it was read before. A handler that lets it through answers with that status.
   */
  json(): Promise<unknown>;
  /**
   * The body, parsed as JSON and checked by a schema, whose type it has. Rejects as above, and with an `HttpError` 422
   * that lists what is wrong.
   */
  json<Output>(schema: StandardSchema<Output>): Promise<Output>;
  async json(schema?: StandardSchema): Promise<unknown> {
    const value = await this.#request.body.json();
    return schema === undefined ? value : await checkBySchema(schema, value);
  }

  /** The body as text (UTF-8); rejects as `json()` does. */
  text(): Promise<string> {
    return this.#request.body.text();
  }

  /** The body; rejects as `json()` does. */
  bytes(): Promise<Uint8Array<ArrayBuffer>> {
    return this.#request.body.bytes();
  }

  /** The body as a stream, of any length; null if the request has none. It fails with an `HttpError`. */
  get body(): ReadableStream<Uint8Array<ArrayBuffer>> | null {
    const { body } = this.#request;
    if (body.length === 0) return null;
    return this.#stream ??= lazyStream(() => body.stream());
  }

  /**
   * The request as the web's `Request`, for libraries that want one. Its body is `body`, unless that was read before;
   * GET and HEAD have none in the Fetch API. Throws an `HttpError` 400 if what the client sent makes no `Request`.
   */
  get raw(): Request {
    return this.#raw ??= this.#makeRaw();
  }

  #makeRaw(): Request {
    const { method, signal, body: { used } } = this.#request;
    // Nothing is left of a body that somebody reads or has read, but the rest of the request may still be wanted.
    const body = method === "GET" || method === "HEAD" || used || this.body?.locked ? null : this.body;
    const init = { method, headers: this.headers, signal, body, duplex: "half" };
    try {
      return new Request(this.url, init as RequestInit);
    } catch (cause) {
      throw cause instanceof HttpError ? cause : new HttpError(400, "The request makes no Request", { cause });
    }
  }
}

/** A stream that opens its source when it is read for the first time. */
function lazyStream(
  open: () => ReadableStream<Uint8Array<ArrayBuffer>>,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>> | null = null;
  return new ReadableStream({
    async pull(controller): Promise<void> {
      reader ??= open().getReader();
      const { done, value } = await reader.read();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel(reason): Promise<void> {
      return (reader ?? open().getReader()).cancel(reason);
    },
  }, { highWaterMark: 0 });
}
