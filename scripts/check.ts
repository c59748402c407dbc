/**
 * Checks everything but the tests. All checks run, also after one has failed, so that one run shows all there is to do.
 *
 * Usage: `deno run -A scripts/check.ts`
 *
 * @module
 */

import { styleText } from "node:util";

interface Check {
  readonly name: string;
  /** Arguments of `deno`. */
  readonly args: readonly string[];
}

/** Where documentation with examples stands. */
const LAYERS: readonly string[] = ["app", "http", "workers"];

/** In this order: the types need the module that the build makes. */
const CHECKS: readonly Check[] = [
  { name: "build", args: ["run", "-A", "scripts/build.ts", "--quiet"] },
  { name: "format", args: ["fmt", "--check"] },
  { name: "lint", args: ["lint"] },
  { name: "types", args: ["check", "."] },
  { name: "house", args: ["test", "-A", "--no-check", "--quiet", "tests/tidy_test.ts", "tests/api_test.ts"] },
  { name: "documentation", args: ["doc", "--lint", "mod.ts", "app/middleware/mod.ts"] },
  { name: "examples", args: ["test", "-A", "--doc", "--quiet", "--permit-no-files", "mod.ts", "README.md", ...LAYERS] },
  // A fixed seed: what is checked here has to come out the same tomorrow. `deno task fuzz` looks for new things.
  { name: "fuzzers", args: ["run", "-A", "scripts/fuzz.ts", "--seconds", "2", "--seed", "1"] },
  {
    name: "bench",
    args: ["run", "-A", "scripts/bench.ts", "--smoke", "--servers", "floor,sluice", "--rows", "pipelined"],
  },
];

const root = import.meta.dirname!.replace(/\/scripts$/, "");

/** Runs one check; its output is shown when it fails. */
async function passes({ args }: Check): Promise<boolean> {
  const command = new Deno.Command(Deno.execPath(), { args: [...args], cwd: root, stdin: "null" });
  const { success, stdout, stderr } = await command.output();
  if (!success) { for (const output of [stdout, stderr]) await Deno.stderr.write(output); }
  return success;
}

async function main(): Promise<number> {
  const failed: string[] = [];
  for (const check of CHECKS) {
    console.error(styleText("gray", `check: ${check.name} ...`));
    if (!(await passes(check))) failed.push(check.name);
  }
  if (failed.length === 0) console.error(`check: all ${CHECKS.length} passed`);
  else console.error(`check: ${failed.length} of ${CHECKS.length} failed: ${failed.join(", ")}`);
  return failed.length === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());
