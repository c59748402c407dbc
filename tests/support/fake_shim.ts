/**
 * The shim as far as a connection and a listener need it, over sockets that are objects in memory.
 *
 * It behaves as edge-triggered sockets do: after a short read, a short write or an error nothing more may be asked until
 * the socket has told an edge, and every call that breaks this rule is noted in `violations`. Faults (short reads and
 * writes, EAGAIN, ENOBUFS, ECONNRESET, EPIPE) come from a script or a seeded generator; arguments are checked as C
 * does.
 *
 * @module
 */

import { EAGAIN, EMFILE, ESTALE } from "../../shim/errno.ts";
import {
  ENTRY_WORDS,
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLRDHUP,
  FREE,
  PEER_WORDS,
  type Shim,
} from "../../shim/ffi.ts";
import { ConnectionTable } from "../../workers/table.ts";
import { concat } from "./feed.ts";
import { latin1Bytes, latin1Text } from "./wire_cases.ts";

export const ECONNRESET = -104, EPIPE = -32, ECONNABORTED = -103, EBADF = -9;

/** What a call may do at most: a number of bytes, or an errno. `null`: what the socket allows. */
export type Fault = (wanted: number) => number | null;

/** The server's end of a connection, and the peer's hand on it. */
export class FakeSocket {
  /** Errors and short counts of the next calls. */
  onRecv: Fault = () => null;
  onSend: Fault = () => null;
  /** Looked at before each `recv`. */
  beforeRecv: () => void = () => {};
  /** Bytes that the send queue still takes. */
  room = Infinity;
  /** An edge that has not been told yet. */
  edge = true;
  shut = false;
  gone: "" | "closed" | "reset" = "";
  recvs = 0;
  sends = 0;
  readBytes = 0;
  /** Calls that edge triggering forbids. */
  readonly violations: string[] = [];
  readonly sent: Uint8Array<ArrayBuffer>[] = [];
  sentBytes = 0;

  #arrived: Uint8Array[] = [];
  #fin = false;
  #hungUp = false;
  #mayRead = false;
  #mayWrite = false;
  /** The owner was told of the peer's end, so it reads until it sees it. */
  #toldEnd = false;

  constructor(readonly fd: number, readonly generation: number) {}

  /** The peer's bytes arrive. */
  arrive(bytes: Uint8Array | string): void {
    if (bytes.length === 0) return;
    this.#arrived.push(typeof bytes === "string" ? latin1Bytes(bytes) : bytes);
    this.edge = true;
  }

  /** The peer's end arrives. */
  end(): void {
    this.#fin = true;
    this.edge = true;
  }

  /** The connection dies: a reset arrives. */
  hangUp(): void {
    this.#fin = this.#hungUp = true;
    this.edge = true;
  }

  /** The peer takes bytes out of the send queue. */
  open(room: number): void {
    if (this.room <= 0) this.edge = true;
    this.room += room;
  }

