/**
 * The good path of what is readiness and time: epoll, eventfd, timerfd and the AIO poll that lets an epoll descriptor
 * wake another event loop. Where the kernel lacks a call (epoll_pwait2 before 5.11, AIO in some sandboxes) its tests are
 * skipped.
 */

import assert from "node:assert/strict";
import { EPOLLET, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP, HANDED, must } from "../../shim/ffi.ts";
import { ENOSYS } from "../../shim/errno.ts";
import { assertResult, close, type Connection, descriptorFlags, drain, flatTest, recvText } from "./support.ts";
import { sendText, shim, Table, tcpPair, unixPair, until } from "./support.ts";

const EVENT_BYTES = 12;

function closeDescriptors(...fds: number[]): void {
  for (const fd of fds) must(shim.close_descriptor(fd), "close");
}

interface Event extends Connection {
  readonly events: number;
}

function readEvents(bytes: Uint8Array<ArrayBuffer>, count: number): Event[] {
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, count * 3);
  return Array.from({ length: count }, (_, index) => {
    const [events, fd, generation] = words.subarray(index * 3);
    return { events, fd, generation };
  });
}

function wait(epoll: number, max = 8): Event[] {
  const bytes = new Uint8Array(EVENT_BYTES * max);
  return readEvents(bytes, must(shim.epoll_wait(epoll, bytes, bytes.length, max), "wait"));
}

/** Tells apart what differs only in order. */
function sorted(events: readonly Event[]): Event[] {
  return events.toSorted((a, b) => a.fd - b.fd);
}

// ---- epoll ----

flatTest("event: events carry descriptor and generation, all 31 bits of it", () => {
  const table = new Table();
  const generation = 2 ** 31 - 1;
  const { left, right } = unixPair(table, generation, 0x12345678);
  const epoll = must(shim.epoll_create(), "make an epoll");
  assert.ok(descriptorFlags(epoll).closeOnExec);
  assert.equal(shim.epoll_add(epoll, left.fd, generation, EPOLLIN), 0);
  assert.equal(shim.epoll_add(epoll, right.fd, right.generation, EPOLLIN), 0);
  assert.deepEqual(wait(epoll), []);
  sendText(left, "x");
  sendText(right, "y");
  const both = [{ events: EPOLLIN, ...left }, { events: EPOLLIN, ...right }];
  assert.deepEqual(sorted(wait(epoll)), sorted(both));
  assert.equal(wait(epoll, 1).length, 1, "no more than asked for");
  close(left, right);
  closeDescriptors(epoll);
});

flatTest("event: add, mod and del", () => {
  const { left, right } = unixPair(new Table(), 3, 4);
  const epoll = shim.epoll_create();
  assertResult(shim.epoll_mod(epoll, left.fd, 3, EPOLLOUT), "ENOENT");
  assertResult(shim.epoll_del(epoll, left.fd, 3), "ENOENT");
  assert.equal(shim.epoll_add(epoll, left.fd, 3, EPOLLIN), 0);
  assertResult(shim.epoll_add(epoll, left.fd, 3, EPOLLIN), "EEXIST");
  assert.deepEqual(wait(epoll), []);
  assert.equal(shim.epoll_mod(epoll, left.fd, 3, EPOLLOUT), 0);
  assert.deepEqual(wait(epoll), [{ events: EPOLLOUT, ...left }]);
  assert.equal(shim.epoll_del(epoll, left.fd, 3), 0);
  assert.deepEqual(wait(epoll), []);
  close(left, right);
  assertResult(shim.epoll_add(epoll, left.fd, 3, EPOLLIN), "ESTALE");
  closeDescriptors(epoll);
});

flatTest("event: watch adds what is no connection with generation 0, and changes it the second time", () => {
  new Table();
  const [epoll, fd] = [shim.epoll_create(), must(shim.eventfd(), "make an eventfd")];
  assert.equal(shim.epoll_watch(epoll, fd, EPOLLIN), 0);
  assert.deepEqual(wait(epoll), []);
  shim.eventfd_signal(fd);
  assert.deepEqual(wait(epoll), [{ events: EPOLLIN, fd, generation: 0 }]);
  assert.equal(shim.epoll_watch(epoll, fd, EPOLLOUT), 0);
  assert.deepEqual(wait(epoll), [{ events: EPOLLOUT, fd, generation: 0 }]);
  closeDescriptors(fd, epoll);
});

