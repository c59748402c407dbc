/**
 * The listener, over a fake shim: who gets which connection, and what happens when accepting or handing over fails.
 */

import assert from "node:assert/strict";
import { EAGAIN, EMFILE, ENFILE, ENOBUFS, ENOMEM } from "../../shim/errno.ts";
import { EPOLLET, EPOLLIN, EPOLLOUT, EPOLLRDHUP, FREE, HANDED } from "../../shim/ffi.ts";
import { Listener, type Target } from "../../workers/listener.ts";
import type { Loop } from "../../workers/loop.ts";
import { Timers } from "../../workers/timers.ts";
import { EBADF, ECONNABORTED, FakeShim } from "../support/fake_shim.ts";

const REST_MS = 100;

/** A listener on a loop that the test turns. */
class Setup {
  readonly fake = new FakeShim(256);
  readonly timers = new Timers();
  readonly logged: string[] = [];
  readonly listener: Listener;
  readonly #callbacks = new Map<number, (events: number) => void>();
  nowMs = 5000;

  constructor(readonly listenFds = [3], workers = 3) {
    const { fake, timers } = this;
    // deno-lint-ignore no-this-alias
    const setup = this;
    const loop = {
      shim: fake.shim,
      timers,
      get nowMs(): number {
        return setup.nowMs;
      },
      watch: (fd: number, events: number, callback?: (events: number) => void) => {
        if (callback) this.#callbacks.set(fd, callback);
        fake.epoll_watch(0, fd, events);
      },
    };
    const targets: Target[] = Array.from({ length: workers }, (_, i) => ({ owner: 40 + i, epollFd: 200 + i }));
    const log = (text: string) => void this.logged.push(text);
    this.listener = new Listener(loop as unknown as Loop, fake.table, listenFds, targets, "edge", log);
  }

  /** A listening socket is reported readable, if it is watched. */
  ready(fd = 3): void {
    if (this.fake.watched.get(fd)! & EPOLLIN) this.#callbacks.get(fd)!(EPOLLIN);
  }

  advance(ms: number): void {
    this.nowMs += ms;
    this.timers.expire(this.nowMs);
  }

  /** How many connections each worker got. */
  get shares(): number[] {
    const shares = new Map<number, number>();
    for (const { epollFd } of this.fake.added) shares.set(epollFd, (shares.get(epollFd) ?? 0) + 1);
    return [...shares.values()];
  }
}

function fds(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => first + i);
}

Deno.test("listener: watches its sockets once it has started", () => {
  const { fake, listener } = new Setup([3, 4]);
  assert.equal(fake.watched.size, 0);
  listener.start();
  assert.deepEqual([...fake.watched], [[3, EPOLLIN], [4, EPOLLIN]]);
});

Deno.test("listener: a connection is in the table before it is in the worker's epoll instance", () => {
  const setup = new Setup();
  const { fake, listener } = setup;
  listener.start();
  fake.nowMs = 77;
  fake.accepts.push([20]);
  let stateAtAdd = -1;
  fake.onEpollAdd = (fd) => {
    stateAtAdd = fake.state(fd);
    return 0;
  };
  setup.ready();
  assert.equal(stateAtAdd, HANDED);
  assert.deepEqual(fake.added, [{
    epollFd: 200,
    fd: 20,
    generation: 1,
    events: EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
  }]);
  assert.equal(fake.table.acceptedAt(20), 77);
  assert.deepEqual(fake.table.remoteAddress(20), { transport: "tcp", hostname: "127.0.0.1", port: 1020 });
  assert.equal(fake.table.count(HANDED, 40), 1);
});

Deno.test("listener: round robin gives every worker the same number, give or take one", () => {
  for (const workers of [1, 2, 3, 7]) {
    for (const count of [1, 7, 16, 100]) {
      const setup = new Setup([3, 4], workers);
      setup.listener.start();
      for (let fd = 20; fd < 20 + count; fd += 16) {
        setup.fake.accepts.push(fds(fd, Math.min(16, 20 + count - fd)));
        setup.ready(fd % 32 < 16 ? 3 : 4);
      }
      const { shares } = setup;
      assert.equal(shares.reduce((sum, share) => sum + share, 0), count);
      const least = shares.length < workers ? 0 : Math.min(...shares);
      assert.ok(Math.max(...shares) - least <= 1, `${count} over ${workers}: ${shares}`);
    }
  }
});

