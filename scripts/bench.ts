/**
 * Measures Sluice beside other servers and beside the cheapest possible one, in one go on one machine.
 *
 * What is compared is CPU time per request, by the process clock: it hardly moves when a neighbour takes the processor,
 * where requests per second do. Servers are measured interleaved, forwards and then backwards (A B B A), each on one
 * processor with the client on another; a row's number is the median over all its rounds. Rounds in which more than
 * two percent of the processors were stolen are left out and counted; nothing else is.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { allPeers, CONTENT_TYPE, type Exchange, type Peer, versionsOf } from "./bench_peers.ts";
import { describeMachine, type Measured, summarize, toMarkdown } from "./bench_report.ts";

const HELP = `Measures CPU per request beside other servers.

Usage: deno task bench [options]

  --pairs N        pairs of rounds for each row: every server is measured 2N times (default: 10)
  --seconds N      length of a round (default: 2); with 500 connections twice that, with 10,000 four times
  --rows TEXT      only rows whose name contains this
  --servers A,B    only these servers (default: all that are installed)
  --write          puts the table into docs/benchmarks.md and the numbers into docs/benchmarks.json
  --smoke          one short round of each, to see that everything runs
  --help           this text`;

/** A row of the table: an exchange, and how it is asked for. */
interface Row extends Exchange {
  readonly name: string;
  readonly connections: number;
  /** Requests in each write. */
  readonly depth: number;
  /** A connection for each request. */
  readonly close: boolean;
}

const HELLO: Exchange = { path: "/", status: 200, reason: "OK", body: "Hello, world\n" };

const ROWS: readonly Row[] = [
  { name: "plain text, 1 connection", ...HELLO, connections: 1, depth: 1, close: false },
  { name: "plain text, 64", ...HELLO, connections: 64, depth: 1, close: false },
  { name: "plain text, 500", ...HELLO, connections: 500, depth: 1, close: false },
  { name: "plain text, 10,000", ...HELLO, connections: 10_000, depth: 1, close: false },
  { name: "16 pipelined, 64", ...HELLO, connections: 64, depth: 16, close: false },
  { name: "a connection for each request, 64", ...HELLO, connections: 64, depth: 1, close: true },
  {
    name: "a route with a parameter, 64",
    ...HELLO,
    path: "/users/42",
    body: "user 42\n",
    connections: 64,
    depth: 1,
    close: false,
  },
  {
    name: "no route (404), 64",
    path: "/none",
    status: 404,
    reason: "Not Found",
    body: "404 Not Found\n",
    connections: 64,
    depth: 1,
    close: false,
  },
];

const STEAL_MAX = 0.02;

/** Connections are opened within a round. The more there are, the longer it lasts, so that this is not what it measures. */
const roundSeconds = ({ connections }: Row, seconds: number) =>
  seconds * (connections >= 10_000 ? 4 : connections >= 500 ? 2 : 1);

const FIRST_PORT = 18300;
const SERVER_CPU = "0", CLIENT_CPU = "1";
const isPinned = navigator.hardwareConcurrency > 1;

const pinned = (cpu: string, command: string[]) => isPinned ? ["taskset", "-c", cpu, ...command] : command;

function fields(path: string): string[] {
  const text = Deno.readTextFileSync(path);
  return text.slice(text.lastIndexOf(")") + 2).split(" ");
}

/** CPU time of a process and its children so far, in microseconds (the kernel counts in ticks of 10 ms). */
function cpuUs(pid: number): number {
  const stat = fields(`/proc/${pid}/stat`);
  const own = (Number(stat[11]) + Number(stat[12])) * 10_000;
  const children = Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`).trim();
  return children === "" ? own : own + children.split(" ").reduce((sum, child) => sum + cpuUs(Number(child)), 0);
}

function residentMiB(pid: number): number {
  const own = Number(/VmRSS:\s+(\d+)/.exec(Deno.readTextFileSync(`/proc/${pid}/status`))?.[1] ?? 0) / 1024;
  const children = Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`).trim();
  return children === "" ? own : own + children.split(" ").reduce((sum, child) => sum + residentMiB(Number(child)), 0);
}