flatTest("event: an edge-triggered EPOLLOUT announces a connection that is silent, once", async () => {
  const { client, ours } = await tcpPair(new Table(), 9);
  const epoll = shim.epoll_create();
  assert.equal(shim.epoll_add(epoll, ours.fd, 9, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET), 0);
  assert.deepEqual(wait(epoll), [{ events: EPOLLOUT, ...ours }]);
  assert.deepEqual(wait(epoll), []);
  await client.write(new Uint8Array(1));
  assert.deepEqual(wait(epoll), [{ events: EPOLLIN | EPOLLOUT, ...ours }]);
  assert.deepEqual(wait(epoll), [], "the edge is told once, read or not");
  await client.closeWrite();
  assert.deepEqual(wait(epoll), [{ events: EPOLLIN | EPOLLOUT | EPOLLRDHUP, ...ours }]);
  client.close();
  close(ours);
  closeDescriptors(epoll);
});

flatTest("event: a slow reader that goes on causes the next EPOLLOUT edge", async () => {
  const { client, ours } = await tcpPair(new Table(), 9);
  const epoll = shim.epoll_create();
  assert.equal(shim.epoll_add(epoll, ours.fd, 9, EPOLLIN | EPOLLOUT | EPOLLET), 0);
  const chunk = new Uint8Array(1 << 18);
  let sent = 0;
  const fill = (): void => {
    for (let last = 1; last > 0; sent += Math.max(last, 0)) last = shim.send(ours.fd, 9, chunk, 1 << 18, 0, 1 << 18);
  };
  fill();
  while (wait(epoll).length > 0) fill();
  const read = new Uint8Array(1 << 18);
  for (let got = 0; got < sent;) got += (await client.read(read))!;
  await until(() => wait(epoll).some(({ events }) => (events & EPOLLOUT) !== 0), "the edge");
  client.close();
  close(ours);
  closeDescriptors(epoll);
});

flatTest("event: closing takes a connection out of its epoll; the peer's end is told", () => {
  const { left, right } = unixPair(new Table(), 3, 4);
  const epoll = shim.epoll_create();
  shim.epoll_add(epoll, left.fd, 3, EPOLLIN | EPOLLRDHUP | EPOLLET);
  close(right);
  assert.deepEqual(wait(epoll), [{ events: EPOLLIN | EPOLLRDHUP | EPOLLHUP, ...left }]);
  close(left);
  assert.deepEqual(wait(epoll), []);
  closeDescriptors(epoll);
});

flatTest("event: epoll_wait takes as many as 1024 events and refuses more than its buffer holds", () => {
  const table = new Table();
  const epoll = shim.epoll_create();
  const pairs = Array.from({ length: 40 }, (_, index) => unixPair(table, 2 * index + 1, 2 * index + 2));
  for (const { left, right } of pairs) {
    for (const { fd, generation } of [left, right]) shim.epoll_add(epoll, fd, generation, EPOLLOUT);
  }
  assert.equal(wait(epoll, 1024).length, 80);
  const bytes = new Uint8Array(EVENT_BYTES * 2);
  assert.equal(shim.epoll_wait(epoll, bytes, bytes.length, 2), 2);
  assertResult(shim.epoll_wait(epoll, bytes, bytes.length, 3), "EINVAL");
  const large = new Uint8Array(EVENT_BYTES * 1025);
  assertResult(shim.epoll_wait(epoll, large, large.length, 1025), "EINVAL");
  for (const { left, right } of pairs) close(left, right);
  closeDescriptors(epoll);
});

const noPwait2 = !hasPwait2();

function hasPwait2(): boolean {
  const epoll = must(shim.epoll_create(), "make an epoll");
  const status = shim.epoll_pwait2(epoll, new Uint8Array(EVENT_BYTES), EVENT_BYTES, 1, 0);
  shim.close_descriptor(epoll);
  return status !== ENOSYS;
}

