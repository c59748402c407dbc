// Serves on this thread, so that `/stats` can look into the connection table of its own server.
import { App, serve } from "../../../mod.ts";
import { HANDED, OWNED, provideShim } from "../../../shim/ffi.ts";
import { allocateOwner, processTable } from "../../../workers/table.ts";

const PORTS = 10;

const table = processTable(provideShim().shim);
const owner = allocateOwner() + 1; // the server's, which is the next one
const app = new App();

app.get("/", (c) => c.text("hello\n"));
app.get("/stats", (c) => {
  (globalThis as { gc?: () => void }).gc!();
  let slots = 0;
  table.each(owner, (fd) => slots = Math.max(slots, table.slot(fd) + 1));
  let descriptors = 0;
  for (const _ of Deno.readDirSync("/proc/self/fd")) descriptors++;
  const resident = Number(/VmRSS:\s+(\d+) kB/.exec(Deno.readTextFileSync("/proc/self/status"))![1]) * 1024;
  return c.json({ owned: table.count(OWNED), handed: table.count(HANDED), slots, descriptors, resident });
});

// Several ports: a client may come from each of its own only once a minute to the same one.
const server = await serve(app, {
  listeners: Array.from({ length: PORTS }, () => ({ hostname: "127.0.0.1", port: 0 })),
  onListen: (addresses) => {
    console.log(`ports ${addresses.map((address) => address.transport === "tcp" ? address.port : 0).join(",")}`);
  },
});
await server.finished;
