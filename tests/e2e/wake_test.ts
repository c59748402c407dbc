/**
 * The two ways a loop waits: both serve the same, and both say which they are.
 *
 * @module
 */

import assert from "node:assert/strict";
import { RawClient } from "../support/raw_client.ts";
import { appUrl, descriptors, portOf, start } from "../support/server.ts";
import { checkOptions } from "../../workers/options.ts";
import { LocalEngine } from "../../workers/server.ts";
import main, { BIG_BYTES } from "./apps/main.ts";

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: h\r\n\r\n`;

async function basicSuite(port: number): Promise<void> {
  using client = await RawClient.connect({ port });
  assert.equal((await client.request(get("/"))).text, "hello\n");
  assert.equal((await client.request(get("/async"))).text, "async\n");
  assert.equal((await client.request(get("/slow/20"))).text, "slow\n");
  assert.equal((await client.request(get("/nowhere"))).status, 404);
  await client.send(get("/slow/10") + get("/") + get("/async"));
  assert.deepEqual((await client.responses(3)).map(({ text }) => text), ["slow\n", "hello\n", "async\n"]);
  const body = "x".repeat(200_000);
  const upload = `POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  assert.equal((await client.request(upload)).text, body);
  assert.equal((await client.request(get("/big-stream"))).body.length, BIG_BYTES);
  const others = await Promise.all(Array.from({ length: 20 }, () => RawClient.connect({ port })));
  const answers = await Promise.all(others.map((other) => other.request(get("/slow/20"))));
  for (const other of others) other.close();
  assert.ok(answers.every(({ text }) => text === "slow\n"));
  await client.send(get("/slow/100"));
  await client.end();
  assert.equal((await client.response()).text, "slow\n");
  assert.equal((await client.untilClosed()).how, "eof");
}

for (const wake of ["aio", "poll"] as const) {
  Deno.test(`wake ${wake}: serves on this thread and in workers`, async () => {
    {
      await using server = await start(main, { wake });
      await basicSuite(portOf(server));
    }
    await using server = await start(appUrl("main"), { wake, workers: 2 });
    await basicSuite(portOf(server));
  });

  Deno.test(`wake ${wake}: reports itself`, async () => {
    const engine = await LocalEngine.start(main, checkOptions({ port: 0, wake }));
    assert.equal(engine.thread.loop.wakeKind, wake);
    await engine.stop(0);
  });

  Deno.test(`wake ${wake}: starting and stopping 10 times leaves no descriptor`, async () => {
    const once = async () => {
      await using server = await start(main, { wake });
      using client = await RawClient.connect({ port: portOf(server) });
      await client.request(get("/"));
    };
    await once();
    const before = descriptors();
    for (let i = 0; i < 10; i++) await once();
    assert.ok(descriptors() <= before, `${before} descriptors before, ${descriptors()} after`);
  });
}
