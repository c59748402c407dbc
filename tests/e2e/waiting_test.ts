/**
 * While handlers wait for something outside of the loop (fetch, a timer, a file) the loop keeps serving others.
 *
 * @module
 */

import assert from "node:assert/strict";
import { App } from "../../mod.ts";
import { RawClient } from "../support/raw_client.ts";
import { portOf, start } from "../support/server.ts";

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: h\r\n\r\n`;

/** An app whose handlers wait, and a gate that holds what `/gate` answers. */
function waitingApp() {
  const gate = Promise.withResolvers<void>();
  const app = new App();
  let self = "";
  app.get("/", (c) => c.text("hello\n"));
  app.get("/gate", async (c) => {
    await gate.promise;
    return c.text("open\n");
  });
  app.get("/fetch", async (c) => c.text(await (await fetch(`${self}/gate`)).text()));
  app.get("/timer", async (c) => {
    await new Promise((resolve) => setTimeout(resolve, 100));
    return c.text("timer\n");
  });
  app.get("/file", async (c) => {
    const bytes = await Deno.readFile(new URL("../../shim/embedded.ts", import.meta.url));
    return c.text(`${bytes.length}`);
  });
  return { app, gate, listensOn: (url: string) => void (self = url) };
}

Deno.test("while a handler awaits fetch (from this very loop), others are served", async () => {
  const { app, gate, listensOn } = waitingApp();
  await using server = await start(app);
  const port = portOf(server);
  listensOn(`http://127.0.0.1:${port}`);
  using waiting = await RawClient.connect({ port });
  using other = await RawClient.connect({ port });
  await waiting.send(get("/fetch"));
  for (let i = 0; i < 100; i++) assert.equal((await other.request(get("/"))).text, "hello\n");
  gate.resolve();
  assert.equal((await waiting.response()).text, "open\n");
});

Deno.test("while a handler awaits a timer, others are served", async () => {
  const { app } = waitingApp();
  await using server = await start(app);
  const port = portOf(server);
  using waiting = await RawClient.connect({ port });
  using other = await RawClient.connect({ port });
  const from = performance.now();
  await waiting.send(get("/timer"));
  let served = 0, isWaiting = true;
  const answered = waiting.response().then((answer) => {
    isWaiting = false;
    return answer;
  });
  while (isWaiting) {
    assert.equal((await other.request(get("/"))).text, "hello\n");
    served++;
  }
  assert.equal((await answered).text, "timer\n");
  assert.ok(served >= 10, `${served} served in ${performance.now() - from} ms`);
});

Deno.test("Deno.readFile in handlers completes, many at once and beside a busy connection", async () => {
  const { app } = waitingApp();
  await using server = await start(app);
  const port = portOf(server);
  const { size } = await Deno.stat(new URL("../../shim/embedded.ts", import.meta.url));
  using reading = await RawClient.connect({ port });
  using other = await RawClient.connect({ port });
  await reading.send(get("/file").repeat(16));
  const others = (async () => {
    for (let i = 0; i < 50; i++) assert.equal((await other.request(get("/"))).text, "hello\n");
  })();
  for (const { text } of await reading.responses(16)) assert.equal(text, `${size}`);
  await others;
});
