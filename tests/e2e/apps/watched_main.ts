// What the main module of the --watch test calls: serves, and says where and with how many descriptors.
import { serve } from "../../../mod.ts";

/** Begins round `round`; the port and the app are the program's arguments. */
export async function begin(round: number): Promise<void> {
  const [app, port] = Deno.args as [string, string];
  const server = await serve(app, { port: Number(port), hostname: "127.0.0.1", workers: 2, onListen: () => {} });
  const descriptors = [...Deno.readDirSync("/proc/self/fd")].length;
  const place = server.addrs[0]!;
  console.log(`ready ${round} port ${place.transport === "tcp" ? place.port : 0} descriptors ${descriptors}`);
}
