/**
 * Servers for end-to-end tests: in this process, or as a child whose output is kept for the message of a failure.
 *
 * Whatever starts here is stopped by `await using`, whatever the test did: children by a signal to their own pid.
 *
 * The shim is loaded when this module is: Deno's leak check would otherwise blame the test that came first.
 *
 * @module
 */

import { serve, type ServeOptions, type Server } from "../../mod.ts";
import { provideShim } from "../../shim/ffi.ts";

/** The shim, as this isolate's servers use it. */
export const shim = provideShim().shim;

/** The suite runs once more in each mode: tests/modes_test.ts sets these. */
const WAKE = Deno.env.get("SLUICE_WAKE") as ServeOptions["wake"];
const TRIGGER = Deno.env.get("SLUICE_TRIGGER") as ServeOptions["trigger"];
const MODE_FLAGS = [...(WAKE ? ["--wake", WAKE] : []), ...(TRIGGER ? ["--trigger", TRIGGER] : [])];

/** The repository. */
export const ROOT: string = new URL("../../", import.meta.url).pathname;

const APPS = new URL("../e2e/apps/", import.meta.url);

/** The URL of a fixture app by its file name without `.ts`. */
export function appUrl(name: string): string {
  return new URL(`${name}.ts`, APPS).href;
}

/** The file of a fixture app. */
export function appFile(name: string): string {
  return new URL(`${name}.ts`, APPS).pathname;
}

/** A server in this process: of an app on this thread, or of a module (its URL) in workers. Silent, on any port. */
export function start(app: Parameters<typeof serve>[0], options: ServeOptions = {}): Promise<Server> {
  const elsewhere = options.path !== undefined || options.listeners !== undefined;
  const mode = { ...(WAKE && { wake: WAKE }), ...(TRIGGER && { trigger: TRIGGER }) };
  return serve(app, {
    ...(elsewhere ? {} : { port: 0 }),
    handleSignals: false,
    onListen: () => {},
    ...mode,
    ...options,
  });
}

/** The first TCP port of a server. */
export function portOf(server: Server): number {
  const address = server.addrs.find(({ transport }) => transport === "tcp");
  if (address?.transport !== "tcp") throw new Error("this server listens on no port");
  return address.port;
}

