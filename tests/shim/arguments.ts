/**
 * For every parameter of every function of the shim: a good value, and what must not get past the checks in C.
 *
 * The values are hostile on purpose. Entries 0, 1 and 2 of the table and the one just behind its end look like live
 * connections of the right generation, and a freed entry has an open descriptor behind it: each check has to hold by
 * itself. A canary connection lies beside, buffers lie in the middle of a guarded arena.
 *
 * @module
 */

import assert from "node:assert/strict";
import { EPOLLIN, FREE, must, type SYMBOLS } from "../../shim/ffi.ts";
import { type Connection, descriptors, drain, listenTcp, LOOPBACK4, type Pair, PEER_BYTES } from "./support.ts";
import { recvText, shim, Table, temporaryPath, unixPair } from "./support.ts";

export type Name = keyof typeof SYMBOLS;

export interface Parameter {
  readonly good: unknown;
  readonly bad: readonly unknown[];
  /** Errors that a bad value may be answered with. */
  readonly errors: readonly string[];
  /** Whether a number is in fact a valid one once V8 has wrapped it: 1.9 is read as 1. */
  accepts(wrapped: number): boolean;
}

const GENERATION = 7;
const WINDOW_OFFSET = 32;
const WINDOW_LENGTH = 128;
const BUFFER_BYTES = 256;
const FILLING = 0xa5;
const WAITING = "what the peer sent before";
/** A number that nothing has open and whose table entry is free. */
const UNOPENED = 2000;

export const NUMBERS: readonly number[] = [-1, -(2 ** 31), 2 ** 31 - 1, 2 ** 32 + 4, 1.9, NaN, Infinity];
const STANDARD_STREAMS = [0, 1, 2];

function detached(): Uint8Array {
  const bytes = new Uint8Array(BUFFER_BYTES);
  bytes.buffer.transfer();
  return bytes;
}

/** Real descriptors for the good values, and what watches that the bad ones reach nothing. */
export class Fixture {
  readonly table: Table = new Table(2048, 1);
  readonly pair: Pair = unixPair(this.table, GENERATION, GENERATION + 100);
  readonly canary: Pair = unixPair(this.table, GENERATION + 200, GENERATION + 300);
  readonly listener: number = listenTcp().fd;
  readonly eventfd: number = must(shim.eventfd(), "make an eventfd");
  readonly timerfd: number = must(shim.timerfd(), "make a timerfd");
  /** An eventfd whose number has a table entry that is FREE, of the right generation. */
  readonly freed: number = must(shim.eventfd(), "make an eventfd");
  /** Has the connection in it. */
  readonly epoll: number = must(shim.epoll_create(), "make an epoll");
  /** Is always readable: a wait on it does not wait. */
  readonly ready: number = must(shim.epoll_create(), "make an epoll");
  /** Is never readable. */
  readonly idle: number = must(shim.epoll_create(), "make an epoll");
  readonly path = temporaryPath();
  readonly arena: Uint8Array<ArrayBuffer> = new Uint8Array(4096);
  readonly buffer: Uint8Array<ArrayBuffer> = this.arena.subarray(1024, 1024 + BUFFER_BYTES);
  readonly second: Uint8Array<ArrayBuffer> = this.arena.subarray(2048, 2048 + BUFFER_BYTES);
  readonly aio: Uint8Array<ArrayBuffer> = new Uint8Array(8);

  constructor() {
    for (const fd of [...STANDARD_STREAMS, this.table.entries]) this.table.put(fd, GENERATION);
    this.table.put(this.freed, GENERATION, FREE);
    assert.ok(!descriptors().has(UNOPENED));
    Deno.writeFileSync(this.path.text, new Uint8Array()); // binding there always fails: no socket file is left over
    const { fd, generation } = this.pair.left;
    must(shim.epoll_add(this.epoll, fd, generation, EPOLLIN), "add the connection");
    must(shim.eventfd_signal(this.eventfd), "signal");
    must(shim.epoll_watch(this.ready, this.eventfd, EPOLLIN), "watch");
    must(shim.aio_setup(this.aio, 8), "set AIO up");
    this.refill();
  }

