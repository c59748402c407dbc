/**
 * One HTTP/1.1 request: the view that its handler reads, and the place in the queue of an answer that comes later.
 * Most answers come at once and never have one, so what only those in the queue need is kept apart.
 *
 * While the handler runs synchronously the view reads the receive buffer itself. When the handler goes on later,
 * `detach` copies the head first; when the answer is complete, `release` cuts the view off, and whoever kept it gets
 * a `TypeError` instead of another client's bytes.
 *
 * @module
 */

import { type BodySource, RequestBody } from "../body.ts";
import { equalsIgnoreCase, latin1 } from "../bytes.ts";
import { discardAnswer, type RemoteAddress, type Reply, type ServerRequest } from "../message.ts";
import { absoluteAuthorityStart, authority, authorityEnd } from "./framing.ts";
import type { RequestHead } from "./parse.ts";
import type { ReplyStream } from "./reply_stream.ts";

/** What a request needs of its connection. */
export interface RequestOwner {
  /** The peer's address. */
  remoteAddress(): RemoteAddress;
  /** A handler reads the body of its request. */
  onBodyWanted(): void;
}

/** What a client that withholds its body has been told: it does not, it does, it is to be told to go on. */
const NOT_WITHHELD = 0, WITHHELD = 1, CONTINUE_DUE = 2;

/** A request between its head and the end of its answer. */
export class H1Request implements ServerRequest, BodySource {
  readonly method: string;
  readonly minor: number;
  readonly #hasQuery: boolean;
  readonly owner: RequestOwner;
  /** Whether the client lets the connection stay. */
  persistent: boolean;
  #expectation: number;
  #body: RequestBody | null = null;
  #head: RequestHead | null;
  #target: string | null = null;
  #controller: AbortController | null = null;
  #aborted: Error | null = null;

  constructor(head: RequestHead, owner: RequestOwner, persistent: boolean, expectsContinue: boolean) {
    this.#head = head;
    this.method = head.method;
    this.minor = head.minor;
    this.#hasQuery = head.hasQuery;
    this.owner = owner;
    this.persistent = persistent;
    this.#expectation = expectsContinue ? WITHHELD : NOT_WITHHELD;
  }

  /** The head. Throws a `TypeError` when the answer is complete: the bytes belong to another request by then. */
  get live(): RequestHead {
    if (this.#head === null) {
      throw new TypeError("Cannot use this request: its answer is complete, copy what you need before that");
    }
    return this.#head;
  }

  /** The content; most requests have none, and make the object for it only when somebody asks. */
  get body(): RequestBody {
    return this.#body ??= new RequestBody(0, null);
  }
  set body(body: RequestBody) {
    this.#body = body;
  }

  get target(): string {
    if (this.#target === null) {
      const head = this.live;
      this.#target = latin1(head.bytes, head.base + head.targetStart, head.base + head.targetEnd);
    }
    return this.#target;
  }

  /** The part of the target behind scheme and authority, if it has them (RFC 9112 section 3.2.2). */
  get originForm(): string {
    const { target } = this;
    if (target.charCodeAt(0) === 0x2f) return target;
    const { bytes, base, targetStart, targetEnd } = this.live;
    const from = absoluteAuthorityStart(bytes, base + targetStart, base + targetEnd);
    if (from < 0) return target;
    const rest = target.slice(authorityEnd(bytes, from, base + targetEnd) - base - targetStart);
    if (rest === "" && this.method === "OPTIONS") return "*";
    return rest.startsWith("/") ? rest : `/${rest}`;
  }

  get path(): string {
    const target = this.originForm;
    return this.#hasQuery ? target.slice(0, target.indexOf("?")) : target;
  }

  get queryText(): string {
    const target = this.originForm;
    return this.#hasQuery ? target.slice(target.indexOf("?") + 1) : "";
  }

  get authority(): string {
    return authority(this.live);
  }

  get protocol(): string {
    return this.minor === 0 ? "HTTP/1.0" : "HTTP/1.1";
  }

