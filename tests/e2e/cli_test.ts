/**
 * The command line: the banner, `--help`, and options through `deno task serve` in every way people write them.
 *
 * @module
 */

import assert from "node:assert/strict";
import { ABI_VERSION } from "../../shim/ffi.ts";
import { BUILD_HASH } from "../../shim/embedded.ts";
import { VERSION } from "../../workers/version.ts";
import { RawClient } from "../support/raw_client.ts";
import { appFile, ROOT, run, startChild, startCli } from "../support/server.ts";

const HELLO = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

Deno.test("the start banner shows addresses, workers and the shim's version", async () => {
  await using server = await startCli("main", 3);
  const build = BUILD_HASH.toString(16).padStart(8, "0");
  const expected = [
    `sluice ${VERSION}, 3 workers, shim ABI ${ABI_VERSION} build ${build}`,
    `  listening on http://localhost:${server.port}/ (all addresses)`,
  ];
  assert.equal(server.stderr, `${expected.join("\n")}\n`);
  assert.equal(server.stdout, "");
});

Deno.test("the start banner shows one address as it was given", async () => {
  await using server = await startCli("main", 1, ["--hostname", "127.0.0.1"]);
  assert.match(server.stderr, /, 1 worker, /);
  assert.ok(server.stderr.includes(`  listening on http://127.0.0.1:${server.port}/\n`), server.stderr);
  await using v6 = await startCli("main", 1, ["--hostname", "::1"]);
  assert.ok(v6.stderr.includes(`  listening on http://[::1]:${v6.port}/\n`), v6.stderr);
});

Deno.test("--help lists the options and exits with 0", async () => {
  const { stdout, stderr } = await run(Deno.execPath(), ["run", "-A", "--no-check", "scripts/serve.ts", "--help"]);
  for (const option of ["--app", "--port", "--hostname", "--path", "--workers", "--help"]) {
    assert.match(stdout, new RegExp(`^ +${option} `, "m"));
  }
  assert.equal(stderr, "");
});

for (const dashes of [["--"], []]) {
  Deno.test(`deno task serve ${dashes.join("")} --port 0 --workers 2 --app FILE`, async () => {
    const options = ["--port", "0", "--workers", "2", "--app", appFile("main")];
    const args = ["task", "serve", ...dashes, ...options];
    await using server = await startChild({ command: `${ROOT}scripts/deno`, args });
    assert.match(server.stderr, /, 2 workers, /);
    using client = await RawClient.connect({ port: server.port });
    assert.equal((await client.request("GET /async HTTP/1.1\r\nHost: h\r\n\r\n")).text, "async\n");
    client.close();
    assert.equal((await server.stop()).code, 0, server.output);
  });
}

Deno.test("deno task serve from another folder: the default app, and a relative --app", async () => {
  const command = `${ROOT}scripts/deno`, cwd = `${ROOT}tests/e2e`;
  await using hello = await startChild({ command, cwd, args: ["task", "serve", "--port=0", "--workers=1"] });
  using client = await RawClient.connect({ port: hello.port });
  assert.equal((await client.request(HELLO)).text, "Hello, world\n");
  client.close();
  assert.equal((await hello.stop()).code, 0, hello.output);
  const relative = ["task", "serve", "--port", "0", "--workers", "1", "--app", "apps/main.ts"];
  // `deno task` keeps an INIT_CWD that it finds, and these tests may run under another task.
  await using main = await startChild({ command, cwd, args: relative, env: { INIT_CWD: cwd } });
  using other = await RawClient.connect({ port: main.port });
  assert.equal((await other.request(HELLO)).text, "hello\n");
});
