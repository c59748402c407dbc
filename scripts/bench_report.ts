/**
 * From rounds to a table: medians, spreads and ratios.
 *
 * @module
 */

/** What one round gave. */
export interface Measured {
  readonly server: string;
  /** CPU time of the server for each request, in microseconds. */
  readonly cpuUs: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly residentMiB: number;
  /** Answers that were not the right ones, and connections that failed. */
  readonly errors: number;
  /** The machine took more than it may from the processors in this round. */
  readonly isStolen: boolean;
}

/** The lower quartile, the median and the upper quartile. */
export type Spread = readonly [low: number, median: number, high: number];

/** What a row says of one server: medians over its rounds. */
export interface Line {
  readonly server: string;
  readonly cpuUs: number;
  /** The quartiles of `cpuUs`. */
  readonly cpuUsQuartiles: readonly [number, number];
  /** Of each round, what it is of the floor's and of `Deno.serve`'s round in the same pass: quartiles and median. */
  readonly toFloor: Spread | null;
  readonly toDeno: Spread | null;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly residentMiB: number;
  readonly errors: number;
  readonly responseBytes: number;
  readonly rounds: number;
}

/** A row of the table. */
export interface Result {
  readonly row: string;
  readonly lines: readonly Line[];
  readonly leftOut: number;
}

/** The value below which a share of them lies; NaN of none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * share;
  const below = sorted[Math.floor(at)]!, above = sorted[Math.ceil(at)]!;
  return below + (above - below) * (at - Math.floor(at));
}

const median = (values: readonly number[]) => quantile(values, 0.5);

/** The lines of a row. */
export function summarize(
  { rounds, bytes }: { rounds: readonly Measured[]; bytes: Readonly<Record<string, number>> },
): Omit<Result, "row"> {
  const kept = rounds.filter(({ isStolen }) => !isStolen);
  const servers = [...new Set(rounds.map(({ server }) => server))];
  const ratio = (server: string, to: string): Spread | null => {
    // Rounds of one pass follow one another: what the machine does meanwhile, it does to both.
    const [own, other] = [server, to].map((name) => rounds.filter((round) => round.server === name));
    if (other!.length === 0) return null;
    const pairs = own!.map((round, pass) => [round, other![pass]!] as const);
    const ratios = pairs.filter(([a, b]) => !a.isStolen && !b.isStolen).map(([a, b]) => a.cpuUs / b.cpuUs);
    return [quantile(ratios, 0.25), median(ratios), quantile(ratios, 0.75)];
  };
  const lines = servers.map((server): Line => {
    const own = kept.filter((round) => round.server === server);
    const of = (key: "perSecond" | "p50Ms" | "p99Ms" | "residentMiB") => median(own.map((round) => round[key]));
    const cpu = own.map(({ cpuUs }) => cpuUs);
    return {
      server,
      cpuUs: median(cpu),
      cpuUsQuartiles: [quantile(cpu, 0.25), quantile(cpu, 0.75)],
      toFloor: ratio(server, "floor"),
      toDeno: ratio(server, "deno"),
      perSecond: of("perSecond"),
      p50Ms: of("p50Ms"),
      p99Ms: of("p99Ms"),
      residentMiB: of("residentMiB"),
      errors: own.reduce((sum, { errors }) => sum + errors, 0),
      responseBytes: bytes[server] ?? NaN,
      rounds: own.length,
    };
  });
  return { lines, leftOut: rounds.length - kept.length };
}

/** Where and how it was measured. */
export interface Conditions {
  readonly machine: string;
  readonly versions: string;
  readonly command: string;
}

/** Processors and kernel of this machine. */
export function describeMachine(): string {
  const cpu = /model name\s*:\s*(.*)/.exec(Deno.readTextFileSync("/proc/cpuinfo"))?.[1] ?? "unknown processor";
  return `${navigator.hardwareConcurrency} × ${cpu}, Linux ${Deno.osRelease()}`;
}

/** The whole page. */
export function toMarkdown(results: readonly Result[], { machine, versions, command }: Conditions): string {
  const head = `# Benchmarks

CPU time of the server for each request, and what that is of the C floor (\`tests/bench/floor.c\`: recv, walk the head,
format a head, one send, nothing else) and of \`Deno.serve\`, in the same run: each round is compared with theirs of the
same pass. Medians over all rounds, quartiles in brackets; server and client each on a processor of their own. Ratios travel to another machine, the rest does not.

${machine}; ${versions}; \`${command}\`.
`;
  const tables = results.map(({ row, lines, leftOut }) => {
    const body = lines.map((line) => {
      const times = (spread: Spread | null) => {
        if (spread === null) return "";
        const [low, middle, high] = spread.map((value) => value.toFixed(2));
        return low === high ? middle! : `${middle} (${low}–${high})`;
      };
      const [low, high] = line.cpuUsQuartiles;
      return `| ${line.server} | ${line.cpuUs.toFixed(2)} (${low.toFixed(2)}–${high.toFixed(2)}) | ${
        times(line.toFloor)
      } | ${times(line.toDeno)} | ${Math.round(line.perSecond)} | ${line.p50Ms.toFixed(2)} / ${
        line.p99Ms.toFixed(2)
      } | ${line.residentMiB.toFixed(0)} | ${line.responseBytes} | ${line.errors} | ${line.rounds} |`;
    });
    return `## ${row}

| server | µs of CPU a request | × floor | × Deno.serve | requests/s | p50 / p99 ms | RSS MiB | bytes | errors | rounds |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
${body.join("\n")}

${leftOut} rounds left out for stolen time.
`;
  });
  return `${head}\n${tables.join("\n")}`;
}