/** Ticks of all processors so far: stolen ones and all. */
function ticks(): { stolen: number; all: number } {
  const [, ...counts] = Deno.readTextFileSync("/proc/stat").split("\n")[0]!.trim().split(/\s+/).map(Number);
  return { stolen: counts[7]!, all: counts.reduce((sum, count) => sum + count, 0) };
}

/** A peer that runs. */
interface Running {
  readonly peer: Peer;
  readonly port: number;
  readonly process: Deno.ChildProcess;
}

async function start(peer: Peer, port: number, row: Row): Promise<Running> {
  const [program, ...args] = pinned(SERVER_CPU, await peer.command(port, row));
  const process = new Deno.Command(program!, { args, stdin: "null", stdout: "null", stderr: "null" }).spawn();
  for (let tries = 0; tries < 200; tries++) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return { peer, port, process };
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
  process.kill("SIGKILL");
  throw new Error(`${peer.name} does not listen on port ${port}`);
}

async function stop({ process }: Running): Promise<void> {
  process.kill("SIGTERM");
  const timer = setTimeout(() => process.kill("SIGKILL"), 3000);
  await process.status;
  clearTimeout(timer);
}

/** Looks at one answer, byte by byte, and returns how long it is. Throws if it is not the right one. */
async function probe({ peer, port }: Running, row: Row): Promise<number> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await connection.write(new TextEncoder().encode(`GET ${row.path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`));
  const buffer = new Uint8Array(65536);
  let text = "";
  while (!text.includes("\r\n\r\n") || !text.endsWith(row.body)) {
    const count = await connection.read(buffer);
    if (count === null) break;
    text += new TextDecoder().decode(buffer.subarray(0, count));
  }
  const [head, body] = text.split("\r\n\r\n");
  const [statusLine, ...lines] = head!.toLowerCase().split("\r\n");
  const names = lines.map((line) => line.split(":")[0]!).sort();
  const wanted = [`content-length: ${row.body.length}`, `content-type: ${CONTENT_TYPE.toLowerCase()}`];
  const isRight = statusLine!.startsWith(`http/1.1 ${row.status} `) && body === row.body &&
    wanted.every((line) => lines.includes(line)) && names.includes("date");
  if (!isRight) throw new Error(`${peer.name} gives the wrong answer:\n${text}`);
  return text.length;
}

/** One round: the client runs for a while, and the server's clock is read before and after. */
async function measure({ peer, port, process }: Running, row: Row, seconds: number): Promise<Measured> {
  const args = ["-t1", `-c${row.connections}`, `-d${roundSeconds(row, seconds)}s`, "--latency", "--timeout", "10s"];
  if (row.depth > 1) args.push("-s", `${import.meta.dirname}/../tests/bench/pipeline.lua`);
  if (row.close) args.push("-H", "Connection: close");
  const shell = `ulimit -n 65536 2>/dev/null || ulimit -n $(ulimit -Hn); exec "$@"`;
  const [program, ...rest] = pinned(CLIENT_CPU, [
    "sh",
    "-c",
    shell,
    "sh",
    "wrk",
    ...args,
    `http://127.0.0.1:${port}${row.path}`,
  ]);
  const cpuBefore = cpuUs(process.pid), before = ticks();
  const output = await new Deno.Command(program!, { args: rest, env: { DEPTH: `${row.depth}` } }).output();
  const cpu = cpuUs(process.pid) - cpuBefore, after = ticks();
  const said = new TextDecoder().decode(output.stdout);
  const number = (pattern: RegExp) => Number(pattern.exec(said)?.[1] ?? NaN);
  const requests = number(/(\d+) requests in/);
  if (!output.success || !(requests > 0)) throw new Error(`wrk failed against ${peer.name}:\n${said}`);
  const bad = row.status === 200 ? number(/Non-2xx or 3xx responses: (\d+)/) || 0 : 0;
  const errors = [...said.matchAll(/(?:connect|read|write|timeout) (\d+)/g)].reduce(
    (sum, [, n]) => sum + Number(n),
    bad,
  );
  return {
    server: peer.name,
    cpuUs: cpu / requests,
    perSecond: number(/Requests\/sec:\s+([\d.]+)/),
    p50Ms: latencyMs(said, 50),
    p99Ms: latencyMs(said, 99),
    residentMiB: residentMiB(process.pid),
    errors,
    isStolen: (after.stolen - before.stolen) / (after.all - before.all) > STEAL_MAX,
  };
}

