/** scripts/test.ts: the last line and the exit code, whatever becomes of the tests. */

import assert from "node:assert/strict";
import { countTests, lastLine } from "../../scripts/test.ts";
import { Sandbox } from "./sandbox.ts";

/** Runs one file of tests; answers the exit code and the last line. */
async function outcome(source: string, ...args: string[]): Promise<[code: number, line: string]> {
  using sandbox = new Sandbox();
  sandbox.write("tests/some_test.ts", source);
  const { code, stdout } = await sandbox.deno(["run", "-A", "scripts/test.ts", ...args]);
  assert.ok(stdout.endsWith("\n"));
  return [code, stdout.trimEnd().split("\n").at(-1)!];
}

const PASSING = `Deno.test("a", async (t) => { await t.step("b", () => {}); });\n`;

Deno.test("passing tests", async () => {
  assert.deepEqual(await outcome(PASSING), [0, "1 passed, 0 failed"]);
});

Deno.test("failing, leaking and ignored tests", async () => {
  const source = `${PASSING}
    Deno.test("fails > with <odd> name", async (t) => { await t.step("c", () => { throw new Error("no"); }); });
    Deno.test("leaks", () => { setTimeout(() => {}, 60_000); });
    Deno.test.ignore("ignored", () => {});`;
  assert.deepEqual(await outcome(source), [1, "1 passed, 2 failed, 1 skipped"]);
});

Deno.test("arguments reach deno test", async () => {
  const source = `${PASSING} Deno.test("other", () => { throw new Error("no"); });`;
  assert.deepEqual(await outcome(source, "--filter", "a"), [0, "1 passed, 0 failed"]);
});

Deno.test("a crash is a failure", async () => {
  assert.deepEqual(await outcome(`${PASSING} Deno.test("dies", () => Deno.kill(Deno.pid, "SIGKILL"));`), [
    1,
    "0 passed, 1 failed",
  ]);
});

Deno.test("a type error is a failure", async () => {
  assert.deepEqual(await outcome(`${PASSING} export const x: string = 1;`), [1, "0 passed, 1 failed"]);
});

Deno.test("an error outside of any test is a failure", async () => {
  assert.deepEqual(await outcome(`${PASSING} throw new Error("no");`), [1, "0 passed, 1 failed"]);
});

Deno.test("a run without tests is a failure", async () => {
  assert.deepEqual(await outcome("export {};"), [1, "0 passed, 0 failed"]);
  assert.deepEqual(await outcome(`Deno.test.ignore("ignored", () => {});`), [1, "0 passed, 0 failed, 1 skipped"]);
});

Deno.test("steps are not counted, tests whose names look alike are", () => {
  const report = `
    <testsuite name="./a_test.ts"><testcase name="a" time="1"></testcase><testcase name="ab" time="1"/>
    <testcase name="x &gt; y" time="1"><failure message="m">&lt;skipped/&gt;</failure></testcase>
    <testcase name="filtered out"><skipped/></testcase><testcase name="a &gt; step" time="1"></testcase>
    <testcase name="x &gt; y &gt; step &gt; deep" time="1"><failure/></testcase></testsuite>
    <testsuite name="./b_test.ts"><testcase name="a" time="1"><error message="Cancelled"/></testcase>
    <testcase name="b" time="1"><skipped/></testcase></testsuite>`;
  const counts = countTests(report);
  assert.deepEqual(counts, { passed: 2, failed: 2, skipped: 1 });
  assert.equal(lastLine(counts), "2 passed, 2 failed, 1 skipped");
  assert.deepEqual(countTests(""), { passed: 0, failed: 0, skipped: 0 });
});