/** Waits until `check` gives something else than false, null or undefined. */
export async function until<T>(what: string, check: () => T | Promise<T>, timeoutMs = 20_000): Promise<NonNullable<T>> {
  const endMs = performance.now() + timeoutMs;
  while (true) {
    const value = await check();
    if (value !== false && value !== null && value !== undefined) return value;
    if (performance.now() > endMs) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await sleep(10);
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Descriptors that a process has open. */
export function descriptors(pid: number | "self" = "self"): number {
  let count = 0;
  for (const _ of Deno.readDirSync(`/proc/${pid}/fd`)) count++;
  return count;
}

/** CPU time that a process has used so far, ended threads included, in milliseconds (clock ticks are 10 ms). */
export function cpuMs(pid: number): number {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** Resident memory of a process in MiB. */
export function residentMiB(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(Deno.readTextFileSync(`/proc/${pid}/status`))![1]) / 1024;
}

export interface ChildOptions {
  readonly args: readonly string[];
  readonly command?: string;
  readonly cwd?: string;
  readonly env?: Record<string, string>;
}

/** How a child ended, with everything it said. */
export interface Ended {
  readonly code: number;
  readonly signal: Deno.Signal | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A child process. Its output is collected from the start. */
export class Child implements AsyncDisposable {
  stdout = "";
  stderr = "";
  readonly #process: Deno.ChildProcess;
  readonly #ended: Promise<Ended>;
  #isRunning = true;
  /** It has ended, and its output too. */
  #isReaped = false;
  #onOutput: (() => void)[] = [];

  constructor({ command = Deno.execPath(), args, cwd = ROOT, env = {} }: ChildOptions) {
    this.#process = new Deno.Command(command, {
      args: [...args],
      cwd,
      env: { NO_COLOR: "1", ...env },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      detached: true, // a process group of its own, so that nothing it started outlives it
    }).spawn();
    const read = [this.#collect("stdout"), this.#collect("stderr")];
    this.#ended = this.#process.status.then(async ({ code, signal }) => {
      this.#isRunning = false;
      this.#tell();
      await Promise.all(read);
      this.#isReaped = true;
      return { code, signal, stdout: this.stdout, stderr: this.stderr };
    });
  }

  get pid(): number {
    return this.#process.pid;
  }

  get isRunning(): boolean {
    return this.#isRunning;
  }

  async #collect(name: "stdout" | "stderr"): Promise<void> {
    for await (const text of this.#process[name].pipeThrough(new TextDecoderStream())) {
      this[name] += text;
      this.#tell();
    }
  }

  #tell(): void {
    const waiting = this.#onOutput;
    this.#onOutput = [];
    for (const tell of waiting) tell();
  }

  /** Waits until what it says contains a pattern. */
  async said(pattern: RegExp, timeoutMs = 30_000): Promise<RegExpExecArray> {
    const endMs = performance.now() + timeoutMs;
    while (true) {
      const match = pattern.exec(`${this.stdout}\n${this.stderr}`);
      if (match !== null) return match;
      const leftMs = endMs - performance.now();
      if (!this.#isRunning || leftMs <= 0) throw new Error(`the child never said ${pattern}:\n${this.output}`);
      let timer: ReturnType<typeof setTimeout> | undefined;
      await new Promise<void>((resolve) => {
        this.#onOutput.push(resolve);
        timer = setTimeout(resolve, leftMs);
      });
      clearTimeout(timer);
    }
  }

  /** What it has said, for the message of a failure. */
  get output(): string {
    return `--- stdout\n${this.stdout}\n--- stderr\n${this.stderr}\n---`;
  }

  signal(signal: Deno.Signal): void {
    if (this.#isRunning) this.#process.kill(signal);
  }

  /** Waits for the end; kills the child when it takes too long, and throws then. */
  async ended(timeoutMs = 30_000): Promise<Ended> {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.signalGroup("SIGKILL");
    }, timeoutMs);
    const result = await this.#ended;
    clearTimeout(timer);
    if (late) throw new Error(`the child did not end within ${timeoutMs} ms:\n${this.output}`);
    return result;
  }

  /** Sends a signal and waits for the end. */
  stop(signal: Deno.Signal = "SIGTERM", timeoutMs?: number): Promise<Ended> {
    this.signal(signal);
    return this.ended(timeoutMs);
  }

  /** Sends a signal to the child and to everything that it started, as a terminal does. */
  signalGroup(signal: Deno.Signal): void {
    try {
      Deno.kill(-this.pid, signal);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error; // all have ended
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isReaped) return;
    this.signalGroup("SIGKILL"); // also when the child has ended: what it started may hold its output open
    await this.#ended;
  }
}

/** A server that runs as a child. */
export class ServerChild extends Child {
  port = 0;
}

/** Starts a child that prints our banner and waits for it. */
export async function startChild(options: ChildOptions): Promise<ServerChild> {
  const child = new ServerChild(options);
  try {
    child.port = Number((await child.said(/listening on http:\/\/\S+:(\d+)\//))[1]);
  } catch (error) {
    await child[Symbol.asyncDispose]();
    throw error;
  }
  return child;
}

/** Starts the command line (scripts/serve.ts) with a fixture app on any port. */
export function startCli(app: string, workers: number, args: readonly string[] = []): Promise<ServerChild> {
  const options = ["--app", appFile(app), "--port", "0", "--workers", `${workers}`];
  return startChild({ args: ["run", "-A", "--no-check", "scripts/serve.ts", ...options, ...MODE_FLAGS, ...args] });
}

/** Runs a program to its end and returns what it said; throws when it fails, unless `fails`. */
export async function run(
  command: string,
  args: readonly string[],
  { fails = false, timeoutMs = 60_000, cwd = ROOT }: { fails?: boolean; timeoutMs?: number; cwd?: string } = {},
): Promise<Ended> {
  await using child = new Child({ command, args, cwd });
  const ended = await child.ended(timeoutMs);
  if (!fails && ended.code !== 0) throw new Error(`${command} ended with ${ended.code}:\n${child.output}`);
  return ended;
}
