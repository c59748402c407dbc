/**
 * Errors of accept4: what ran out makes accepting rest, what one client did is forgotten, a dead socket is the end. And
 * servers that may open few descriptors.
 *
 * @module
 */

import assert from "node:assert/strict";
import { needs, unless } from "../support/needs.ts";
import { RawClient } from "../support/raw_client.ts";
import {
  appFile,
  Child,
  cpuMs,
  descriptors,
  type ServerChild,
  sleep,
  startChild,
  startCli,
  until,
} from "../support/server.ts";
import { get, SOON_MS, withClient } from "./support.ts";
import { Injector, strace } from "./tracing.ts";

const prlimit = needs({ programs: ["prlimit"], debian: "util-linux" });

/** A server that does nothing uses next to nothing in a second, and far less than this. */
const IDLE_MS_PER_SECOND = 200;

/** Connects, asks once and leaves. */
function hello(port: number): Promise<void> {
  return withClient(port, async (client) => {
    assert.equal((await client.request(get("/"), { timeoutMs: SOON_MS })).text, "hello\n");
  });
}

/** CPU time that a server uses in a second. */
async function usedInASecond(server: ServerChild): Promise<number> {
  const before = cpuMs(server.pid);
  await sleep(1000);
  return cpuMs(server.pid) - before;
}

for (const error of ["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"]) {
  Deno.test({
    name: `accept: ${error} makes accepting rest, without spinning; those connected are served; then it goes on`,
    async fn() {
      await using server = await startCli("main", 1);
      using old = await RawClient.connect({ port: server.port });
      await old.request(get("/"));
      {
        await using injector = await Injector.attach(server, "accept4", error, "1+");
        using waiting = await RawClient.connect({ port: server.port });
        await waiting.send(get("/"));
        await until("accepting has failed", () => injector.counts.injected > 0, SOON_MS);
        const from = injector.counts.calls;
        const usedMs = await usedInASecond(server);
        const calls = injector.counts.calls - from;
        assert.ok(calls >= 2 && calls <= 20, `accept4 was called ${calls} times in a second`);
        assert.ok(usedMs < IDLE_MS_PER_SECOND, `used ${usedMs} ms of CPU in a second while it cannot accept`);
        for (let i = 0; i < 5; i++) assert.equal((await old.request(get("/"))).text, "hello\n");
        await injector.detach();
        // Nothing else happens on the listening socket: the server comes back to it by itself.
        assert.equal((await waiting.response({ timeoutMs: SOON_MS })).text, "hello\n");
      }
      await hello(server.port);
      assert.match(server.stderr, new RegExp(`accepting rests, \\d+ ms at a time: ${error}\n`));
      assert.match(server.stderr, /accepting goes on after \d+ rests/);
      assert.equal((await server.stop()).code, 0, server.output);
    },
    ...unless(strace),
  });

  Deno.test({
    name: `accept: ${error} now and then loses nobody`,
    async fn() {
      await using server = await startCli("main", 1);
      await using injector = await Injector.attach(server, "accept4", error, "1+4");
      for (let i = 0; i < 12; i++) await hello(server.port);
      assert.ok(injector.counts.injected >= 3, injector.trace);
      await injector.detach();
      assert.equal((await server.stop()).code, 0, server.output);
    },
    ...unless(strace),
  });
}

const TRANSIENT = [
  "ECONNABORTED",
  "EINTR",
  "EPROTO",
  "ENETDOWN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EOPNOTSUPP",
  "EPERM",
  "ENOPROTOOPT",
  "EHOSTDOWN",
  "ENONET",
];

