/** scripts/build.ts: when it compiles, what comes out, and with which words it ends when it cannot. */

import assert from "node:assert/strict";
import { unsupported } from "../../scripts/build.ts";
import { exportedSymbols } from "../../scripts/elf.ts";
import { needs, unless } from "../support/needs.ts";
import { realPython, type Result, Sandbox, TINY_SHIM } from "./sandbox.ts";

const COMPILED = "Compiling the shim for x86_64 and aarch64 with Zig";

interface Embedded {
  readonly BUILD_HASH: number;
  readonly STAMP: string;
  readonly SHIMS: { readonly x86_64: string; readonly aarch64: string };
}

function build(sandbox: Sandbox, ...args: string[]): Promise<Result> {
  return sandbox.deno(["run", "-A", "scripts/build.ts", ...args]);
}

async function compiles(sandbox: Sandbox, ...args: string[]): Promise<boolean> {
  const { code, stderr } = await build(sandbox, ...args);
  assert.equal(code, 0, stderr);
  return stderr.startsWith(COMPILED);
}

/** The module is imported as text: by its name it would be imported once only. */
async function embedded(sandbox: Sandbox): Promise<Embedded> {
  return await import(`data:application/typescript,${encodeURIComponent(sandbox.read("shim/embedded.ts"))}`);
}

Deno.test("embeds one library for each processor, both with our symbols only", async () => {
  using sandbox = new Sandbox();
  await sandbox.shareCompiler();
  assert.ok(await compiles(sandbox));
  const { BUILD_HASH, STAMP, SHIMS } = await embedded(sandbox);
  assert.match(STAMP, /^[0-9a-f]{64}$/);
  assert.ok(BUILD_HASH > 0 && BUILD_HASH <= 0x7fff_ffff && Number.isInteger(BUILD_HASH));
  assert.deepEqual(sandbox.list("shim/build"), ["libsluice-aarch64.so", "libsluice-x86_64.so"]);
  const machines = { x86_64: 62, aarch64: 183 };
  for (const arch of ["x86_64", "aarch64"] as const) {
    const bytes = Uint8Array.fromBase64(SHIMS[arch]);
    assert.equal(bytes[18], machines[arch]);
    assert.deepEqual(exportedSymbols(bytes), ["sluice_build_hash"]);
    assert.deepEqual(bytes, Deno.readFileSync(`${sandbox.repo}/shim/build/libsluice-${arch}.so`));
  }
});

Deno.test("the library knows its build hash", async () => {
  using sandbox = new Sandbox();
  await sandbox.shareCompiler();
  await compiles(sandbox);
  const path = `${sandbox.repo}/shim/build/libsluice-${Deno.build.arch}.so`;
  const library = Deno.dlopen(path, { sluice_build_hash: { parameters: [], result: "i32" } });
  try {
    assert.equal(library.symbols.sluice_build_hash(), (await embedded(sandbox)).BUILD_HASH);
  } finally {
    library.close();
  }
});

Deno.test("compiles again only when a source, a header or a flag changed, or when told to", async () => {
  using sandbox = new Sandbox();
  await sandbox.shareCompiler();
  assert.ok(await compiles(sandbox));
  const stamps = [(await embedded(sandbox)).STAMP];
  assert.deepEqual(await build(sandbox), { code: 0, stdout: "", stderr: "The shim is up to date.\n" });
  assert.deepEqual(await build(sandbox, "--quiet"), { code: 0, stdout: "", stderr: "" });
  assert.ok(await compiles(sandbox, "--force"));
  assert.equal((await embedded(sandbox)).STAMP, stamps[0]);

  const changes: [string, string][] = [
    ["shim/tiny.c", `${TINY_SHIM}\n`],
    ["shim/tiny.h", ""],
    ["scripts/build.ts", sandbox.read("scripts/build.ts").replace("-O2", "-O1")],
  ];
  for (const [path, text] of changes) {
    sandbox.write(path, text);
    assert.ok(await compiles(sandbox), path);
    assert.equal(await compiles(sandbox), false, path);
    stamps.push((await embedded(sandbox)).STAMP);
  }
  assert.equal(new Set(stamps).size, 4);
  Deno.removeSync(`${sandbox.repo}/shim/build`, { recursive: true });
  assert.ok(await compiles(sandbox));
});

