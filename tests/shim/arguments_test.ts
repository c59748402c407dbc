/**
 * Bad arguments for every function of the shim, cold and hot.
 *
 * Cold, Deno refuses with a TypeError what is no 32-bit integer. Once V8 has compiled a call site for a value it wraps
 * that value instead (NaN becomes 0, 2^32+4 becomes 4, 1.9 becomes 1) and the call reaches C. So each case has a call
 * site of its own, made with `new Function`, and repeats the same bad value 200,000 times; at the end it is asserted that
 * such calls did reach C. Wherever a call arrives, it has to answer the error that the parameter's row in arguments.ts
 * names, and nothing may have been read, written, sent or closed.
 */

import assert from "node:assert/strict";
import { errnoName } from "../../shim/errno.ts";
import { must, SYMBOLS } from "../../shim/ffi.ts";
import { Fixture, isWindow, type Name, NUMBERS, type Parameter, parametersOf } from "./arguments.ts";
import { assertResult, close, descriptors, recvText, sendText, shim, Table, unixPair } from "./support.ts";

const HOT = 200_000;
/** With a value that is valid once wrapped, these make a socket or a context in the kernel (up to 35 ms): fewer calls. */
const HOT_CREATING: Partial<Record<Name, number>> = {
  listen_tcp: 4000,
  listen_unix: 10_000,
  connect_unix: 10_000,
  accept: 10_000,
  aio_setup: 20,
};
/** A call that is not synchronous has no compiled path: it is checked by Deno however often it is made. */
const HOT_NONBLOCKING = 500;
/**
 * Turns of an empty loop before the first call, fewer before the later ones: V8 compiles by the work done, and each call
 * until then costs a throw.
 */
const SPIN = 300;
const SPIN_CREATING = 2000;

const NOT_NUMBERS: readonly unknown[] = [undefined, "5", {}, 5n, true, null, new Uint8Array(8)];
const NOT_BUFFERS: readonly unknown[] = [undefined, "buffer", {}, 5, 5n, true, [1, 2, 3]];

interface Outcome {
  readonly threw: number;
  readonly returned: number;
  readonly min: number;
  readonly max: number;
}

type Site = (
  f: unknown,
  times: number,
  spin: number,
  dispose: ((result: number) => void) | null,
  ...args: unknown[]
) => Outcome;

let sites = 0;

/** A loop around one call that shares nothing with any other: equal source text would share what V8 learned. */
function callSite(arity: number): Site {
  const parameters = Array.from({ length: arity }, (_, index) => `a${index}`).join(", ");
  return new Function(
    "f",
    "times",
    "spin",
    "dispose",
    parameters,
    `// call site ${sites++}
    let threw = 0, returned = 0, min = Infinity, max = -Infinity, spun = 0;
    for (let i = 0; i < times; i++) {
      for (let k = i >> 5; k < spin; k++) spun = (spun ^ k) | 0;
      let result;
      try {
        result = f(${parameters});
      } catch (error) {
        if (!(error instanceof TypeError)) throw error;
        threw++;
        continue;
      }
      returned++;
      if (result < min) min = result;
      if (result > max) max = result;
      if (dispose !== null && result >= 0) dispose(result);
    }
    return { threw, returned, min, max };`,
  ) as Site;
}

/** Calls that reached C, by bad value and by function. */
const reached = new Map<string, number>();

function count(key: string, returned: number): void {
  reached.set(key, (reached.get(key) ?? 0) + returned);
}

function show(value: unknown): string {
  if (value instanceof Uint8Array) {
    return (value.buffer as ArrayBuffer).detached ? "detached array" : `array of ${value.length}`;
  }
  return typeof value === "number" || value === null ? `${value}` : `${typeof value} ${String(value)}`;
}

/** Every call that reached C has to have given an error that the row names, unless the wrapped value is a valid one. */
function judge(outcome: Outcome, accepted: boolean, errors: readonly string[], label: string): void {
  if (outcome.returned === 0) return;
  if (accepted) return assert.ok(outcome.min > -4096, label);
  for (const result of [outcome.min, outcome.max]) {
    assert.ok(result < 0, `${label}: returned ${result} instead of an error`);
    assert.ok(errors.includes(errnoName(result)), `${label}: ${errnoName(result)} instead of ${errors.join(" or ")}`);
  }
}

