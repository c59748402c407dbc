/** scripts/lint_plugin.ts: each rule, with snippets that it refuses and snippets that it lets pass. */

import assert from "node:assert/strict";
import plugin from "../../scripts/lint_plugin.ts";

/** The rules that refuse a snippet, without the name of the plugin. */
function refusals(file: string, source: string): string[] {
  return Deno.lint.runPlugin(plugin, file, source).map(({ id }) => id.replace("house/", ""));
}

function refuses(rule: string, file: string, sources: readonly string[]): void {
  for (const source of sources) assert.deepEqual(refusals(file, source), [rule], `${file}: ${source}`);
}

function accepts(file: string, sources: readonly string[]): void {
  for (const source of sources) assert.deepEqual(refusals(file, source), [], `${file}: ${source}`);
}

/** Every way to name another module. */
function imports(specifier: string): string[] {
  return [
    `import { a } from "${specifier}";`,
    `import type { A } from "${specifier}";`,
    `import "${specifier}";`,
    `export { a } from "${specifier}";`,
    `export type { A } from "${specifier}";`,
    `export * from "${specifier}";`,
    `await import("${specifier}");`,
    `await import(\`${specifier}\`);`,
    `type A = import("${specifier}").A;`,
    `new Thing(new URL("${specifier}", import.meta.url));`,
    `import.meta.resolve("${specifier}");`,
  ];
}

Deno.test("layers: each imports itself and what is below it", () => {
  accepts("http/h1/conn.ts", [...imports("./parse.ts"), ...imports("../body.ts")]);
  accepts("app/app.ts", [...imports("./path.ts"), ...imports("../http/body.ts")]);
  accepts("shim/ffi.ts", [...imports("./errno.ts"), ...imports("node:os")]);
  accepts("workers/loop.ts", [...imports("./wake.ts"), ...imports("../shim/ffi.ts"), ...imports("../http/h1/conn.ts")]);
  accepts("mod.ts", [...imports("./app/app.ts"), ...imports("./http/body.ts"), ...imports("./workers/serve.ts")]);
});

Deno.test("layers: nothing else", () => {
  const refused: readonly (readonly [file: string, specifiers: readonly string[]])[] = [
    ["http/body.ts", ["../app/app.ts", "../shim/ffi.ts", "../workers/log.ts", "../mod.ts", "node:buffer", "npm:ws"]],
    ["http/h1/conn.ts", ["../../workers/log.ts", "../../mod.ts"]],
    ["app/app.ts", ["../shim/ffi.ts", "../workers/log.ts", "../mod.ts", "npm:hono", "@sluice/http"]],
    ["shim/ffi.ts", ["../http/body.ts", "../workers/log.ts", "../tests/support/prng.ts"]],
    ["workers/loop.ts", ["../app/app.ts", "../mod.ts", "../scripts/zig.ts", "https://example.com/a.ts"]],
    ["mod.ts", ["./shim/ffi.ts", "./scripts/zig.ts"]],
  ];
  for (const [file, specifiers] of refused) {
    for (const specifier of specifiers) refuses("layers", file, imports(specifier));
  }
});

Deno.test("layers: the rest of the repository imports what it wants", () => {
  for (const file of ["scripts/serve.ts", "tests/http/body_test.ts", "examples/01_hello.ts"]) {
    accepts(file, [...imports("../workers/log.ts"), "await import(url);", "console.log(import.meta.dirname);"]);
  }
});

Deno.test("layers: what is computed is imported in one place", () => {
  refuses("layers", "workers/loop.ts", ["await import(url);", "await import(`./${name}.ts`);"]);
  accepts("workers/load_app.ts", ["await import(url);"]);
  refuses("layers", "workers/load_app.ts", ['await import("../app/app.ts");', "import.meta.resolve(url);"]);
  refuses("layers", "workers/loop.ts", [
    "new URL(path, import.meta.url);",
    'new URL("worker.ts", import.meta.url);',
    "import.meta.resolve(path);",
    "const here = import.meta.url;",
    "const { url } = import.meta;",
    "const resolve = import.meta.resolve;",
    'const file = import.meta.dirname + "/a";',
  ]);
  accepts("workers/loop.ts", ["function f() { return new.target; }", "new URL(text);"]);
});