  /** What an accepted call may have used up is made good again. */
  refill(): void {
    this.arena.fill(FILLING);
    drain(this.pair.left);
    drain(this.pair.right);
    const { fd, generation } = this.pair.right;
    const bytes = new TextEncoder().encode(WAITING);
    assert.equal(shim.send(fd, generation, bytes, bytes.length, 0, bytes.length), bytes.length);
  }

  /** Makes the AIO context anew: cancelled polls and destroyed contexts are the good path of those functions. */
  renewAio(): void {
    shim.aio_destroy(this.aio, 8);
    must(shim.aio_setup(this.aio, 8), "set AIO up");
  }

  /** After an accepted call only what lies outside of the buffers has to be as it was. */
  checkOutside(): void {
    this.buffer.fill(FILLING);
    this.second.fill(FILLING);
    this.checkGuards();
  }

  /** After a refused call everything has to be as it was. */
  checkUntouched(): void {
    this.checkGuards();
    assert.equal(recvText(this.pair.right), -11, "the connection sent something, or its end");
    assert.equal(this.table.state(this.pair.left.fd), this.table.state(this.pair.right.fd));
  }

  private checkGuards(): void {
    assert.ok(this.arena.every((byte) => byte === FILLING), "something was written outside of the window");
    assert.equal(recvText(this.canary.left), -11, "something reached the canary connection");
    assert.equal(recvText(this.canary.right), -11, "something reached the canary connection");
    assert.equal(shim.eventfd_drain(this.freed), 0, "something reached the descriptor behind the freed entry");
  }

  /** What the peer sent before the bad calls is still there: none of them has read a byte of it. */
  checkWaiting(): void {
    assert.equal(recvText(this.pair.left), WAITING);
    this.refill();
  }

  close(): void {
    for (const { fd, generation } of [this.pair, this.canary].flatMap(({ left, right }) => [left, right])) {
      must(shim.close(fd, generation), "close");
    }
    const plain = [this.listener, this.eventfd, this.timerfd, this.freed, this.epoll, this.ready, this.idle];
    for (const fd of plain) must(shim.close_descriptor(fd), "close");
    must(shim.aio_destroy(this.aio, 8), "end AIO");
    this.path.remove();
  }
}

const never = (): boolean => false;
const always = (): boolean => true;

/** Whether [offset, offset + length) is a window with something in it; numbers of JavaScript do not overflow here. */
export function isWindow(capacity: number, offset: number, length: number): boolean {
  return length >= 1 && offset >= 0 && offset + length <= capacity;
}

function between(low: number, high: number): (value: number) => boolean {
  return (value) => value >= low && value <= high;
}

function number(good: number, accepts: (wrapped: number) => boolean, ...errors: string[]): Parameter {
  return { good, bad: NUMBERS, errors: errors.length > 0 ? errors : ["EINVAL"], accepts };
}

function buffer(good: Uint8Array, ...more: readonly Uint8Array[]): Parameter {
  const errors = more.length > 0 ? ["EFAULT", "EINVAL"] : ["EFAULT"];
  return { good, bad: [null, new Uint8Array(), detached(), ...more], errors, accepts: never };
}

/** A descriptor without a generation: 2^32+4 would be Deno's own 4, so here it is a number that is not open. */
function descriptor(good: number): Parameter {
  const numbers = NUMBERS.map((value) => value === 2 ** 32 + 4 ? 2 ** 32 + UNOPENED : value);
  return { good, bad: [...numbers, ...STANDARD_STREAMS, UNOPENED], errors: ["EBADF"], accepts: never };
}

function connection({ table, freed, pair }: Fixture): Parameter[] {
  const { fd, generation }: Connection = pair.left;
  const others = [...STANDARD_STREAMS, freed, UNOPENED, table.entries, 1_000_000];
  const stale = [0, generation - 1, generation + 1];
  return [
    { good: fd, bad: [...NUMBERS, ...others], errors: ["EBADF", "ESTALE"], accepts: never },
    { good: generation, bad: [...NUMBERS, ...stale], errors: ["ESTALE"], accepts: never },
  ];
}

function window(bytes: Uint8Array): Parameter[] {
  return [
    buffer(bytes),
    number(BUFFER_BYTES, (value) => isWindow(value, WINDOW_OFFSET, WINDOW_LENGTH)),
    number(WINDOW_OFFSET, (value) => isWindow(BUFFER_BYTES, value, WINDOW_LENGTH)),
    number(WINDOW_LENGTH, (value) => isWindow(BUFFER_BYTES, WINDOW_OFFSET, value)),
  ];
}