  get remoteAddr(): RemoteAddress {
    this.live; // throws: the owner may serve another client by now
    return this.owner.remoteAddress();
  }

  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.#aborted) this.#controller.abort(this.#aborted);
    }
    return this.#controller.signal;
  }

  header(name: string): string | null {
    const head = this.live;
    const lower = name.toLowerCase();
    let found: string | null = null;
    for (let i = 0; i < head.fieldCount; i++) {
      if (!equalsIgnoreCase(head.bytes, head.nameStart(i), head.nameEnd(i), lower)) continue;
      const value = latin1(head.bytes, head.valueStart(i), head.valueEnd(i));
      found = found === null ? value : `${found}${lower === "cookie" ? "; " : ", "}${value}`;
    }
    return found;
  }

  headers(): [string, string][] {
    const head = this.live;
    return Array.from({ length: head.fieldCount }, (_, i) => [
      latin1(head.bytes, head.nameStart(i), head.nameEnd(i)).toLowerCase(),
      latin1(head.bytes, head.valueStart(i), head.valueEnd(i)),
    ]);
  }

  onBodyWanted(): void {
    if (this.#expectation === WITHHELD) this.#expectation = CONTINUE_DUE;
    this.owner.onBodyWanted();
  }

  /** Whether the client withholds the body and nobody has wanted it yet. */
  get withholds(): boolean {
    return this.#expectation === WITHHELD;
  }

  /** Whether the client has not been told to send its body (RFC 9110 section 10.1.1). */
  get awaitsContinue(): boolean {
    return this.#expectation !== NOT_WITHHELD;
  }

  /** Whether 100 (Continue) is due: then it is no longer. */
  takeContinue(): boolean {
    if (this.#expectation !== CONTINUE_DUE) return false;
    this.#expectation = NOT_WITHHELD;
    return true;
  }

  /** Whether the client is gone. */
  get aborted(): boolean {
    return this.#aborted !== null;
  }

  /** The client is gone before its answer was complete. */
  abort(reason: Error): void {
    if (this.#aborted !== null) return;
    this.#aborted = reason;
    this.#controller?.abort(reason);
  }

  /** The handler goes on after this turn: the head gets memory of its own. */
  detach(): void {
    this.#head?.detach();
  }

  /** Whether the answer is complete. */
  get answered(): boolean {
    return this.#head === null;
  }

  /** The answer is complete: cuts the view off and returns the head for reuse. */
  release(): RequestHead | null {
    const head = this.#head;
    this.#head = null;
    return head;
  }
}

/** The stages of an answer that did not come at once; `H1Conn` alone moves it along. */
export const WAITING = 0, READY = 1, STREAMING = 2, COMPLETE = 3;

/** A place in the queue of answers. */
export class PendingAnswer {
  stage = WAITING;
  reply: Reply | null = null;
  stream: ReplyStream | null = null;
  /** Stops the producer of a `Response` whose content has not begun to come. */
  cancelContent: ((reason: unknown) => void) | null = null;
  /** Whether its handler is among those that will answer later (`H1Services.waiting`). */
  isWaitedFor = false;
  /** The next one in the order received. */
  next: PendingAnswer | null = null;

  constructor(readonly request: H1Request) {}

  /**
   * Whether the head of a streamed answer has to wait: its producer may be about to read the request's body, which the
   * client withholds until it is told to go on, and that cannot be told behind the head.
   */
  get isHeld(): boolean {
    return this.request.withholds && this.stream !== null && !this.stream.hasNews;
  }

  /** The client is gone before the answer was complete: tells everybody who waits for it. */
  abort(reason: Error): void {
    if (this.request.aborted || this.stage === COMPLETE) return;
    this.request.abort(reason);
    if (this.stream !== null) this.stream.cancel(reason);
    else if (this.reply !== null) discardAnswer(this.reply);
    else this.cancelContent?.(reason);
  }
}
