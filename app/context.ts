/**
 * `c`: what a handler gets. One per request, never reused, so that code which keeps it sees its own request or none.
 *
 * It makes answers (`c.text()`, `c.json()`, …) and collects what belongs to whichever answer is sent in the end
 * (`c.header()`). Everything that most handlers do not use is made when it is asked for.
 *
 * @module
 */

import { errorAnswer, JSON_TYPE, TEXT } from "../http/error_answer.ts";
import { checkFieldValue } from "../http/headers.ts";
import { type Answer, discardAnswer, discardContent, isAnswer, Reply, type ServerRequest } from "../http/message.ts";
import { AddedFields } from "./answer.ts";
import { AnswerView } from "./answer_view.ts";
import { type CookieOptions, serializeCookie } from "./cookies.ts";
import { RequestView } from "./request.ts";
import { NO_PARAMS } from "./route_trie.ts";

const HTML = "text/html;charset=UTF-8";
const BYTES = "application/octet-stream";
const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308];

/** How `c.header()` treats what is there under the name. */
export interface HeaderOptions {
  /** Keep it and add a field, as for Set-Cookie. Default: false, replace it. */
  append?: boolean;
}

/**
 * What handlers and middleware get. `State` is what the App's `start` returned, `Params` the parameters of the path.
 *
 * ```ts
 * import { App } from "@sluice/http";
 *
 * const app = new App();
 * app.get("/hello/:name", (c) => {
 *   c.header("cache-control", "no-store");
 *   return c.json({ hello: c.params.name, from: c.req.query.get("from") });
 * });
 *
 * const response = await app.request("/hello/you?from=me");
 * console.assert((await response.text()) === '{"hello":"you","from":"me"}');
 * ```
 */
export class Context<State = undefined, Params = Readonly<Record<string, string>>> {
  /** The parameters of the path, percent-decoded, by name; the wildcard's is `"*"`. */
  readonly params: Params = NO_PARAMS as Params;
  /** What the App's `start` returned. */
  readonly state: State;
  /** In middleware, behind `next()`: what a handler threw, whose answer is `res`; undefined if nothing was thrown. */
  error: unknown = undefined;

  readonly #request: ServerRequest;
  #view: RequestView | null = null;
  #added: AddedFields | null = null;
  #finished = false;
  /** The answer so far; a view of it once somebody has looked. */
  #answer: Answer | AnswerView | null = null;

  /** The context of a request. Applications get one, tests may make one. */
  constructor(request: ServerRequest, state: State) {
    this.#request = request;
    this.state = state;
  }

  /** The request. */
  get req(): RequestView {
    return this.#view ??= new RequestView(this.#request);
  }

  /**
   * In middleware, behind `next()`: the answer so far, for reading and changing: `c.res.headers.append(…)`. Another
   * answer may be put in its place. Throws a `TypeError` while there is none.
   */
  get res(): AnswerView {
    const answer = this.#answer;
    if (answer instanceof AnswerView) return answer;
    if (answer === null) {
      throw new TypeError(
        "Cannot read c.res: there is an answer behind `await next()` only, c.header() works anywhere",
      );
    }
    return this.#answer = new AnswerView(answer);
  }
  set res(answer: Answer | AnswerView) {
    if (!(answer instanceof AnswerView) && !isAnswer(answer)) {
      throw new TypeError(`Cannot set c.res to a value of type ${typeof answer}: expected an answer`);
    }
    this.#answer = answer;
  }

  /**
   * The answer so far, null if there is none. Throws a `TypeError` for a changed one that is no use any more.
   *
   * @internal
   */
  currentAnswer(): Answer | null {
    return this.#answer instanceof AnswerView ? this.#answer.answer() : this.#answer;
  }

  /** Plain text in UTF-8. Throws a `RangeError` for a status that is not an integer from 200 to 599, as all here do. */
  text(body: string, status = 200): Reply {
    return new Reply(body, status, TEXT);
  }

