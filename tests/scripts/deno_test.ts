/** scripts/deno: what it runs, what it fetches, what it refuses, and with which words. */

import assert from "node:assert/strict";
import { needs, unless } from "../support/needs.ts";
import { realPython, Sandbox, which } from "./sandbox.ts";

const VERSION = /^version=(.*)$/m.exec(Deno.readTextFileSync(new URL("../../scripts/deno", import.meta.url)))![1];
const BINARY = `deno-${VERSION}-${Deno.build.arch}`;

/** A python3 whose pip delivers a wheel that holds something else than Deno. */
const STRANGE_PIP = `
case "$*" in
  *download*) while [ "$1" != --dest ]; do shift; done; echo wheel >"$2/deno-0.whl" ;;
  *zipfile*) mkdir -p "$5/deno-${VERSION}.data/scripts"; echo bogus >"$5/deno-${VERSION}.data/scripts/deno" ;;
esac`;

function start(sandbox: Sandbox, args: readonly string[], env?: Record<string, string>) {
  return sandbox.run(`${sandbox.repo}/scripts/deno`, args, env);
}

/** As if fetched before: a program that tells how it was called. */
function placeFakeDeno(sandbox: Sandbox): void {
  sandbox.write(`.tools/${BINARY}`, `#!/bin/sh\nprintf '[%s]' "$@"\necho " DENO_DIR=$DENO_DIR"\n`);
  Deno.chmodSync(`${sandbox.repo}/.tools/${BINARY}`, 0o755);
}

Deno.test("passes its arguments on, from any folder and through a symbolic link", async () => {
  using sandbox = new Sandbox();
  placeFakeDeno(sandbox);
  Deno.symlinkSync(`${sandbox.repo}/scripts/deno`, `${sandbox.root}/my deno`);
  const { code, stdout } = await sandbox.run(`${sandbox.root}/my deno`, ["a b", "", "*"], {}, "/");
  assert.deepEqual({ code, stdout }, { code: 0, stdout: "[a b][][*] DENO_DIR=\n" });
});

Deno.test("without a usable HOME the caches go to .tools", async () => {
  using sandbox = new Sandbox();
  placeFakeDeno(sandbox);
  const inTools = `[x] DENO_DIR=${sandbox.repo}/.tools/deno_dir\n`;
  for (const HOME of ["", "/nonexistent"]) assert.equal((await start(sandbox, ["x"], { HOME })).stdout, inTools);
  const own = await start(sandbox, ["x"], { HOME: "", DENO_DIR: "/own" });
  assert.equal(own.stdout, "[x] DENO_DIR=/own\n");
});

Deno.test("with neither pip nor npm it says what to install", async () => {
  using sandbox = new Sandbox();
  const { code, stderr } = await start(sandbox, ["--version"]);
  assert.equal(code, 1);
  assert.match(
    stderr,
    /^scripts\/deno: pip or npm is needed .* apt-get install python3-pip\), then run this again\.\n$/,
  );
  assert.deepEqual(sandbox.list(".tools"), []);
});

Deno.test("other systems and processors end in one sentence", async () => {
  using sandbox = new Sandbox();
  sandbox.fake("uname", "echo Darwin arm64");
  const darwin = await start(sandbox, ["--version"]);
  assert.equal(darwin.code, 1);
  assert.match(darwin.stderr, /^scripts\/deno: Sluice runs on Linux only and this is Darwin arm64: .*\.\n$/);
  sandbox.fake("uname", "echo Linux riscv64");
  const riscv = await start(sandbox, ["--version"]);
  assert.equal(riscv.code, 1);
  assert.match(riscv.stderr, /^scripts\/deno: there is no Deno for this processor \(Linux riscv64\): .*\.\n$/);
});

Deno.test("a binary with another hash is refused and thrown away", async () => {
  using sandbox = new Sandbox();
  sandbox.fake("python3", STRANGE_PIP);
  const { code, stderr } = await start(sandbox, ["--version"]);
  assert.equal(code, 1);
  assert.match(stderr, /the Deno .* from pip is not the pinned one \(SHA-256 [0-9a-f]{64} instead of [0-9a-f]{64}\)/);
  assert.deepEqual(sandbox.list(".tools"), []);
});

Deno.test("when pip fails npm is tried, and when both fail it says so", async () => {
  using sandbox = new Sandbox();
  sandbox.fake("python3", `case "$*" in *download*) exit 1 ;; esac`);
  sandbox.fake("npm", `case "$*" in *install*) echo refused >&2; exit 1 ;; esac`);
  const { code, stderr } = await start(sandbox, ["--version"]);
  assert.equal(code, 1);
  assert.match(
    stderr,
    /with pip .*\n.* with npm .*\nrefused\nscripts\/deno: Deno .* could not be fetched \(tried: pip npm\): /,
  );
  assert.deepEqual(sandbox.list(".tools"), []);
});

Deno.test("an interrupted fetch leaves nothing behind", async () => {
  using sandbox = new Sandbox();
  sandbox.fake("python3", `case "$*" in *download*) kill -TERM "$PPID"; exec sleep 0.1 ;; esac`);
  const { code } = await start(sandbox, ["--version"]);
  assert.equal(code, 143);
  assert.deepEqual(sandbox.list(".tools"), []);
});

const pip = needs({ programs: ["python3"], debian: "python3 python3-pip", registries: true });
const npm = needs({ programs: ["npm", "node"], registries: true });

Deno.test({
  name: "two fetches with pip at once both run the pinned version",
  fn: async () => {
    using sandbox = new Sandbox();
    sandbox.link("python3", realPython());
    const results = await Promise.all([start(sandbox, ["--version"]), start(sandbox, ["--version"])]);
    for (const { code, stdout, stderr } of results) {
      assert.equal(code, 0, stderr);
      assert.ok(stdout.startsWith(`deno ${VERSION} `));
      assert.match(stderr, /^Fetching Deno .* with pip \(about 42 MB, once\) \.\.\.\n$/);
    }
    assert.deepEqual(sandbox.list(".tools"), [BINARY]);
    assert.deepEqual(await start(sandbox, ["eval", "console.log(1)"]), { code: 0, stdout: "1\n", stderr: "" });
  },
  ...unless(pip),
});

Deno.test({
  name: "fetches with npm where there is no pip",
  fn: async () => {
    using sandbox = new Sandbox();
    for (const program of ["npm", "node"]) sandbox.link(program, Deno.realPathSync(which(program)!));
    const { code, stdout, stderr } = await start(sandbox, ["--version"]);
    assert.equal(code, 0, stderr);
    assert.ok(stdout.startsWith(`deno ${VERSION} `));
    assert.deepEqual(sandbox.list(".tools"), [BINARY]);
  },
  ...unless(npm),
});
