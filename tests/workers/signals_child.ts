/**
 * A process with servers that are none: it says on standard output what becomes of them. What they do is in the
 * argument, comma by comma: `quick`, `slow` (700 ms), `fails`, `never`, `deaf` (does not handle signals), `gone`
 * (unregistered at once). With `end` the process ends by itself.
 */

import { register, type Stoppable, unregister } from "../../workers/signals.ts";

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}

const kinds = Deno.args[0]!.split(",");
const keepAlive = setInterval(() => {}, 1000);

for (const kind of kinds.filter((kind) => kind !== "end")) {
  const server: Stoppable = {
    async shutdown(): Promise<void> {
      say(`${kind} shutdown`);
      if (kind === "slow") await new Promise((resolve) => setTimeout(resolve, 700));
      if (kind === "never") await new Promise(() => {});
      unregister(server);
      clearInterval(keepAlive);
      if (kind === "fails") throw new Error("no luck");
      say(`${kind} done`);
    },
    abandon: () => say(`${kind} abandon`),
  };
  register(server, kind !== "deaf");
  if (kind === "gone") unregister(server);
}
if (kinds.includes("end")) clearInterval(keepAlive);
say("ready");