Deno.test("pure: http/ has no clock, no timer, no socket, no thread and no machine", () => {
  refuses("pure", "http/h1/conn.ts", [
    ...["Deno.exit();", "globalThis.Deno.exit();", 'globalThis["Deno"];', "type A = Deno.Addr;", "typeof Deno;"],
    ...["performance.now();", "Date.now();", "new Date();", "new Date;", "Date();", "Temporal.Now.instant();"],
    ...["setTimeout(f, 1);", "setInterval(f, 1);", "setImmediate(f);", "queueMicrotask(f);"],
    ...["fetch(url);", "new WebSocket(url);", 'new Worker("a");', "Atomics.load(a, 0);"],
    ...["process.exit();", "navigator.hardwareConcurrency;", "console.log(1);"],
  ]);
});

Deno.test("pure: no alias gets through", () => {
  refuses("pure", "http/body.ts", [
    "const { now } = Date;",
    "const d = Date;",
    'Date["now"]();',
    "new Date(...given);",
    "f(Date);",
    "const d = Deno;",
    "const { setTimeout: later } = globalThis;",
    "const g = globalThis;",
    "self.fetch(url);",
    "const tools = { fetch };",
    "export { fetch as get };",
    "class Mine extends Worker {}",
    "const call = fetch.bind(null);",
    "const { log } = console;",
    'eval("1");',
  ]);
});

Deno.test("pure: names of members are free, and so are times that are given", () => {
  accepts("http/body.ts", [
    "new Date(epochMs).toUTCString();",
    "let when: Date;",
    "Date.UTC(2000, 1); Date.parse(text);",
    "module.fetch(request);",
    "interface Module { fetch(request: Request): Response; process: string }",
    "class Thing { fetch = 1; navigator() {} }",
    "const thing = { fetch: 1, console: 2 };",
    "const { fetch: handler } = module;",
    'import { fetch as toHandler } from "./fetch_module.ts";',
    'new URL("http://example.com");',
  ]);
});

Deno.test("pure: who logs, and who need not be pure", () => {
  accepts("http/error_answer.ts", ["console.error(text);"]);
  refuses("pure", "http/error_answer.ts", ["Date.now();"]);
  for (const file of ["app/app.ts", "workers/loop.ts", "shim/ffi.ts", "scripts/build.ts", "tests/http/body_test.ts"]) {
    accepts(file, ["console.log(Date.now(), Deno.pid);"]);
  }
});

/** A function of so many lines, in each of its forms. */
function functions(lines: number): string[] {
  const body = `{\n${"  f();\n".repeat(lines - 2)}}`;
  return [
    `function f() ${body}`,
    `export default async function () ${body}`,
    `const f = () => ${body};`,
    `const f = function () ${body};`,
    `class A { m() ${body} }`,
    `class A { static get #x() ${body} }`,
    `const o = { m() ${body} };`,
    `// A comment\n// and another one.\nfunction f() ${body}`,
  ];
}

Deno.test("function-lines: fewer than 70, test files apart", () => {
  for (const file of ["http/body.ts", "scripts/build.ts", "tests/support/feed.ts", "mod.ts"]) {
    accepts(file, functions(69));
    refuses("function-lines", file, functions(70));
  }
  accepts("tests/http/body_test.ts", functions(200));
  accepts("http/body.ts", [`class A {\n${"  m() {}\n".repeat(100)}}`]);
});

Deno.test("file-lines: fewer than 500", () => {
  for (const file of ["http/body.ts", "tests/http/body_test.ts"]) {
    accepts(file, ["f();\n".repeat(499)]);
    refuses("file-lines", file, ["f();\n".repeat(500)]);
  }
});

Deno.test("no-jsr, no-enum, no-namespace: nowhere", () => {
  for (const file of ["scripts/build.ts", "tests/http/body_test.ts", "examples/01_hello.ts"]) {
    refuses("no-jsr", file, imports(`${"jsr"}:@std/assert@1`)); // in one piece it would be refused here
    refuses("no-enum", file, ["enum A { B }", "export const enum A { B }"]);
    refuses("no-namespace", file, ["namespace A { const b = 1; }", "declare global { const b: number; }"]);
    accepts(file, ['import "npm:hono";', 'const a = "no jsr: here";', "const A = 0, B = 1;"]);
  }
});
