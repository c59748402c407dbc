/**
 * A running server: the engine of this thread over real sockets, and what its user sees over an engine that is none.
 */

import assert from "node:assert/strict";
import { type Application, type Handler, Reply } from "../../http/message.ts";
import { must, provideShim } from "../../shim/ffi.ts";
import type { ListeningSockets } from "../../workers/bind.ts";
import { checkOptions, type ServeOptions } from "../../workers/options.ts";
import { banner, type Engine, LocalEngine, RunningServer } from "../../workers/server.ts";
import { VERSION } from "../../workers/version.ts";
import { descriptors, shim, until } from "../shim/support.ts";
import { application, tidyTest } from "../support/thread.ts";

const LOOPBACK: ServeOptions = { hostname: "127.0.0.1", port: 0, handleSignals: false };

async function start(handle: Handler, hooks?: Partial<Application>): Promise<{ engine: LocalEngine; url: string }> {
  const engine = await LocalEngine.start(application(handle, hooks), checkOptions(LOOPBACK));
  return { engine, url: urlOf(engine) };
}

function urlOf({ sockets: { addresses: [address] } }: Engine): string {
  if (address!.transport !== "tcp") assert.fail();
  return `http://127.0.0.1:${address!.port}`;
}

/** A request over a connection of its own. */
async function get(url: string): Promise<string> {
  const client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
  try {
    return await (await fetch(url, { client, headers: { connection: "close" } })).text();
  } finally {
    client.close();
  }
}

function connect(url: string): Promise<Deno.TcpConn> {
  return Deno.connect({ hostname: "127.0.0.1", port: Number(new URL(url).port) });
}

// ---- the engine of this thread ----

tidyTest("server: starts the application, answers, and stops it after the last answer", async () => {
  const log: string[] = [];
  let stopping: AbortSignal | undefined;
  const { engine, url } = await start(() => new Reply("hello"), {
    start: ({ worker, signal }) => {
      log.push(`start ${worker}`);
      stopping = signal;
      return Promise.resolve();
    },
    stop: () => {
      log.push("stop");
      return Promise.resolve();
    },
  });
  assert.equal(await get(url), "hello");
  assert.deepEqual(log, ["start 0"]);
  assert.equal(stopping!.aborted, false);
  await engine.stop(1000);
  assert.equal(stopping!.aborted, true);
  assert.match(String(stopping!.reason), /The server is shutting down/);
  assert.deepEqual(log, ["start 0", "stop"]);
  await assert.rejects(connect(url));
});

