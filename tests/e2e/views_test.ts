/**
 * A request's view is its own: across an await beside others, and never again after its answer.
 *
 * @module
 */

import assert from "node:assert/strict";
import { App, type RequestView } from "../../mod.ts";
import { OWNED } from "../../shim/ffi.ts";
import { processTable } from "../../workers/table.ts";
import { RawClient } from "../support/raw_client.ts";
import { portOf, shim, start, until } from "../support/server.ts";
import app from "./apps/main.ts";

Deno.test("two interleaved clients that read headers after an await see their own", async () => {
  await using server = await start(app);
  const port = portOf(server);
  using left = await RawClient.connect({ port });
  using right = await RawClient.connect({ port });
  const ask = async (client: RawClient, id: string) => {
    const { text } = await client.request(`GET /headers?${id} HTTP/1.1\r\nHost: h\r\nX-Id: ${id}\r\n\r\n`);
    assert.deepEqual(JSON.parse(text), { before: id, after: id, target: `/headers?${id}`, all: id });
  };
  for (let i = 0; i < 20; i++) {
    await Promise.all([ask(left, `left-${i}`), ask(right, `right-${i}${"x".repeat(i * 7)}`)]);
  }
});

Deno.test("pipelined requests that read headers after an await see their own", async () => {
  await using server = await start(app);
  using client = await RawClient.connect({ port: portOf(server) });
  const ids = Array.from({ length: 16 }, (_, i) => `id-${i}`);
  await client.send(ids.map((id) => `GET /headers HTTP/1.1\r\nHost: h\r\nX-Id: ${id}\r\n\r\n`).join(""));
  const answers = await client.responses(ids.length);
  assert.deepEqual(answers.map(({ text }) => JSON.parse(text).after), ids);
});

/** An app that keeps the view of each request to `/keep` and `/keep-async`. */
function keepingApp() {
  const kept: RequestView[] = [];
  const app = new App();
  app.get("/keep", (c) => {
    kept.push(c.req);
    return c.text(c.req.path);
  });
  app.get("/keep-async", async (c) => {
    kept.push(c.req);
    await Promise.resolve();
    return c.text(c.req.path);
  });
  app.get("/other", (c) => c.text("other"));
  return { app, kept };
}

/** Every way to look at a request. */
const LOOKS: Readonly<Record<string, (view: RequestView) => unknown>> = {
  header: (view) => view.header("x-secret"),
  headers: (view) => view.headers,
  raw: (view) => view.raw,
  url: (view) => view.url,
  remoteAddr: (view) => view.remoteAddr,
};

/** What http/message.ts promises: what would still have to be read from the received bytes throws a `TypeError`. */
for (const [name, look] of Object.entries(LOOKS)) {
  Deno.test(`a view used after its answer throws TypeError: ${name}`, async () => {
    const { app, kept } = keepingApp();
    await using server = await start(app);
    using client = await RawClient.connect({ port: portOf(server) });
    for (const path of ["/keep", "/keep-async"]) {
      await client.request(`GET ${path} HTTP/1.1\r\nHost: h\r\nX-Secret: mine\r\n\r\n`);
      await client.request("GET /other HTTP/1.1\r\nHost: h\r\nX-Secret: theirs\r\n\r\n");
    }
    assert.equal(kept.length, 2);
    for (const view of kept) assert.throws(() => look(view), TypeError);
  });
}

Deno.test("a view used after its answer never tells the address of another client", async () => {
  const { app, kept } = keepingApp();
  await using server = await start(app);
  const port = portOf(server);
  const first = await RawClient.connect({ port });
  const own = first.localAddr.port;
  await first.request("GET /keep HTTP/1.1\r\nHost: h\r\n\r\n");
  first.close();
  await until("the first connection is closed", () => processTable(shim).count(OWNED) === 0);
  // Whoever comes next gets the descriptor of the first one, whichever it was.
  const others: RawClient[] = [];
  for (let i = 0; i < 8; i++) {
    others.push(await RawClient.connect({ port }));
    await others.at(-1)!.request("GET /other HTTP/1.1\r\nHost: h\r\n\r\n");
  }
  for (const other of others) other.close();
  let told: number | undefined;
  try {
    told = kept[0]!.remoteAddr.port;
  } catch (error) {
    assert.ok(error instanceof TypeError);
  }
  assert.ok(told === undefined || told === own, `its client had port ${own}, it tells ${told}`);
});
