/**
 * Builds the shim: compiles shim/*.c for both processors and embeds the two libraries in shim/embedded.ts.
 *
 * The result depends on nothing but the sources, the flags and the compiler's version. Their hash is the stamp: it says
 * whether anything has to be done, and a part of it is compiled into the library, so that the TypeScript side can tell
 * at start that it loaded the library it was built with. Everything is written beside its place and moved there,
 * embedded.ts last: whoever reads it sees a whole build, and builds that run at once do not disturb each other.
 *
 * Usage: `deno run -A scripts/build.ts [--quiet] [--force]`
 *
 * @module
 */

import { createHash } from "node:crypto";
import { parseArgs } from "node:util";
import { exportedSymbols } from "./elf.ts";
import { BuildError, type Compiler, fetchCompiler, findCompiler, run, zigEnvironment } from "./zig.ts";

type Arch = "x86_64" | "aarch64";

const COMMON_FLAGS = [
  ...["-std=c11", "-O2", "-g0", "-shared", "-fPIC", "-s", "-D_GNU_SOURCE", "-D_FORTIFY_SOURCE=2"],
  ...["-Wall", "-Wextra", "-Werror"],
  ...["-fvisibility=hidden", "-fstack-protector-strong", "-fstack-clash-protection"],
  ...["-Wl,-z,relro,-z,now,-z,noexecstack,-z,nodelete,-z,defs", "-Wl,-Bsymbolic"],
];

/** glibc 2.28 is that of the oldest systems on which Deno itself runs. */
const TARGETS: Record<Arch, readonly string[]> = {
  x86_64: ["-target", "x86_64-linux-gnu.2.28", "-fcf-protection", ...COMMON_FLAGS],
  aarch64: ["-target", "aarch64-linux-gnu.2.28", "-mbranch-protection=standard", ...COMMON_FLAGS],
};
const ARCHS: readonly Arch[] = ["x86_64", "aarch64"];

const SYMBOL_PREFIX = "sluice_";

interface Paths {
  readonly tools: string;
  readonly shim: string;
  readonly build: string;
  readonly embedded: string;
}

/** What a build was made from; stands in the head of embedded.ts. */
interface Origin {
  readonly inputs: string;
  readonly compiler: string;
}

interface Made extends Origin {
  readonly hasLibraries: boolean;
}

/** The sentence for a machine on which the shim cannot be built or run; undefined where it can. */
export function unsupported(os: string): string | undefined {
  if (os === "linux") return undefined;
  return `the shim is for Linux only and this is ${os}: use a Linux machine, virtual machine or container.`;
}

/** Builds what has to be built in the repository at `root`; answers false when everything was up to date. */
export async function build(root: string, force: boolean): Promise<boolean> {
  const shim = `${root}/shim`;
  const paths = { tools: `${root}/.tools`, shim, build: `${shim}/build`, embedded: `${shim}/embedded.ts` };
  const sources = await listSources(shim);
  const inputs = await hashInputs(shim, sources);
  const made = await readMade(paths);

  await Deno.mkdir(paths.tools, { recursive: true });
  const found = await findCompiler(paths.tools);
  if (!force && made?.inputs === inputs) {
    // Where there is no compiler, what sources and flags vouch for is kept rather than one fetched.
    if (found === undefined || (found.version === made.compiler && made.hasLibraries)) return false;
  }

  const compiler = found ?? await fetchCompiler(paths.tools);
  const stamp = createHash("sha256").update(`${inputs}\n${compiler.version}`).digest("hex");
  const files = sources.filter((name) => name.endsWith(".c"));
  console.error(`Compiling the shim for ${ARCHS.join(" and ")} with ${compiler.name} ...`);
  await Deno.mkdir(paths.build, { recursive: true });
  const temporary = await Deno.makeTempDir({ dir: paths.build, prefix: "tmp." });
  try {
    const compiled = ARCHS.map((arch) => compile(arch, compiler, paths, files, stamp, temporary));
    await Promise.allSettled(compiled); // no compiler may still be at work when the folder goes
    await Promise.all(compiled);
    await publish(paths, temporary, { inputs, compiler: compiler.version }, stamp);
  } finally {
    await Deno.remove(temporary, { recursive: true });
  }
  return true;
}

async function listSources(shim: string): Promise<string[]> {
  const names = (await Array.fromAsync(Deno.readDir(shim))).map((entry) => entry.name);
  const sources = names.filter((name) => name.endsWith(".c") || name.endsWith(".h")).sort();
  if (!sources.some((name) => name.endsWith(".c"))) throw new BuildError(`there is no C source in ${shim}.`);
  return sources;
}

/** The hash of all that decides over the result, but for the compiler. */
async function hashInputs(shim: string, sources: readonly string[]): Promise<string> {
  const hash = createHash("sha256").update(JSON.stringify(TARGETS));
  for (const name of sources) {
    const bytes = await Deno.readFile(`${shim}/${name}`);
    hash.update(`\n${name} ${bytes.length}\n`).update(bytes);
  }
  return hash.digest("hex");
}