tidyTest("server: clients that connected before the stop are served, later ones refused", async () => {
  const { engine, url } = await start(() => new Reply("served"));
  const conn = await connect(url); // the loop has had no turn since
  await conn.write(new TextEncoder().encode("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
  const stop = engine.stop(2000);
  const buffer = new Uint8Array(1000);
  const count = await conn.read(buffer);
  assert.match(new TextDecoder().decode(buffer.subarray(0, count!)), /served$/);
  conn.close();
  await stop;
});

tidyTest("server: a handler that never answers is cut off at the deadline", async () => {
  let signal: AbortSignal | undefined;
  const { engine, url } = await start((request) => {
    signal = request.signal;
    return new Promise(() => {});
  });
  const failed = assert.rejects(get(url));
  await until(() => signal !== undefined, "the handler runs");
  const startMs = performance.now();
  await engine.stop(100);
  const ms = performance.now() - startMs;
  assert.ok(ms >= 99 && ms < 500, `${ms} ms`);
  assert.equal(signal!.aborted, true);
  await failed;
});

tidyTest("server: a handler may ask for the stop itself, and still answers", async () => {
  const stopped = Promise.withResolvers<void>();
  const { engine, url } = await start(() => {
    engine.stop(1000).then(stopped.resolve, stopped.reject);
    return new Reply("goodbye");
  });
  assert.equal(await get(url), "goodbye");
  await stopped.promise;
});

tidyTest("server: a start hook that fails leaves nothing open, and the address can be had again", async () => {
  const failing = application(() => new Reply(""), { start: () => Promise.reject(new Error("no database")) });
  for (let round = 0; round < 3; round++) {
    await assert.rejects(
      LocalEngine.start(failing, checkOptions(LOOPBACK)),
      /^Error: Cannot start the app: its start hook failed: no database$/,
    );
  }
});

tidyTest("server: a stop hook that fails is told, after everything was freed", async () => {
  const { engine, url } = await start(() => new Reply(""), { stop: () => Promise.reject(new Error("no luck")) });
  await assert.rejects(engine.stop(100), /^Error: Cannot stop the app: its stop hook failed: no luck$/);
  await assert.rejects(connect(url));
});

tidyTest("server: a stop hook that never ends is given up", async () => {
  const { engine, url } = await start(() => new Reply(""), { stop: () => new Promise(() => {}) });
  await assert.rejects(engine.stop(100), /its stop hook failed: it has not ended after 1000 ms$/);
  await assert.rejects(connect(url));
});

tidyTest("server: abandon frees everything at once, clients included", async () => {
  const { engine, url } = await start(() => new Promise(() => {}));
  const conn = await connect(url);
  await conn.write(new TextEncoder().encode("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
  await until(() => engine.thread.handlersWaiting, "the handler runs");
  engine.abandon();
  await assert.rejects(connect(url));
  await conn.read(new Uint8Array(10)).catch(() => {});
  conn.close();
});

/** Takes the lowest free numbers, looks after `during` whether they are still what they were, and gives them back. */
async function keepsItsHandsOff(during: () => unknown): Promise<void> {
  const mine = Array.from({ length: 12 }, () => must(shim.eventfd(), "make an eventfd"));
  await during();
  const open = descriptors();
  const lost = mine.filter((fd) => open.get(fd) !== "anon_inode:[eventfd]");
  for (const fd of mine) if (!lost.includes(fd)) must(shim.close_descriptor(fd), "close");
  assert.deepEqual(lost, [], "descriptors of somebody else were closed");
}

for (const during of ["twice", "while it stops"] as const) {
  Deno.test(`server: abandoned ${during}, it closes no descriptor a second time`, async () => {
    // A second release would unload the library under everybody's feet: this keeps it loaded.
    for (let extra = 0; extra < 3; extra++) provideShim();
    const { engine, url } = await start(() => new Promise(() => {}));
    const conn = await connect(url);
    await conn.write(new TextEncoder().encode("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    await until(() => engine.thread.handlersWaiting, "the handler runs");
    const stop = during === "twice" ? null : engine.stop(50);
    await null;
    engine.abandon();
    await keepsItsHandsOff(async () => {
      await conn.read(new Uint8Array(10)).catch(() => {});
      conn.close();
      if (stop) await stop.catch(() => {});
      else engine.abandon();
    });
  });
}

// ---- what the user sees ----

class FakeEngine implements Engine {
  readonly sockets = {
    addresses: [
      { transport: "tcp", hostname: "127.0.0.1", port: 80 },
      { transport: "unix", path: "/run/app.sock" },
    ],
  } as unknown as ListeningSockets;
  readonly calls: string[] = [];
  constructor(readonly result: Promise<void> = Promise.resolve()) {}

  stop(drainMs: number): Promise<void> {
    this.calls.push(`stop ${drainMs}`);
    return this.result;
  }

  abandon(): void {
    this.calls.push("abandon");
  }
}

Deno.test("server: addrs are those it listens on", async () => {
  const engine = new FakeEngine();
  const server = new RunningServer(engine, checkOptions({}));
  assert.deepEqual(server.addrs, engine.sockets.addresses);
  await server.shutdown();
});

Deno.test("server: shutting down twice is once, waits at most 25 seconds, and finishes", async () => {
  const gate = Promise.withResolvers<void>();
  const engine = new FakeEngine(gate.promise);
  const server = new RunningServer(engine, checkOptions({}));
  let finished = false;
  server.finished.then(() => finished = true);
  const first = server.shutdown();
  assert.equal(server.shutdown(), first);
  assert.equal(server[Symbol.asyncDispose](), first);
  assert.deepEqual(engine.calls, ["stop 25000"]);
  for (let turn = 0; turn < 5; turn++) await null;
  assert.equal(finished, false);
  gate.resolve();
  await first;
  await server.finished;
  assert.equal(server.shutdown(), first);
});

Deno.test("server: a stop that fails is told to whoever asked and to finished", async () => {
  const error = new Error("no luck");
  const server = new RunningServer(new FakeEngine(Promise.reject(error)), checkOptions({ handleSignals: false }));
  await assert.rejects(server.shutdown(), error);
  await assert.rejects(server.finished, error);
});

Deno.test("server: an AbortSignal shuts it down, also one that was aborted before", async () => {
  const controller = new AbortController();
  const engine = new FakeEngine();
  const server = new RunningServer(engine, checkOptions({ signal: controller.signal }));
  assert.deepEqual(engine.calls, []);
  controller.abort();
  assert.deepEqual(engine.calls, ["stop 25000"]);
  await server.finished;
  const late = new FakeEngine();
  await new RunningServer(late, checkOptions({ signal: AbortSignal.abort() })).finished;
  assert.deepEqual(late.calls, ["stop 25000"]);
});

Deno.test("server: an AbortSignal and a stop hook that fails are no unhandled rejection", async () => {
  const unhandled: unknown[] = [];
  const listener = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    unhandled.push(event.reason);
  };
  globalThis.addEventListener("unhandledrejection", listener);
  try {
    const controller = new AbortController();
    const engine = new FakeEngine(Promise.reject(new Error("no luck")));
    const server = new RunningServer(engine, checkOptions({ signal: controller.signal, handleSignals: false }));
    controller.abort();
    await assert.rejects(server.finished, /no luck/);
    await new Promise((resolve) => setTimeout(resolve, 5));
  } finally {
    globalThis.removeEventListener("unhandledrejection", listener);
  }
  assert.deepEqual(unhandled, [], "nobody can catch it: the process dies");
});

Deno.test("server: abandoned, it has finished", async () => {
  const engine = new FakeEngine();
  const server = new RunningServer(engine, checkOptions({ handleSignals: false }));
  server.abandon();
  await server.finished;
  assert.deepEqual(engine.calls, ["abandon"]);
  await server.shutdown();
});

Deno.test("server: the banner says what runs where", () => {
  const lines = banner(VERSION, [
    { transport: "tcp", hostname: "::", port: 8000 },
    { transport: "tcp", hostname: "0.0.0.0", port: 8001 },
    { transport: "tcp", hostname: "::1", port: 8002 },
    { transport: "tcp", hostname: "192.0.2.1", port: 80 },
    { transport: "unix", path: "/run/app.sock" },
  ], "2 workers").split("\n");
  assert.match(lines[0]!, /^sluice \d+\.\d+\.\d+, 2 workers, shim ABI \d+ build [0-9a-f]{8}$/);
  assert.deepEqual(lines.slice(1), [
    "  listening on http://localhost:8000/ (all addresses)",
    "  listening on http://localhost:8001/ (all addresses)",
    "  listening on http://[::1]:8002/",
    "  listening on http://192.0.2.1:80/",
    "  listening on unix:/run/app.sock",
  ]);
});
