/**
 * The first thread of a server with workers: a start that fails, a stop, and dropping everything leave nothing behind.
 *
 * A worker's thread ends some time after the worker, and Deno keeps a few descriptors of the first one for ever. So what
 * is open is compared by kind, after a first server has come and gone, and may be less than before.
 */

import assert from "node:assert/strict";
import { must, provideShim } from "../../shim/ffi.ts";
import { checkOptions, type ServeOptions } from "../../workers/options.ts";
import { Supervisor } from "../../workers/supervisor.ts";
import { descriptors, shim } from "../shim/support.ts";

/** The URL of an app whose default export is this expression. */
function app(expression: string): string {
  return `data:text/javascript,${encodeURIComponent(`export default ${expression};`)}`;
}

const HELLO = app("{ fetch: () => new Response('hello') }");
const STUCK = app("{ fetch: () => new Promise(() => {}) }");

function start(url: string, options: ServeOptions = {}): Promise<Supervisor> {
  return Supervisor.start(url, checkOptions({ hostname: "127.0.0.1", port: 0, workers: 2, ...options }));
}

function portOf({ sockets: { addresses: [address] } }: Supervisor): number {
  return address!.transport === "tcp" ? address!.port : assert.fail();
}

async function get(port: number): Promise<string> {
  const client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
  try {
    return await (await fetch(`http://127.0.0.1:${port}/`, { client, headers: { connection: "close" } })).text();
  } finally {
    client.close();
  }
}

