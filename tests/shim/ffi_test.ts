/**
 * How the shim gets into a process: the two sides agree on everything they share, other threads adopt the same library,
 * and what cannot work ends in one sentence. What needs a process of its own runs in a child.
 */

import assert from "node:assert/strict";
import { exportedSymbols } from "../../scripts/elf.ts";
import { SHIMS } from "../../shim/embedded.ts";
import * as ffi from "../../shim/ffi.ts";
import { SYMBOLS } from "../../shim/ffi.ts";
import { closeTogether, type Order } from "./adopting_worker.ts";
import { assertResult, flatTest, memfd, shim, Table, unixPair } from "./support.ts";

const SHIM = new URL("../../shim/", import.meta.url);
const HEADER = Deno.readTextFileSync(new URL("shim.h", SHIM));
const NAMES = Object.values(SYMBOLS).map(({ name }) => name);

for (const [arch, base64] of Object.entries(SHIMS)) {
  Deno.test(`ffi: the library for ${arch} exports the functions of SYMBOLS and nothing else`, () => {
    assert.deepEqual(exportedSymbols(Uint8Array.fromBase64(base64)), [...NAMES].sort());
  });
}

Deno.test("ffi: SYMBOLS has the functions of shim.h, in its order, with its types", () => {
  const prototypes = [...HEADER.matchAll(/^SLUICE_API (\w+) (\w+)\(([^)]*)\);/gm)];
  const declared = prototypes.map(([, result, name, parameters]) => ({
    name,
    result,
    parameters: parameters === "void" ? [] : parameters.split(",").map((parameter) => {
      if (/^\s*(?:const )?void \*\w+$/.test(parameter)) return "buffer";
      return /^\s*int32_t \w+$/.test(parameter) ? "i32" : parameter;
    }),
  }));
  const ours = Object.values(SYMBOLS).map(({ name, parameters }) => ({ name, result: "int32_t", parameters }));
  assert.deepEqual(declared, ours);
  for (const [key, { name }] of Object.entries(SYMBOLS)) assert.equal(name, `sluice_${key}`);
});

Deno.test("ffi: the constants are those of shim.h", () => {
  const define = (name: string) => Number(new RegExp(`^#define ${name} (\\d+)`, "m").exec(HEADER)?.[1]);
  assert.equal(ffi.ABI_VERSION, define("SLUICE_ABI_VERSION"));
  const states = /enum \{ SLUICE_FREE = (\d), SLUICE_HANDED = (\d), SLUICE_OWNED = (\d) \}/.exec(HEADER)!;
  assert.deepEqual([ffi.FREE, ffi.HANDED, ffi.OWNED], states.slice(1).map(Number));
});

Deno.test("ffi: provideShim gives the same library again", () => {
  const again = ffi.provideShim();
  ffi.releaseShim(); // one of two: it stays
  assert.equal(again.shim, shim);
  assert.equal(again.memfd, memfd);
  assert.equal(ffi.adoptShim(memfd), shim, "the thread that provided it need not adopt it");
  assert.match(Deno.readLinkSync(`/proc/self/fd/${memfd}`), /^\/memfd:sluice-shim/);
});

function startWorker(): Worker {
  return new Worker(new URL("./adopting_worker.ts", import.meta.url), { type: "module" });
}

function order(worker: Worker, order: Order): Promise<number[]> {
  const { promise, resolve, reject } = Promise.withResolvers<number[]>();
  worker.onmessage = ({ data }) => resolve(data);
  worker.onerror = (event) => {
    event.preventDefault();
    reject(new Error(event.message));
  };
  worker.postMessage(order);
  return promise;
}

Deno.test("ffi: a worker adopts the shim and shares the table", async () => {
  const table = new Table();
  const { left, right } = unixPair(table, 7, 8);
  const worker = startWorker();
  const gate = new SharedArrayBuffer(4);
  new Int32Array(gate)[0] = 1; // nobody to wait for
  const results = await order(worker, { memfd, memory: table.memory, connections: [[left.fd, 7]], gate });
  assert.deepEqual(results, [0, 0]);
  assert.ok(table.isFree(left.fd), "what the worker closed is free here");
  assertResult(shim.close(left.fd, 7), "ESTALE");
  const buffer = new Uint8Array(8);
  assert.equal(shim.recv(right.fd, 8, buffer, 8, 0, 8), 0, "the peer sees the end");
  assert.equal(shim.close(right.fd, 8), 0);
  worker.terminate();
});

