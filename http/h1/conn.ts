/**
 * One HTTP/1.1 connection as a machine: bytes in, answers out, no socket (RFC 9112).
 *
 * Two halves. The reading half goes HEAD -> BODY -> HEAD … until it is CLOSED: nothing more will be read, because
 * the peer ended, broke the protocol, or either side wants the connection closed. The writing half is the queue of
 * requests in the order received: only its first may write (section 9.3.2), whatever order handlers finish in. When
 * reading is closed and the queue is empty the connection is `finished`.
 *
 * Requests that are safe and have no body may run side by side; any other runs alone, so that what a client wrote
 * one behind the other also happens one behind the other. A request answered at once never enters the queue.
 *
 * The owner calls `receive`, `endOfInput`, `flush`, `drain` and `abort`; the machine calls its `H1Host`.
 *
 * @module
 */

import { RequestBody } from "../body.ts";
import * as errors from "../errors.ts";
import { DISCARD_BYTES } from "../limits.ts";
import { type Answer, discardAnswer, isStream, type RemoteAddress, Reply } from "../message.ts";
import { replyOf } from "../response.ts";
import { reasonPhrase } from "../status.ts";
import { utf8 } from "../bytes.ts";
import type { Writer } from "../writer.ts";
import { ChunkedDecoder } from "./chunked.ts";
import {
  bodyLength,
  checkTarget,
  CHUNKED,
  EXPECT_CONTINUE,
  expectation,
  framingError,
  isPersistent,
  isSafe,
} from "./framing.ts";
import { type H1Host, type H1Services, hostOfTheDead } from "./host.ts";
import type { RequestHead } from "./parse.ts";
import { ReplyStream } from "./reply_stream.ts";
import { COMPLETE, H1Request, PendingAnswer, READY, type RequestOwner, STREAMING, WAITING } from "./request.ts";
import { NO_BODY, streamFraming, UNTIL_CLOSE, writeChunks, writeStreamHead, writeWhole } from "./write.ts";

/** States of the reading half, and which may follow which. */
export const HEAD = 0, BODY = 1, CLOSED = 2;
const MAY_FOLLOW: readonly number[] = [
  1 << BODY | 1 << CLOSED,
  1 << HEAD | 1 << CLOSED,
  0,
];

const CONTINUE = utf8("HTTP/1.1 100 Continue\r\n\r\n");

/** The machine. */
export class H1Conn implements RequestOwner {
  /** The connection has to be cut off: an answer broke in the middle, and the peer must be able to tell. */
  broken = false;
  /** The owner's send queue is over its limit: producers wait. */
  congested = false;
  /** What the last `receive` left is the beginning of something: it needs more bytes, not another try. */
  starved = false;

  #reading: number = HEAD;
  #draining = false;
  #first: PendingAnswer | null = null;
  #last: PendingAnswer | null = null;
  #count = 0;
  /** A request that has to run alone is among those in flight. */
  #exclusive = false;
  /** The next request has to run alone and waits for those in flight. */
  #held = false;
  /** The head being received, while it is incomplete. */
  #head: RequestHead | null = null;
  /** The request whose body is being received, and its framing. */
  #receiving: H1Request | null = null;
  #remaining = 0;
  #decoder: ChunkedDecoder | null = null;

  constructor(readonly services: H1Services, public host: H1Host) {}

  /** Reads a word of each line of the cache that a request needs, for an owner that will call `receive` soon. */
  touch(): number {
    return this.#reading + this.#remaining + (this.broken ? 1 : 0);
  }

  /** Everything has been answered and nothing more will be read. */
  get finished(): boolean {
    return this.#reading === CLOSED && this.#count === 0;
  }

  /** No request is being received, answered or waiting: the connection may be closed without loss. */
  get idle(): boolean {
    return this.#reading === HEAD && this.#count === 0 && !this.#head?.begun;
  }