interface Case {
  readonly name: Name;
  readonly args: readonly unknown[];
  readonly accepted: boolean;
  readonly errors: readonly string[];
  readonly label: string;
}

function casesOf(name: Name, parameters: readonly Parameter[]): (Case & { readonly value: unknown })[] {
  return parameters.flatMap(({ bad, errors, accepts }, index) =>
    bad.map((value) => ({
      name,
      value,
      args: parameters.map(({ good }, at) => at === index ? value : good),
      accepted: typeof value === "number" && accepts(value | 0),
      errors,
      label: `${name}, parameter ${index}, ${show(value)}`,
    }))
  );
}

function isNonblocking(name: Name): boolean {
  return "nonblocking" in SYMBOLS[name];
}

/** Runs one case and looks afterwards whether anything has happened. */
async function run(fixture: Fixture, one: Case, isHot: boolean): Promise<Outcome> {
  const { name, args, accepted, errors } = one;
  const label = `${one.label}, ${isHot ? "hot" : "cold"}`;
  const before = descriptors();
  const creating = accepted ? HOT_CREATING[name] : undefined;
  const outcome = isNonblocking(name)
    ? await callNonblocking(name, isHot ? HOT_NONBLOCKING : 1, args)
    : callSite(args.length)(
      shim[name],
      isHot ? creating ?? HOT : 1,
      creating === undefined ? SPIN : SPIN_CREATING,
      creating === undefined ? null : disposerOf(name, args),
      ...args,
    );
  judge(outcome, accepted, errors, label);
  try {
    if (accepted) fixture.checkOutside();
    else fixture.checkUntouched();
    assert.deepEqual(descriptors(), before);
  } catch (error) {
    throw new Error(`${label}: ${(error as Error).message}`);
  }
  if (accepted) {
    fixture.refill();
    if (name.startsWith("aio_")) fixture.renewAio();
  }
  return outcome;
}

function disposerOf(name: Name, args: readonly unknown[]): (result: number) => void {
  if (name === "aio_setup") return () => void shim.aio_destroy(args[0] as Uint8Array<ArrayBuffer>, 8);
  return (result) => void shim.close_descriptor(result);
}

async function callNonblocking(name: Name, times: number, args: readonly unknown[]): Promise<Outcome> {
  const call = shim[name] as (...args: readonly unknown[]) => Promise<number>;
  const outcome = { threw: 0, returned: 0, min: Infinity, max: -Infinity };
  for (let at = 0; at < times; at++) {
    try {
      const result = await call(...args);
      outcome.returned++;
      outcome.min = Math.min(outcome.min, result);
      outcome.max = Math.max(outcome.max, result);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      outcome.threw++;
    }
  }
  return outcome;
}

/** Without stack traces a refused call costs half as much. */
async function withoutStacks<T>(work: () => Promise<T>): Promise<T> {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    return await work();
  } finally {
    Error.stackTraceLimit = limit;
  }
}

async function testFunction(name: Name): Promise<void> {
  const fixture = new Fixture();
  try {
    const parameters = parametersOf(fixture)[name];
    assert.equal(parameters?.length, SYMBOLS[name].parameters.length, `${name} has its row in arguments.ts`);
    for (const one of casesOf(name, parameters!)) {
      await run(fixture, one, false);
      const { returned } = await run(fixture, one, true);
      if (isNonblocking(name)) continue;
      count(show(one.value), returned);
      count(name, returned);
    }
    fixture.checkWaiting();
    refusesOtherTypes(name, parameters!);
  } finally {
    fixture.close();
  }
}

/** These never get to C, cold or hot: Deno refuses them by their type. */
function refusesOtherTypes(name: Name, parameters: readonly Parameter[]): void {
  if (isNonblocking(name)) return;
  parameters.forEach(({ good }, index) => {
    for (const value of typeof good === "number" ? NOT_NUMBERS : NOT_BUFFERS) {
      const args = parameters.map(({ good }, at) => at === index ? value : good);
      const { returned } = callSite(args.length)(shim[name], 10, 0, null, ...args);
      assert.equal(returned, 0, `${name}, parameter ${index}: ${typeof value} was taken`);
    }
  });
}

