/**
 * One connection: the socket on one side, the protocol machine on the other.
 *
 *     OPEN -> FLUSHING -> LINGERING -> CLOSED        (and from each of them straight to CLOSED)
 *
 * OPEN serves requests. FLUSHING has nothing more to read, but bytes to send. LINGERING has shut its writing half and
 * reads what the peer still sends, for a while: closing at once would make the kernel answer those bytes with a reset,
 * which takes the last answer out of the peer's hands (RFC 9112 section 9.6). CLOSED has no descriptor.
 *
 * Readiness is latched, as edge triggering asks: an event sets `readable` or `writable`, only a short read, a short
 * write or EAGAIN clears it. Every way to make progress goes through `run`, whether an event, the ready list or a
 * handler that finished asked for it, so flushing and closing exist once.
 *
 * @module
 */

import { H1Conn } from "../http/h1/conn.ts";
import type { H1Host } from "../http/h1/host.ts";
import type { H1Request } from "../http/h1/request.ts";
import { DISCARD_BYTES } from "../http/limits.ts";
import type { Answer, RemoteAddress, Reply } from "../http/message.ts";
import type { Writer } from "../http/writer.ts";
import { EAGAIN, ENOBUFS, errnoName } from "../shim/errno.ts";
import { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP, must } from "../shim/ffi.ts";
import type { Task } from "./loop.ts";
import type { ServingThread } from "./thread.ts";
import { disarm, type Timer } from "./timers.ts";

/** States, and which may follow which. */
export const OPEN = 0, FLUSHING = 1, LINGERING = 2, CLOSED = 3;
const MAY_FOLLOW: readonly number[] = [
  1 << FLUSHING | 1 << LINGERING | 1 << CLOSED,
  1 << LINGERING | 1 << CLOSED,
  1 << CLOSED,
  1 << OPEN, // the object is used again for another connection
];

/** Bytes read for one connection in one turn: a fast uploader never gives a short read, others want their turn too. */
const TURN_BYTES = 256 * 1024;

/** What every connection that has sent all shares: an idle one should cost little. */
const NOTHING: Uint8Array[] = [];

/** A connection. Pooled: `open` makes it new. */
export class Connection implements H1Host, Task {
  // What every request looks at comes first: with ten thousand connections each line of the cache is a miss.
  readonly thread: ServingThread;
  fd = -1;
  generation = 0;
  state = CLOSED;
  readable = false;
  writable = false;
  /** The peer has ended its half: nothing more will come. */
  ended = false;
  /** RDHUP was seen: the end is behind what is readable, so a short read is no reason to stop. */
  ending = false;
  h1: H1Conn | null = null;
  /** Received bytes that the machine has not taken. */
  tail: Uint8Array<ArrayBuffer> | null = null;
  /** Bytes that the socket has not taken, in order. */
  unsent: Uint8Array[] = NOTHING;
  unsentBytes = 0;

  queued = false;
  readonly slot: number;
  /** Made when it is first armed. */
  timer: Timer<Connection> | null = null;
  lingeredBytes = 0;
  /** With level triggering: the events that epoll reports at present. */
  interest = 0;

  constructor(thread: ServingThread, slot: number) {
    this.thread = thread;
    this.slot = slot;
  }

  /** Becomes the connection (fd, generation). */
  open(fd: number, generation: number): void {
    this.#setState(OPEN);
    this.fd = fd;
    this.generation = generation;
    this.readable =
      this.writable =
      this.ended =
      this.ending =
        false;
    this.lingeredBytes = 0;
    this.interest = -1;
    this.h1 = new H1Conn(this.thread.services, this);
  }

