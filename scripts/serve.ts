/**
 * The command line of `deno task serve`: serves an app module until it is told to stop.
 *
 * @module
 */

import { parseArgs, styleText } from "node:util";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { serve, type ServeOptions } from "../mod.ts";

const DEFAULT_APP = "examples/01_hello.ts";

const HELP = `Serves an app: a module whose default export is an App, or an object with a fetch function.

Usage: deno task serve [options]

  --app FILE         the module to serve (default: ${DEFAULT_APP})
  --port N           0 to 65535; 0 lets the system choose (default: 8000)
  --hostname HOST    an IP address or a name (default: every address, IPv6 and IPv4)
  --path FILE        listen on a Unix socket instead of a port
  --workers N        Web Workers that serve (default: one for each processor, ${navigator.hardwareConcurrency} here)
  --trigger KIND     edge (the default) or level: how epoll reports connections, to compare them
  --wake KIND        aio or poll: how the loop waits, instead of what its self-test finds
  --help             this text

Ctrl-C or SIGTERM stops accepting and finishes what is in flight, 25 seconds at most; a second one ends at once.`;

const OPTIONS = {
  app: { type: "string" },
  port: { type: "string" },
  hostname: { type: "string" },
  path: { type: "string" },
  workers: { type: "string" },
  trigger: { type: "string" },
  wake: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

/** What is wrong with the command line or the server, said in one sentence. */
class UsageError extends Error {}

function toInteger(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d+$/.test(text)) throw new UsageError(`--${name} ${text}: expected a whole number`);
  return Number(text);
}

function parse(args: string[]): { app: string; options: ServeOptions } | null {
  // `deno task serve -- --port 80` hands the dashes over as they are.
  const rest = args[0] === "--" ? args.slice(1) : args;
  let values: ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>["values"];
  try {
    ({ values } = parseArgs({ args: rest, options: OPTIONS, strict: true, allowPositionals: false }));
  } catch (error) {
    throw new UsageError(`${(error as Error).message.split(". ")[0]}; --help lists the options`);
  }
  if (values.help) return null;
  const options: ServeOptions = {};
  const port = toInteger("port", values.port), workers = toInteger("workers", values.workers);
  if (port !== undefined) options.port = port;
  if (workers !== undefined) options.workers = workers;
  if (values.hostname !== undefined) options.hostname = values.hostname;
  if (values.path !== undefined) options.path = values.path;
  // serve() says what these may be.
  if (values.trigger !== undefined) options.trigger = values.trigger as ServeOptions["trigger"];
  if (values.wake !== undefined) options.wake = values.wake as ServeOptions["wake"];
  // A path is relative to where the person is, the default to where the repository is.
  const app = values.app === undefined
    ? new URL(`../${DEFAULT_APP}`, import.meta.url).href
    : pathToFileURL(resolve(Deno.env.get("INIT_CWD") ?? Deno.cwd(), values.app)).href;
  return { app, options };
}

async function main(): Promise<void> {
  try {
    const parsed = parse(Deno.args);
    if (parsed === null) return console.log(HELP);
    await serve(parsed.app, parsed.options);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    console.error(`${styleText("red", "error")}: ${message}`);
    Deno.exit(1);
  }
}

if (import.meta.main) await main();