Deno.test("ffi: of two threads that close the same connection at once, one closes it", async () => {
  const table = new Table();
  const pairs = Array.from({ length: 200 }, (_, index) => unixPair(table, 2 * index + 1, 2 * index + 2));
  const connections = pairs.flatMap(({ left, right }) => [left, right]).map(({ fd, generation }) =>
    [fd, generation] as const
  );
  const worker = startWorker();
  const shared = { memfd, memory: table.memory, connections, gate: new SharedArrayBuffer(4) };
  const theirs = order(worker, shared);
  theirs.catch(() => {}); // its error is told below, after ours
  try {
    const ours = closeTogether(shim, shared);
    const [, ...other] = await theirs;
    assertEachOnce(ours, other);
  } finally {
    worker.terminate();
  }
});

function assertEachOnce(ours: readonly number[], other: readonly number[]): void {
  assert.equal(other.length, ours.length);
  for (const [index, result] of ours.entries()) {
    assert.deepEqual([result, other[index]].sort((a, b) => a - b), [-116, 0]);
  }
}

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `code` in a new Deno that has `ffi` imported from the shim folder at `folder`. */
async function runChild(code: string, folder: URL, permissions: readonly string[]): Promise<Ended> {
  const source = `import * as ffi from ${JSON.stringify(new URL("ffi.ts", folder).href)};\n${code}`;
  const path = await Deno.makeTempFile({ prefix: "sluice-ffi.", suffix: ".ts" });
  try {
    await Deno.writeTextFile(path, source);
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", "--no-config", "--no-lock", ...permissions, path],
      env: { NO_COLOR: "1" },
    }).output();
    const decoder = new TextDecoder();
    return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
  } finally {
    await Deno.remove(path);
  }
}

const LOAD = `
try {
  const { shim } = ffi.provideShim();
  console.log("loaded", shim.abi_version());
} catch (error) {
  console.log(error.name + ": " + error.message);
}`;

Deno.test("ffi: --allow-ffi is all that loading needs", async () => {
  assert.deepEqual(await runChild(LOAD, SHIM, ["--allow-ffi"]), { code: 0, stdout: "loaded 1\n", stderr: "" });
});

for (const permissions of [[], ["--allow-ffi=/tmp"], ["--allow-read", "--allow-net"]]) {
  Deno.test(`ffi: without the permission there is one sentence (${permissions.join(" ") || "none"})`, async () => {
    const sentence = "Cannot load the shim: it is called through FFI, run Deno again with --allow-ffi";
    const ended = await runChild(LOAD, SHIM, permissions);
    assert.deepEqual(ended, { code: 0, stdout: `NotCapable: ${sentence}\n`, stderr: "" });
  });
}