Deno.test("listener: one batch for each event, so that others get their turn", () => {
  const setup = new Setup();
  setup.listener.start();
  setup.fake.accepts.push(fds(20, 16), fds(40, 16));
  setup.ready();
  assert.equal(setup.fake.acceptCalls, 1);
  setup.ready();
  assert.equal(setup.fake.added.length, 32);
});

for (
  const [name, errno] of [["EMFILE", EMFILE], ["ENFILE", ENFILE], ["ENOBUFS", ENOBUFS], ["ENOMEM", ENOMEM]] as const
) {
  Deno.test(`listener: ${name} rests all sockets and says so once; the timer brings them back`, () => {
    const setup = new Setup([3, 4]);
    const { fake, listener, logged } = setup;
    listener.start();
    fake.accepts.push(errno);
    setup.ready(3);
    assert.deepEqual([...fake.watched.values()], [0, 0]);
    assert.equal(logged.length, 1);
    assert.match(logged[0]!, new RegExp(`rests, 100 ms at a time: ${name}`));
    for (let ms = 0; ms < REST_MS - 1; ms++) {
      setup.advance(1);
      setup.ready(3);
      setup.ready(4);
    }
    assert.equal(fake.acceptCalls, 1, "it does not spin");
    setup.advance(1);
    assert.deepEqual([...fake.watched.values()], [EPOLLIN, EPOLLIN]);
    fake.accepts.push(errno);
    setup.ready(3);
    setup.advance(REST_MS);
    assert.equal(logged.length, 1, "said once, however long it lasts");
    fake.accepts.push([20]);
    setup.ready(4);
    assert.equal(fake.added.length, 1);
    assert.deepEqual(logged.slice(1), ["accepting goes on after 2 rests; 0 connections were refused"]);
    assert.equal(setup.timers.nextMs, Infinity);
  });
}

/** A listener that has no descriptor for what connects: each call is a try and the rest after it. */
function exhausted(eventfds: number[]): Setup & { rest: (...behind: (number[] | number)[]) => void } {
  const setup = new Setup();
  setup.fake.eventfds.push(...eventfds);
  setup.listener.start();
  const rest = (...behind: (number[] | number)[]) => {
    setup.fake.accepts.push(EMFILE, ...behind);
    setup.ready();
    assert.equal(setup.fake.accepts.length, 0, "what the script gives is taken");
    setup.advance(REST_MS);
  };
  return Object.assign(setup, { rest });
}

Deno.test("listener: who waits for a descriptor for over a second is refused, a batch at a rest", () => {
  const { fake, listener, logged, rest } = exhausted([90, 91, 92]);
  for (let i = 0; i < 10; i++) rest();
  assert.deepEqual(fake.closedDescriptors, [], "a second of patience");
  rest([20], [20], EAGAIN);
  assert.deepEqual(fake.closedDescriptors.splice(0), [90, 20, 20], "in the place of the reserve");
  rest(...new Array<number[]>(16).fill([21]));
  assert.deepEqual(fake.closedDescriptors.splice(0), [91, ...new Array<number>(16).fill(21)]);
  assert.equal(fake.added.length, 0);
  fake.accepts.push([30]);
  assert.equal(logged.length, 2);
  assert.match(logged[1]!, /refusing connections/);
  listener.stop();
  assert.equal(fake.added.length, 1);
  assert.equal(logged[2], "accepting goes on after 12 rests; 18 connections were refused");
  assert.deepEqual(fake.closedDescriptors, [92]);
});

