/** scripts/check.ts: every check runs, and the last line names those that failed. */

import assert from "node:assert/strict";
import { Sandbox } from "./sandbox.ts";

/** As much of the real one as scripts/serve.ts wants. */
const MODULE = `/**
 * A server.
 *
 * @module
 */

/** Options. */
export interface ServeOptions {
  /** The port. */
  port?: number;
  /** The host. */
  hostname?: string;
  /** The socket. */
  path?: string;
  /** The workers. */
  workers?: number;
  /** The trigger. */
  trigger?: string;
  /** The wait. */
  wake?: string;
}

/**
 * Serves.
 *
 * \`\`\`ts
 * console.assert(true);
 * \`\`\`
 */
export function serve(_app: string, _options: ServeOptions): Promise<void> {
  return Promise.resolve();
}
`;

Deno.test("all checks pass, then each finds its fault", async () => {
  using sandbox = new Sandbox();
  await sandbox.shareCompiler();
  sandbox.write("mod.ts", MODULE);
  for (const layer of ["app", "http", "workers"]) sandbox.write(`${layer}/empty.ts`, "export {};\n");
  sandbox.write("app/middleware/mod.ts", "/**\n * Nothing.\n *\n * @module\n */\n\nexport {};\n");
  sandbox.write("README.md", "# A server\n\n```ts\nconsole.assert(true);\n```\n");
  const programs = (code: number) => {
    for (const name of ["fuzz", "bench"]) sandbox.write(`scripts/${name}.ts`, `Deno.exit(${code});\n`);
  };
  programs(0);
  const house = (test: string) => {
    for (const name of ["tidy", "api"]) {
      sandbox.write(`tests/${name}_test.ts`, `Deno.test("${name}", () => {${test}});\n`);
    }
  };
  house("");
  const check = async () => {
    const { code, stderr } = await sandbox.deno(["run", "-A", "scripts/check.ts"]);
    return { code, line: stderr.trimEnd().split("\n").at(-1), stderr };
  };
  const good = await check();
  assert.equal(good.line, "check: all 9 passed", good.stderr);
  assert.equal(good.code, 0);

  sandbox.write(
    "mod.ts",
    "/** \n * ```ts\n * throw 1;\n * ```\n */\nexport const one: string = 1\nvar two = 2;\nexport class Two {}\n",
  );
  sandbox.write("shim/tiny.c", "int");
  house(" throw 1; ");
  programs(1);
  const bad = await check();
  assert.equal(
    bad.line,
    "check: 9 of 9 failed: build, format, lint, types, house, documentation, examples, fuzzers, bench",
  );
  assert.equal(bad.code, 1);
});
