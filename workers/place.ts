/**
 * Where this code runs: on a thread of the user's, or in a worker that this server has started.
 *
 * The mark is global and not a variable of this module, for a user's app may have imported another copy of it.
 *
 * @module
 */

const MARK: unique symbol = Symbol.for("sluice.worker") as never;

/** Says that this thread is one of our workers. */
export function markAsWorker(): void {
  (globalThis as { [MARK]?: boolean })[MARK] = true;
}

/** Whether this thread is one of our workers. */
export function isWorker(): boolean {
  return (globalThis as { [MARK]?: boolean })[MARK] === true;
}
