/**
 * The public API is what tests/api.txt says: nobody changes it without seeing that they do.
 *
 * @module
 */

import assert from "node:assert/strict";

const ROOT = `${import.meta.dirname!}/../`;
const SNAPSHOT = `${ROOT}tests/api.txt`;
const HOW = "The public API has changed. If it should have: " +
  "`UPDATE=1 ./scripts/deno test -A tests/api_test.ts` rewrites tests/api.txt, to be committed with the change.";

/** `deno doc` of the two entry points, without the lines that name places of this machine. */
async function describeApi(): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["doc", "mod.ts", "app/middleware/mod.ts"],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout).replaceAll(/^(?:Defined in .*\n\n|file:\/\/.*\n)/gm, "").trimEnd() + "\n";
}

/** The lines of `text` that `other` does not have. */
function linesBeyond(text: string, other: string): string[] {
  const known = new Set(other.split("\n"));
  return text.split("\n").filter((line) => !known.has(line));
}

Deno.test("API: the one of tests/api.txt", async () => {
  const api = await describeApi();
  if (Deno.env.has("UPDATE")) Deno.writeTextFileSync(SNAPSHOT, api);
  const expected = Deno.readTextFileSync(SNAPSHOT);
  const changes = [
    ...linesBeyond(expected, api).map((line) => `- ${line}`),
    ...linesBeyond(api, expected).map((line) => `+ ${line}`),
  ];
  assert.ok(api === expected, [HOW, ...changes].join("\n"));
});
