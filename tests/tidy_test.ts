/**
 * The house, where it is about more than one file: what lies where, what belongs together, what is left behind. What can
 * be said of one file alone is in scripts/lint_plugin.ts.
 *
 * @module
 */

import assert from "node:assert/strict";
import { VERSION } from "../workers/version.ts";

const ROOT = `${import.meta.dirname!}/../`;

/** What lies at the top, besides what .gitignore names. */
const TOP_LEVEL: readonly string[] = [
  ...[".ci", ".clang-format", ".editorconfig", ".gitignore"],
  ...["ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md"],
  ...["app", "deno.json", "deno.lock", "docs", "examples", "http", "mod.ts", "scripts", "shim", "tests", "workers"],
];

/** Files that have no test of the same name, and why. */
const UNMIRRORED: Readonly<Record<string, string>> = {
  "app/middleware/mod.ts": "names of what has tests",
  "http/application.ts": "tests/http/fetch_module_test.ts asks it about every kind of module",
  "http/h1/host.ts": "an interface and a pool, which every test of http/h1/conn.ts works with",
  "workers/messages.ts": "types of messages",
  "workers/worker.ts": "it needs a worker around it: tests/workers/supervisor_test.ts starts it",
};

/** What no file may say: places of one machine, and notes to oneself. Written so that this file passes. */
const LEFT_BEHIND = /\/[w]ork\/|\b(?:TO[D]O|FIX[M]E|X[X]X)\b/;

const ignored = [".git/", ...read(".gitignore").split("\n").filter((line) => line !== "" && !line.startsWith("#"))];

const files = [...walk("")].sort();
const sources = files.filter((path) => /^(?:http|app|workers|shim|scripts)\/.*\.ts$/.test(path));

function read(path: string): string {
  return Deno.readTextFileSync(ROOT + path);
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(ROOT + path) !== null;
  } catch {
    return false;
  }
}

function isIgnored(path: string): boolean {
  return ignored.includes(path) || ignored.includes(`${path}/`);
}

/** What git has or would take, without git: a copy without it has to be in order too. */
function* walk(folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(ROOT + folder)) {
    const path = folder + name;
    if (isIgnored(path)) continue;
    if (isDirectory) yield* walk(`${path}/`);
    else yield path;
  }
}

/** Fails with every culprit, so that one run shows all there is to do. */
function assertNone(culprits: readonly string[], fault: string): void {
  assert.ok(culprits.length === 0, `${fault}:\n  ${culprits.join("\n  ")}`);
}

/** The relative paths that a module names in any way: imports, workers, files beside it. */
function named(path: string): string[] {
  const here = `file:///${path}`;
  return [...read(path).matchAll(/"(\.{1,2}\/[^"]*\.ts)"/g)].map(([, to]) => new URL(to!, here).pathname.slice(1));
}

Deno.test("tidy: the top level is what the README says, and nothing else", () => {
  const found = [...Deno.readDirSync(ROOT)].map(({ name }) => name).filter((name) => !isIgnored(name));
  assert.deepEqual(found.sort(), [...TOP_LEVEL].sort());
});

Deno.test("tidy: every source file opens with what it owns and why", () => {
  const bare = sources.filter((path) => {
    const [, comment] = /^\/\*\*\n([^]*?)\*\//.exec(read(path)) ?? [];
    const lines = (comment ?? "").split("\n").filter((line) => /\w/.test(line));
    return lines.length < 2 || !lines.at(-1)!.endsWith("@module");
  });
  assertNone(bare, "These need a module comment");
});

Deno.test("tidy: every source file has its test, in the same place under tests/", () => {
  const untested = sources.filter((path) => !path.startsWith("scripts/"))
    .filter((path) => !files.includes(`tests/${path.replace(".ts", "_test.ts")}`));
  assert.deepEqual(untested, Object.keys(UNMIRRORED).sort(), "UNMIRRORED has to name just those without a test");
});

Deno.test("tidy: every source file is used by somebody", () => {
  const scripts = [...read("deno.json").matchAll(/\b[\w/]+\.ts\b/g)].map(([path]) => path);
  const reached = new Set([...scripts, ...files.filter((path) => path.endsWith("_test.ts"))]);
  for (const path of reached) { // a set goes on with what is added meanwhile
    if (files.includes(path)) { for (const next of named(path)) reached.add(next); }
  }
  assertNone(sources.filter((path) => !reached.has(path)), "Nobody imports these");
});

Deno.test("tidy: a machine's state is assigned in one place", () => {
  const count = (path: string, assignment: RegExp) => [...read(path).matchAll(assignment)].length;
  assert.equal(count("http/h1/conn.ts", /\.#reading = /g), 1);
  for (const path of sources.filter((path) => path.startsWith("workers/"))) {
    assert.equal(count(path, /\.state = /g), path === "workers/connection.ts" ? 1 : 0, path);
  }
});

Deno.test("tidy: lines of C fit, and shim.h is the manual of what it exports", () => {
  const long = files.filter((path) => /\.[ch]$/.test(path)).flatMap((path) =>
    read(path).split("\n").flatMap((line, at) => line.length > 120 ? [`${path}:${at + 1}`] : [])
  );
  assertNone(long, "Lines over 120 characters");
  const lines = read("shim/shim.h").split("\n");
  const bare = lines.filter((line, at) => {
    const isHeading = /^\/\* ----.* \*\/$/.test(lines[at - 1] ?? "");
    return line.startsWith("SLUICE_API ") && (isHeading || !lines[at - 1]!.endsWith("*/"));
  });
  assertNone(bare, "These need a comment in the line before");
});

Deno.test("tidy: no library, no place of one machine and no note to oneself is left behind", () => {
  assertNone(files.filter((path) => /\.(?:so|o|a)$/.test(path)), "Made by a compiler");
  const lines = files.flatMap((path) =>
    read(path).split("\n").flatMap((line, at) => LEFT_BEHIND.test(line) ? [`${path}:${at + 1}: ${line}`] : [])
  );
  assertNone(lines, "Left behind");
});

Deno.test("tidy: house rules are switched off in tests only", () => {
  const off = sources.filter((path) =>
    path !== "scripts/lint_plugin.ts" && /deno-lint-ignore.*\bhouse\//.test(read(path))
  );
  assertNone(off, "Follow the rule instead");
});

Deno.test("tidy: every relative link leads somewhere", () => {
  const dead = files.filter((path) => path.endsWith(".md")).flatMap((path) =>
    [...read(path).matchAll(/\]\(([^)\s#]+)[^)]*\)/g)].map(([, link]) => link!)
      .filter((link) => !/^[a-z]+:/.test(link) && !exists(new URL(link, `file:///${path}`).pathname.slice(1)))
      .map((link) => `${path}: ${link}`)
  );
  assertNone(dead, "Dead links");
});

Deno.test("tidy: the version is that of deno.json", () => {
  assert.equal(VERSION, JSON.parse(read("deno.json")).version);
});