  /** Says once what epoll would say now. */
  takeEdge(): number {
    this.edge = false;
    let events = 0;
    if (this.#arrived.length > 0 || this.#fin) events |= EPOLLIN;
    if (this.#fin) events |= EPOLLRDHUP;
    if (this.room > 0) events |= EPOLLOUT;
    if (this.#hungUp) events |= EPOLLHUP | EPOLLERR;
    this.allow(events);
    return events;
  }

  /** Calls are allowed again, as after these events. */
  allow(events: number): void {
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP)) this.#mayRead = true;
    if (events & EPOLLOUT) this.#mayWrite = true;
    if (events & EPOLLRDHUP) this.#toldEnd = true;
  }

  get unread(): number {
    return this.#arrived.reduce((sum, { length }) => sum + length, 0);
  }

  get output(): string {
    return latin1Text(concat(this.sent));
  }

  recv(into: Uint8Array): number {
    this.recvs++;
    this.beforeRecv();
    if (!this.#mayRead) this.violations.push("recv without an edge");
    const limit = this.onRecv(into.length) ?? into.length;
    if (limit < 0) {
      this.#mayRead = false;
      if (limit === EAGAIN) this.edge = true;
      return limit;
    }
    let count = 0;
    while (count < limit && this.#arrived.length > 0) {
      const first = this.#arrived[0]!;
      const part = first.subarray(0, limit - count);
      into.set(part, count);
      count += part.length;
      if (part.length === first.length) this.#arrived.shift();
      else this.#arrived[0] = first.subarray(part.length);
    }
    this.readBytes += count;
    if (count === 0 && !this.#fin) {
      this.#mayRead = false;
      return EAGAIN;
    }
    if (count < into.length && !this.#toldEnd) {
      this.#mayRead = false;
      if (this.#arrived.length > 0) this.edge = true; // what is left arrives a little later
    }
    return count;
  }

  send(from: Uint8Array): number {
    this.sends++;
    if (!this.#mayWrite) this.violations.push("send without an edge");
    if (this.shut) this.violations.push("send after shutdown");
    const limit = this.onSend(from.length) ?? from.length;
    if (limit < 0) {
      this.#mayWrite = false;
      if (limit === EAGAIN) this.edge = true;
      return limit;
    }
    const count = Math.min(limit, from.length, this.room);
    this.room -= count;
    this.sent.push(new Uint8Array(from.slice(0, count)));
    this.sentBytes += count;
    if (count < from.length) {
      this.#mayWrite = false;
      if (this.room > 0) this.edge = true;
    }
    return count === 0 ? EAGAIN : count;
  }
}

/** How a peer is described in the table. */
export interface FakePeer {
  readonly address: readonly number[];
  readonly port: number;
}

/** The functions, and what was asked of them. */
export class FakeShim {
  nowMs = 1000;
  readonly table: ConnectionTable;
  readonly sockets = new Map<number, FakeSocket>();
  /** Descriptors watched by `epoll_watch`, with their events. */
  readonly watched = new Map<number, number>();
  readonly closedDescriptors: number[] = [];
  /** Connections added to epoll instances. */
  readonly added: { epollFd: number; fd: number; generation: number; events: number }[] = [];
  /** What `accept` gives, call by call: descriptors, or an errno; EAGAIN when it is empty. */
  readonly accepts: (number[] | number)[] = [];
  /** What `eventfd` gives, call by call; EMFILE when it is empty. */
  readonly eventfds: number[] = [];
  onEpollAdd: (fd: number) => number = () => 0;
  acceptCalls = 0;

  readonly #words: Int32Array<SharedArrayBuffer>;

  constructor(entries = 64) {
    this.table = new ConnectionTable(new SharedArrayBuffer(entries * ENTRY_WORDS * 4));
    this.#words = new Int32Array(this.table.memory);
  }

  /** It as connections and listeners see it. */
  get shim(): Shim {
    return this as unknown as Shim;
  }

  /** A new connection, HANDED, with the lowest number that is free, as the kernel would give it. */
  connect(owner = 0, peer: FakePeer = { address: [192, 0, 2, 1], port: 4711 }): FakeSocket {
    let fd = 10;
    while (this.sockets.has(fd)) fd++;
    const words = new Int32Array(PEER_WORDS);
    words[0] = fd;
    words[1] = peer.address.length === 4 ? 4 : peer.address.length === 16 ? 6 : 0;
    words[2] = peer.port;
    new Uint8Array(words.buffer).set(peer.address, 12);
    const generation = this.table.hand(fd, owner, 0, this.nowMs, words, 0);
    const socket = new FakeSocket(fd, generation);
    this.sockets.set(fd, socket);
    return socket;
  }

  state(fd: number): number {
    return this.#words[fd * ENTRY_WORDS + 1]!;
  }

  now_ms(): number {
    return this.nowMs;
  }

  recv(fd: number, generation: number, to: Uint8Array, capacity: number, offset: number, length: number): number {
    checkWindow(to, capacity, offset, length);
    return this.#live(fd, generation)?.recv(to.subarray(offset, offset + length)) ?? ESTALE;
  }

  send(fd: number, generation: number, from: Uint8Array, capacity: number, offset: number, length: number): number {
    checkWindow(from, capacity, offset, length);
    return this.#live(fd, generation)?.send(from.subarray(offset, offset + length)) ?? ESTALE;
  }

  writev(
    fd: number,
    generation: number,
    ...[first, firstCapacity, firstOffset, firstLength, second, secondCapacity, secondOffset, secondLength]: [
      Uint8Array,
      number,
      number,
      number,
      Uint8Array,
      number,
      number,
      number,
    ]
  ): number {
    checkWindow(first, firstCapacity, firstOffset, firstLength);
    checkWindow(second, secondCapacity, secondOffset, secondLength);
    const whole = concat([
      first.subarray(firstOffset, firstOffset + firstLength),
      second.subarray(secondOffset, secondOffset + secondLength),
    ]);
    return this.#live(fd, generation)?.send(whole) ?? ESTALE;
  }

  shutdown(fd: number, generation: number): number {
    const socket = this.#live(fd, generation);
    if (!socket) return ESTALE;
    socket.shut = true;
    return 0;
  }

  close(fd: number, generation: number): number {
    return this.#end(fd, generation, "closed");
  }

  reset(fd: number, generation: number): number {
    return this.#end(fd, generation, "reset");
  }

  accept(_: number, peers: Int32Array, bytes: number, max: number): number {
    this.acceptCalls++;
    const next = this.accepts.shift() ?? EAGAIN;
    if (typeof next === "number") return next;
    if (next.length > max || next.length * PEER_WORDS * 4 > bytes) throw new Error("the script gives too many");
    next.forEach((fd, index) => peers.set([fd, 4, 1000 + fd, 0x0100007f, 0, 0, 0], index * PEER_WORDS));
    return next.length;
  }

  epoll_add(epollFd: number, fd: number, generation: number, events: number): number {
    const status = this.onEpollAdd(fd);
    if (status === 0) this.added.push({ epollFd, fd, generation, events });
    return status;
  }

  epoll_watch(_: number, fd: number, events: number): number {
    this.watched.set(fd, events);
    return 0;
  }

  eventfd(): number {
    return this.eventfds.shift() ?? EMFILE;
  }

  close_descriptor(fd: number): number {
    this.closedDescriptors.push(fd);
    return 0;
  }

  #live(fd: number, generation: number): FakeSocket | null {
    const socket = this.sockets.get(fd);
    return socket?.generation === generation ? socket : null;
  }

  #end(fd: number, generation: number, how: "closed" | "reset"): number {
    const socket = this.#live(fd, generation);
    if (socket) socket.gone = how;
    else if (this.#words[fd * ENTRY_WORDS] !== generation || this.state(fd) === FREE) return ESTALE;
    this.sockets.delete(fd);
    Atomics.store(this.#words, fd * ENTRY_WORDS + 1, FREE);
    return 0;
  }
}

function checkWindow(bytes: Uint8Array, capacity: number, offset: number, length: number): void {
  const right = bytes.length === capacity && Number.isInteger(offset) && offset >= 0 && Number.isInteger(length) &&
    length > 0 && offset + length <= capacity;
  if (!right) throw new Error(`a bad window: ${offset}+${length} of ${capacity} of ${bytes.length}`);
}
