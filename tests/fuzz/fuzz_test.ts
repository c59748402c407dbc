/**
 * Each fuzzer for about a second with a fixed seed; that each finds the faults it puts in itself; that a seed gives the
 * same cases every time; and the command line of scripts/fuzz.ts.
 */

import assert from "node:assert/strict";
import { needs, unless } from "../support/needs.ts";
import { SEED } from "../support/prng.ts";
import { FUZZERS } from "./all.ts";
import { chunked } from "./chunked.ts";
import { connection } from "./connection.ts";
import { caseSeeds, type Fuzzer } from "./fuzzer.ts";
import { h1 } from "./h1.ts";
import { shim } from "./shim.ts";

const SECONDS = 1;
/** A canary ends its run when it is found: all of them are within the first cases. */
const CANARY_SECONDS = 20;
const IN_TYPESCRIPT = [h1, chunked, connection];

const clang = needs({ programs: ["clang"], debian: "clang" });
const fateOf = (fuzzer: Fuzzer) => fuzzer === shim ? unless(clang) : {};

for (const fuzzer of FUZZERS) {
  Deno.test({
    name: `fuzz ${fuzzer.name}: ${SECONDS} s find nothing, seed ${SEED}`,
    fn: async () => {
      const { cases, finding } = await fuzzer.run({ seed: SEED, seconds: SECONDS });
      assert.equal(finding, null, `deno task fuzz ${finding?.again}\n${finding?.input}\n${finding?.message}`);
      assert.ok(cases > 1, `${cases} cases`);
    },
    ...fateOf(fuzzer),
  });
  for (const canary of fuzzer.canaries) {
    Deno.test({
      name: `fuzz ${fuzzer.name}: the canary ${canary} is found`,
      fn: async () => {
        const { finding } = await fuzzer.run({ seed: SEED, seconds: CANARY_SECONDS, canary });
        assert.ok(finding, "nothing was found");
        assert.match(finding.again, new RegExp(`^${fuzzer.name} .*--canary ${canary}$`));
        const kept = /--input (\S+)\/[^/ ]+/.exec(finding.again)?.[1];
        if (kept !== undefined) await Deno.remove(kept, { recursive: true });
      },
      ...fateOf(fuzzer),
    });
  }
}

for (const fuzzer of IN_TYPESCRIPT) {
  Deno.test(`fuzz ${fuzzer.name}: the same seed gives the same cases, another one others`, () => {
    const cases = fuzzer.inputs(SEED, 20);
    assert.deepEqual(fuzzer.inputs(SEED, 20), cases);
    assert.notDeepEqual(fuzzer.inputs(SEED + 1, 20), cases);
  });

  Deno.test(`fuzz ${fuzzer.name}: the command that it prints makes the case happen again`, async () => {
    const canary = fuzzer.canaries[0]!;
    const { finding } = await fuzzer.run({ seed: SEED, seconds: CANARY_SECONDS, canary });
    const seed = Number(/--seed (\d+)/.exec(finding!.again)![1]);
    const { cases, finding: again } = await fuzzer.run({ seed, seconds: 0, canary });
    assert.equal(cases, 1);
    assert.equal(again?.again, finding!.again);
  });
}

Deno.test("fuzz: each case of a run is the first case of the run with its seed", () => {
  for (const seed of caseSeeds(SEED).take(5)) {
    const [first] = caseSeeds(seed).take(1).toArray();
    assert.equal(first, seed);
  }
});

async function fuzz(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const script = new URL("../../scripts/fuzz.ts", import.meta.url).pathname;
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", script, ...args],
    env: { NO_COLOR: "1" },
  }).output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

Deno.test("fuzz: the command line says what it did, what failed and how to see it again", async () => {
  const good = await fuzz("chunked", "--seed", "7", "--seconds", "0");
  assert.deepEqual(good, { code: 0, stdout: "fuzz chunked    seed 7: 1 cases, nothing found\n", stderr: "" });

  const bad = await fuzz("chunked", "--seed", "7", "--seconds", "20", "--canary", "lost-cr");
  assert.equal(bad.code, 1);
  assert.match(bad.stdout, /failed in case \d+\n[^]*\nInput: [^]*\n\nAgain: deno task fuzz chunked --seed \d+ /);

  const help = await fuzz("--help");
  assert.equal(help.code, 0);
  for (const { name } of FUZZERS) assert.ok(help.stdout.includes(`\n  ${name} `), name);
});

Deno.test("fuzz: a wrong command line is said in one sentence", async () => {
  const wrong: [string[], RegExp][] = [
    [["nothing"], /there is no fuzzer nothing: expected one of h1, chunked, connection, shim\n$/],
    [["h1", "--seed", "-1"], /--seed|'--seed/],
    [["h1", "--seed", "4294967296"], /--seed 4294967296: expected a number up to 4294967295\n$/],
    [["h1", "--canary", "kept"], /--canary kept: h1; --help lists the canaries\n$/],
    [["h1", "--input", "x"], /--input goes with shim only\n$/],
  ];
  for (const [args, message] of wrong) {
    const { code, stdout, stderr } = await fuzz(...args);
    assert.deepEqual([code, stdout], [1, ""], args.join(" "));
    assert.match(stderr, message);
  }
});
