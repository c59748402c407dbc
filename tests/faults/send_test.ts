/**
 * Sends that fail for a while or take a part: whatever the kernel does, every byte arrives, and arrives once.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { EAGAIN } from "../../shim/errno.ts";
import type { Shim } from "../../shim/ffi.ts";
import { allocateOwner } from "../../workers/table.ts";
import { App } from "../../mod.ts";
import { BIG_BYTES, pattern } from "../e2e/apps/main.ts";
import { unless } from "../support/needs.ts";
import { RawClient } from "../support/raw_client.ts";
import { cpuMs, portOf, shim, sleep, start, startCli, until } from "../support/server.ts";
import { get, SOON_MS, table, withClient } from "./support.ts";
import { Injector, strace } from "./tracing.ts";

const SENDS = "sendto,sendmsg";

/** Asks for a big answer with a small one behind it, and compares every byte. */
async function bigAndSmall(client: RawClient, path: string, bytes: number, read: () => Promise<void>): Promise<void> {
  await client.send(get(path) + get("/"));
  await read();
  const [big, small] = await client.responses(2);
  assert.equal(big!.body.length, bytes);
  assert.equal(Buffer.compare(big!.body, pattern(bytes)), 0, "the bytes are not those that were sent");
  assert.equal(small!.text, "hello\n");
  assert.equal(client.rest.length, 0);
}

for (const path of ["/big", "/big-stream"]) {
  Deno.test({
    name: `send: ENOBUFS now and then, within 20 MB (${path}): nothing is lost, nothing comes twice`,
    async fn() {
      await using server = await startCli("main", 1);
      await using injector = await Injector.attach(server, SENDS, "ENOBUFS", "1+3");
      await withClient(server.port, (client) => bigAndSmall(client, path, BIG_BYTES, () => Promise.resolve()));
      assert.ok(injector.counts.injected >= 1, `${injector.counts.injected} sends failed`);
      await injector.detach();
      assert.equal((await server.stop()).code, 0, server.output);
    },
    ...unless(strace),
  });
}

Deno.test({
  name: "send: ENOBUFS for the only send of an answer is retried by the timer, no edge comes",
  async fn() {
    await using server = await startCli("main", 1);
    await withClient(server.port, async (client) => {
      await client.request(get("/"));
      await using injector = await Injector.attach(server, SENDS, "ENOBUFS", "1..3");
      assert.equal((await client.request(get("/"), { timeoutMs: SOON_MS })).text, "hello\n");
      await client.send(get("/").repeat(16));
      const answers = await client.responses(16, { timeoutMs: SOON_MS });
      assert.ok(answers.every(({ text }) => text === "hello\n"));
      assert.equal(injector.counts.injected, 3, injector.trace);
      await injector.detach();
      await client.end();
      assert.equal((await client.untilClosed()).bytes.length, 0);
    });
    assert.equal((await server.stop()).code, 0, server.output);
  },
  ...unless(strace),
});

Deno.test({
  name: "send: ENOBUFS for a whole second costs hardly any CPU, and others are answered as soon as they can be",
  // strace takes a call's number away to make it fail; one that it is at when it lets go ends in ENOSYS, and that is
  // the end of the connection.
  retry: 3,
  async fn() {
    await using server = await startCli("main", 1);
    await withClient(server.port, async (client) => {
      await client.request(get("/"));
      await using injector = await Injector.attach(server, SENDS, "ENOBUFS", "1+");
      await client.send(get("/"));
      await until("a send has failed", () => injector.counts.injected > 0, SOON_MS);
      const before = cpuMs(server.pid);
      await sleep(1000);
      const usedMs = cpuMs(server.pid) - before;
      assert.ok(usedMs < 300, `used ${usedMs} ms of CPU in a second`);
      assert.ok(injector.counts.calls <= 150, `${injector.counts.calls} sends in about a second`);
      await injector.detach();
      assert.equal((await client.response({ timeoutMs: SOON_MS })).text, "hello\n");
    });
    assert.equal((await server.stop()).code, 0, server.output);
  },
  ...unless(strace),
});

/** Counts what sends of this process's servers return, until `undo` is called. */
function countSends() {
  const counts = { whole: 0, short: 0, again: 0 };
  const { send, writev } = shim;
  const count = (sent: number, wanted: number) => {
    if (sent === wanted) counts.whole++;
    else if (sent >= 0) counts.short++;
    else if (sent === EAGAIN) counts.again++;
    return sent;
  };
  const counting: Pick<Shim, "send" | "writev"> = {
    send: (...args) => count(send(...args), args[5]),
    writev: (...args) => count(writev(...args), args[5] + args[9]),
  };
  Object.assign(shim, counting);
  return { counts, undo: () => void Object.assign(shim, { send, writev }) };
}

const SMALL_BYTES = 4096, ANSWER_BYTES = 3_000_000;

function smallerApp(): App {
  const app = new App();
  const whole = pattern(ANSWER_BYTES);
  app.get("/", (c) => c.text("hello\n"));
  app.get("/big", (c) => c.bytes(whole));
  app.get("/big-stream", (c) => {
    let at = 0;
    return c.body(
      new ReadableStream({
        pull(controller): void {
          if (at >= ANSWER_BYTES) return controller.close();
          controller.enqueue(whole.slice(at, at += 100_003));
        },
      }),
    );
  });
  return app;
}

for (const path of ["/big", "/big-stream"]) {
  Deno.test(`send: a small SO_SNDBUF, EAGAIN and short sends within 3 MB (${path}): every byte once`, async () => {
    const owner = allocateOwner() + 1; // of the server that is started now
    await using server = await start(smallerApp());
    const { counts, undo } = countSends();
    try {
      await withClient(portOf(server), async (client) => {
        await client.request(get("/"));
        table.each(owner, (fd, generation) => assert.equal(shim.send_buffer(fd, generation, SMALL_BYTES), 0));
        await bigAndSmall(client, path, ANSWER_BYTES, async () => {
          for (let i = 0; i < 50; i++) await client.readSome(1 + i * 37);
          await sleep(100);
        });
      });
    } finally {
      undo();
    }
    assert.ok(
      counts.short + counts.again >= 20,
      `too few short sends for this to be a test: ${JSON.stringify(counts)}`,
    );
  });
}

Deno.test("send: a small SO_SNDBUF, batches of pipelined answers are taken in part: every byte once", async () => {
  const owner = allocateOwner() + 1; // of the server that is started now
  const app = new App();
  const body = (n: string) => n.padStart(6, "0").repeat(400);
  app.get("/:n", (c) => c.text(body(c.params.n)));
  await using server = await start(app);
  const { counts, undo } = countSends();
  try {
    await withClient(portOf(server), async (client) => {
      await client.request(get("/0"));
      table.each(owner, (fd, generation) => assert.equal(shim.send_buffer(fd, generation, SMALL_BYTES), 0));
      const numbers = Array.from({ length: 500 }, (_, n) => `${n}`);
      await client.send(numbers.map((n) => get(`/${n}`)).join(""));
      for (let i = 0; i < 50; i++) await client.readSome(1 + i * 37);
      await sleep(100);
      const answers = await client.responses(numbers.length);
      assert.deepEqual(answers.map(({ text }) => text), numbers.map(body));
      assert.equal(client.rest.length, 0);
    });
  } finally {
    undo();
  }
  assert.ok(counts.short >= 5, `too few short sends for this to be a test: ${JSON.stringify(counts)}`);
});
