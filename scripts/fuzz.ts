/**
 * Runs the fuzzers of tests/fuzz/: random input for the parser, for connections and for the shim.
 *
 * A run is made from a seed, which is printed. When a case fails, the run ends with the case, made as small as it
 * could be, and with the command that makes just this case happen again; the exit code is 1 then.
 *
 * Usage: `deno task fuzz [NAME] [--seed N] [--seconds S]`
 *
 * @module
 */

import { resolve } from "node:path";
import { parseArgs, styleText } from "node:util";
import { FUZZERS } from "../tests/fuzz/all.ts";
import type { Fuzzer, Report } from "../tests/fuzz/fuzzer.ts";
import { corpus } from "../tests/fuzz/inputs.ts";
import { shim } from "../tests/fuzz/shim.ts";

const DEFAULT_SECONDS = 5;

const LIST = FUZZERS.map(({ name, about, canaries }) => {
  return `  ${name.padEnd(11)} ${about}\n${" ".repeat(14)}canaries: ${canaries.join(", ")}`;
}).join("\n");

const HELP = `Throws random input at parts of the server and looks whether what they promise still holds.

Usage: deno task fuzz [NAME] [options]

${LIST}

  --seed N           what the random input is made from, 0 to 4294967295 (default: from the clock)
  --seconds S        for how long each fuzzer runs; 0 is one case (default: ${DEFAULT_SECONDS})
  --input FILE       for "shim": run this one input, which an earlier run has kept
  --canary NAME      put this fault in, which the fuzzer then has to find
  --help             this text

Without NAME all of them run. The same seed gives the same cases, in the same order. When a case fails, the last lines
are the input, made as small as possible, and the command that makes it happen again; the exit code is 1.`;

const OPTIONS = {
  seed: { type: "string" },
  seconds: { type: "string" },
  input: { type: "string" },
  canary: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

/** What is wrong with the command line, in one sentence. */
class UsageError extends Error {}

interface Command {
  readonly fuzzers: readonly Fuzzer[];
  readonly seed: number;
  readonly seconds: number;
  readonly input: string | undefined;
  readonly canary: string | undefined;
}

/** A seed from the clock: mixed, or runs a second apart would share most of theirs. */
function clockSeed(): number {
  return Math.imul(Date.now() >>> 0, 0x9e3779b1) >>> 0;
}

/** Reads the command line; null when help is asked for. Throws a `UsageError`. */
export function parse(args: readonly string[]): Command | null {
  // `deno task fuzz -- h1` hands the dashes over as they are.
  const rest = args[0] === "--" ? args.slice(1) : [...args];
  let parsed: ReturnType<typeof parseArgs<{ options: typeof OPTIONS; allowPositionals: true }>>;
  try {
    parsed = parseArgs({ args: rest, options: OPTIONS, strict: true, allowPositionals: true });
  } catch (error) {
    throw new UsageError(`${(error as Error).message.split(". ")[0]}; --help lists the options`);
  }
  const { values, positionals: [name, ...more] } = parsed;
  if (values.help) return null;
  const names = FUZZERS.map((fuzzer) => fuzzer.name).join(", ");
  if (more.length > 0) throw new UsageError(`one name at most, got ${name} ${more.join(" ")}`);
  const fuzzers = name === undefined ? FUZZERS : FUZZERS.filter((fuzzer) => fuzzer.name === name);
  if (fuzzers.length === 0) throw new UsageError(`there is no fuzzer ${name}: expected one of ${names}`);
  const { input, canary } = values;
  if (input !== undefined && name !== shim.name) throw new UsageError("--input goes with shim only");
  if (canary !== undefined && (name === undefined || !fuzzers[0]!.canaries.includes(canary))) {
    throw new UsageError(`--canary ${canary}: ${name ?? "the name of a fuzzer is needed"}; --help lists the canaries`);
  }
  return {
    fuzzers,
    seed: toNumber("seed", values.seed, /^\d{1,10}$/, 2 ** 32 - 1) ?? clockSeed(),
    seconds: toNumber("seconds", values.seconds, /^\d+(\.\d+)?$/, 86_400) ?? DEFAULT_SECONDS,
    input: input === undefined ? undefined : resolve(Deno.env.get("INIT_CWD") ?? Deno.cwd(), input),
    canary,
  };
}

function toNumber(name: string, text: string | undefined, form: RegExp, most: number): number | undefined {
  if (text === undefined) return undefined;
  if (!form.test(text) || Number(text) > most) {
    throw new UsageError(`--${name} ${text}: expected a number up to ${most}`);
  }
  return Number(text);
}

/** Runs one; false when it found something. */
async function runOne(fuzzer: Fuzzer, command: Command): Promise<boolean> {
  const { seed, seconds, input, canary } = command;
  const label = fuzzer.name.padEnd(10);
  const isTerminal = Deno.stderr.isTerminal();
  const show = (text: string) => Deno.stderr.writeSync(new TextEncoder().encode(`\r\x1b[K${text}`));
  if (isTerminal) show(`fuzz ${label} seed ${seed} ...`);
  const onProgress = (cases: number) => isTerminal && show(`fuzz ${label} seed ${seed}: ${cases} cases ...`);
  const options = { seed, seconds, onProgress, ...(canary === undefined ? {} : { canary }) };
  const report = input === undefined ? await fuzzer.run(options) : await shim.runInput(input, canary);
  if (isTerminal) show("");
  return tell(label, seed, report);
}

function tell(label: string, seed: number, { cases, finding, skipped }: Report): boolean {
  if (skipped !== "") {
    console.log(`fuzz ${label} skipped: ${skipped}`);
    return true;
  }
  if (finding === null) {
    console.log(`fuzz ${label} seed ${seed}: ${cases} cases, nothing found`);
    return true;
  }
  console.log(`fuzz ${label} seed ${seed}: ${styleText("red", "failed")} in case ${cases}\n`);
  console.log(`${finding.message}\n\nInput: ${finding.input}\n\nAgain: deno task fuzz ${finding.again}`);
  return false;
}

async function main(): Promise<number> {
  try {
    const command = parse(Deno.args);
    if (command === null) {
      console.log(HELP);
      return 0;
    }
    const usesCorpus = command.fuzzers.some(({ name }) => name === "h1");
    if (usesCorpus && corpus().length === 0) {
      console.log("fuzz h1         without the corpus ../shared/corpora/h2o-fuzz-corpus.tar.gz, which is not there");
    }
    let failed = 0;
    for (const fuzzer of command.fuzzers) if (!(await runOne(fuzzer, command))) failed++;
    return failed === 0 ? 0 : 1;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`${styleText("red", "error")}: ${error.message}`);
    return 1;
  }
}

if (import.meta.main) Deno.exit(await main());