flatTest("event: epoll_pwait2 waits for its microseconds at most, and not when something is ready", () => {
  const { left, right } = unixPair(new Table(), 3, 4);
  const epoll = shim.epoll_create();
  shim.epoll_add(epoll, left.fd, 3, EPOLLIN);
  const bytes = new Uint8Array(EVENT_BYTES * 4);
  let start = performance.now();
  assert.equal(shim.epoll_pwait2(epoll, bytes, bytes.length, 4, 30_000), 0);
  assert.ok(performance.now() - start >= 29.9);
  sendText(right, "x");
  start = performance.now();
  assert.equal(shim.epoll_pwait2(epoll, bytes, bytes.length, 4, 1_000_000), 1);
  assert.ok(performance.now() - start < 500);
  assert.deepEqual(readEvents(bytes, 1), [{ events: EPOLLIN, ...left }]);
  assertResult(shim.epoll_pwait2(epoll, bytes, bytes.length, 4, 1_000_001), "EINVAL");
  close(left, right);
  closeDescriptors(epoll);
}, { ignore: noPwait2 });

flatTest("event: poll waits on a thread of its own and takes no event", async () => {
  const { left, right } = unixPair(new Table(), 3, 4);
  const epoll = shim.epoll_create();
  shim.epoll_add(epoll, left.fd, 3, EPOLLIN | EPOLLET);
  assert.equal(await shim.poll(epoll, 0), 0);
  const start = performance.now();
  assert.equal(await shim.poll(epoll, 30), 0);
  assert.ok(performance.now() - start >= 29);
  const waiting = shim.poll(epoll, -1);
  sendText(right, "x");
  assert.equal(await waiting, 1);
  assert.deepEqual(wait(epoll), [{ events: EPOLLIN, ...left }]);
  close(left, right);
  closeDescriptors(epoll);
  assertResult(await shim.poll(epoll, 0), "EBADF");
});

// ---- descriptors that are no connection ----

flatTest("event: close_descriptor refuses a connection and closes the rest once", () => {
  const table = new Table();
  const { left, right } = unixPair(table, 1, 2);
  assertResult(shim.close_descriptor(left.fd), "EBUSY");
  table.put(left.fd, 1, HANDED);
  assertResult(shim.close_descriptor(left.fd), "EBUSY");
  assert.equal(recvText(left), -11, "it is still there");
  close(left, right);
  const fd = must(shim.eventfd(), "make an eventfd");
  assert.equal(shim.close_descriptor(fd), 0);
  assertResult(shim.close_descriptor(fd), "EBADF");
  for (const standard of [0, 1, 2]) assertResult(shim.close_descriptor(standard), "EBADF");
});

flatTest("event: eventfd counts signals as one", () => {
  new Table();
  const fd = must(shim.eventfd(), "make an eventfd");
  assert.deepEqual(descriptorFlags(fd), { closeOnExec: true, nonBlocking: true });
  assert.equal(shim.eventfd_drain(fd), 0);
  assert.equal(shim.eventfd_signal(fd), 0);
  assert.equal(shim.eventfd_signal(fd), 0);
  assert.equal(shim.eventfd_drain(fd), 1);
  assert.equal(shim.eventfd_drain(fd), 0);
  closeDescriptors(fd);
  assertResult(shim.eventfd_signal(fd), "EBADF");
  assertResult(shim.eventfd_drain(fd), "EBADF");
});

flatTest("event: timerfd fires once, and 0 disarms it", async () => {
  new Table();
  const [epoll, timer] = [shim.epoll_create(), must(shim.timerfd(), "make a timerfd")];
  assert.deepEqual(descriptorFlags(timer), { closeOnExec: true, nonBlocking: true });
  assert.equal(shim.epoll_watch(epoll, timer, EPOLLIN), 0);
  const start = performance.now();
  assert.equal(shim.timerfd_set(timer, 30), 0);
  assert.equal(await shim.poll(epoll, 5000), 1);
  assert.ok(performance.now() - start >= 29, "not before its time");
  assert.equal(shim.eventfd_drain(timer), 1, "a timer is drained as an eventfd is");
  assert.equal(await shim.poll(epoll, 60), 0, "it fires once");
  assert.equal(shim.timerfd_set(timer, 20), 0);
  assert.equal(shim.timerfd_set(timer, 0), 0);
  assert.equal(await shim.poll(epoll, 50), 0, "it was disarmed");
  closeDescriptors(timer, epoll);
});

