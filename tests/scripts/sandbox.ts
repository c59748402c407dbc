/**
 * Scratch copies of the repository and machines with few programs, for the tests of the scripts.
 *
 * A copy has the scripts, deno.json and a shim of one tiny C file. Programs run in it with an environment made up
 * here: what the machine of the test has installed must not decide.
 *
 * @module
 */

import { fetchCompiler, findCompiler } from "../../scripts/zig.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

/** What any Linux machine has; the programs under test add their own. */
const BASICS = ["sh", "env", "cp", "mv", "rm", "mkdir", "mktemp", "chmod", "readlink", "uname", "sha256sum", "sleep"];

export const TINY_SHIM = `
__attribute__((visibility("default"))) int sluice_build_hash(void) { return (int)SLUICE_BUILD_HASH; }
int inner(void);
int inner(void) { return 1; }
`;

export interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export class Sandbox implements Disposable {
  /** A blank in the path, since people have them. */
  readonly root: string = Deno.makeTempDirSync({ prefix: "sluice tests." });
  readonly repo: string = `${this.root}/repo`;
  readonly bin: string = `${this.root}/bin`;
  readonly home: string = `${this.root}/home`;

  constructor() {
    for (const folder of [this.bin, this.home, `${this.repo}/scripts`, `${this.repo}/shim`]) {
      Deno.mkdirSync(folder, { recursive: true });
    }
    for (const { name, isFile } of Deno.readDirSync(`${ROOT}scripts`)) {
      if (isFile) Deno.copyFileSync(`${ROOT}scripts/${name}`, `${this.repo}/scripts/${name}`);
    }
    Deno.copyFileSync(`${ROOT}deno.json`, `${this.repo}/deno.json`);
    this.write("shim/tiny.c", TINY_SHIM);
    for (const program of BASICS) this.link(program, which(program)!);
  }

  /** Shares Zig and its cache with the repository, so that nothing is fetched and little compiled. */
  async shareCompiler(): Promise<void> {
    const tools = `${ROOT}.tools`;
    Deno.mkdirSync(tools, { recursive: true });
    Deno.symlinkSync(tools, `${this.repo}/.tools`);
    const { command } = await findCompiler(tools) ?? await fetchCompiler(tools);
    if (command[0] === "zig") this.link("zig", which("zig")!);
    if (command[0] === "python3") this.link("python3", realPython());
  }

  write(path: string, text: string): void {
    const full = `${this.repo}/${path}`;
    Deno.mkdirSync(full.slice(0, full.lastIndexOf("/")), { recursive: true });
    Deno.writeTextFileSync(full, text);
  }

  read(path: string): string {
    return Deno.readTextFileSync(`${this.repo}/${path}`);
  }

  list(path: string): string[] {
    return [...Deno.readDirSync(`${this.repo}/${path}`)].map((entry) => entry.name).sort();
  }

  /** Makes a program of the machine known on PATH. */
  link(program: string, target: string): void {
    Deno.symlinkSync(target, `${this.bin}/${program}`);
  }

  /** Puts a shell script on PATH. */
  fake(program: string, script: string): void {
    const path = `${this.bin}/${program}`;
    if (which(program, this.bin) !== undefined) Deno.removeSync(path);
    Deno.writeTextFileSync(path, `#!/bin/sh\n${script}\n`);
    Deno.chmodSync(path, 0o755);
  }

  /** Runs a program with the PATH and the HOME of this machine, unless `env` says otherwise. */
  async run(program: string, args: readonly string[], env?: Record<string, string>, cwd?: string): Promise<Result> {
    const { code, stdout, stderr } = await new Deno.Command(program, {
      args: [...args],
      cwd: cwd ?? this.repo,
      clearEnv: true,
      env: { PATH: this.bin, HOME: this.home, NO_COLOR: "1", ...env },
      stdin: "null",
    }).output();
    const text = new TextDecoder();
    return { code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
  }

  /** Runs a script of the copy with the Deno that runs the test. */
  async deno(args: readonly string[], env?: Record<string, string>): Promise<Result> {
    return await this.run(Deno.execPath(), args, { DENO_DIR: `${this.root}/deno_dir`, ...env });
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.root, { recursive: true });
  }
}

/** The path of a program on PATH, or in the folders given. */
export function which(program: string, folders: string = Deno.env.get("PATH") ?? ""): string | undefined {
  return folders.split(":").map((folder) => `${folder}/${program}`).find((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  });
}

/** The Python interpreter itself: what is on PATH may be a shell script that looks for it. */
export function realPython(): string {
  const { stdout } = new Deno.Command("python3", { args: ["-c", "import sys; print(sys.executable)"] }).outputSync();
  return new TextDecoder().decode(stdout).trim();
}
