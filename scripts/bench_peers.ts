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
  /** The command that serves on a port. */
  command(port: number, exchange: Exchange): Promise<string[]>;
}

/** The field that all of them send, and no other but Date and Content-Length. */
export const CONTENT_TYPE = "text/plain;charset=UTF-8";

const ROOT = import.meta.dirname!.replace(/\/scripts$/, "");
const BENCH = `${ROOT}/tests/bench`;

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

/** All peers, the floor first; those that are not installed say so. */
export function allPeers(): Peer[] {
  const deno = (file: string) => (port: number) =>
    Promise.resolve([Deno.execPath(), "run", "-A", "--no-check", `${BENCH}/${file}`, `${port}`]);
  const other = (name: string, program: string, command: Peer["command"]): Peer => ({
    name,
    missing: isOnPath(program) ? null : `${program} is not on PATH`,
    command,
  });
  return [
    { name: "floor", missing: null, command: floorCommand },
    { name: "sluice", missing: null, command: deno("sluice.ts") },
    { name: "deno", missing: null, command: deno("deno_serve.ts") },
    other("nginx", "nginx", nginxCommand),
    other("bun", "bun", (port) => Promise.resolve(["bun", `${BENCH}/bun_serve.mjs`, `${port}`])),
    other("node", "node", (port) => Promise.resolve(["node", `${BENCH}/node_http.mjs`, `${port}`])),
  ];
}
