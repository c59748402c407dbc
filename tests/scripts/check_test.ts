/** scripts/check.ts: every check runs, and the last line names those that failed. */

import assert from "node:assert/strict";
import { Sandbox } from "./sandbox.ts";

Deno.test("all checks pass, then each finds its fault", async () => {
  using sandbox = new Sandbox();
  await sandbox.shareCompiler();
  sandbox.write("mod.ts", "/** One.\n *\n * @module\n */\n\n/** One. */\nexport const one: number = 1;\n");
  const check = async () => {
    const { code, stderr } = await sandbox.deno(["run", "-A", "scripts/check.ts"]);
    return { code, line: stderr.trimEnd().split("\n").at(-1), stderr };
  };
  const good = await check();
  assert.equal(good.line, "check: all 5 passed", good.stderr);
  assert.equal(good.code, 0);

  sandbox.write("mod.ts", "export const one: string = 1\nvar two = 2;\n");
  sandbox.write("shim/tiny.c", "int");
  const bad = await check();
  assert.equal(bad.line, "check: 5 of 5 failed: build, format, lint, types, documentation");
  assert.equal(bad.code, 1);
});