  /** The only place that changes the state. */
  #setState(to: number): void {
    if ((MAY_FOLLOW[this.state]! & 1 << to) === 0) {
      throw new Error(`assertion failed: connection ${this.fd} went from state ${this.state} to ${to}`);
    }
    this.state = to;
  }

  /** Reads a word of each line of the cache that a request needs; see `LoopClient.touch`. */
  touch(): number {
    return this.generation + this.interest + (this.h1?.touch() ?? 0);
  }

  /** Readiness from epoll. */
  onEvent(events: number): void {
    if (events & (EPOLLIN | EPOLLRDHUP)) this.readable = true;
    if (events & EPOLLRDHUP) this.ending = true;
    if (events & EPOLLOUT) this.writable = true;
    if (events & (EPOLLHUP | EPOLLERR)) {
      // Both halves are dead. What the peer said before may still be worth doing; answering is not possible.
      this.readable = this.ending = true;
      this.run();
      if (this.state !== CLOSED) this.#lose("hung up");
      return;
    }
    this.run();
  }

  /** Makes all the progress that is possible now. */
  run(): void {
    if (this.state === CLOSED) return;
    if (this.unsent.length > 0 && this.writable) this.#sendUnsent();
    if (this.state === OPEN) this.#serve();
    if (this.state === FLUSHING && this.unsent.length === 0) this.#linger();
    if (this.state === LINGERING) this.#discardInput();
    if (this.thread.trigger === "level") this.#adjustInterest();
  }

  /** Level triggering reports what is not wanted too, again and again: so it is told what is wanted, when that changes. */
  #adjustInterest(): void {
    if (this.state === CLOSED) return;
    const reads = !this.ended &&
      (this.state === LINGERING || (this.state === OPEN && !this.#congested && this.h1!.wantsRead));
    const interest = (reads ? EPOLLIN | EPOLLRDHUP : 0) | (this.unsent.length > 0 ? EPOLLOUT : 0);
    if (interest === this.interest) return;
    this.interest = interest;
    must(
      this.thread.shim.epoll_mod(this.thread.loop.epollFd, this.fd, this.generation, interest),
      "change a connection's events",
    );
  }

  /** Answers what can be answered and reads what may be read, until one of the two has to wait. */
  #serve(): void {
    const h1 = this.h1!;
    const { writer } = this.thread.buffers;
    let budget = TURN_BYTES;
    while (this.state === OPEN && !this.#congested) {
      h1.flush(writer);
      if (!this.#send(writer)) return;
      if (h1.broken) return this.#lose("an answer broke off", true);
      if (h1.finished) return this.#setState(FLUSHING);
      if (h1.hasOutput) continue;
      if (this.#congested || !h1.wantsRead) return;
      if (budget <= 0) return this.thread.loop.queue(this);
      const taken = this.#feed(h1, writer);
      if (taken < 0) return;
      budget -= taken;
    }
  }

  /** Gives the machine input: the tail alone if that may do, else with what is read behind it. -1 if there is none. */
  #feed(h1: H1Conn, writer: Writer): number {
    const { scratch } = this.thread.buffers;
    const held = this.tail === null ? 0 : this.tail.length;
    let end = held;
    let read = 0;
    if (held === 0 || h1.starved) {
      if (this.ended) {
        if (h1.finished) return -1;
        this.tail = null;
        h1.endOfInput();
        return 0;
      }
      if (!this.readable) return -1;
      read = this.#receive(scratch, held);
      if (read < 0) return -1;
      if (read === 0) return 0; // the end: the next round tells the machine
      end += read;
    }
    if (held > 0) scratch.set(this.tail!, 0);
    const taken = h1.receive(scratch, 0, end, writer);
    this.tail = taken < end ? scratch.slice(taken, end) : null;
    return read;
  }

  /** Reads behind `offset`. 0: the peer has ended; -1: nothing is there, or the connection is lost. */
  #receive(scratch: Uint8Array<ArrayBuffer>, offset: number): number {
    const room = scratch.length - offset;
    const count = this.thread.shim.recv(this.fd, this.generation, scratch, scratch.length, offset, room);
    if (count > 0) {
      if (count < room && !this.ending) this.readable = false;
      return count;
    }
    this.readable = false;
    if (count === 0) {
      this.ended = true;
      return 0;
    }
    if (count !== EAGAIN) this.#lose(errnoName(count));
    return -1;
  }

  get #congested(): boolean {
    return this.unsentBytes >= this.thread.limits.unsentBytes;
  }

  /** Sends what is in the writer; what the socket does not take is kept. False if the connection is lost. */
  #send(writer: Writer): boolean {
    if (writer.empty) return true;
    if (this.unsent.length === 0 && this.writable && writer.gathered.length === 0) {
      const { bytes, length } = writer;
      const sent = this.thread.shim.send(this.fd, this.generation, bytes, bytes.length, 0, length);
      if (sent === length) {
        writer.clear();
        return true;
      }
      if (sent >= 0) this.writable = false;
      this.#keep(bytes.slice(Math.max(0, sent), length));
      writer.clear();
      return sent >= 0 || this.#sendFailed(sent);
    }
    let from = 0;
    for (const { at, bytes } of writer.gathered) {
      if (at > from) this.#keep(writer.bytes.slice(from, at));
      this.#keep(bytes);
      from = at;
    }
    if (writer.length > from) this.#keep(writer.bytes.slice(from, writer.length));
    writer.clear();
    return !this.writable || this.#sendUnsent();
  }

  #keep(bytes: Uint8Array): void {
    if (this.unsent === NOTHING) this.unsent = [];
    this.unsent.push(bytes);
    this.unsentBytes += bytes.length;
    if (this.#congested) this.h1!.congested = true;
  }

  /** Sends what was kept, two pieces a call. False if the connection is lost. */
  #sendUnsent(): boolean {
    const { shim } = this.thread;
    const { unsent, fd, generation } = this;
    while (unsent.length > 0) {
      const first = unsent[0]!;
      const second = unsent[1];
      const wanted = first.length + (second?.length ?? 0);
      const sent = second === undefined
        ? shim.send(fd, generation, first, first.length, 0, first.length)
        : shim.writev(fd, generation, first, first.length, 0, first.length, second, second.length, 0, second.length);
      if (sent < 0 && !this.#sendFailed(sent)) return false;
      if (sent < wanted) this.writable = false;
      if (sent > 0) this.#dropSent(sent);
      if (!this.writable) break;
    }
    if (unsent.length === 0) this.unsent = NOTHING;
    if (this.h1!.congested && !this.#congested) this.h1!.resume();
    return true;
  }

  #dropSent(sent: number): void {
    this.unsentBytes -= sent;
    const { unsent } = this;
    let left = sent;
    while (left > 0) {
      const first = unsent[0]!;
      if (left < first.length) {
        unsent[0] = first.subarray(left);
        return;
      }
      left -= first.length;
      unsent.shift();
    }
  }

  #sendFailed(errno: number): boolean {
    this.writable = false;
    if (errno === EAGAIN) return true;
    if (errno === ENOBUFS) {
      this.thread.retryLater(this);
      return true;
    }
    this.#lose(errnoName(errno));
    return false;
  }

  /** The kernel may have room again, although no edge will say so. */
  retrySend(): void {
    this.writable = true;
    this.run();
  }

  /** All is sent: shuts the writing half and waits for the peer to do the same. */
  #linger(): void {
    if (this.ended || this.thread.shim.shutdown(this.fd, this.generation) < 0) return this.#close();
    this.#setState(LINGERING);
    this.tail = null;
    this.thread.armLinger(this);
  }

  #discardInput(): void {
    const { scratch } = this.thread.buffers;
    while (this.state === LINGERING && this.readable) {
      const count = this.#receive(scratch, 0);
      if (count < 0) return;
      this.lingeredBytes += count;
      if (count === 0 || this.lingeredBytes > DISCARD_BYTES) return this.#close();
    }
  }

  /** The peer has had its time. */
  onLingerEnd(): void {
    if (this.state === LINGERING) this.#close();
  }

  /** No further requests; ends when what it is at is done. What the kernel has received already comes first. */
  drain(): void {
    if (this.state !== OPEN) return;
    this.h1!.drain();
    this.readable = true;
    this.run();
    this.h1?.endIfIdle();
    this.run();
  }

  /** Ends at once, with a reset if an answer is cut off by it. */
  cut(): void {
    if (this.state === LINGERING) this.#close();
    else if (this.state !== CLOSED) this.#lose("the server is shutting down", true);
  }

  /** The connection is gone or has to go: whoever waits for it is told. */
  #lose(why: string, reset = false): void {
    this.thread.buffers.writer.clear();
    this.#close(reset, new DOMException(`The connection was lost: ${why}`, "AbortError"));
  }

  #close(reset = false, reason: Error = new DOMException("The connection was closed", "AbortError")): void {
    const { shim } = this.thread;
    this.h1!.abort(reason); // before the descriptor goes: the peer's address is in its row
    this.#setState(CLOSED);
    if (reset) shim.reset(this.fd, this.generation);
    else shim.close(this.fd, this.generation);
    if (this.timer !== null) disarm(this.timer);
    this.tail = null;
    this.unsent = NOTHING;
    this.unsentBytes = 0;
    this.h1 = null;
    this.thread.closed(this);
  }

  handle(request: H1Request): Answer | Promise<Answer> {
    return this.thread.application.handle(request);
  }

  failure(error: unknown, request: H1Request): Reply {
    return this.thread.failure(error, request);
  }

  wake(): void {
    if (this.state !== CLOSED) this.thread.loop.queue(this);
  }

  remoteAddress(): RemoteAddress {
    return this.thread.table.remoteAddress(this.fd);
  }
}
