/**
 * Deadlines as lists: against a sorted oracle, and what a `fire` may do while it is called.
 */

import assert from "node:assert/strict";
import { disarm, makeTimer, type Timer, TimerList, Timers } from "../../workers/timers.ts";
import { Prng, SEED } from "../support/prng.ts";

const STEPS = 200_000;
const OWNERS = 64;

/** Armed timers as an array sorted by deadline, then by list, then by the order of arming. */
interface Armed {
  readonly owner: number;
  readonly deadlineMs: number;
  readonly list: number;
  readonly order: number;
}

Deno.test(`timers: lists agree with a sorted oracle over ${STEPS} steps, seed ${SEED}`, () => {
  const prng = new Prng();
  const timers = new Timers();
  const fired: number[] = [];
  const durations = [5, 30, 75, 30];
  const lists = durations.map((ms) => timers.add<number>(ms, (owner) => fired.push(owner)));
  const nodes = Array.from({ length: OWNERS }, (_, owner) => makeTimer(owner));
  let oracle: Armed[] = [];
  let nowMs = 0, told = Infinity, firedInAll = 0;
  timers.onEarlier = (deadlineMs) => told = Math.min(told, deadlineMs);
  const least = () => oracle.reduce((next, { deadlineMs }) => Math.min(next, deadlineMs), Infinity);
  for (let order = 0; order < STEPS; order++) {
    const owner = prng.below(OWNERS);
    const before = least();
    const choice = prng.below(8);
    told = Infinity;
    if (choice < 4) {
      const list = prng.below(lists.length);
      timers.arm(lists[list]!, nodes[owner]!, nowMs);
      oracle = oracle.filter((armed) => armed.owner !== owner);
      const rest = least();
      oracle.push({ owner, deadlineMs: nowMs + durations[list]!, list, order });
      if (least() < Math.min(before, rest)) assert.equal(told, least(), "onEarlier has to tell an earlier deadline");
    } else if (choice < 6) {
      disarm(nodes[owner]!);
      oracle = oracle.filter((armed) => armed.owner !== owner);
    } else {
      nowMs += prng.below(4);
      fired.length = 0;
      timers.expire(nowMs);
      const due = oracle.filter(({ deadlineMs }) => deadlineMs <= nowMs);
      due.sort((a, b) => a.list - b.list || a.deadlineMs - b.deadlineMs || a.order - b.order);
      assert.deepEqual(fired, due.map((armed) => armed.owner), `step ${order}`);
      firedInAll += fired.length;
      oracle = oracle.filter(({ deadlineMs }) => deadlineMs > nowMs);
    }
    assert.equal(timers.nextMs, least(), `step ${order}`);
  }
  assert.ok(firedInAll > STEPS / 100, `only ${firedInAll} fired`);
});

/** Owners of a list, forwards, after a look at the links backwards. */
function owners<T>({ first, last }: TimerList<T>): T[] {
  const found: Timer<T>[] = [];
  for (let timer = first; timer; timer = timer.next) {
    assert.equal(timer.previous, found.at(-1) ?? null);
    found.push(timer);
  }
  assert.equal(last, found.at(-1) ?? null);
  return found.map(({ owner }) => owner);
}

Deno.test("timers: disarming at the front, in the middle and at the end keeps the links whole", () => {
  for (const order of [["a", "b", "c"], ["b", "a", "c"], ["c", "b", "a"], ["b", "c", "a"]]) {
    const timers = new Timers();
    const list = timers.add<string>(10, () => {});
    const nodes = new Map(["a", "b", "c"].map((name) => [name, makeTimer(name)]));
    for (const node of nodes.values()) timers.arm(list, node, 0);
    const left = ["a", "b", "c"];
    for (const name of order) {
      disarm(nodes.get(name)!);
      disarm(nodes.get(name)!); // twice is nothing
      left.splice(left.indexOf(name), 1);
      assert.deepEqual(owners(list), left);
    }
    assert.equal(timers.nextMs, Infinity);
  }
});

Deno.test("timers: arming anew moves to the end, also into another list", () => {
  const timers = new Timers();
  const short = timers.add<string>(10, () => {}), long = timers.add<string>(100, () => {});
  const a = makeTimer("a"), b = makeTimer("b");
  timers.arm(short, a, 0);
  timers.arm(short, b, 1);
  timers.arm(short, a, 2);
  assert.deepEqual(owners(short), ["b", "a"]);
  assert.equal(timers.nextMs, 11);
  timers.arm(long, b, 3);
  assert.deepEqual([owners(short), owners(long)], [["a"], ["b"]]);
  assert.equal(b.deadlineMs, 103);
  assert.equal(timers.nextMs, 12);
});

Deno.test("timers: a deadline fires at its millisecond, not before, and once", () => {
  const timers = new Timers();
  let fired = 0;
  const list = timers.add<null>(10, () => fired++);
  timers.arm(list, makeTimer(null), 5);
  timers.expire(14);
  assert.equal(fired, 0);
  timers.expire(15);
  timers.expire(16);
  assert.equal(fired, 1);
});

Deno.test("timers: fire may arm its own timer again, which is due later and not in the same expiry", () => {
  const timers = new Timers();
  const at: number[] = [];
  let nowMs = 0;
  const list = timers.add<Timer<unknown>[]>(10, ([timer]) => {
    assert.equal(timer!.list, null, "it was disarmed before");
    at.push(nowMs);
    timers.arm(list, timer as Timer<Timer<unknown>[]>, nowMs);
  });
  const box: Timer<unknown>[] = [];
  const timer = makeTimer(box);
  box.push(timer as Timer<unknown>);
  timers.arm(list, timer, 0);
  for (nowMs = 0; nowMs <= 35; nowMs += 5) timers.expire(nowMs);
  assert.deepEqual(at, [10, 20, 30]);
  assert.deepEqual(owners(list).length, 1);
});

Deno.test("timers: fire may disarm others that are due, in its own list and in one behind it", () => {
  const timers = new Timers();
  const fired: string[] = [];
  const fire = (name: string) => {
    fired.push(name);
    if (name === "a") [next, other].forEach(disarm);
  };
  const one = timers.add<string>(10, fire), two = timers.add<string>(5, fire);
  const next = makeTimer("b"), other = makeTimer("d");
  timers.arm(one, makeTimer("a"), 0);
  timers.arm(one, next, 0);
  timers.arm(one, makeTimer("c"), 0);
  timers.arm(two, other, 0);
  timers.arm(two, makeTimer("e"), 0);
  timers.expire(100);
  assert.deepEqual(fired, ["a", "c", "e"]);
  assert.deepEqual([owners(one), owners(two)], [[], []]);
});

Deno.test("timers: onEarlier tells the first of a list, and not one behind another", () => {
  const timers = new Timers();
  const told: number[] = [];
  timers.onEarlier = (deadlineMs) => told.push(deadlineMs);
  const long = timers.add<string>(100, () => {}), short = timers.add<string>(10, () => {});
  timers.arm(long, makeTimer("a"), 0);
  timers.arm(long, makeTimer("b"), 1);
  timers.arm(short, makeTimer("c"), 2);
  assert.deepEqual(told, [100, 12]);
});
