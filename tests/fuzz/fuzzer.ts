/**
 * What a fuzzer is, and the loop that all fuzzers written in TypeScript share.
 *
 * A run is a series of cases, and a case is made from one number. The first case of a run has the seed of the run, the
 * others have numbers drawn from it. So whichever case fails, a run with its number as the seed begins with it:
 * `deno task fuzz NAME --seed NUMBER --seconds 0`.
 *
 * A fuzzer that has never failed proves nothing. Each one has canaries: faults that it puts in itself, on demand, and
 * has to find.
 *
 * @module
 */

import { Prng } from "../support/prng.ts";

/** What a run is asked to do. */
export interface RunOptions {
  readonly seed: number;
  /** For how long; 0 is one case. */
  readonly seconds: number;
  /** The fault to put in, one of the fuzzer's `canaries`. */
  readonly canary?: string;
  /** Told now and then how many cases there were. */
  readonly onProgress?: (cases: number) => void;
}

/** A case that failed. */
export interface Finding {
  /** What was expected and what happened. */
  readonly message: string;
  /** The input, as small as it could be made. */
  readonly input: string;
  /** Arguments of `deno task fuzz` that make it happen again. */
  readonly again: string;
}

/** How a run went. */
export interface Report {
  readonly cases: number;
  readonly finding: Finding | null;
  /** Why there was no run; empty if there was one. */
  readonly skipped: string;
}

/** One fuzzer. */
export interface Fuzzer {
  readonly name: string;
  /** What it does, in one line. */
  readonly about: string;
  readonly canaries: readonly string[];
  run(options: RunOptions): Promise<Report>;
}

/** What the shared loop needs to know. */
export interface Cases<T> {
  readonly name: string;
  readonly about: string;
  readonly canaries: readonly string[];
  /** Reads what inputs are made from; that takes none of the time. */
  prepare?(): void;
  /** Makes the input of one case: the same numbers, the same input. */
  make(prng: Prng): T;
  /** Throws when something is wrong. What it decides at random comes out of `prng`. */
  check(input: T, prng: Prng, canary: string): void | Promise<void>;
  show(input: T): string;
  /** Smaller inputs that might fail too, the smallest first. */
  smaller?(input: T): Iterable<T>;
}

/** A fuzzer whose inputs can be looked at. */
export interface CaseFuzzer extends Fuzzer {
  /** The first `count` inputs of a seed, as text. */
  inputs(seed: number, count: number): string[];
}

/** Time for making a failing input smaller. */
const SHRINK_MS = 3000;
const PROGRESS_MS = 250;

/** The numbers that the cases of a run are made from. */
export function* caseSeeds(seed: number): Generator<number> {
  yield seed;
  const prng = new Prng(seed ^ 0x5eed);
  while (true) yield prng.uint32();
}

/** Makes a fuzzer. */
export function caseFuzzer<T>(cases: Cases<T>): CaseFuzzer {
  const { name, about, canaries } = cases;
  return {
    name,
    about,
    canaries,
    inputs(seed, count) {
      return caseSeeds(seed).take(count).map((number) => cases.show(cases.make(new Prng(number)))).toArray();
    },
    run: (options) => runCases(cases, options),
  };
}

async function runCases<T>(cases: Cases<T>, { seed, seconds, canary = "", onProgress }: RunOptions): Promise<Report> {
  cases.prepare?.();
  const endMs = performance.now() + seconds * 1000;
  let done = 0, toldMs = 0;
  for (const number of caseSeeds(seed)) {
    const input = cases.make(new Prng(number));
    const error = await failure(cases, input, number, canary);
    done++;
    if (error !== null) {
      return { cases: done, finding: await describe(cases, input, number, canary, error), skipped: "" };
    }
    const nowMs = performance.now();
    if (nowMs >= endMs) break;
    if (nowMs < toldMs + PROGRESS_MS) continue;
    toldMs = nowMs;
    onProgress?.(done);
    await new Promise((resolve) => setTimeout(resolve)); // Ctrl-C and timers want their turn
  }
  return { cases: done, finding: null, skipped: "" };
}

/** What is wrong with a case, null if nothing is. */
async function failure<T>(cases: Cases<T>, input: T, number: number, canary: string): Promise<Error | null> {
  try {
    await cases.check(input, new Prng(number ^ 0xc4ec), canary);
    return null;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

async function describe<T>(cases: Cases<T>, input: T, number: number, canary: string, error: Error): Promise<Finding> {
  const endMs = performance.now() + SHRINK_MS;
  let smallest = input, last = error;
  for (let found = true; found;) {
    found = false;
    for (const candidate of cases.smaller?.(smallest) ?? []) {
      if (performance.now() > endMs) break;
      const again = await failure(cases, candidate, number, canary);
      if (again === null) continue;
      [smallest, last, found] = [candidate, again, true];
      break;
    }
  }
  const again = `${cases.name} --seed ${number} --seconds 0${canary === "" ? "" : ` --canary ${canary}`}`;
  return { message: last.stack ?? last.message, input: cases.show(smallest), again };
}

/** The bytes with a part left out: halves first, single bytes last. */
export function* withoutParts(bytes: Uint8Array): Generator<Uint8Array<ArrayBuffer>> {
  for (let size = bytes.length >> 1; size >= 1; size >>= 1) {
    for (let at = 0; at < bytes.length; at += size) {
      const rest = new Uint8Array(bytes.length - Math.min(size, bytes.length - at));
      rest.set(bytes.subarray(0, at));
      rest.set(bytes.subarray(at + size), at);
      yield rest;
    }
  }
}

/** Bytes as they would stand between the quotes of a string. */
export function showBytes(bytes: Uint8Array): string {
  return Array.from(bytes, (code) => {
    if (code === 0x0d) return "\\r";
    if (code === 0x0a) return "\\n";
    if (code >= 0x20 && code < 0x7f) return code === 0x5c ? "\\\\" : String.fromCharCode(code);
    return `\\x${code.toString(16).padStart(2, "0")}`;
  }).join("");
}