Deno.test("listener: a reserve that somebody else took is taken back when there is one again", () => {
  const { fake, rest } = exhausted([90]);
  for (let i = 0; i < 10; i++) rest();
  rest(EMFILE);
  assert.deepEqual(fake.closedDescriptors.splice(0), [90]);
  fake.eventfds.push(95);
  rest(EMFILE);
  assert.deepEqual(fake.closedDescriptors.splice(0), []);
  fake.eventfds.push(96);
  rest([20], EAGAIN);
  assert.deepEqual(fake.closedDescriptors, [95, 20]);
});

Deno.test("listener: a client that is gone already stops nobody", () => {
  for (const errno of [ECONNABORTED, -71, EAGAIN, -4]) {
    const setup = new Setup();
    setup.listener.start();
    setup.fake.accepts.push(errno, [20]);
    setup.ready();
    assert.equal(setup.fake.watched.get(3), EPOLLIN, `${errno}`);
    setup.ready();
    assert.equal(setup.fake.added.length, 1);
    assert.deepEqual(setup.logged, []);
  }
});

Deno.test("listener: a listening socket that is none any more is a bug, and throws", () => {
  for (const [errno, name] of [[EBADF, "EBADF"], [-22, "EINVAL"], [-88, "ENOTSOCK"]] as const) {
    const setup = new Setup();
    setup.listener.start();
    setup.fake.accepts.push(errno);
    assert.throws(() => setup.ready(), new RegExp(`assertion failed: .*${name}`));
  }
});

Deno.test("listener: a connection beyond the table is closed, the others of its batch are not", () => {
  const setup = new Setup();
  const { fake, listener, logged } = setup;
  listener.start();
  fake.accepts.push([20, 256, 300, 255]);
  setup.ready();
  assert.deepEqual(fake.closedDescriptors, [256, 300]);
  assert.deepEqual(fake.added.map(({ fd }) => fd), [20, 255]);
  assert.equal(logged.length, 2);
  assert.match(logged[0]!, /descriptor 256 is beyond the table of 256/);
});

Deno.test("listener: a connection that cannot be added is taken out of the table again and closed", () => {
  const setup = new Setup();
  const { fake, listener, logged } = setup;
  listener.start();
  fake.accepts.push([20, 21]);
  fake.onEpollAdd = (fd) => fd === 20 ? -28 : 0;
  setup.ready();
  assert.equal(fake.state(20), FREE);
  assert.equal(fake.state(21), HANDED);
  assert.deepEqual(fake.added.map(({ fd }) => fd), [21]);
  assert.equal(logged.length, 1);
  assert.match(logged[0]!, /worker 40/);
});

Deno.test("listener: stopping takes what has connected already, from every socket, and nothing later", () => {
  const setup = new Setup([3, 4]);
  const { fake, listener } = setup;
  listener.start();
  fake.accepts.push(fds(20, 16), fds(36, 3), EAGAIN, [50], EAGAIN);
  listener.stop();
  assert.equal(fake.added.length, 20);
  assert.deepEqual([...fake.watched.values()], [0, 0]);
  fake.accepts.push([60]);
  setup.ready(3);
  assert.equal(fake.added.length, 20);
});

Deno.test("listener: stopping while it rests leaves no timer that would wake it", () => {
  const setup = new Setup();
  const { fake, listener } = setup;
  listener.start();
  fake.accepts.push(EMFILE);
  setup.ready();
  fake.accepts.push(EMFILE);
  listener.stop();
  setup.advance(10 * REST_MS);
  assert.deepEqual([...fake.watched.values()], [0]);
});

Deno.test("listener: stopping under an endless stream of clients comes to an end", () => {
  const setup = new Setup();
  const { fake, listener } = setup;
  listener.start();
  fake.accept = () => {
    fake.acceptCalls++;
    return 0;
  };
  listener.stop();
  fake.accept = (_, peers) => {
    fake.acceptCalls++;
    peers.set([20, 4, 1, 0, 0, 0, 0]);
    return 1;
  };
  const endless = new Setup();
  endless.fake.accept = fake.accept;
  endless.listener.start();
  fake.acceptCalls = 0;
  endless.listener.stop();
  assert.equal(fake.acceptCalls, 256);
});