  /** A value as JSON. Throws a `TypeError` for one that has no JSON form: undefined, a function, a cycle, a bigint. */
  json(value: unknown, status = 200): Reply {
    const text: string | undefined = JSON.stringify(value);
    if (text === undefined) throw new TypeError(`Cannot send a value of type ${typeof value} as JSON`);
    return new Reply(text, status, JSON_TYPE);
  }

  /** An HTML page. It is sent as it is: what a client sent has to be escaped before. */
  html(body: string, status = 200): Reply {
    return new Reply(body, status, HTML);
  }

  /** Bytes, by default as application/octet-stream. Throws a `TypeError` for a content type that cannot be sent. */
  bytes(body: Uint8Array, status = 200, contentType: string = BYTES): Reply {
    return new Reply(body, status, checkFieldValue("content-type", contentType));
  }

  /**
   * A stream of bytes, read no faster than the client takes them; or no content. Without a content type none is sent.
   * Throws a `TypeError` for a content type that cannot be sent.
   */
  body(stream: ReadableStream<Uint8Array> | null, status = 200, contentType: string | null = null): Reply {
    return new Reply(stream, status, contentType === null ? null : checkFieldValue("content-type", contentType));
  }

  /**
   * Sends the client elsewhere: `c.redirect("/login")`. Spaces and characters beyond ASCII are percent-encoded. Throws
   * a `RangeError` unless the status is 301, 302, 303, 307 or 308, a `TypeError` for a location that cannot be sent.
   */
  redirect(location: string, status = 302): Reply {
    if (!REDIRECTS.includes(status)) {
      throw new RangeError(`Cannot redirect with status ${status}: expected 301, 302, 303, 307 or 308`);
    }
    const encoded = location.toWellFormed().replace(/[ \u0080-\uffff]+/g, encodeURIComponent);
    return new Reply(null, status, null, ["location", checkFieldValue("location", encoded)]);
  }

  /**
   * Sets a header field of the answer, whichever answer that will be, and in place of its own; with `append` adds one.
   * Throws a `TypeError` for a name or a value that cannot be sent, and when the answer is on its way already.
   *
   * On an answer to an error, fields that describe the failed content (`etag`, `content-encoding` and their like) are
   * left out.
   */
  header(name: string, value: string, options?: HeaderOptions): void {
    if (this.#finished) throw new TypeError(`Cannot set header ${name}: the answer is on its way already`);
    const added = this.#added ??= new AddedFields();
    if (options?.append) added.append(name, value);
    else added.set(name, value);
  }

  /**
   * Has the client keep a cookie; sent with whichever answer. Throws a `TypeError` or a `RangeError` for what browsers
   * would ignore, and when the answer is on its way already.
   */
  setCookie(name: string, value: string, options?: CookieOptions): void {
    this.header("set-cookie", serializeCookie(name, value, options), { append: true });
  }

  /** Has the client forget a cookie; `path` and `domain` have to be those that it was set with. */
  deleteCookie(name: string, options: Pick<CookieOptions, "path" | "domain" | "secure"> = {}): void {
    this.setCookie(name, "", { ...options, maxAgeSeconds: 0 });
  }

  /**
   * Something failed: `error` says what, and the answer so far, if there is one, will not be sent.
   *
   * @internal
   */
  noteError(error: unknown): void {
    this.error = error === undefined ? new Error("undefined was thrown") : error;
    if (this.#answer instanceof AnswerView) discardContent(this.#answer.content);
    else if (this.#answer !== null) discardAnswer(this.#answer);
    this.#answer = null;
    this.#added?.dropContentFields();
  }

  /**
   * The usual answer to an error, which is logged if it is ours. Never throws.
   *
   * @internal
   */
  errorAnswer(error: unknown): Reply {
    return errorAnswer(error, this.#request);
  }

  /**
   * The answer as it is sent: with the fields of `header()`, which has come to its end. Never throws.
   *
   * @internal
   */
  finish(answer: Answer): Answer {
    this.#finished = true;
    if (this.#added === null) return answer;
    try {
      return this.#added.onto(answer);
    } catch (error) {
      this.noteError(error);
      return this.#added.onto(this.errorAnswer(error));
    }
  }
}
