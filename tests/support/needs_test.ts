/** What becomes of a test whose needs are not met, on a person's machine and in CI. */

import assert from "node:assert/strict";

const NEEDS = new URL("./needs.ts", import.meta.url).href;

/** Runs one test that has this need, and would fail if it ran. */
async function outcome(need: string, ci: string): Promise<string> {
  const path = await Deno.makeTempFile({ prefix: "sluice-needs.", suffix: "_test.ts" });
  try {
    await Deno.writeTextFile(
      path,
      `import { needs, unless } from "${NEEDS}";
      Deno.test({ name: "t", fn: () => { throw new Error("it ran"); }, ...unless(needs(${need})) });`,
    );
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["test", "-A", "--no-check", "--no-config", path],
      env: { CI: ci, NO_COLOR: "1", SLUICE_OFFLINE: "1" },
    }).output();
    return new TextDecoder().decode(stdout);
  } finally {
    await Deno.remove(path);
  }
}

const PROGRAM = `{ programs: ["sh", "no-such-program"], debian: "no-such-package" }`;
const SENTENCE = "no-such-program is not installed: apt-get install no-such-package";

Deno.test("a missing program skips the test, in CI it fails it", async () => {
  const person = await outcome(PROGRAM, "");
  assert.ok(person.includes(`skipped: ${SENTENCE}\n`), person);
  assert.match(person, /0 passed \| 0 failed \| 1 ignored/);

  const ci = await outcome(PROGRAM, "true");
  assert.ok(ci.includes(`error: Error: ${SENTENCE}\n`), ci);
  assert.match(ci, /0 passed \| 1 failed/);
});

Deno.test("what cannot be installed is skipped in CI too", async () => {
  const missing = [`{ programs: ["no-such-program"] }`, `{ paths: ["../no-such-path/x"] }`, "{ registries: true }"];
  for (const need of missing) {
    const output = await outcome(need, "true");
    assert.match(output, /skipped: .*(no-such-program|no-such-path|SLUICE_OFFLINE)/);
    assert.match(output, /0 passed \| 0 failed \| 1 ignored/);
  }
});

Deno.test("the test runs where everything is there", async () => {
  assert.match(await outcome(`{ programs: ["sh"], paths: ["deno.json"], debian: "dash" }`, "true"), /Error: it ran/);
});
