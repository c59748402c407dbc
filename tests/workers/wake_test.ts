/**
 * How an epoll descriptor wakes Deno's loop: both ways, the self-test that chooses, and that no wake-up is lost.
 */

import assert from "node:assert/strict";
import { EPOLLIN, must, type Shim } from "../../shim/ffi.ts";
import { openWake, type Wake, type WakeKind } from "../../workers/wake.ts";
import { memfd, shim, until } from "../shim/support.ts";
import { SEED } from "../support/prng.ts";
import type { Order } from "./wake_signaller.ts";
import { tidyTest } from "../support/thread.ts";

const KINDS: readonly WakeKind[] = ["aio", "poll"];

/** An epoll instance with an eventfd in it, and a wake for it. */
interface Watched {
  readonly wake: Wake;
  readonly eventFd: number;
  /** How often it called back. */
  wakes(): number;
  close(): Promise<void>;
}

async function watch(force?: WakeKind, used: Shim = shim, onWake = (_: Wake) => {}): Promise<Watched> {
  const epollFd = must(shim.epoll_create(), "make an epoll instance");
  const eventFd = must(shim.eventfd(), "make an eventfd");
  must(shim.epoll_watch(epollFd, eventFd, EPOLLIN), "watch");
  let wakes = 0;
  const free = () => [epollFd, eventFd].forEach((fd) => must(shim.close_descriptor(fd), "close"));
  try {
    const wake: Wake = await openWake(used, epollFd, () => {
      wakes++;
      onWake(wake);
    }, force);
    return {
      wake,
      eventFd,
      wakes: () => wakes,
      async close(): Promise<void> {
        await wake.close(() => shim.eventfd_signal(eventFd));
        free();
      },
    };
  } catch (error) {
    free();
    throw error;
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** The shim with some functions replaced. */
function altered(functions: Partial<Record<keyof Shim, (...args: never[]) => unknown>>): Shim {
  return { ...shim, ...functions } as unknown as Shim;
}

tidyTest("wake: the AIO self-test passes here, so AIO is what is used", async () => {
  const { wake, close } = await watch();
  assert.equal(wake.kind, "aio");
  await close();
});

for (const kind of KINDS) {
  tidyTest(`wake: ${kind} can be asked for`, async () => {
    const { wake, close } = await watch(kind);
    assert.equal(wake.kind, kind);
    await close();
  });

  tidyTest(`wake: ${kind} calls back once for each arming, and not before something is ready`, async () => {
    const watched = await watch(kind);
    watched.wake.arm();
    watched.wake.arm();
    await pause(20);
    assert.equal(watched.wakes(), 0);
    shim.eventfd_signal(watched.eventFd);
    await until(() => watched.wakes() > 0, "it wakes");
    await pause(20);
    assert.equal(watched.wakes(), 1, "it is still ready, but was not armed again");
    watched.wake.arm();
    await until(() => watched.wakes() > 1, "what is ready already wakes at once");
    shim.eventfd_drain(watched.eventFd);
    watched.wake.arm();
    await pause(20);
    assert.equal(watched.wakes(), 2);
    await watched.close();
  });

  tidyTest(`wake: ${kind} may be armed anew in its own callback`, async () => {
    let left = 100;
    const watched = await watch(kind, shim, (wake) => {
      if (--left > 0) wake.arm();
    });
    shim.eventfd_signal(watched.eventFd);
    watched.wake.arm();
    await until(() => left === 0, "a hundred wakes");
    await pause(5);
    assert.equal(watched.wakes(), 100);
    await watched.close();
  });

  tidyTest(`wake: ${kind} can be closed while it is armed, not armed, and just ready`, async () => {
    const idle = await watch(kind), armed = await watch(kind), ready = await watch(kind);
    armed.wake.arm();
    ready.wake.arm();
    shim.eventfd_signal(ready.eventFd);
    await Promise.all([idle, armed, ready].map(({ close }) => close()));
    await pause(10);
    assert.deepEqual([idle.wakes(), armed.wakes(), ready.wakes()], [0, 0, 0], "nothing comes after close");
  });

  const signals = kind === "aio" ? 10_000 : 3000;
  Deno.test(`wake: ${kind} loses none of ${signals} signals of another thread, seed ${SEED}`, async () => {
    const answers = new Int32Array(new SharedArrayBuffer(4));
    const watched = await watch(kind, shim, (wake) => {
      if (shim.eventfd_drain(watched.eventFd) === 1) {
        Atomics.add(answers, 0, 1);
        Atomics.notify(answers, 0);
      }
      wake.arm(); // the next signal may have come between draining and arming
    });
    watched.wake.arm();
    const worker = new Worker(new URL("./wake_signaller.ts", import.meta.url), { type: "module" });
    const outcome = new Promise((resolve) => worker.onmessage = ({ data }) => resolve(data));
    const order: Order = { memfd, eventFd: watched.eventFd, answers: answers.buffer, signals, seed: SEED };
    worker.postMessage(order);
    assert.equal(await outcome, "all answered");
    assert.equal(answers[0], signals);
    worker.terminate();
    await watched.close();
  });
}

const ENOSYS = -38;

for (const name of ["aio_setup", "aio_arm"] as const) {
  tidyTest(`wake: where ${name} is refused, poll is used, and asking for AIO says that it failed`, async () => {
    const refusing = altered({ [name]: () => ENOSYS });
    const { wake, close } = await watch(undefined, refusing);
    assert.equal(wake.kind, "poll");
    await close();
    await assert.rejects(watch("aio", refusing), /^Error: Cannot wake by AIO: its self-test failed/);
  });
}

tidyTest("wake: an AIO poll that never calls back fails the self-test in a second", async () => {
  const start = performance.now();
  const { wake, close } = await watch(undefined, altered({ aio_arm: () => 0 }));
  const ms = performance.now() - start;
  assert.equal(wake.kind, "poll");
  assert.ok(ms > 900 && ms < 3000, `${ms} ms`);
  await close();
});

tidyTest("wake: without a descriptor for its eventfd the self-test leaves nothing behind", async () => {
  let left = 1;
  const scarce = altered({ eventfd: () => left-- > 0 ? shim.eventfd() : -24 });
  const { wake, close } = await watch(undefined, scarce);
  assert.equal(wake.kind, "poll");
  await close();
});