Deno.test("arguments: every function refuses every bad value, cold and 200,000 times over", async (t) => {
  for (const name of Object.keys(SYMBOLS) as Name[]) {
    await t.step(name, () => withoutStacks(() => testFunction(name)));
  }
  const names = (Object.keys(SYMBOLS) as Name[]).filter((name) => SYMBOLS[name].parameters.length > 0);
  for (const key of [...NUMBERS.map(show), ...names.filter((name) => !isNonblocking(name))]) {
    // Most of the cold calls throw: if they all did, the compiled path would have gone untested.
    if (key !== show(2 ** 32 + 4)) assert.ok((reached.get(key) ?? 0) > 0, `no bad call with ${key} reached C`);
  }
  const wrapped = [2 ** 32 + 4, 2 ** 32 + 2000].map((value) => reached.get(show(value)) ?? 0);
  assert.ok(wrapped.every((count) => count > 0), "no bad call with 2^32+4 reached C");
});

const EDGES = [-(2 ** 31), -1, 0, 1, 16, 255, 256, 257, 2 ** 31 - 1];
/** Windows that only look right where the sum of offset and length overflows or where a sign is forgotten. */
const OVERFLOWS: readonly (readonly [number, number, number])[] = [
  [256, 2 ** 31 - 1, 2 ** 31 - 1],
  [256, 2 ** 31 - 1, 1],
  [256, -(2 ** 31), -(2 ** 31)],
  [256, -1, 2],
  [256, 1, 256],
  [256, 256, 1],
  [2 ** 31 - 1, 2, 2 ** 31 - 1],
  [-1, 0, 1],
  [-(2 ** 31), 0, 1],
];

/** [parameters before, buffer, window, parameters after] of each window there is. */
function windowsOf({ pair, buffer, second }: Fixture): [Name, unknown[], Uint8Array, unknown[]][] {
  const { fd, generation } = pair.left;
  return [
    ["recv", [fd, generation], buffer, []],
    ["send", [fd, generation], buffer, []],
    ["writev", [fd, generation], buffer, [second, 256, 0, 1]],
    ["writev", [fd, generation, buffer, 256, 0, 1], second, []],
  ];
}

Deno.test("arguments: windows at the edges are refused or stay within", async () => {
  const fixture = new Fixture();
  try {
    for (const [name, before, buffer, after] of windowsOf(fixture)) {
      const caseOf = (capacity: number, offset: number, length: number): Case => ({
        name,
        args: [...before, buffer, capacity, offset, length, ...after],
        accepted: isWindow(capacity, offset, length),
        errors: ["EINVAL"],
        label: `${name}, window ${capacity} ${offset} ${length}`,
      });
      for (const capacity of EDGES) {
        for (const offset of EDGES) {
          for (const length of EDGES) {
            // A capacity greater than the buffer is a lie that C cannot see: only where the window is refused.
            if (capacity > 256 && isWindow(capacity, offset, length)) continue;
            await run(fixture, caseOf(capacity, offset, length), false);
          }
        }
      }
      for (const [capacity, offset, length] of OVERFLOWS) {
        const { returned } = await run(fixture, caseOf(capacity, offset, length), true);
        assert.equal(returned, HOT);
      }
    }
    fixture.checkWaiting();
  } finally {
    fixture.close();
  }
});

Deno.test("arguments: writev refuses two lengths whose sum is no 32-bit integer", () => {
  const fixture = new Fixture();
  const { fd, generation } = fixture.pair.left;
  const huge = 2 ** 31 - 1;
  const result = shim.writev(fd, generation, fixture.buffer, huge, 0, huge, fixture.second, 256, 0, 1);
  assertResult(result, "EINVAL");
  fixture.close();
});

type ConnectionCall = (fd: number, generation: number) => number;