/** A client with a request that is being handled. */
async function busyClient(port: number): Promise<Deno.TcpConn> {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  await conn.write(new TextEncoder().encode("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
  await new Promise((resolve) => setTimeout(resolve, 50));
  return conn;
}

/** What is open, by kind. */
function kinds(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const target of descriptors().values()) {
    const kind = target.replace(/^(socket|pipe):.*/, "$1");
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return counts;
}

/** Of which kinds more is open than before. */
function surplus(before: Map<string, number>): string[] {
  return [...kinds()].filter(([kind, count]) => count > (before.get(kind) ?? 0)).map(([kind]) => kind);
}

let warm = false;

function workersTest(name: string, fn: () => Promise<void>): void {
  Deno.test(`supervisor: ${name}`, async () => {
    if (!warm) {
      await (await start(HELLO)).stop(100);
      await new Promise((resolve) => setTimeout(resolve, 200));
      warm = true;
    }
    const before = kinds();
    await fn();
    for (const endMs = performance.now() + 2000; surplus(before).length > 0 && performance.now() < endMs;) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assert.deepEqual(surplus(before), [], "left open");
  });
}

for (const wake of ["aio", "poll"] as const) {
  workersTest(`workers with ${wake} answer, and stop`, async () => {
    const supervisor = await start(HELLO, { wake });
    const port = portOf(supervisor);
    for (let request = 0; request < 4; request++) assert.equal(await get(port), "hello");
    await supervisor.stop(1000);
    await assert.rejects(Deno.connect({ hostname: "127.0.0.1", port }));
  });
}

workersTest("a start hook that fails in one worker of two closes everything, and is told in one sentence", async () => {
  const half = app(`{
    start({ worker }) { if (worker === 1) throw new Error("no database"); },
    stop() {}, handle() {},
  }`);
  await assert.rejects(start(half), (error: Error) => {
    assert.equal(error.message, "Cannot start the app: its start hook failed: no database");
    return true;
  });
});

workersTest("an app that cannot be loaded closes everything", async () => {
  const missing = "file:///no/such/app.ts";
  await assert.rejects(start(missing), /^Error: Cannot load the app file:\/\/\/no\/such\/app\.ts: /);
  await assert.rejects(start(app("1")), /its default export is neither an App nor an object with a fetch function$/);
});

workersTest("an address that cannot be had starts no worker", async () => {
  const first = await start(HELLO, { workers: 1 });
  const startMs = performance.now();
  await assert.rejects(start(HELLO, { port: portOf(first) }), /EADDRINUSE/);
  assert.ok(performance.now() - startMs < 100);
  await first.stop(100);
});

workersTest("a stop hook that fails leaves nothing open", async () => {
  const failing = app(`{ start() {}, stop() { throw new Error("no luck"); }, handle() {} }`);
  const supervisor = await start(failing, { workers: 1 });
  await assert.rejects(supervisor.stop(100), /^Error: Cannot stop the app: its stop hook failed: no luck$/);
});

for (const how of ["Deno.exit(3)", "self.close()"]) {
  workersTest(`an app that calls ${how} while it starts is a start that failed`, async () => {
    const leaving = app(`{ start() { ${how}; return new Promise(() => {}); }, stop() {}, handle() {} }`);
    await assert.rejects(
      start(leaving, { workers: 2 }),
      (error: Error) => error.message.includes(`the app called ${how}`),
    );
  });
}

workersTest("a handler that never answers is cut off at the deadline", async () => {
  const supervisor = await start(STUCK);
  const conn = await busyClient(portOf(supervisor));
  const startMs = performance.now();
  await supervisor.stop(100);
  const ms = performance.now() - startMs;
  assert.ok(ms >= 99 && ms < 1000, `${ms} ms`);
  await assert.rejects(conn.read(new Uint8Array(10)), Deno.errors.ConnectionReset);
  conn.close();
});

workersTest("abandon frees every descriptor at once, those of clients included", async () => {
  const supervisor = await start(STUCK);
  const port = portOf(supervisor);
  const conn = await busyClient(port);
  const startMs = performance.now();
  supervisor.abandon();
  assert.ok(performance.now() - startMs < 400, "nobody had to be waited for");
  await assert.rejects(Deno.connect({ hostname: "127.0.0.1", port }));
  await conn.read(new Uint8Array(10)).catch(() => {});
  conn.close();
});

for (const during of ["twice", "while it stops"] as const) {
  Deno.test(`supervisor: abandoned ${during}, it closes no descriptor a second time`, async () => {
    // A second release would unload the library under everybody's feet: this keeps it loaded.
    for (let extra = 0; extra < 3; extra++) provideShim();
    const supervisor = await start(STUCK);
    const conn = await busyClient(portOf(supervisor));
    const stop = during === "twice" ? null : supervisor.stop(50);
    await new Promise((resolve) => setTimeout(resolve, 10));
    supervisor.abandon();
    // The numbers that have become free are somebody else's now.
    const mine = Array.from({ length: 24 }, () => must(shim.eventfd(), "make an eventfd"));
    await conn.read(new Uint8Array(10)).catch(() => {});
    conn.close();
    if (stop) await stop;
    else supervisor.abandon();
    const open = descriptors();
    const lost = mine.filter((fd) => open.get(fd) !== "anon_inode:[eventfd]");
    for (const fd of mine) if (!lost.includes(fd)) must(shim.close_descriptor(fd), "close");
    assert.deepEqual(lost, [], "descriptors of somebody else were closed");
  });
}

for (const kind of ["workers", "thread"]) {
  for (const during of ["twice", "stop"]) {
    Deno.test(`supervisor: an engine (${kind}) that is abandoned (${during}) gives the shim back once`, async () => {
      const script = new URL("./abandon_child.ts", import.meta.url).pathname;
      const command = new Deno.Command(Deno.execPath(), { args: ["run", "-A", "--no-check", script, kind, during] });
      const { code, signal, stdout, stderr } = await command.output();
      const [said, failed] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
      assert.deepEqual([code, signal, said], [0, null, "still loaded\n"], failed);
    });
  }
}

Deno.test("supervisor: workers serve side by side", async () => {
  const supervisor = await start(app("{ fetch: () => new Response(String(globalThis.id ??= Math.random())) }"));
  const answers = new Set<string>();
  for (let request = 0; request < 6; request++) answers.add(await get(portOf(supervisor)));
  assert.equal(answers.size, 2);
  await supervisor.stop(100);
});

// The last one: Deno ends the thread of a worker that hangs two seconds later, and its descriptors with it.
Deno.test("supervisor: a worker that hangs is given up a second after the deadline, and its clients are let go", async () => {
  const hanging = app("{ fetch() { for (;;); } }");
  const supervisor = await start(hanging, { workers: 1 });
  const conn = await busyClient(portOf(supervisor));
  const startMs = performance.now();
  await supervisor.stop(50);
  const ms = performance.now() - startMs;
  assert.ok(ms >= 1000 && ms < 2000, `${ms} ms`);
  await conn.read(new Uint8Array(10)).catch(() => {});
  conn.close();
});
