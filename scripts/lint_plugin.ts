/**
 * The house rules that `deno lint` does not know: who imports whom, what `http/` may touch, how long things get.
 *
 * A linter sees one file and no scopes, so the rules look at names, not at what they are bound to: in `http/` a variable
 * that is called `process` is refused too. In return no alias gets through, since making one takes the name.
 *
 * @module
 */

type Node = Deno.lint.Node;
type Context = Deno.lint.RuleContext;
type Visitor = Deno.lint.LintVisitor;

/** Whom each layer may import. Who is not here (scripts, tests, examples) may import everything. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  shim: ["shim"],
  http: ["http"],
  app: ["app", "http"],
  workers: ["workers", "http", "shim"],
  "mod.ts": ["app", "http", "workers"],
};

/** The one file that imports what it is told to: the app of whoever calls `serve()`. */
const LOADS_APPS = "workers/load_app.ts";

/** The one file of `http/` that says something to the person who runs the server. */
const LOGS = "http/error_answer.ts";

/** Globals that `http/` has no business with: clocks, timers, network, threads, the machine, and ways around this list. */
const IMPURE: ReadonlySet<string> = new Set([
  ...["performance", "Temporal"],
  ...["setTimeout", "setInterval", "setImmediate", "queueMicrotask"],
  ...["fetch", "WebSocket", "WebSocketStream", "EventSource"],
  ...["Worker", "Atomics", "SharedArrayBuffer", "MessageChannel", "BroadcastChannel"],
  ...["Deno", "process", "navigator", "localStorage", "sessionStorage", "caches"],
  ...["globalThis", "self", "window", "global", "eval", "Function"],
]);

/** Functions of `Date` that are given what they work on. */
const PURE_DATE: ReadonlySet<string> = new Set(["UTC", "parse"]);

/** Functions and files stay below these. */
const FUNCTION_LINES = 70, FILE_LINES = 500;

const root = `${import.meta.dirname!.replace(/\/scripts$/, "")}/`;

/** The path of the file being linted, from the top of the repository. */
function pathOf({ filename }: Context): string {
  return filename.startsWith(root) ? filename.slice(root.length) : filename;
}

function layerOf(path: string): string {
  return path.split("/")[0]!;
}

/** What a string literal says, also one in backticks; null for anything computed. */
function literal(node: Node | undefined | null): string | null {
  if (node?.type === "Literal" && typeof node.value === "string") return node.value;
  if (node?.type === "TemplateLiteral" && node.expressions.length === 0) return node.quasis[0]!.cooked;
  return null;
}

/** What is wrong with importing `specifier` in `path`, or null. */
function layerFault(path: string, specifier: string): string | null {
  const from = layerOf(path);
  if (specifier.startsWith(".")) {
    const to = layerOf(new URL(specifier, `file:///${path}`).pathname.slice(1));
    return MAY_IMPORT[from]!.includes(to) ? null : `${from} may not import ${to}`;
  }
  if (from !== "http" && specifier.startsWith("node:")) return null;
  return `${from} may not import "${specifier}": ${from === "http" ? "nothing" : "only node: modules"} from outside`;
}

function layers(context: Context): Visitor {
  const path = pathOf(context);
  if (!Object.hasOwn(MAY_IMPORT, layerOf(path))) return {};
  const check = (node: Node, specifier: Node | undefined | null) => {
    const text = literal(specifier);
    const message = text === null ? `Only ${LOADS_APPS} may import what is computed` : layerFault(path, text);
    if (message !== null) context.report({ node, message });
  };
  return {
    ImportDeclaration: (node) => check(node, node.source),
    ExportAllDeclaration: (node) => check(node, node.source),
    ExportNamedDeclaration(node) {
      if (node.source) check(node, node.source);
    },
    ImportExpression(node) {
      if (path !== LOADS_APPS || literal(node.source) !== null) check(node, node.source);
    },
    TSImportType: (node) => check(node, node.argument.type === "TSLiteralType" ? node.argument.literal : node.argument),
    MetaProperty(node) {
      if (context.sourceCode.getText(node) !== "import.meta") return; // it is `new.target`
      const specifier = resolvedBy(node);
      if (specifier !== undefined) return check(node.parent, specifier);
      const message = 'import.meta is for new URL("./…", import.meta.url) and import.meta.resolve("./…") only';
      context.report({ node, message });
    },
  };
}