Deno.test("the same sources give the same bytes in another folder, also when two build at once", async () => {
  using one = new Sandbox();
  using other = new Sandbox();
  for (const sandbox of [one, other]) await sandbox.shareCompiler();
  assert.deepEqual(await Promise.all([compiles(one), compiles(one), compiles(other)]), [true, true, true]);
  assert.equal(one.read("shim/embedded.ts"), other.read("shim/embedded.ts"));
});

Deno.test("a failed compile shows the compiler's words and ends in one sentence", async () => {
  using sandbox = new Sandbox();
  await sandbox.shareCompiler();
  sandbox.write("shim/tiny.c", "int sluice_broken(void) { return nothing; }\n");
  const { code, stderr } = await build(sandbox);
  assert.equal(code, 1);
  assert.match(stderr, /tiny\.c:1:.*error: /);
  assert.match(stderr, /\nscripts\/build\.ts: the shim did not compile for \w+ with Zig [\d.]+: [^\n]*\.\n$/);
  assert.deepEqual(sandbox.list("shim/build"), []);
});

Deno.test("a warning is an error", async () => {
  using sandbox = new Sandbox();
  await sandbox.shareCompiler();
  sandbox.write("shim/tiny.c", "int sluice_unused(int argument) { return 0; }\n");
  const { code, stderr } = await build(sandbox);
  assert.equal(code, 1);
  assert.match(stderr, /unused parameter/);
});

Deno.test("an exported symbol without the prefix is refused", async () => {
  using sandbox = new Sandbox();
  await sandbox.shareCompiler();
  sandbox.write(
    "shim/more.c",
    `__attribute__((visibility("default"))) int step(void);\nint step(void) { return 0; }\n`,
  );
  const { code, stderr } = await build(sandbox);
  assert.equal(code, 1);
  assert.match(stderr, /the shim for \w+ exports without the prefix sluice_: step; rename it, or hide it\.\n$/);
});

Deno.test("without a compiler and without pip it says what to install, unless all is built", async () => {
  using sandbox = new Sandbox();
  const { code, stderr } = await build(sandbox);
  assert.equal(code, 1);
  assert.match(
    stderr,
    /^scripts\/build\.ts: a C compiler is needed .* install Zig, or pip .*, then run this again\.\n$/,
  );

  Deno.removeSync(`${sandbox.repo}/.tools`, { recursive: true });
  await sandbox.shareCompiler();
  assert.ok(await compiles(sandbox));
  Deno.removeSync(`${sandbox.repo}/.tools`);
  assert.equal(await compiles(sandbox), false);
});

Deno.test("a zig without a C compiler is passed over", async () => {
  using sandbox = new Sandbox();
  await sandbox.shareCompiler();
  sandbox.fake("zig", `case "$1" in version) echo 99.0 ;; *) exit 1 ;; esac`);
  assert.doesNotMatch((await build(sandbox)).stderr, /Zig 99/);
});

Deno.test("a Zig with another hash is refused and thrown away", async () => {
  using sandbox = new Sandbox();
  sandbox.fake(
    "python3",
    `case "$*" in *ziglang\\ *) exit 1 ;; *download*) while [ "$1" != --dest ]; do shift; done; echo x >"$2/zig.whl" ;; esac`,
  );
  const { code, stderr } = await build(sandbox);
  assert.equal(code, 1);
  assert.match(stderr, /the Zig .* from pip is not the pinned one \(SHA-256 [0-9a-f]{64} instead of [0-9a-f]{64}\)/);
  assert.deepEqual(sandbox.list(".tools"), []);
});

Deno.test("a system that is not Linux gets one sentence", () => {
  assert.equal(unsupported("linux"), undefined);
  assert.match(unsupported("darwin")!, /^the shim is for Linux only and this is darwin: .*\.$/);
});

const pip = needs({ programs: ["python3"], debian: "python3 python3-pip", registries: true });

Deno.test({
  name: "a fresh clone on a machine with Python alone: Deno and Zig are fetched, the shim is built",
  fn: async () => {
    using sandbox = new Sandbox();
    sandbox.link("python3", realPython());
    const { code, stderr } = await sandbox.run(`${sandbox.repo}/scripts/deno`, ["task", "build"], { HOME: "" });
    assert.equal(code, 0, stderr);
    assert.match(stderr, /Fetching Zig .*\nUnpacking Zig .*\nCompiling the shim .*\nThe shim is built: .*\n$/);
    assert.deepEqual(sandbox.list(".tools").filter((name) => name.startsWith("fetch.")), []);
    assert.deepEqual([...Deno.readDirSync(sandbox.home)], []);
  },
  ...unless(pip),
});
