/**
 * Deadlines as lists: one per class of timeout.
 *
 * Within a class all durations are equal, so the order of arming is the order of expiry: arm, disarm and expire are
 * O(1), without a wheel, a heap or a JavaScript timer, and the next deadline is the least of a handful of list heads.
 * Time comes in as an argument; the loop owns the clock and the one timerfd.
 *
 * @module
 */

/** One deadline; embedded in what it is for. */
export interface Timer<T> {
  readonly owner: T;
  deadlineMs: number;
  list: TimerList<T> | null;
  previous: Timer<T> | null;
  next: Timer<T> | null;
}

/** A timer that is not armed. */
export function makeTimer<T>(owner: T): Timer<T> {
  return { owner, deadlineMs: 0, list: null, previous: null, next: null };
}

/** A class of deadlines that are all equally long. */
export class TimerList<T> {
  first: Timer<T> | null = null;
  last: Timer<T> | null = null;

  /** `fire` is called once for each expired timer, which is disarmed before. */
  constructor(readonly durationMs: number, readonly fire: (owner: T) => void) {}
}

/** All classes of a loop. */
export class Timers {
  // deno-lint-ignore no-explicit-any
  readonly #lists: TimerList<any>[] = [];
  /** Told when the next deadline has become an earlier one. */
  onEarlier: (deadlineMs: number) => void = () => {};

  /** Adds a class. */
  add<T>(durationMs: number, fire: (owner: T) => void): TimerList<T> {
    const list = new TimerList(durationMs, fire);
    this.#lists.push(list);
    return list;
  }

  /** Arms a timer, or arms it anew. */
  arm<T>(list: TimerList<T>, timer: Timer<T>, nowMs: number): void {
    disarm(timer);
    timer.list = list;
    timer.deadlineMs = nowMs + list.durationMs;
    timer.previous = list.last;
    if (list.last) list.last.next = timer;
    else list.first = timer;
    list.last = timer;
    if (list.first === timer) this.onEarlier(timer.deadlineMs);
  }

  /** Fires everything that is due. */
  expire(nowMs: number): void {
    for (const list of this.#lists) {
      for (let timer = list.first; timer && timer.deadlineMs <= nowMs; timer = list.first) {
        disarm(timer);
        list.fire(timer.owner);
      }
    }
  }

  /** The earliest deadline, Infinity if nothing is armed. */
  get nextMs(): number {
    let next = Infinity;
    for (const { first } of this.#lists) if (first && first.deadlineMs < next) next = first.deadlineMs;
    return next;
  }
}

/** Takes a timer out of its list; nothing happens if it is in none. */
export function disarm<T>(timer: Timer<T>): void {
  const { list, previous, next } = timer;
  if (!list) return;
  if (previous) previous.next = next;
  else list.first = next;
  if (next) next.previous = previous;
  else list.last = previous;
  timer.list = timer.previous = timer.next = null;
}
