/**
 * The loop, with the real shim on this thread: the order of a turn, its time budget, the ready list and the timer.
 */

import assert from "node:assert/strict";
import { EPOLLET, EPOLLIN, EPOLLOUT, must, PEER_WORDS, type Shim } from "../../shim/ffi.ts";
import { Loop, type LoopClient, type Task } from "../../workers/loop.ts";
import { processTable } from "../../workers/table.ts";
import { makeTimer } from "../../workers/timers.ts";
import type { WakeKind } from "../../workers/wake.ts";
import { descriptors, shim, until } from "../shim/support.ts";
import { tidyTest } from "../support/thread.ts";

const KINDS: readonly WakeKind[] = ["aio", "poll"];

interface Setup {
  readonly loop: Loop;
  readonly log: string[];
  /** An eventfd that the loop watches; `onReady` is called, after it was drained, when it is signalled. */
  eventFd(onReady: () => void): number;
  close(): Promise<void>;
}

interface SetupOptions {
  readonly kind?: WakeKind;
  readonly used?: Shim;
  readonly client?: Partial<LoopClient>;
}

/** A client that nothing concerns. */
const NOBODY: LoopClient = {
  handlersWaiting: false,
  touch: () => 0,
  onEvent: () => {},
  onNotify: () => {},
  onTurnStart: () => {},
  onTurnEnd: () => {},
};

async function setUp({ kind, used = shim, client = {} }: SetupOptions = {}): Promise<Setup> {
  const epollFd = must(shim.epoll_create(), "make an epoll instance");
  const notifyFd = must(shim.eventfd(), "make an eventfd");
  const fds = [epollFd, notifyFd];
  const log: string[] = [];
  const loop = await Loop.open(used, epollFd, notifyFd, { ...NOBODY, ...client }, kind);
  return {
    loop,
    log,
    eventFd(onReady): number {
      const fd = must(shim.eventfd(), "make an eventfd");
      fds.push(fd);
      loop.watch(fd, EPOLLIN, () => {
        shim.eventfd_drain(fd);
        onReady();
      });
      return fd;
    },
    async close(): Promise<void> {
      await loop.close();
      for (const fd of fds) must(shim.close_descriptor(fd), "close");
    },
  };
}