function latencyMs(said: string, percentile: number): number {
  const [, value, unit] = new RegExp(`${percentile}%\\s+([\\d.]+)(us|ms|s)`).exec(said) ?? [];
  return Number(value) * (unit === "us" ? 0.001 : unit === "s" ? 1000 : 1);
}

interface Plan {
  readonly pairs: number;
  readonly seconds: number;
  readonly warmUpSeconds: number;
}

/** All rounds of one row. */
async function runRow(
  row: Row,
  peers: readonly Peer[],
  plan: Plan,
): Promise<{ rounds: Measured[]; bytes: Record<string, number> }> {
  const running: Running[] = [];
  const rounds: Measured[] = [];
  const bytes: Record<string, number> = {};
  try {
    for (const [index, peer] of peers.entries()) running.push(await start(peer, FIRST_PORT + index, row));
    for (const one of running) {
      bytes[one.peer.name] = await probe(one, row);
      await measure(one, row, plan.warmUpSeconds);
    }
    for (let pair = 0; pair < plan.pairs; pair++) {
      for (const one of [...running, ...running.toReversed()]) {
        rounds.push(await measure(one, row, plan.seconds));
        console.error(
          `${row.name}: pair ${pair + 1} of ${plan.pairs}, ${one.peer.name} ${rounds.at(-1)!.cpuUs.toFixed(2)} µs`,
        );
      }
    }
  } finally {
    for (const one of running) await stop(one);
  }
  return { rounds, bytes };
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      pairs: { type: "string", default: "10" },
      seconds: { type: "string", default: "2" },
      rows: { type: "string", default: "" },
      servers: { type: "string", default: "" },
      write: { type: "boolean", default: false },
      smoke: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const hasWrk = await new Deno.Command("sh", { args: ["-c", "command -v wrk"], stdout: "null" }).output();
  if (!hasWrk.success) {
    console.error("skipped: wrk is not installed: apt-get install wrk");
    return values.smoke ? 0 : 1;
  }
  const asked = values.servers === "" ? null : values.servers.split(",");
  const peers = allPeers().filter(({ name, missing }) => {
    if (asked !== null) return asked.includes(name);
    if (missing !== null) console.error(`without ${name}: ${missing}`);
    return missing === null;
  });
  const plan: Plan = values.smoke
    ? { pairs: 1, seconds: 1, warmUpSeconds: 1 }
    : { pairs: Number(values.pairs), seconds: Number(values.seconds), warmUpSeconds: 2 };
  const rows = ROWS.filter(({ name, connections }) =>
    name.includes(values.rows) && (!values.smoke || connections === 64)
  );
  const results = [];
  for (const row of rows) results.push({ row: row.name, ...summarize(await runRow(row, peers, plan)) });
  const conditions = {
    machine: describeMachine(),
    versions: await versionsOf(peers),
    command: `deno task bench ${Deno.args.join(" ")}`.trim(),
  };
  const table = toMarkdown(results, conditions);
  console.log(table);
  if (values.write) {
    await Deno.writeTextFile(`${import.meta.dirname}/../docs/benchmarks.md`, table);
    await Deno.writeTextFile(
      `${import.meta.dirname}/../docs/benchmarks.json`,
      JSON.stringify({ ...conditions, results }, null, 2) + "\n",
    );
  }
  return 0;
}

if (import.meta.main) Deno.exit(await main());