  /** Bytes from the peer are of use now. */
  get wantsRead(): boolean {
    if (this.#reading === HEAD) return this.#canStart;
    return this.#reading === BODY && !this.#receiving!.body.isFull(this.services.limits.unsentBytes);
  }

  /** A complete request may be waiting in what `receive` did not take. */
  get blocked(): boolean {
    return this.#reading === HEAD && !this.#canStart;
  }

  /** `flush` would write something, or find that an answer has ended. */
  get hasOutput(): boolean {
    const pending = this.#first;
    if (this.congested || pending === null || pending.stage === WAITING) return false;
    return pending.stage === READY ? !pending.isHeld : pending.stream!.hasNews;
  }

  get #canStart(): boolean {
    if (this.#count === 0) return true;
    return !this.#draining && !this.#exclusive && !this.#held && this.#count < this.services.limits.pipelined;
  }

  /** The only place that moves the reading half. */
  #setReading(to: number): void {
    if (to === this.#reading) return;
    if ((MAY_FOLLOW[this.#reading]! & 1 << to) === 0) {
      throw new Error(`assertion failed: reading half went from ${this.#reading} to ${to}`);
    }
    this.#reading = to;
  }

  /**
   * Takes bytes [start, end) and writes what can be answered at once. Returns the end of what it took; the rest has to
   * be given again, with more behind it or when `wantsRead` has become true.
   */
  receive(bytes: Uint8Array, start: number, end: number, writer: Writer): number {
    let at = start;
    this.starved = false;
    while (at < end) {
      if (this.#reading === HEAD) {
        if (!this.#canStart || this.#isFull(writer)) break;
        const taken = this.#receiveHead(bytes, at, end, writer);
        if (taken === 0) {
          this.starved = !this.#held;
          break;
        }
        at += taken;
      } else if (this.#reading === BODY) {
        at = this.#receiveBody(bytes, at, end);
      } else {
        at = end;
      }
    }
    if (this.#first !== null) this.flush(writer);
    return at;
  }

  #isFull(writer: Writer): boolean {
    return writer.length + writer.gatheredBytes >= this.services.limits.unsentBytes;
  }

  #receiveHead(bytes: Uint8Array, start: number, end: number, writer: Writer): number {
    const head = this.#head ??= this.services.takeHead();
    const taken = head.parse(bytes, start, end);
    if (taken === 0) return 0;
    if (taken < 0) return this.#refuse(taken, end - start);
    const length = bodyLength(head);
    const expects = expectation(head);
    const error = framingError(length) || checkTarget(head) || (expects < 0 ? expects : 0);
    if (error < 0) return this.#refuse(error, end - start);
    const exclusive = length !== 0 || !isSafe(head.method);
    if (exclusive && this.#count > 0) {
      this.#held = true;
      head.reset();
      return 0;
    }
    this.#head = null;
    const request = new H1Request(head, this, isPersistent(head), expects === EXPECT_CONTINUE && length !== 0);
    if (length !== 0) this.#expectBody(request, length);
    else if (!request.persistent) this.#setReading(CLOSED);
    this.#exclusive = exclusive;
    this.#dispatch(request, writer);
    return taken;
  }

  #expectBody(request: H1Request, length: number): void {
    request.body = new RequestBody(length, request, this.services.limits.bodyBytes);
    this.#receiving = request;
    this.#remaining = length;
    this.#decoder = length === CHUNKED ? new ChunkedDecoder(this.services.limits) : null;
    this.#setReading(BODY);
  }

  /** The peer broke the protocol before there was a request: answers that, in its turn, and reads no more. */
  #refuse(code: number, available: number): number {
    const { status, message } = errors.peerError(code);
    const head = this.#head ?? this.services.takeHead();
    this.#head = null;
    const request = new H1Request(head, this, false, false);
    request.detach();
    const pending = this.#enqueue(request);
    pending.reply = new Reply(`${status} ${reasonPhrase(status)}: ${message}\n`, status, "text/plain;charset=UTF-8");
    pending.stage = READY;
    this.#setReading(CLOSED);
    return available;
  }

  #receiveBody(bytes: Uint8Array, start: number, end: number): number {
    const request = this.#receiving!;
    const { body } = request;
    let at = start;
    if (this.#decoder === null) {
      const taken = Math.min(end - start, this.#remaining);
      this.#remaining -= taken;
      at += taken;
      body.push(bytes, start, at);
      if (this.#remaining === 0) this.#bodyEnded(request);
    } else {
      const decoder = this.#decoder;
      while (at < end && !decoder.done) {
        at = decoder.step(bytes, at, end);
        if (at < 0) {
          this.#bodyFailed(request, at);
          return end;
        }
        if (decoder.dataEnd > decoder.dataStart) body.push(bytes, decoder.dataStart, decoder.dataEnd);
      }
      if (decoder.done) this.#bodyEnded(request);
    }
    // A body that nobody wants is read to its end only while that is cheaper than a new connection.
    if (request.answered && this.#receiving !== null && body.thrownAway > DISCARD_BYTES) {
      this.#receiving = null;
      this.#setReading(CLOSED);
    }
    return at;
  }

  #bodyEnded(request: H1Request): void {
    request.body.end();
    this.#receiving = null;
    this.#decoder = null;
    this.#setReading(request.persistent ? HEAD : CLOSED);
    this.endIfIdle();
  }

  #bodyFailed(request: H1Request, code: number): void {
    request.persistent = false;
    this.#receiving = null;
    this.#decoder = null;
    this.#setReading(CLOSED);
    request.body.fail(errors.httpErrorOf(code));
  }