async function readMade(paths: Paths): Promise<Made | undefined> {
  const text = await Deno.readTextFile(paths.embedded).catch(undefinedIfMissing);
  const [, inputs, compiler] = /^\/\/ inputs: (.*)\n\/\/ compiler: (.*)$/m.exec(text ?? "") ?? [];
  if (inputs === undefined) return undefined;
  const libraries = ARCHS.map((arch) => Deno.stat(`${paths.build}/${libraryName(arch)}`).catch(undefinedIfMissing));
  return { inputs, compiler, hasLibraries: !(await Promise.all(libraries)).includes(undefined) };
}

function undefinedIfMissing(error: unknown): undefined {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}

async function compile(
  arch: Arch,
  compiler: Compiler,
  paths: Paths,
  files: readonly string[],
  stamp: string,
  folder: string,
): Promise<void> {
  const library = `${folder}/${libraryName(arch)}`;
  const define = `-DSLUICE_BUILD_HASH=0x${buildHash(stamp).toString(16)}u`;
  // From inside the folder of the sources, by name alone: no path of this machine can get into the library.
  const output = await run([...compiler.command, "cc", ...TARGETS[arch], define, "-o", library, ...files], {
    cwd: paths.shim,
    env: zigEnvironment(paths.tools),
  });
  if (!output.success) {
    throw new BuildError(
      `the shim did not compile for ${arch} with ${compiler.name}: correct what the compiler says above, in the ` +
        `sources in shim/ or the flags in scripts/build.ts.`,
      output.stdout + output.stderr,
    );
  }
  const strangers = exportedSymbols(await Deno.readFile(library)).filter((name) => !name.startsWith(SYMBOL_PREFIX));
  if (strangers.length > 0) {
    throw new BuildError(
      `the shim for ${arch} exports without the prefix ${SYMBOL_PREFIX}: ${
        strangers.join(", ")
      }; rename it, or hide it.`,
    );
  }
}

/** Moves the libraries to their place and writes the module that embeds them. */
async function publish(paths: Paths, temporary: string, origin: Origin, stamp: string): Promise<void> {
  const libraries: string[] = [];
  for (const arch of ARCHS) {
    const bytes = await Deno.readFile(`${temporary}/${libraryName(arch)}`);
    libraries.push(`  ${arch}: "${bytes.toBase64()}",`);
  }
  const text = [
    "// Generated by scripts/build.ts (`deno task build`); not in git. Do not edit: change shim/*.c and build again.",
    `// inputs: ${origin.inputs}`,
    `// compiler: ${origin.compiler}`,
    "",
    "/** What the library's `build_hash` has to answer: a part of the stamp. */",
    `export const BUILD_HASH: number = ${buildHash(stamp)};`,
    "",
    "/** SHA-256 over the sources, the flags and the compiler's version. */",
    `export const STAMP: string = "${stamp}";`,
    "",
    "/** The shared libraries as base64. */",
    "export const SHIMS: { readonly x86_64: string; readonly aarch64: string } = {",
    ...libraries,
    "};",
    "",
  ];
  await Deno.writeTextFile(`${temporary}/embedded.ts`, text.join("\n"));
  for (const arch of ARCHS) {
    await Deno.rename(`${temporary}/${libraryName(arch)}`, `${paths.build}/${libraryName(arch)}`);
  }
  await Deno.rename(`${temporary}/embedded.ts`, paths.embedded);
}

function libraryName(arch: Arch): string {
  return `libsluice-${arch}.so`;
}

/** 31 bits of the stamp and never 0: fits an int of the shim, and 0 can mean "not built". */
function buildHash(stamp: string): number {
  return (parseInt(stamp.slice(0, 8), 16) & 0x7fff_ffff) || 1;
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { quiet: { type: "boolean" }, force: { type: "boolean" } } });
  const sentence = unsupported(Deno.build.os);
  if (sentence !== undefined) throw new BuildError(sentence);
  const root = import.meta.dirname!.replace(/\/scripts$/, "");
  const built = await build(root, values.force ?? false);
  if (built) console.error("The shim is built: shim/embedded.ts.");
  else if (!values.quiet) console.error("The shim is up to date.");
}

/** What to tell when a person or the machine has caused this; anything else is a fault here and deserves its stack. */
function sentenceFor(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  if (error instanceof BuildError) return error.message;
  if (error.name in Deno.errors) return `${error.message}: see that shim/ and .tools/ are there and can be written to.`;
  const isWrongOption = "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS");
  return isWrongOption ? `${error.message}: there are only --quiet and --force.` : undefined;
}

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    const sentence = sentenceFor(error);
    if (sentence === undefined) throw error;
    if (error instanceof BuildError && error.details !== "") console.error(error.details);
    console.error(`scripts/build.ts: ${sentence}`);
    Deno.exit(1);
  }
}