function task(run: () => void): Task {
  return { queued: false, run };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

for (const kind of KINDS) {
  tidyTest(`loop: ${kind}: events, then the ready list, then deadlines, then the end of the turn`, async () => {
    const log: string[] = [];
    const client = { onTurnStart: () => void log.push("start"), onTurnEnd: () => void log.push("end") };
    const { loop, eventFd, close } = await setUp({ kind, client });
    assert.equal(loop.wakeKind, kind);
    const due = loop.timers.add<string>(0, (name) => log.push(name));
    const fd = eventFd(() => {
      loop.timers.arm(due, makeTimer("deadline"), loop.nowMs);
      loop.queue(task(() => {
        log.push("ready");
        loop.queue(task(() => log.push("ready again")));
      }));
      log.push("event");
    });
    shim.eventfd_signal(fd);
    await until(() => log.includes("end"), "a turn");
    assert.deepEqual(log, ["start", "event", "ready", "ready again", "deadline", "end"]);
    await close();
  });

  tidyTest(`loop: ${kind}: a task that asks for itself for ever keeps nobody from running`, async () => {
    const { loop, close } = await setUp({ kind });
    let runs = 0, ticks = 0, going = true;
    const endless = task(() => {
      runs++;
      if (going) loop.queue(endless);
    });
    loop.queue(endless);
    const interval = setInterval(() => ticks++, 5);
    const start = performance.now();
    await pause(0);
    const firstMs = performance.now() - start;
    await pause(300);
    clearInterval(interval);
    going = false;
    assert.ok(firstMs < 100, `a timer of 0 ms took ${firstMs} ms`);
    // Behind the thread pool Deno looks at its timers only every 30 completions or so.
    assert.ok(ticks >= (kind === "aio" ? 20 : 4), `${ticks} ticks of 5 ms in 300 ms`);
    assert.ok(runs > 1000, `${runs} runs in 300 ms`);
    await close();
  });

  tidyTest(`loop: ${kind}: it does not sleep while the ready list is not empty`, async () => {
    const { loop, close } = await setUp({ kind });
    let left = 20;
    const slow = task(() => {
      for (const endMs = performance.now() + 2; performance.now() < endMs;); // longer than a turn
      if (--left > 0) loop.queue(slow);
    });
    loop.queue(slow);
    await until(() => left === 0, "twenty turns without an event");
    await close();
  });

  tidyTest(`loop: ${kind}: deadlines come through the timerfd, once and not early`, async () => {
    const { loop, close } = await setUp({ kind });
    await pause(20); // the clock of an idle loop stands still: the task below reads it anew
    const fired: [number, number][] = [];
    const durations = [1, 7, 30, 80];
    let start = 0;
    loop.queue(task(() => {
      start = performance.now();
      for (const ms of durations) {
        const list = loop.timers.add<number>(ms, (owner) => fired.push([owner, performance.now() - start]));
        loop.timers.arm(list, makeTimer(ms), loop.nowMs);
      }
    }));
    await until(() => fired.length === durations.length, "all fired");
    await pause(30);
    assert.deepEqual(fired.map(([ms]) => ms), durations);
    for (const [ms, after] of fired) assert.ok(after >= ms - 1 && after < ms + 50, `${ms} ms fired after ${after}`);
    assert.equal(loop.timers.nextMs, Infinity);
    await close();
  });

  tidyTest(
    `loop: ${kind}: a deadline that is armed outside of a turn, before an earlier one, is not lost`,
    async () => {
      const { loop, close } = await setUp({ kind });
      const fired: string[] = [];
      const long = loop.timers.add<string>(60, (name) => fired.push(name));
      const short = loop.timers.add<string>(10, (name) => fired.push(name));
      loop.timers.arm(long, makeTimer("long"), loop.nowMs);
      loop.timers.arm(short, makeTimer("short"), loop.nowMs);
      await until(() => fired.length === 2, "both");
      assert.deepEqual(fired, ["short", "long"]);
      await close();
    },
  );

  tidyTest(`loop: ${kind}: close frees the timerfd and the eventfd of the wake`, async () => {
    const epollFd = shim.epoll_create(), notifyFd = shim.eventfd();
    const before = descriptors();
    const loop = await Loop.open(shim, epollFd, notifyFd, NOBODY, kind);
    assert.equal(descriptors().size - before.size, kind === "aio" ? 2 : 1);
    await loop.close();
    await loop.close();
    await until(() => descriptors().size === before.size, "they are closed");
    for (const fd of [epollFd, notifyFd]) must(shim.close_descriptor(fd), "it is the caller's");
  });

  tidyTest(`loop: ${kind}: after close, also in the middle of a turn, nothing runs any more`, async () => {
    const log: string[] = [];
    const { loop, eventFd, close } = await setUp({ kind });
    const fd = eventFd(() => {
      log.push("event");
      loop.queue(task(() => log.push("task")));
      loop.close();
    });
    const list = loop.timers.add<string>(5, (name) => log.push(name));
    shim.eventfd_signal(fd);
    await until(() => log.length > 0, "the event");
    loop.timers.arm(list, makeTimer("timer"), loop.nowMs);
    shim.eventfd_signal(fd);
    await pause(20);
    assert.deepEqual(log, ["event"]);
    await close();
  });
}

tidyTest("loop: queue outside of a turn runs in a microtask, all that was queued in one turn", async () => {
  let turns = 0;
  const { loop, close } = await setUp({ client: { onTurnStart: () => void turns++ } });
  const log: string[] = [];
  const a = task(() => log.push("a")), b = task(() => log.push("b"));
  turns = 0;
  loop.queue(a);
  loop.queue(b);
  loop.queue(a);
  assert.deepEqual(log, [], "not synchronously: the caller is in the middle of something");
  await null;
  assert.deepEqual(log, ["a", "b"]);
  assert.equal(turns, 1);
  assert.deepEqual([a.queued, b.queued], [false, false]);
  loop.queue(a);
  await null;
  assert.deepEqual(log, ["a", "b", "a"]);
  await close();
});

/** The shim, and how many events each wait gave. */
function counting(): { used: Shim; counts: number[] } {
  const counts: number[] = [];
  const count = (found: number) => {
    if (found > 0) counts.push(found);
    return found;
  };
  const used = {
    ...shim,
    epoll_wait: (...args: Parameters<Shim["epoll_wait"]>) => count(shim.epoll_wait(...args)),
    epoll_pwait2: (...args: Parameters<Shim["epoll_pwait2"]>) => count(shim.epoll_pwait2(...args)),
  };
  return { used: used as unknown as Shim, counts };
}

tidyTest("loop: a burst of events is handled in rounds of at most 32, each with its ready list", async () => {
  const { used, counts } = counting();
  const { loop, eventFd, close } = await setUp({ used });
  const log: string[] = [];
  const fds = Array.from({ length: 100 }, () =>
    eventFd(() => {
      log.push("event");
      loop.queue(task(() => log.push("ready")));
    }));
  fds.forEach((fd) => shim.eventfd_signal(fd));
  await until(() => log.length === 200, "all of them");
  assert.equal(counts.reduce((sum, count) => sum + count, 0), 100);
  assert.ok(Math.max(...counts) <= 32, `${counts}`);
  assert.ok(counts.length >= 4);
  let at = 0;
  for (const count of counts) {
    const round = log.slice(at, at += 2 * count);
    assert.deepEqual(round, [...new Array(count).fill("event"), ...new Array(count).fill("ready")]);
  }
  await pause(5);
  assert.equal(log.length, 200);
  await close();
});

tidyTest("loop: microtasks run between rounds while handlers wait", async () => {
  const { used, counts } = counting();
  const { eventFd, close } = await setUp({ used, client: { handlersWaiting: true } });
  const log: string[] = [];
  const fds = Array.from({ length: 64 }, () =>
    eventFd(() => {
      log.push("event");
      if (log.length === 1) Promise.resolve().then(() => log.push("microtask"));
    }));
  fds.forEach((fd) => shim.eventfd_signal(fd));
  await until(() => log.length === 65, "all of them");
  assert.equal(log.indexOf("microtask"), counts[0], `${counts}`);
  await close();
});

tidyTest(
  "loop: while handlers wait it never waits in the kernel; without them it does, once there was work",
  async () => {
    for (const handlersWaiting of [true, false]) {
      let waits = 0;
      const used = {
        ...shim,
        epoll_pwait2: (...args: Parameters<Shim["epoll_pwait2"]>) => {
          waits++;
          return shim.epoll_pwait2(...args);
        },
      } as unknown as Shim;
      let handled = 0;
      const { eventFd, close } = await setUp({ used, client: { handlersWaiting } });
      const fd = eventFd(() => handled++);
      shim.eventfd_signal(fd);
      await until(() => handled === 1, "the event");
      await pause(5);
      assert.equal(waits > 0, !handlersWaiting);
      await close();
    }
  },
);

tidyTest("loop: a kernel without epoll_pwait2 is asked once", async () => {
  let waits = 0;
  const used = { ...shim, epoll_pwait2: () => (waits++, -38) } as unknown as Shim;
  let handled = 0;
  const { eventFd, close } = await setUp({ used });
  const fd = eventFd(() => handled++);
  for (let sent = 1; sent <= 3; sent++) {
    shim.eventfd_signal(fd);
    await until(() => handled === sent, "the event");
  }
  assert.equal(waits, 1);
  await close();
});

tidyTest("loop: a signal on the notify descriptor is told, and connections' events with their generation", async () => {
  const table = processTable(shim);
  let notified = 0;
  const events: number[][] = [];
  const client = {
    onNotify: () => void notified++,
    onEvent: (...args: number[]) => void events.push(args),
  };
  const { loop, close } = await setUp({ client });
  shim.eventfd_signal(loop.notifyFd);
  await until(() => notified === 1, "the signal");
  const fd = shim.eventfd(); // stands for a connection: any descriptor that is in the table will do
  table.hand(fd, 9, 0, 0, new Int32Array(PEER_WORDS), 0);
  const generation = table.hand(fd, 9, 0, 0, new Int32Array(PEER_WORDS), 0);
  must(shim.epoll_add(loop.epollFd, fd, generation, EPOLLIN | EPOLLOUT | EPOLLET), "add");
  await until(() => events.length > 0, "the event");
  assert.deepEqual(events, [[fd, generation, EPOLLOUT]]);
  await pause(5);
  assert.equal(notified, 1);
  must(shim.close(fd, generation), "close");
  await close();
});

tidyTest("loop: watching with no events silences a descriptor, and with events it speaks again", async () => {
  let ready = 0;
  const { loop, eventFd, close } = await setUp();
  const fd = eventFd(() => ready++);
  loop.watch(fd, 0);
  shim.eventfd_signal(fd);
  await pause(10);
  assert.equal(ready, 0);
  loop.watch(fd, EPOLLIN);
  await until(() => ready === 1, "it is readable still");
  await close();
});

tidyTest("loop: the clock goes on with each turn, and turns know the time of day", async () => {
  let epochMs = 0;
  const { loop, close } = await setUp({ client: { onTurnStart: (ms) => void (epochMs = ms) } });
  loop.queue(task(() => {}));
  await null;
  const [before, start] = [loop.nowMs, performance.now()];
  await pause(50);
  loop.queue(task(() => {}));
  await null;
  assert.ok(Math.abs(loop.nowMs - before - (performance.now() - start)) < 10);
  assert.ok(Math.abs(epochMs - Date.now()) < 20);
  await close();
});

tidyTest("loop: the clock of the kernel wraps around and ours goes on", async () => {
  let offset = 0;
  const wrapping = 2 ** 31 - 5;
  const used = { ...shim, now_ms: () => (wrapping + offset) % 2 ** 31 } as unknown as Shim;
  const { loop, close } = await setUp({ used });
  loop.queue(task(() => {}));
  await null;
  const before = loop.nowMs;
  offset = 25;
  loop.queue(task(() => {}));
  await null;
  assert.equal(loop.nowMs - before, 25);
  await close();
});

Deno.test("loop: one that cannot be opened leaves nothing open", async () => {
  const used = { ...shim, aio_setup: () => -38 } as unknown as Shim;
  const epollFd = shim.epoll_create(), notifyFd = shim.eventfd();
  const before = descriptors();
  await assert.rejects(Loop.open(used, epollFd, notifyFd, NOBODY, "aio"), /self-test failed/);
  const after = descriptors();
  for (const fd of [epollFd, notifyFd]) must(shim.close_descriptor(fd), "close");
  assert.deepEqual(after, before);
});
