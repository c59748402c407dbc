/**
 * Finds the C compiler of the build, which is `zig cc`, or fetches it.
 *
 * Zig because one download compiles for both processors against an old glibc, on any Linux, with nothing else
 * installed. A Zig that people have is taken as it is; otherwise one pinned version comes from PyPI into `.tools/`,
 * checked against the hash below, unpacked beside its place and moved there in one step.
 *
 * @module
 */

import { createHash } from "node:crypto";

/** An end that a person can act on: one sentence, before it what a program said, and no stack. */
export class BuildError extends Error {
  override name = "BuildError";
  readonly details: string;

  constructor(sentence: string, details = "") {
    super(sentence);
    this.details = details.trimEnd();
  }
}

export interface Compiler {
  /** What comes before the arguments of `zig`. */
  readonly command: readonly string[];
  /** For messages: "Zig 0.15.2". */
  readonly name: string;
  /** Zig's version and that of the Clang inside; part of the build's stamp. */
  readonly version: string;
}

export interface Output {
  readonly success: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

const VERSION = "0.15.2";

/** The wheel for each processor: the name of its platform and its SHA-256. */
const WHEELS = {
  x86_64: {
    platform: "manylinux2010_x86_64",
    sha256: "806316453d1ede7174ed3fefb8e5348154629089c3bb5fe812dfd0e172fac130",
  },
  aarch64: {
    platform: "manylinux2014_aarch64",
    sha256: "edc0aa60ec964a4cf462d40f68d7de242ddf37fd9a80f2afaee6397059463230",
  },
};

const HOW_TO_GET_IT =
  "install Zig, or pip with which it can be fetched (Debian, Ubuntu: apt-get install python3-pip), " +
  "then run this again.";

/** Runs a program to its end. One that is not there is a failure like any other. */
export async function run(command: readonly string[], options: Deno.CommandOptions = {}): Promise<Output> {
  const [program, ...args] = command;
  try {
    const output = await new Deno.Command(program, { ...options, args, stdin: "null" }).output();
    const text = new TextDecoder();
    return { success: output.success, stdout: text.decode(output.stdout), stderr: text.decode(output.stderr) };
  } catch (error) {
    return { success: false, stdout: "", stderr: `${error}` };
  }
}

/** Zig's caches go to `.tools/`: HOME may be missing or read-only, and a removed clone leaves nothing behind. */
export function zigEnvironment(tools: string): Record<string, string> {
  return { ZIG_GLOBAL_CACHE_DIR: `${tools}/zig-cache`, ZIG_LOCAL_CACHE_DIR: `${tools}/zig-cache` };
}

/** The first Zig on this machine that has a C compiler in it: on PATH, as a Python module, fetched earlier. */
export async function findCompiler(tools: string): Promise<Compiler | undefined> {
  for (const command of [["zig"], ["python3", "-m", "ziglang"], [`${fetchedFolder(tools)}/zig`]]) {
    const compiler = await ask(command, tools);
    if (compiler !== undefined) return compiler;
  }
  return undefined;
}

/** Fetches the pinned Zig into `.tools/`. */
export async function fetchCompiler(tools: string): Promise<Compiler> {
  if (!(await run(["python3", "-m", "pip", "--version"])).success) {
    throw new BuildError(`a C compiler is needed to build the shim and there is none: ${HOW_TO_GET_IT}`);
  }
  const temporary = await Deno.makeTempDir({ dir: tools, prefix: "fetch." });
  const interrupted = () => {
    removeFolder(temporary);
    Deno.exit(130);
  };
  Deno.addSignalListener("SIGINT", interrupted);
  try {
    await download(temporary);
    await moveIntoPlace(`${temporary}/ziglang`, fetchedFolder(tools));
  } finally {
    Deno.removeSignalListener("SIGINT", interrupted);
    removeFolder(temporary);
  }
  const compiler = await findCompiler(tools);
  if (compiler === undefined) {
    throw new BuildError(`Zig ${VERSION} was fetched but does not run here: ${HOW_TO_GET_IT}`);
  }
  return compiler;
}

function fetchedFolder(tools: string): string {
  return `${tools}/zig-${VERSION}-${Deno.build.arch}`;
}

async function ask(command: readonly string[], tools: string): Promise<Compiler | undefined> {
  const options = { env: zigEnvironment(tools) };
  const zig = await run([...command, "version"], options);
  if (!zig.success) return undefined;
  // A Zig built without LLVM has no `cc`; this asks for it without compiling anything.
  const clang = await run([...command, "cc", "--version"], options);
  if (!clang.success) return undefined;
  const name = `Zig ${zig.stdout.trim()}`;
  return { command, name, version: `${name}, ${clang.stdout.split("\n", 1)[0].trim()}` };
}

/** Leaves the wheel's content in the folder. */
async function download(folder: string): Promise<void> {
  const { platform, sha256 } = WHEELS[Deno.build.arch];
  console.error(`Fetching Zig ${VERSION} with pip (about 93 MB, once) ...`);
  const pip = await run([
    ...["python3", "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-cache-dir", "download", "--no-deps"],
    ...["--only-binary=:all:", "--platform", platform, "--dest", folder, `ziglang==${VERSION}`],
  ], { env: { PIP_REQUIRE_VIRTUALENV: "0" } });
  const wheel = [...Deno.readDirSync(folder)].find((entry) => entry.name.endsWith(".whl"));
  if (!pip.success || wheel === undefined) {
    throw new BuildError(`pip could not fetch Zig ${VERSION}: check the network, or ${HOW_TO_GET_IT}`, pip.stderr);
  }
  const path = `${folder}/${wheel.name}`;
  const actual = await sha256Of(path);
  if (actual !== sha256) {
    throw new BuildError(
      `the Zig ${VERSION} from pip is not the pinned one (SHA-256 ${actual} instead of ${sha256}) and was thrown away: ` +
        `check which registry or mirror pip uses.`,
    );
  }
  console.error(`Unpacking Zig ${VERSION} ...`);
  const unpacked = await run(["python3", "-m", "zipfile", "-e", path, folder]);
  if (!unpacked.success) throw new BuildError(`Zig ${VERSION} could not be unpacked into ${folder}.`, unpacked.stderr);
  await Deno.chmod(`${folder}/ziglang/zig`, 0o755); // unpacking loses the run bit
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash("sha256");
  using file = await Deno.open(path);
  for await (const chunk of file.readable) hash.update(chunk);
  return hash.digest("hex");
}

/** Somebody else may have been faster; theirs is as good. */
async function moveIntoPlace(from: string, to: string): Promise<void> {
  try {
    await Deno.rename(from, to);
  } catch (error) {
    if (!(await Deno.stat(`${to}/zig`).catch(() => undefined))) throw error;
  }
}

function removeFolder(path: string): void {
  try {
    Deno.removeSync(path, { recursive: true });
  } catch {
    // A child that is about to end may still write there; what stays is ignored by git.
  }
}
