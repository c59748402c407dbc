/**
 * How a server ends: signals, the signal option, shutdown(), finished, `await using`; hooks run in their order.
 *
 * @module
 */

import assert from "node:assert/strict";
import { App } from "../../mod.ts";
import { RawClient } from "../support/raw_client.ts";
import {
  appFile,
  appUrl,
  portOf,
  ROOT,
  type ServerChild,
  sleep,
  start,
  startChild,
  startCli,
  until,
} from "../support/server.ts";
import { BIG_BYTES } from "./apps/main.ts";

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: h\r\n\r\n`;

/** Whether nobody listens. A socket that is closed while it has the connection in its queue is no answer yet. */
async function refuses(port: number): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return false;
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) return true;
    if (error instanceof Deno.errors.NotConnected || error instanceof Deno.errors.ConnectionReset) return false;
    throw error;
  }
}

/** Two workers, one of them busy for 500 ms, one idle connection, and then the signal. */
async function signalled(signal: Deno.Signal, use: (all: Signalled) => Promise<void>): Promise<void> {
  await using server = await startCli("hooks", 2);
  using idle = await RawClient.connect({ port: server.port });
  assert.equal((await idle.request(get("/"))).text, "hello\n");
  using busy = await RawClient.connect({ port: server.port });
  await busy.send(get("/slow"));
  const worker = Number((await server.said(/begin (\d)/))[1]);
  server.signal(signal);
  await use({ server, idle, busy, worker });
}

interface Signalled {
  readonly server: ServerChild;
  readonly idle: RawClient;
  readonly busy: RawClient;
  /** Which one is busy. */
  readonly worker: number;
}

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  Deno.test(`${signal} finishes what is in flight and exits with 0; stop runs after the last answer, per worker`, () =>
    signalled(signal, async ({ server, idle, busy, worker }) => {
      assert.equal((await idle.untilClosed()).how, "eof");
      const { status, headers, text } = await busy.response();
      assert.equal(status, 200);
      assert.equal(headers.connection, "close");
      assert.equal(text, "done\n");
      assert.equal((await busy.untilClosed()).how, "eof");
      busy.close();
      idle.close();
      const { code, stderr } = await server.ended(5000);
      assert.equal(code, 0, server.output);
      for (const index of [0, 1]) assert.equal(stderr.split(`stop ${index}\n`).length, 2, stderr);
      assert.ok(stderr.indexOf(`answer ${worker} stopping true`) > 0, stderr);
      assert.ok(stderr.indexOf(`answer ${worker}`) < stderr.indexOf(`stop ${worker}\n`), stderr);
    }));

  Deno.test(`${signal} refuses new connections while what is in flight is finished`, () =>
    signalled(signal, async ({ server, busy }) => {
      await until("new connections are refused", () => refuses(server.port), 400);
      assert.equal((await busy.response()).text, "done\n");
    }));
}

Deno.test("SIGTERM lets a body that is being received and an answer that is being read come to their end", async () => {
  await using server = await startCli("main", 2);
  const { port } = server;
  using upload = await RawClient.connect({ port });
  await upload.send(`POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhello`);
  using download = await RawClient.connect({ port });
  await download.send(get("/big"));
  using stream = await RawClient.connect({ port });
  await stream.send(get("/big-stream"));
  await download.readSome(1000);
  await stream.readSome(1000);
  server.signal("SIGTERM");
  await sleep(300);
  await upload.send("world");
  const answer = await upload.response();
  assert.equal(answer.text, "helloworld");
  assert.equal(answer.headers.connection, "close");
  upload.close();
  for (const client of [download, stream]) {
    assert.equal((await client.response()).body.length, BIG_BYTES);
    assert.equal((await client.untilClosed()).how, "eof");
    client.close();
  }
  assert.equal((await server.ended(5000)).code, 0, server.output);
});

Deno.test("two SIGINT within 500 ms are one", async () => {
  await using server = await startCli("hooks", 1);
  using busy = await RawClient.connect({ port: server.port });
  await busy.send(get("/slow"));
  await server.said(/begin/);
  server.signal("SIGINT");
  await sleep(50);
  server.signal("SIGINT");
  assert.equal((await busy.response()).text, "done\n");
  busy.close();
  assert.equal((await server.ended(5000)).code, 0);
});

Deno.test("a second SIGINT later ends at once", async () => {
  await using server = await startCli("hooks", 1);
  using busy = await RawClient.connect({ port: server.port });
  await busy.send(get("/hang"));
  await server.said(/hanging/);
  server.signal("SIGINT");
  await sleep(700);
  assert.ok(server.isRunning);
  const from = performance.now();
  const { code } = await server.stop("SIGINT", 5000);
  assert.ok(performance.now() - from < 1500);
  assert.equal(code, 130);
});

Deno.test("idle keep-alive connections and silent ones do not hold a shutdown up", async () => {
  await using server = await startCli("hooks", 2);
  const clients: RawClient[] = [];
  for (let i = 0; i < 20; i++) clients.push(await RawClient.connect({ port: server.port }));
  for (const client of clients.slice(0, 10)) await client.request(get("/"));
  const from = performance.now();
  const { code } = await server.stop("SIGTERM", 10_000);
  const tookMs = performance.now() - from;
  for (const client of clients) client.close();
  assert.equal(code, 0);
  assert.ok(tookMs < 5000, `took ${tookMs} ms with clients that never close`);
});

Deno.test("Ctrl-C through `deno task serve` (SIGINT to the whole group) exits with 0", async () => {
  const args = ["task", "serve", "--app", appFile("hooks"), "--port", "0", "--workers", "2"];
  await using server = await startChild({ command: `${ROOT}scripts/deno`, args });
  using busy = await RawClient.connect({ port: server.port });
  await busy.send(get("/slow"));
  await server.said(/begin/);
  server.signalGroup("SIGINT");
  assert.equal((await busy.response()).text, "done\n");
  busy.close();
  const { code } = await server.ended(10_000);
  assert.equal(code, 0, server.output);
  await until("the port is free", () => refuses(server.port));
});

/** The ways to end a server in a program, each as a function of what the server was started with. */
const ENDS: Readonly<Record<string, (server: Awaited<ReturnType<typeof start>>, stop: AbortController) => void>> = {
  "the signal option": (_, stop) => stop.abort(),
  "server.shutdown()": (server) => void server.shutdown(),
  "await using": (server) => void server[Symbol.asyncDispose](),
};

for (const [name, end] of Object.entries(ENDS)) {
  for (const workers of [0, 2]) {
    Deno.test(`${name} finishes what is in flight, then finished resolves (${workers} workers)`, async () => {
      const stop = new AbortController();
      const target = workers > 0 ? appUrl("main") : (await import("./apps/main.ts")).default;
      const options = workers > 0 ? { workers } : {};
      const server = await start(target, { ...options, signal: stop.signal });
      const port = portOf(server);
      using busy = await RawClient.connect({ port });
      assert.equal((await busy.request(get("/"))).status, 200);
      await busy.send(get("/slow/200"));
      await sleep(50);
      end(server, stop);
      const { text, headers } = await busy.response();
      assert.equal(text, "slow\n");
      assert.equal(headers.connection, "close");
      busy.close();
      await server.finished;
      await until("the port is free", () => refuses(port));
      assert.equal(server.shutdown(), server.shutdown());
      await server.shutdown();
    });
  }
}

Deno.test("a handler may shut its own server down and is answered", async () => {
  const app = new App();
  const server = await start(app.get("/stop", (c) => {
    server.shutdown();
    return c.text("bye\n");
  }));
  using client = await RawClient.connect({ port: portOf(server) });
  assert.equal((await client.request(get("/stop"))).text, "bye\n");
  client.close();
  await server.finished;
});

Deno.test("hooks: start runs before the first answer, stop after the last one, once per worker", async () => {
  await using server = await startCli("hooks", 3);
  for (const worker of [0, 1, 2]) assert.equal(server.stderr.split(`start ${worker}\n`).length, 2, server.output);
  assert.ok(server.stderr.lastIndexOf("start ") < server.stderr.indexOf("listening on"), server.output);
  const { code, stderr } = await server.stop();
  assert.equal(code, 0);
  for (const worker of [0, 1, 2]) assert.equal(stderr.split(`stop ${worker}\n`).length, 2, stderr);
});
