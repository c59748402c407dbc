/**
 * The other ways to wait are the same server: every end-to-end test, the 212 vectors among them, runs once more with the
 * fallback wait and once with level triggering.
 */

import assert from "node:assert/strict";

const ROOT = new URL("../", import.meta.url).pathname;

/** They start servers of their own kind, or look at a process from outside: once is enough. */
const ONCE = ["watch_test.ts", "cli_test.ts", "start_errors_test.ts", "chromium_test.ts"];

const files = [...Deno.readDirSync(`${ROOT}tests/e2e`)].map(({ name }) => name)
  .filter((name) => name.endsWith("_test.ts") && !ONCE.includes(name)).map((name) => `tests/e2e/${name}`);

for (const [name, value] of [["SLUICE_WAKE", "poll"], ["SLUICE_TRIGGER", "level"]] as const) {
  Deno.test(`the end-to-end tests with ${name}=${value}`, async () => {
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["test", "-A", "--no-check", "--reporter=dot", ...files],
      cwd: ROOT,
      env: { [name]: value, NO_COLOR: "1" },
    }).output();
    const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    assert.ok(success, said);
    console.log(/\d+ passed.*/.exec(said)?.[0]);
  });
}