// ---- AIO ----

const noAio = !hasAio();

function hasAio(): boolean {
  const state = new Uint8Array(8);
  return shim.aio_setup(state, 8) === 0 && shim.aio_destroy(state, 8) === 0;
}

interface Wake {
  readonly state: Uint8Array<ArrayBuffer>;
  readonly epoll: number;
  readonly source: number;
  readonly signal: number;
  arm(): number;
  close(): void;
}

/** An epoll descriptor that becomes readable with `source` and is to signal `signal`. */
function wakeUp(): Wake {
  new Table();
  const state = new Uint8Array(8);
  must(shim.aio_setup(state, 8), "set AIO up");
  const [epoll, source, signal] = [shim.epoll_create(), shim.eventfd(), shim.eventfd()];
  must(shim.epoll_watch(epoll, source, EPOLLIN), "watch");
  return {
    state,
    epoll,
    source,
    signal,
    arm: () => shim.aio_arm(state, 8, epoll, signal),
    close: () => closeDescriptors(epoll, source, signal),
  };
}

flatTest("event: an armed epoll descriptor that becomes readable signals the eventfd, once", async () => {
  const wake = wakeUp();
  assert.equal(wake.arm(), 1);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(shim.eventfd_drain(wake.signal), 0, "not before");
  assert.equal(shim.aio_drain(wake.state, 8), 0);
  shim.eventfd_signal(wake.source);
  await until(() => shim.eventfd_drain(wake.signal) === 1, "the signal");
  assert.equal(shim.aio_drain(wake.state, 8), 1);
  shim.eventfd_signal(wake.source);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(shim.eventfd_drain(wake.signal), 0, "it has to be armed again");
  assert.equal(shim.aio_destroy(wake.state, 8), 0);
  wake.close();
}, { ignore: noAio });

flatTest("event: arming a descriptor that is readable already signals at once", async () => {
  const wake = wakeUp();
  shim.eventfd_signal(wake.source);
  for (let round = 0; round < 20; round++) {
    assert.equal(wake.arm(), 1);
    await until(() => shim.eventfd_drain(wake.signal) === 1, "the signal");
    assert.equal(shim.aio_drain(wake.state, 8), 1);
  }
  assert.equal(shim.aio_destroy(wake.state, 8), 0);
  wake.close();
}, { ignore: noAio });

flatTest("event: destroying an AIO context cancels what is armed", async () => {
  const wake = wakeUp();
  assert.equal(wake.arm(), 1);
  assert.ok(wake.state.some((byte) => byte !== 0));
  assert.equal(shim.aio_destroy(wake.state, 8), 0);
  assert.deepEqual([...wake.state], [0, 0, 0, 0, 0, 0, 0, 0]);
  shim.eventfd_drain(wake.signal); // cancelling may complete the poll
  shim.eventfd_signal(wake.source);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(shim.eventfd_drain(wake.signal), 0, "nothing is armed");
  for (const result of [wake.arm(), shim.aio_drain(wake.state, 8), shim.aio_destroy(wake.state, 8)]) {
    assertResult(result, "EINVAL");
  }
  wake.close();
}, { ignore: noAio });

flatTest("event: an AIO poll takes no event from the epoll it watches", async () => {
  const table = new Table();
  const { left, right } = unixPair(table, 3, 4);
  const wake = wakeUp();
  must(shim.table(table.words, table.memory.byteLength), "set the table");
  assert.equal(shim.epoll_add(wake.epoll, left.fd, 3, EPOLLIN | EPOLLET), 0);
  assert.equal(wake.arm(), 1);
  sendText(right, "x");
  await until(() => shim.eventfd_drain(wake.signal) === 1, "the signal");
  assert.deepEqual(wait(wake.epoll), [{ events: EPOLLIN, ...left }]);
  assert.equal(recvText(left), "x");
  assert.equal(drain(left), 0);
  shim.aio_destroy(wake.state, 8);
  close(left, right);
  wake.close();
}, { ignore: noAio });
