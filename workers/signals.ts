/**
 * SIGINT, SIGTERM and the end of the main module: what happens to running servers then.
 *
 * The first signal shuts every server down, then the process exits with 0. `deno task` delivers Ctrl-C twice, so a
 * signal within REPEAT_MS of the first is the same one; a later one ends the process at once.
 *
 * `deno run --watch` raises SIGTERM too, gives the old module 500 ms, and starts the next one in the same process. So
 * the end is not forced while nothing else runs, and whatever is left when the module is unloaded is freed then and
 * there, every descriptor: there is no time to be polite.
 *
 * @module
 */

/** Signals closer together than this are one. */
const REPEAT_MS = 500;

/** What still keeps the process alive after its servers have ended gets this long; an idle process ends at once. */
const EXIT_GRACE_MS = 500;

/** What the registry needs of a server. */
export interface Stoppable {
  /** Finishes what is in flight. */
  shutdown(): Promise<void>;
  /** Frees everything now, synchronously. */
  abandon(): void;
}

const running = new Set<Stoppable>();
const signalled = new Set<Stoppable>();
let firstSignalMs = -Infinity;
let exiting = false;

const SIGNALS = [["SIGINT", 130], ["SIGTERM", 143]] as const;
const handlers = SIGNALS.map(([signal, code]) => [signal, () => onSignal(code)] as const);

/** Adds a running server; `handleSignals` false leaves SIGINT and SIGTERM to the caller. */
export function register(server: Stoppable, handleSignals: boolean): void {
  if (running.size === 0) globalThis.addEventListener("unload", abandonAll);
  running.add(server);
  if (!handleSignals) return;
  if (signalled.size === 0) { for (const [signal, handler] of handlers) Deno.addSignalListener(signal, handler); }
  signalled.add(server);
}

/** Takes out a server that has ended. */
export function unregister(server: Stoppable): void {
  running.delete(server);
  if (running.size === 0) globalThis.removeEventListener("unload", abandonAll);
  // While a signal is being carried out the handlers stay: the second one has to be seen.
  if (!signalled.delete(server) || signalled.size > 0 || firstSignalMs !== -Infinity) return;
  for (const [signal, handler] of handlers) Deno.removeSignalListener(signal, handler);
}

function onSignal(code: number): void {
  const nowMs = performance.now();
  if (firstSignalMs !== -Infinity) {
    if (nowMs - firstSignalMs < REPEAT_MS) return;
    exiting = true; // the workers may be what hangs
    Deno.exit(code);
  }
  firstSignalMs = nowMs;
  Promise.allSettled([...signalled].map((server) => server.shutdown())).then((results) => {
    Deno.exitCode = results.some(({ status }) => status === "rejected") ? 1 : 0;
    const timer = setTimeout(() => Deno.exit(), EXIT_GRACE_MS);
    Deno.unrefTimer(timer as unknown as number); // typed as Node's where Node's types are loaded
  });
}

function abandonAll(): void {
  if (exiting) return;
  for (const server of running) server.abandon();
  running.clear();
}
