/**
 * The servers that the bench compares: how each is started, and what each has to answer.
 *
 * @module
 */

import { findCompiler, run } from "./zig.ts";

/** What is asked, and the one right answer. */
export interface Exchange {
  readonly path: string;
  readonly status: number;
  readonly reason: string;
  readonly body: string;
}

/** A server that can be measured. */
export interface Peer {
  readonly name: string;
  /** Why it cannot be measured here, or null. */
  readonly missing: string | null;
  /** Says its version, or null where that is ours or the compiler's. */
  readonly version: string[] | null;
  /** The command that serves on a port. */
  command(port: number, exchange: Exchange): Promise<string[]>;
}

/** The field that all of them send, and no other but Date and Content-Length. */
export const CONTENT_TYPE = "text/plain;charset=UTF-8";

const BUN_VERSION = "1.4.5";

const ROOT = import.meta.dirname!.replace(/\/scripts$/, "");
const BENCH = `${ROOT}/tests/bench`;
const BUN = `${ROOT}/.tools/bun-${BUN_VERSION}/node_modules/.bin/bun`;

function isOnPath(program: string): boolean {
  return (Deno.env.get("PATH") ?? "").split(":").some((folder) => {
    try {
      return folder !== "" && Deno.statSync(`${folder}/${program}`).isFile;
    } catch {
      return false;
    }
  });
}

/** The C floor, compiled when it is first asked for. */
async function floorCommand(port: number, { status, reason, body }: Exchange): Promise<string[]> {
  const binary = `${ROOT}/.tools/floor`;
  const newest = Math.max(...[`${BENCH}/floor.c`].map((file) => Deno.statSync(file).mtime!.getTime()));
  const built = await Deno.stat(binary).then(({ mtime }) => mtime!.getTime(), () => 0);
  if (built < newest) {
    await Deno.mkdir(`${ROOT}/.tools`, { recursive: true });
    const compiler = isOnPath("cc") ? ["cc"] : [...(await findCompiler(`${ROOT}/.tools`))?.command ?? ["zig"], "cc"];
    const { success, stderr } = await run([
      ...compiler,
      "-O2",
      "-Wall",
      "-Wextra",
      "-Werror",
      "-o",
      binary,
      `${BENCH}/floor.c`,
    ]);
    if (!success) throw new Error(`Cannot compile tests/bench/floor.c:\n${stderr}`);
  }
  return [binary, `${port}`, `${status}`, reason, CONTENT_TYPE, body];
}

async function nginxCommand(port: number): Promise<string[]> {
  const folder = await Deno.makeTempDir({ prefix: "sluice-bench-nginx." });
  const template = await Deno.readTextFile(`${BENCH}/nginx.conf`);
  await Deno.writeTextFile(`${folder}/nginx.conf`, template.replaceAll("PORT", `${port}`).replaceAll("LOG", folder));
  return ["nginx", "-p", folder, "-c", `${folder}/nginx.conf`];
}

/** Bun as npm has it, installed into .tools when it is first measured. */
async function bunCommand(port: number): Promise<string[]> {
  const hasBinary = await Deno.stat(BUN).then(() => true, () => false);
  if (!hasBinary) {
    console.error(`Installing Bun ${BUN_VERSION} ...`);
    const folder = `${ROOT}/.tools/bun-${BUN_VERSION}`;
    const options = ["--no-save", "--no-audit", "--no-fund", "--loglevel=error"];
    const { success, stderr } = await run(["npm", "install", "--prefix", folder, ...options, `bun@${BUN_VERSION}`]);
    if (!success) throw new Error(`Cannot install Bun ${BUN_VERSION} from npm:\n${stderr}`);
  }
  return [BUN, `${BENCH}/bun_serve.mjs`, `${port}`];
}

/** All peers, the floor first; those that are not installed say so. */
export function allPeers(): Peer[] {
  const deno = (file: string) => (port: number) =>
    Promise.resolve([Deno.execPath(), "run", "-A", "--no-check", `${BENCH}/${file}`, `${port}`]);
  const other = (name: string, program: string, version: string[], command: Peer["command"]): Peer => ({
    name,
    missing: isOnPath(program) ? null : `${program} is not on PATH`,
    version,
    command,
  });
  return [
    { name: "floor", missing: null, version: null, command: floorCommand },
    { name: "sluice", missing: null, version: null, command: deno("sluice.ts") },
    { name: "deno", missing: null, version: [Deno.execPath(), "--version"], command: deno("deno_serve.ts") },
    other("nginx", "nginx", ["nginx", "-v"], nginxCommand),
    other("bun", "npm", [BUN, "--version"], bunCommand),
    other(
      "node",
      "node",
      ["node", "--version"],
      (port) => Promise.resolve(["node", `${BENCH}/node_http.mjs`, `${port}`]),
    ),
  ];
}

/** What the peers say of their versions: `nginx 1.22.1, …`. */
export async function versionsOf(peers: readonly Peer[]): Promise<string> {
  const versions: string[] = [];
  for (const { name, version } of peers) {
    if (version === null) continue;
    const { stdout, stderr } = await run(version);
    versions.push(`${name} ${/\d+\.\d+\.\d+/.exec(stdout + stderr)?.[0] ?? "of unknown version"}`);
  }
  return versions.join(", ");
}