/** A copy of the shim's TypeScript in which embedded.ts, or ffi.ts, is another. */
async function withCopy(file: string, edit: (text: string) => string, use: (folder: URL) => Promise<void>) {
  const folder = await Deno.makeTempDir({ prefix: "sluice-ffi." });
  try {
    for (const name of ["ffi.ts", "errno.ts", "embedded.ts"]) {
      const text = await Deno.readTextFile(new URL(name, SHIM));
      const edited = name === file ? edit(text) : text;
      if (name === file) assert.notEqual(edited, text, "the copy differs");
      await Deno.writeTextFile(`${folder}/${name}`, edited);
    }
    await use(new URL(`file://${folder}/`));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const REFUSED =
  /^Error: Cannot load the shim: expected ABI \d+, build \d+, got ABI 1, build \d+; run `deno task build`/;
const DISAGREEMENTS: readonly [string, string, RegExp, string][] = [
  ["build hash", "embedded.ts", /BUILD_HASH: number = \d+/, "BUILD_HASH: number = 12345"],
  ["ABI version", "ffi.ts", /ABI_VERSION: number = \d+/, "ABI_VERSION: number = 99"],
  ["size of an entry", "ffi.ts", /ENTRY_WORDS: number = \d+/, "ENTRY_WORDS: number = 17"],
  ["size of an event", "ffi.ts", /EVENT_WORDS: number = \d+/, "EVENT_WORDS: number = 4"],
  ["size of a peer", "ffi.ts", /PEER_WORDS: number = \d+/, "PEER_WORDS: number = 8"],
  ["size of the AIO state", "ffi.ts", /AIO_BYTES: number = \d+/, "AIO_BYTES: number = 16"],
];
for (const [what, file, from, to] of DISAGREEMENTS) {
  Deno.test(`ffi: another ${what} is refused, and nothing stays open`, async () => {
    const code = `
      const count = () => [...Deno.readDirSync("/proc/self/fd")].map(({ name }) => {
        try { return Deno.readLinkSync("/proc/self/fd/" + name); } catch { return ""; }
      }).filter((target) => target.startsWith("/memfd:")).length;
      ${LOAD}
      console.log(count());`;
    await withCopy(file, (text) => text.replace(from, to), async (folder) => {
      const { code: status, stdout, stderr } = await runChild(code, folder, ["-A"]);
      assert.deepEqual({ status, stderr }, { status: 0, stderr: "" });
      assert.match(stdout, REFUSED);
      assert.match(stdout, /\n0\n$/, "the memfd was closed");
    });
  });
}

Deno.test("ffi: releaseShim leaves the descriptors as before, and the shim can be provided again", async () => {
  const code = `
    const open = () => [...Deno.readDirSync("/proc/self/fd")].map(({ name }) => {
      try { return name + " " + Deno.readLinkSync("/proc/self/fd/" + name); } catch { return ""; }
    }).filter((line) => /^\\d+ (socket|pipe|anon_inode|\\/memfd):/.test(line)).join("\\n");
    const before = open();
    for (let round = 0; round < 20; round++) {
      const { shim } = ffi.provideShim();
      if (open() === before) throw new Error("the memfd is not open");
      if (shim.abi_version() !== ffi.ABI_VERSION) throw new Error("not the shim");
      ffi.releaseShim();
      ffi.releaseShim();
    }
    console.log(open() === before);`;
  assert.deepEqual(await runChild(code, SHIM, ["-A"]), { code: 0, stdout: "true\n", stderr: "" });
});

Deno.test("ffi: the last releaseShim of as many provideShim unloads", async () => {
  const code = `
    const isOpen = (fd) => {
      try { return Deno.readLinkSync("/proc/self/fd/" + fd).startsWith("/memfd:"); } catch { return false; }
    };
    const first = ffi.provideShim();
    const second = ffi.provideShim();
    ffi.releaseShim();
    console.log(first.shim === second.shim, isOpen(first.memfd), second.shim.abi_version());
    ffi.releaseShim();
    console.log(isOpen(first.memfd));`;
  assert.deepEqual(await runChild(code, SHIM, ["-A"]), { code: 0, stdout: "true true 1\nfalse\n", stderr: "" });
});

Deno.test("ffi: a table whose memory is gone is not looked into after releaseShim", async () => {
  const code = `
    (() => ffi.provideShim().shim.table(new Int32Array(new SharedArrayBuffer(1 << 26)), 1 << 26))();
    ffi.releaseShim();
    for (let round = 0; round < 5; round++) {
      gc();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const { shim } = ffi.provideShim();
    console.log(shim.close_descriptor(shim.eventfd()), shim.unsent(20, 1));`;
  const { code: status, stdout } = await runChild(code, SHIM, ["-A", "--v8-flags=--expose-gc"]);
  assert.deepEqual({ status, stdout }, { status: 0, stdout: "0 -9\n" }, "139 is a segmentation fault");
});

Deno.test("ffi: a peer that is gone raises no SIGPIPE", async () => {
  // Deno ignores the signal, so the child makes it deadly again.
  const code = `
    const libc = Deno.dlopen("libc.so.6", { signal: { parameters: ["i32", "usize"], result: "usize" } });
    const support = await import(${JSON.stringify(new URL("./support.ts", import.meta.url).href)});
    const { left, right } = support.unixPair(new support.Table(), 1, 2);
    support.close(right);
    libc.symbols.signal(13, 0n);
    const bytes = new Uint8Array(4);
    console.log(support.shim.send(left.fd, 1, bytes, 4, 0, 4));
    console.log(support.shim.writev(left.fd, 1, bytes, 4, 0, 4, bytes, 4, 0, 4));`;
  assert.deepEqual(await runChild(code, SHIM, ["-A"]), { code: 0, stdout: "-32\n-32\n", stderr: "" });
});

flatTest("ffi: adopting a number that is no library fails and opens nothing", async () => {
  const code = `
    for (const memfd of [-1, 0, 4, 99999, 1.5, NaN]) {
      try { ffi.adoptShim(memfd); console.log("adopted", memfd); } catch (error) { console.log(error.constructor.name); }
    }`;
  const { code: status, stdout, stderr } = await runChild(code, SHIM, ["-A"]);
  assert.deepEqual({ status, stderr }, { status: 0, stderr: "" });
  assert.deepEqual(stdout, "Error\n".repeat(6));
});