/** The functions that take a connection, each with what follows it. */
function connectionCalls(epoll: number): [Name, ConnectionCall][] {
  const buffer = new Uint8Array(28);
  return [
    ["recv", (fd, generation) => shim.recv(fd, generation, buffer, 28, 0, 28)],
    ["send", (fd, generation) => shim.send(fd, generation, buffer, 28, 0, 28)],
    ["writev", (fd, generation) => shim.writev(fd, generation, buffer, 28, 0, 28, buffer, 28, 0, 28)],
    ["peer_address", (fd, generation) => shim.peer_address(fd, generation, buffer, 28)],
    ["unsent", (fd, generation) => shim.unsent(fd, generation)],
    ["send_buffer", (fd, generation) => shim.send_buffer(fd, generation, 4096)],
    ["epoll_add", (fd, generation) => shim.epoll_add(epoll, fd, generation, 0)],
    ["epoll_mod", (fd, generation) => shim.epoll_mod(epoll, fd, generation, 0)],
    ["epoll_del", (fd, generation) => shim.epoll_del(epoll, fd, generation)],
    ["shutdown", (fd, generation) => shim.shutdown(fd, generation)],
    ["reset", (fd, generation) => shim.reset(fd, generation)],
    ["close", (fd, generation) => shim.close(fd, generation)],
  ];
}

Deno.test("arguments: a generation below 1 is stale even where the table agrees with it", () => {
  const table = new Table();
  const { left, right } = unixPair(table, 7, 8);
  const epoll = must(shim.epoll_create(), "make an epoll");
  for (const generation of [0, -1, -(2 ** 31)]) {
    table.put(left.fd, generation);
    for (const [name, call] of connectionCalls(epoll)) {
      for (let at = 0; at < 1000; at++) assertResult(call(left.fd, generation), "ESTALE", name);
    }
  }
  table.put(left.fd, 7);
  assert.equal(recvText(right), -11);
  close(left, right);
  must(shim.close_descriptor(epoll), "close");
});

Deno.test("arguments: an open descriptor just beyond the table is not looked up", () => {
  const table = new Table();
  const { left, right } = unixPair(table, 7, 8);
  const epoll = must(shim.epoll_create(), "make an epoll");
  must(shim.table(table.words, left.fd * 64), "set the table");
  for (const [name, call] of connectionCalls(epoll)) assertResult(call(left.fd, 7), "EBADF", name);
  must(shim.table(table.words, table.memory.byteLength), "set the table");
  assert.equal(recvText(right), -11);
  close(left, right);
  must(shim.close_descriptor(epoll), "close");
});

Deno.test("arguments: a missing buffer is an error even when there is nothing to put into it", () => {
  const { left, right } = unixPair(new Table(), 7, 8);
  for (const offset of [0, 1, 65536, 2 ** 30]) {
    assertResult(shim.recv(left.fd, 7, null, 2 ** 31 - 1, offset, 1), "EFAULT");
  }
  close(left, right);
});

// 2^32+fd in a compiled call is fd: a function that takes a bare descriptor is one wrapped number away from a client.
for (const name of ["eventfd_signal", "eventfd_drain", "epoll_watch", "close_descriptor", "accept", "timerfd_set"]) {
  Deno.test(`arguments: ${name} refuses a live connection`, () => {
    const table = new Table();
    const { left, right } = unixPair(table, 7, 8);
    const epoll = shim.epoll_create();
    const peers = new Uint8Array(28);
    const calls: Record<string, () => number> = {
      eventfd_signal: () => shim.eventfd_signal(left.fd),
      eventfd_drain: () => shim.eventfd_drain(left.fd),
      epoll_watch: () => shim.epoll_watch(epoll, left.fd, 1),
      close_descriptor: () => shim.close_descriptor(left.fd),
      accept: () => shim.accept(left.fd, peers, 28, 1),
      timerfd_set: () => shim.timerfd_set(left.fd, 1),
    };
    sendText(right, "GET / HTTP/1.1");
    const result = calls[name]();
    const [kept, leaked] = [recvText(left), recvText(right)];
    shim.close(left.fd, left.generation);
    shim.close(right.fd, right.generation);
    shim.close_descriptor(epoll);
    assert.equal(leaked, -11, "bytes were sent to the client");
    assert.equal(kept, "GET / HTTP/1.1", "bytes of the client's request were eaten");
    assert.ok(result < 0, `returned ${result} instead of an error`);
  });
}
