/**
 * Builds and runs shim.c, the libFuzzer target for the argument checks of the shim. Needs clang, and says so when it is
 * not there.
 *
 * libFuzzer draws its own cases. The input of one that failed is kept in a file, and the command that makes it happen
 * again names the file.
 *
 * @module
 */

import type { Finding, Fuzzer, Report, RunOptions } from "./fuzzer.ts";

const SOURCE = new URL("./shim.c", import.meta.url).pathname;
/** In this order they are FUZZ_CANARY 1, 2, … in shim.c. */
const CANARIES: readonly string[] = ["any-offset", "standard-streams"];
/** With `--seconds 0`: the empty input and little more. */
const FEW_RUNS = 100;
/** To print names of functions a symbolizer is started, whose pipes the target would close. */
const QUIET = "-print_funcs=0";

/** Whether the compiler is there. */
export async function hasClang(): Promise<boolean> {
  try {
    return (await new Deno.Command("clang", { args: ["--version"], stdout: "null", stderr: "null" }).output()).success;
  } catch {
    return false;
  }
}

async function build(target: string, canary: number): Promise<void> {
  const sanitizers = ["-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=undefined"];
  const args = ["-g", "-O1", "-D_GNU_SOURCE", `-DFUZZ_CANARY=${canary}`, ...sanitizers, "-o", target, SOURCE];
  const { success, stderr } = await new Deno.Command("clang", { args, stdout: "null", stderr: "piped" }).output();
  if (!success) throw new Error(`clang cannot build ${SOURCE}:\n${new TextDecoder().decode(stderr)}`);
}

/** Runs the target in a folder of its own: inputs that fail and sockets with a path are made there. */
async function runTarget(folder: string, args: readonly string[]): Promise<{ success: boolean; log: string }> {
  const { success, stderr } = await new Deno.Command(`${folder}/target`, {
    args: [...args],
    cwd: folder,
    env: { ASAN_OPTIONS: "detect_leaks=0" },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  return { success, log: new TextDecoder().decode(stderr) };
}

/** The lines that say what is wrong. */
function complaint(log: string): string {
  const lines = log.split("\n");
  const at = lines.findIndex((line) => /not so:|runtime error:|ERROR: /.test(line));
  return (at < 0 ? lines.slice(-14) : lines.slice(at, at + 14)).join("\n");
}

function describe(folder: string, log: string, options: RunOptions): Finding {
  const file = /written to (\S+)/.exec(log)?.[1];
  const canary = options.canary === undefined ? "" : ` --canary ${options.canary}`;
  const path = file === undefined ? undefined : `${folder}/${file.replace(/^\.\//, "")}`;
  return {
    message: complaint(log),
    input: path ?? "(libFuzzer kept none)",
    again: path === undefined
      ? `shim --seed ${options.seed} --seconds ${options.seconds}${canary}`
      : `shim --input ${path}${canary}`,
  };
}

/** Runs the fuzzer, or, with `inputFile`, that one input. */
async function run(options: RunOptions, inputFile?: string): Promise<Report> {
  if (!(await hasClang())) return { cases: 0, finding: null, skipped: "clang is not installed: apt-get install clang" };
  const folder = await Deno.makeTempDir({ prefix: "sluice-fuzz." });
  let finding: Finding | null = null;
  try {
    await build(`${folder}/target`, options.canary === undefined ? 0 : CANARIES.indexOf(options.canary) + 1);
    const often = options.seconds > 0 ? `-max_total_time=${Math.ceil(options.seconds)}` : `-runs=${FEW_RUNS}`;
    // Seed 0 would be one from the clock.
    const drawn = [`-seed=${options.seed || 1}`, often, "-max_len=400", "-len_control=0", "-timeout=10", QUIET];
    const { success, log } = await runTarget(folder, inputFile === undefined ? drawn : [inputFile]);
    if (!success) finding = describe(folder, log, options);
    const cases = inputFile !== undefined
      ? 1
      : Number(/Done (\d+) runs/.exec(log)?.[1] ?? log.match(/^#\d+(?=\s)/gm)?.at(-1)?.slice(1) ?? 0);
    return { cases, finding, skipped: "" };
  } finally {
    if (finding === null || inputFile !== undefined) await Deno.remove(folder, { recursive: true });
    else await Deno.remove(`${folder}/target`);
  }
}

export const shim: Fuzzer & { runInput(file: string, canary?: string): Promise<Report> } = {
  name: "shim",
  about: "the argument checks of the C code, by libFuzzer (needs clang)",
  canaries: CANARIES,
  run: (options) => run(options),
  runInput: (file, canary) => run({ seed: 1, seconds: 0, ...(canary === undefined ? {} : { canary }) }, file),
};
