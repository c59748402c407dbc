/**
 * A process that abandons a server, twice or while it stops, and looks whether the shim, which it holds itself, is
 * still the one that it was: given back once too often, it is unloaded under everybody who uses it.
 */

import { Reply } from "../../http/message.ts";
import { provideShim } from "../../shim/ffi.ts";
import { checkOptions } from "../../workers/options.ts";
import { type Engine, LocalEngine } from "../../workers/server.ts";
import { Supervisor } from "../../workers/supervisor.ts";

const [kind, during] = Deno.args;
const options = checkOptions({ hostname: "127.0.0.1", port: 0, workers: 1 });
const held = provideShim();

function start(): Promise<Engine> {
  if (kind === "workers") {
    return Supervisor.start("data:text/javascript,export default { fetch: () => new Response() }", options);
  }
  const nothing = () => Promise.resolve();
  return LocalEngine.start({ start: nothing, stop: nothing, handle: () => new Reply("") }, options);
}

const engine = await start();
const stop = during === "stop" ? engine.stop(50) : Promise.resolve();
engine.abandon();
if (during !== "stop") engine.abandon();
await stop.catch(() => {});
console.log(provideShim() === held ? "still loaded" : "unloaded");
Deno.exit(0);
