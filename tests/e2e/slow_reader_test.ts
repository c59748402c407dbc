/**
 * Readers that are slower than their answer: they get every byte once, and what is made for them waits with them.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { RawClient } from "../support/raw_client.ts";
import { portOf, sleep, start, startCli } from "../support/server.ts";
import main, { BIG_BYTES, pattern } from "./apps/main.ts";

for (const path of ["/big", "/big-stream"]) {
  Deno.test(`a slow reader of 20 MB (${path}) gets every byte exactly once`, async () => {
    await using server = await start(main);
    using client = await RawClient.connect({ port: portOf(server) });
    await client.send(`GET ${path} HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n`);
    for (let i = 0; i < 20; i++) { // the socket buffers fill up; then odd amounts are taken
      await sleep(i === 0 ? 200 : 5);
      await client.readSome(10_007);
    }
    const [big, next] = await client.responses(2);
    assert.equal(big!.body.length, BIG_BYTES);
    assert.equal(Buffer.compare(big!.body, pattern(BIG_BYTES)), 0);
    assert.equal(next!.text, "hello\n");
    assert.equal(client.rest.length, 0);
  });
}

Deno.test("others are served while a reader is slow", async () => {
  await using server = await start(main);
  const port = portOf(server);
  using slow = await RawClient.connect({ port });
  await slow.send("GET /big-stream HTTP/1.1\r\nHost: h\r\n\r\n");
  await slow.readSome(1000);
  using other = await RawClient.connect({ port });
  for (let i = 0; i < 50; i++) {
    assert.equal((await other.request("GET /async HTTP/1.1\r\nHost: h\r\n\r\n")).text, "async\n");
  }
});

Deno.test("a reader that stops pauses the producer of its stream, and memory stays bounded", async () => {
  await using server = await startCli("main", 1);
  const { port } = server;
  using stopped = await RawClient.connect({ port });
  using other = await RawClient.connect({ port });
  const produced = async () => {
    const { text } = await other.request("GET /produced HTTP/1.1\r\nHost: h\r\n\r\n");
    return JSON.parse(text) as { bytes: number; resident: number };
  };
  await produced();
  await stopped.send("GET /endless HTTP/1.1\r\nHost: h\r\n\r\n");
  await stopped.readSome(100_000);
  let last = -1;
  for (let { bytes } = await produced(); bytes !== last; { bytes } = await produced()) {
    last = bytes;
    await sleep(200);
  }
  assert.ok(last < 32 * 1024 * 1024, `${last} bytes were made for a reader that stopped`);
  const resident = (await produced()).resident;
  await sleep(300);
  assert.equal((await produced()).bytes, last);
  assert.ok((await produced()).resident < resident + 20 * 1024 * 1024);
  // It goes on when the reader does.
  for (let read = 0; read < 16 * 1024 * 1024;) read += await stopped.readSome(1024 * 1024);
  assert.ok((await produced()).bytes > last);
});