Deno.test({
  name: "accept: an error that concerns one client is forgotten, nobody else waits for it",
  async fn(test) {
    await using server = await startCli("main", 1);
    for (const error of TRANSIENT) {
      await test.step(error, async () => {
        await using injector = await Injector.attach(server, "accept4", error, "1+2");
        for (let i = 0; i < 10; i++) await hello(server.port);
        assert.ok(injector.counts.injected >= 5, injector.trace);
        await injector.detach();
        assert.ok(server.isRunning, server.output);
      });
    }
    const usedMs = await usedInASecond(server);
    assert.ok(usedMs < IDLE_MS_PER_SECOND, `used ${usedMs} ms of CPU in a second afterwards`);
    assert.doesNotMatch(server.stderr, /rests/); // a rest would make the others wait
    assert.equal((await server.stop()).code, 0, server.output);
  },
  ...unless(strace),
});

for (const error of ["EBADF", "EINVAL", "ENOTSOCK"]) {
  Deno.test({
    name: `accept: ${error} is a fault of ours, and the end of the process`,
    async fn() {
      await using server = await startCli("main", 1);
      await using injector = await Injector.attach(server, "accept4", error, "1+");
      using client = await RawClient.connect({ port: server.port });
      const { code } = await server.ended(SOON_MS);
      assert.equal(code, 1, server.output);
      assert.match(server.stderr, new RegExp(`accept on a dead listening socket \\(${error}\\)`));
      await until("the tracer has seen it", () => injector.counts.injected > 0, SOON_MS);
      assert.equal((await client.untilClosed(SOON_MS)).bytes.length, 0);
    },
    ...unless(strace),
  });
}

const DESCRIPTORS = 256, CLIENTS = 400, WORKERS = 2;

function serveWith(descriptors: number): { command: string; args: string[] } {
  const deno = [Deno.execPath(), "run", "-A", "--no-check", "scripts/serve.ts"];
  const options = ["--port", "0", "--workers", `${WORKERS}`, "--app", appFile("main")];
  return { command: "prlimit", args: [`--nofile=${descriptors}`, ...deno, ...options] };
}

Deno.test({
  name:
    `descriptors: with ${DESCRIPTORS} and ${CLIENTS} clients it serves whom it has, rests, and takes the others when it can`,
  async fn() {
    await using server = await startChild(serveWith(DESCRIPTORS));
    await hello(server.port);
    const before = descriptors(server.pid);
    const clients: RawClient[] = [];
    try {
      for (let i = 0; i < CLIENTS; i++) clients.push(await RawClient.connect({ port: server.port }));
      await until("all descriptors are used", () => descriptors(server.pid) >= DESCRIPTORS - 1);
      const usedMs = await usedInASecond(server);
      assert.ok(usedMs < IDLE_MS_PER_SECOND, `used ${usedMs} ms of CPU in a second while it cannot accept`);
      for (const client of clients.slice(0, 20)) assert.equal((await client.request(get("/"))).text, "hello\n");
      for (const client of clients.splice(0, 300)) client.close();
      await hello(server.port); // it waits until the server comes back to its listening socket
      for (const client of clients.splice(0)) client.close();
      await until("all descriptors are back", () => descriptors(server.pid) <= before);
    } finally {
      for (const client of clients) client.close();
    }
    assert.match(server.stderr, /accepting rests, \d+ ms at a time: EMFILE\n/);
    assert.equal((await server.stop()).code, 0, server.output);
  },
  ...unless(prlimit),
});

Deno.test({
  name: "descriptors: with 64 it does not start, and says in one sentence what it needs",
  async fn() {
    await using server = new Child(serveWith(64));
    await until("it has said something", () => !server.isRunning || server.stderr.includes("\n"));
    await sleep(200);
    if (server.isRunning) await server.stop();
    const { code, stderr } = await server.ended(SOON_MS);
    const lines = stderr.trimEnd().split("\n");
    assert.equal(lines.length, 1, `one sentence was expected:\n${stderr}`);
    assert.match(lines[0]!, /^error: Cannot .*\b64\b.*descriptors.*\d+/);
    assert.equal(code, 1);
  },
  ...unless(prlimit),
});