function records(bytes: Uint8Array, size: number, count: number, max: number): Parameter[] {
  return [
    buffer(bytes),
    number(BUFFER_BYTES, (value) => value >= count * size),
    number(count, (value) => value >= 1 && value <= max && value * size <= BUFFER_BYTES),
  ];
}

function contractRows(f: Fixture): Partial<Record<Name, Parameter[]>> {
  return {
    abi_version: [],
    build_hash: [],
    record_size: [number(0, between(0, 3))],
    table: [buffer(new Uint8Array(f.table.memory)), number(f.table.entries * 64, never)],
    now_ms: [],
    now_us: [],
    rlimit_nofile: [],
  };
}

function listeningRows(f: Fixture): Partial<Record<Name, Parameter[]>> {
  const path = f.path.bytes;
  const length = number(path.length, between(1, 107), "EINVAL", "ENAMETOOLONG");
  const backlog = number(16, between(1, 65535));
  const peer = [buffer(f.buffer), number(BUFFER_BYTES, (value) => value >= PEER_BYTES)];
  return {
    listen_tcp: [
      buffer(LOOPBACK4),
      number(4, (value) => value === 4, "EAFNOSUPPORT"),
      number(0, between(0, 65535)),
      number(0, between(0, 1)),
      backlog,
    ],
    listen_unix: [buffer(path), length, backlog],
    connect_unix: [buffer(path), length],
    local_address: [descriptor(f.listener), ...peer],
    peer_address: [...connection(f), ...peer],
    accept: [descriptor(f.listener), ...records(f.buffer, PEER_BYTES, 4, 64)],
  };
}

function connectionRows(f: Fixture): Partial<Record<Name, Parameter[]>> {
  return {
    recv: [...connection(f), ...window(f.buffer)],
    send: [...connection(f), ...window(f.buffer)],
    writev: [...connection(f), ...window(f.buffer), ...window(f.second)],
    shutdown: connection(f),
    unsent: connection(f),
    send_buffer: [...connection(f), number(65536, (value) => value >= 1)],
    close: connection(f),
    reset: connection(f),
  };
}

function epollRows(f: Fixture): Partial<Record<Name, Parameter[]>> {
  const events = number(EPOLLIN, always);
  return {
    epoll_create: [],
    epoll_add: [descriptor(f.epoll), ...connection(f), events],
    epoll_mod: [descriptor(f.epoll), ...connection(f), events],
    epoll_del: [descriptor(f.epoll), ...connection(f)],
    epoll_watch: [descriptor(f.epoll), descriptor(f.timerfd), events],
    epoll_wait: [descriptor(f.ready), ...records(f.buffer, 12, 4, 1024)],
    epoll_pwait2: [descriptor(f.ready), ...records(f.buffer, 12, 4, 1024), number(0, between(0, 1_000_000))],
    poll: [descriptor(f.ready), number(0, (value) => value >= -1)],
  };
}

function descriptorRows(f: Fixture): Partial<Record<Name, Parameter[]>> {
  const garbage = [new Uint8Array(8), new Uint8Array(8).fill(0xff)];
  const capacity = number(8, (value) => value >= 8);
  return {
    eventfd: [],
    eventfd_signal: [descriptor(f.freed)],
    eventfd_drain: [descriptor(f.freed)],
    timerfd: [],
    timerfd_set: [descriptor(f.timerfd), number(0, (value) => value >= 0)],
    close_descriptor: [descriptor(f.freed)],
    aio_setup: [buffer(f.aio), capacity],
    aio_arm: [buffer(f.aio, ...garbage), capacity, descriptor(f.idle), descriptor(f.eventfd)],
    aio_drain: [buffer(f.aio, ...garbage), capacity],
    aio_destroy: [buffer(f.aio, ...garbage), capacity],
  };
}

/** The parameters of every function, in the order of `SYMBOLS`. */
export function parametersOf(f: Fixture): Partial<Record<Name, Parameter[]>> {
  return {
    ...contractRows(f),
    ...listeningRows(f),
    ...connectionRows(f),
    ...epollRows(f),
    ...descriptorRows(f),
  };
}