/** The argument that an `import.meta` turns into a URL, or undefined if it is used for something else. */
function resolvedBy(node: Deno.lint.MetaProperty): Node | undefined {
  const member = node.parent as Node;
  if (member.type !== "MemberExpression" || member.property.type !== "Identifier") return undefined;
  const { name } = member.property, use = member.parent as Node;
  const resolves = name === "resolve" && use.type === "CallExpression" && use.callee === member;
  const joins = name === "url" && use.type === "NewExpression" && use.callee.type === "Identifier" &&
    use.callee.name === "URL" && use.arguments[1] === member;
  return resolves || joins ? use.arguments[0] : undefined;
}

/** Where an identifier is a mere name, by the type of its parent: it refers to nothing there. */
const NAMES: Readonly<Record<string, string>> = {
  MemberExpression: "property",
  Property: "key",
  MethodDefinition: "key",
  PropertyDefinition: "key",
  TSPropertySignature: "key",
  TSMethodSignature: "key",
  TSQualifiedName: "right",
  ImportSpecifier: "imported",
  ExportSpecifier: "exported",
};

function isMereName(node: Deno.lint.Identifier): boolean {
  const parent = node.parent as unknown as Record<string, unknown>;
  return parent[NAMES[parent.type as string] ?? ""] === node && parent.computed !== true;
}

/** Whether a `Date` is the type, or is told the time: `new Date(epochMs)`, `Date.parse(text)`. */
function isGivenTime(node: Deno.lint.Identifier): boolean {
  const parent = node.parent as Node;
  if (parent.type === "NewExpression") {
    const [first] = parent.arguments as Node[];
    return parent.callee === node && first !== undefined && first.type !== "SpreadElement";
  }
  if (parent.type !== "MemberExpression") return parent.type === "TSTypeReference";
  return !parent.computed && parent.property.type === "Identifier" && PURE_DATE.has(parent.property.name);
}

function pure(context: Context): Visitor {
  const path = pathOf(context);
  if (layerOf(path) !== "http") return {};
  return {
    Identifier(node) {
      const { name } = node;
      if (isMereName(node)) return;
      if (IMPURE.has(name)) {
        context.report({ node, message: `http/ does without ${name}: take what it gives as an argument` });
      } else if (name === "Date" && !isGivenTime(node)) {
        context.report({ node, message: "http/ reads no clock: take the time as an argument" });
      } else if (name === "console" && path !== LOGS) {
        context.report({ node, message: `Only ${LOGS} writes to the console` });
      }
    },
  };
}

function countLines(text: string): number {
  return text.trimEnd().split("\n").length;
}

function functionLines(context: Context): Visitor {
  if (pathOf(context).endsWith("_test.ts")) return {};
  const check = (node: Node) => {
    const lines = countLines(context.sourceCode.getText(node));
    if (lines < FUNCTION_LINES) return;
    context.report({ node, message: `The function has ${lines} lines; it has to be fewer than ${FUNCTION_LINES}` });
  };
  return { FunctionDeclaration: check, FunctionExpression: check, ArrowFunctionExpression: check };
}

/** For all files; a test that is a table of data says so with `deno-lint-ignore-file house/file-lines`. */
function fileLines(context: Context): Visitor {
  return {
    Program(node) {
      const lines = countLines(context.sourceCode.text);
      if (lines < FILE_LINES) return;
      context.report({ node, message: `The file has ${lines} lines; it has to be fewer than ${FILE_LINES}` });
    },
  };
}

function noJsr(context: Context): Visitor {
  const check = (node: Node) => {
    if (!/^jsr:./.test(literal(node) ?? "")) return;
    context.report({ node, message: "No jsr: modules: use node: ones, or write it" });
  };
  return { Literal: check, TemplateLiteral: check };
}

/** What cannot be erased from TypeScript leaves code behind that nobody wrote. */
function noEnum(context: Context): Visitor {
  return { TSEnumDeclaration: (node) => context.report({ node, message: "No enum: use constants" }) };
}

function noNamespace(context: Context): Visitor {
  return { TSModuleDeclaration: (node) => context.report({ node, message: "No namespace: use a module" }) };
}

const plugin: Deno.lint.Plugin = {
  name: "house",
  rules: {
    layers: { create: layers },
    pure: { create: pure },
    "function-lines": { create: functionLines },
    "file-lines": { create: fileLines },
    "no-jsr": { create: noJsr },
    "no-enum": { create: noEnum },
    "no-namespace": { create: noNamespace },
  },
};

export default plugin;