  /** The peer will send no more. What it asked for is still answered (half-close). */
  endOfInput(): void {
    if (this.#receiving !== null) this.#bodyFailed(this.#receiving, errors.TRUNCATED_BODY);
    else this.#setReading(CLOSED);
    this.#dropHead();
  }

  #dropHead(): void {
    if (this.#head !== null) this.services.returnHead(this.#head);
    this.#head = null;
  }

  #dispatch(request: H1Request, writer: Writer): void {
    const answer = this.host.handle(request);
    if (answer instanceof Reply && this.#count === 0 && !isStream(answer.content)) {
      this.#writeWhole(request, answer, true, writer);
      this.#complete(request);
      return;
    }
    request.detach();
    this.#settle(this.#enqueue(request), answer);
  }

  #settle(pending: PendingAnswer, answer: Answer | Promise<Answer>): void {
    if (answer instanceof Promise) {
      this.#setWaiting(pending, true);
      answer.then((settled) => {
        this.#setWaiting(pending, false);
        this.#answered(pending, settled);
      });
    } else {
      this.#answered(pending, answer);
    }
  }

  /** Counts the handlers that somebody waits for; one whose client is gone is no reason to hurry. */
  #setWaiting(pending: PendingAnswer, waiting: boolean): void {
    if (pending.isWaitedFor === waiting) return;
    pending.isWaitedFor = waiting;
    this.services.waiting += waiting ? 1 : -1;
  }

  #answered(pending: PendingAnswer, answer: Answer): void {
    const { request } = pending;
    if (request.aborted) return discardAnswer(answer);
    if (answer instanceof Reply) {
      pending.reply = answer;
      pending.stage = READY;
      this.host.wake();
      return;
    }
    try {
      const reply = replyOf(answer, (cancel) => pending.cancelContent = cancel);
      this.#settle(pending, reply instanceof Promise ? reply.catch((e) => this.host.failure(e, request)) : reply);
    } catch (error) {
      this.#settle(pending, this.host.failure(error, request));
    }
  }

  #enqueue(request: H1Request): PendingAnswer {
    const pending = new PendingAnswer(request);
    if (this.#last === null) this.#first = pending;
    else this.#last.next = pending;
    this.#last = pending;
    this.#count++;
    return pending;
  }

  /** Writes everything that is due: answers in order, chunks of the one being streamed, 100 (Continue). */
  flush(writer: Writer): void {
    if (this.congested) return;
    for (let pending = this.#first; pending !== null; pending = this.#first) {
      const { request } = pending;
      if (pending.stage === WAITING) {
        this.#continue(request, writer);
        return;
      }
      if (this.#isFull(writer)) return;
      if (pending.stage === READY) this.#begin(pending, writer);
      if (pending.stage === READY) return; // its head waits
      if (pending.stage === STREAMING && !this.#continueStream(pending, pending.stream!, writer)) return;
      pending.stage = COMPLETE;
      this.#first = pending.next;
      if (this.#first === null) this.#last = null;
      this.#count--;
      this.#complete(request);
      // What ends with the connection, or was cut off with it, has nothing behind it.
      if (!request.persistent) {
        this.#abortRequests(new DOMException("An earlier answer ended the connection", "AbortError"));
      }
      if (this.#count === 0) this.#exclusive = this.#held = false;
      this.endIfIdle();
    }
  }

  #continue(request: H1Request, writer: Writer): void {
    if (!request.takeContinue()) return;
    if (request.body.open && request.body.received === 0) writer.append(CONTINUE);
  }

  onBodyWanted(): void {
    this.host.wake();
  }

  remoteAddress(): RemoteAddress {
    return this.host.remoteAddress();
  }

  /** Whether the connection may stay after this answer (RFC 9112 section 9.3); decided when its head is written. */
  #staysOpen(request: H1Request, isLast: boolean): boolean {
    if (!request.persistent) return false;
    if (isLast && (this.#draining || this.#reading === CLOSED)) return false;
    if (request !== this.#receiving) return true;
    const { body } = request;
    // A client that was not told to go on may send the body or may not: nobody knows what its next bytes are.
    if (request.awaitsContinue && body.received === 0) return false;
    return body.wanted || (body.thrownAway <= DISCARD_BYTES && body.length - body.received <= DISCARD_BYTES);
  }

  #connectionField(request: H1Request, stays: boolean): string {
    request.persistent = stays;
    if (!stays) return "close";
    return request.minor === 0 ? "keep-alive" : "";
  }

  #writeWhole(request: H1Request, reply: Reply, isLast: boolean, writer: Writer): void {
    const connection = this.#connectionField(request, this.#staysOpen(request, isLast));
    const start = writer.length;
    try {
      writeWhole(this.services.headWriter, request, reply, connection, writer);
    } catch (error) {
      // The reply was changed after it was made. Nothing of it has been gathered: the head comes first.
      writer.truncate(start);
      writeWhole(this.services.headWriter, request, this.host.failure(error, request), connection, writer);
    }
  }

  #begin(pending: PendingAnswer, writer: Writer): void {
    const { request } = pending;
    const reply = pending.reply!, { content } = reply;
    const isLast = pending.next === null;
    if (!isStream(content)) {
      this.#writeWhole(request, reply, isLast, writer);
      pending.stage = COMPLETE;
      return;
    }
    const framing = streamFraming(request, reply);
    const hasBody = framing !== NO_BODY && request.method !== "HEAD";
    const start = writer.length;
    try {
      if (hasBody) {
        pending.stream ??= this.#startStream(content, framing);
        if (pending.isHeld) return;
        this.#continue(request, writer);
      }
      const connection = this.#connectionField(request, framing !== UNTIL_CLOSE && this.#staysOpen(request, isLast));
      writeStreamHead(this.services.headWriter, reply, framing, connection, writer);
    } catch (error) {
      writer.truncate(start);
      pending.stream?.cancel(error);
      pending.reply = this.host.failure(error, request);
      this.#begin(pending, writer);
      return;
    }
    if (!hasBody) discardAnswer(reply);
    pending.stage = hasBody ? STREAMING : COMPLETE;
  }

  #startStream(content: ReadableStream<Uint8Array>, framing: number): ReplyStream {
    if (content.locked) throw new TypeError("Cannot send this response: its stream is locked to another reader");
    const stream = new ReplyStream(content, framing, this.services.limits.unsentBytes, () => this.host.wake());
    stream.pump();
    return stream;
  }

  /** Writes what waits of a stream; true when nothing more will come of it. */
  #continueStream(pending: PendingAnswer, stream: ReplyStream, writer: Writer): boolean {
    writeChunks(stream, writer);
    if (stream.failed !== undefined) this.#break(pending.request, stream);
    if (stream.settled) return true;
    stream.resume();
    return false;
  }

  /** An answer broke off after its head was sent: the connection must not end as if it were complete. */
  #break(request: H1Request, stream: ReplyStream): void {
    this.host.failure(stream.failed, request);
    stream.cancel(stream.failed);
    this.broken = true;
    request.persistent = false;
  }

  /** The answer has been written: the request's memory goes back, and the connection goes on or ends. */
  #complete(request: H1Request): void {
    if (request === this.#receiving) request.body.discard();
    const head = request.release();
    if (head !== null) this.services.returnHead(head);
    if (!request.persistent) {
      this.#receiving = null;
      this.#setReading(CLOSED);
    }
  }

  /** Answers from now on say that the connection will be closed; then it is. */
  drain(): void {
    this.#draining = true;
  }

  /** Finishes a connection that drains and has nothing to do. */
  endIfIdle(): void {
    if (!this.#draining || !this.idle) return;
    this.#setReading(CLOSED);
    this.#dropHead();
  }

  /** The connection is gone. Everybody who waits for it is told, once. */
  abort(reason: Error): void {
    const receiving = this.#receiving;
    this.#receiving = null;
    this.#setReading(CLOSED);
    this.#dropHead();
    if (receiving !== null) this.host = hostOfTheDead(this.host);
    this.#abortRequests(reason);
    receiving?.body.fail(
      new errors.HttpError(400, "The connection was lost within the request body", { cause: reason }),
    );
  }

  /**
   * Gives up all that are in the queue. Their handlers may be at it still: each keeps its view and its head, and what it
   * asks is answered without the host, which may belong to another connection by then.
   */
  #abortRequests(reason: Error): void {
    if (this.#first === null) return;
    this.host = hostOfTheDead(this.host);
    for (let pending: PendingAnswer | null = this.#first; pending !== null; pending = pending.next) {
      this.#setWaiting(pending, false);
      pending.abort(reason);
    }
    this.#first = this.#last = null;
    this.#count = 0;
  }

  /** The owner's send queue has room again. */
  resume(): void {
    this.congested = false;
    this.#first?.stream?.resume();
  }
}
