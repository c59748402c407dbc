/**
 * How connections end: EOF, half-close, early answers to big bodies, resets; and that nothing of them stays behind.
 *
 * @module
 */

import assert from "node:assert/strict";
import { App } from "../../mod.ts";
import { FREE, HANDED, OWNED } from "../../shim/ffi.ts";
import { processTable } from "../../workers/table.ts";
import { RawClient } from "../support/raw_client.ts";
import { descriptors, portOf, shim, sleep, start, until } from "../support/server.ts";
import main from "./apps/main.ts";

const table = processTable(shim);
const get = (path: string, extra = "") => `GET ${path} HTTP/1.1\r\nHost: h\r\n${extra}\r\n`;

Deno.test("EOF: a client that closes an idle connection is let go", async () => {
  await using server = await start(main);
  const client = await RawClient.connect({ port: portOf(server) });
  await client.request(get("/"));
  assert.equal(table.count(OWNED), 1);
  client.close();
  await until("the connection is closed", () => table.count(OWNED) === 0);
});

Deno.test("EOF: Connection: close ends in order", async () => {
  await using server = await start(main);
  using client = await RawClient.connect({ port: portOf(server) });
  const { headers, text } = await client.request(get("/", "Connection: close\r\n"));
  assert.equal(headers.connection, "close");
  assert.equal(text, "hello\n");
  const { how, bytes } = await client.untilClosed();
  assert.equal(how, "eof");
  assert.equal(bytes.length, 0);
});

Deno.test("half-close: FIN behind the request still gets the answer, a slow one too", async () => {
  await using server = await start(main);
  for (const [path, body] of [["/", "hello\n"], ["/async", "async\n"], ["/slow/200", "slow\n"]]) {
    using client = await RawClient.connect({ port: portOf(server) });
    await client.send(get(path!));
    await client.end();
    assert.equal((await client.response()).text, body);
    assert.deepEqual(await client.untilClosed(), { how: "eof", bytes: new Uint8Array(0) });
  }
});

Deno.test("half-close: all pipelined requests before the FIN are answered", async () => {
  await using server = await start(main);
  using client = await RawClient.connect({ port: portOf(server) });
  await client.send(get("/slow/200") + get("/") + get("/async"));
  await client.end();
  assert.deepEqual((await client.responses(3)).map(({ text }) => text), ["slow\n", "hello\n", "async\n"]);
  assert.equal((await client.untilClosed()).how, "eof");
});

/** Sends a head and as much body as the server takes, and reads only then. */
async function answerToUpload(port: number, head: string, bodyBytes: number) {
  using client = await RawClient.connect({ port });
  await client.send(head);
  const sending = client.send(new Uint8Array(bodyBytes)).catch(() => {}); // the server may end before all is sent
  await sleep(100);
  const answer = await client.response();
  const ending = await client.untilClosed();
  await sending;
  return { answer, ending };
}

for (const bodyBytes of [100_000, 2_000_000]) {
  Deno.test(`lingering close: a client that sends ${bodyBytes} bytes reads the early 413 and 400`, async () => {
    await using server = await start(main);
    const port = portOf(server);
    const close = `Connection: close\r\nContent-Length: ${bodyBytes}\r\n\r\n`;
    const early = await answerToUpload(port, `POST /refuse HTTP/1.1\r\nHost: h\r\n${close}`, bodyBytes);
    assert.equal(early.answer.status, 413);
    assert.equal(early.answer.text, "too much\n");
    // Broken framing: what follows is not even a body.
    const broken = await answerToUpload(port, `POST /echo HTTP/1.1\r\nHost: h\r\nBad Name: x\r\n${close}`, bodyBytes);
    assert.equal(broken.answer.status, 400);
    // Broken in the middle of the body.
    const chunked = "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nnonsense\r\n";
    const middle = await answerToUpload(port, chunked, bodyBytes);
    assert.equal(middle.answer.status, 400);
  });
}

Deno.test("lingering close: a body over the limit of bytes() gets its 413", async () => {
  await using server = await start(main);
  const bodyBytes = 3_000_000;
  const head = `POST /limited HTTP/1.1\r\nHost: h\r\nContent-Length: ${bodyBytes}\r\n\r\n`;
  const { answer } = await answerToUpload(portOf(server), head, bodyBytes);
  assert.equal(answer.status, 413);
  assert.equal(answer.headers.connection, "close");
});

/** An app that tells how often and why the signal of a request was aborted. */
function watched() {
  const seen = { started: 0, aborts: 0, reason: undefined as unknown };
  const app = new App();
  app.get("/wait", async (c) => {
    seen.started++;
    const { signal } = c.req;
    await new Promise<void>((resolve) =>
      signal.addEventListener("abort", () => {
        seen.aborts++;
        seen.reason = signal.reason;
        resolve();
      })
    );
    return c.text("late");
  });
  app.get("/", (c) => c.text("hello\n"));
  return { app, seen };
}

Deno.test("RST while the handler runs aborts c.req.signal once", async () => {
  const { app, seen } = watched();
  await using server = await start(app);
  const client = await RawClient.connect({ port: portOf(server) });
  await client.send(get("/") + get("/wait"));
  await client.readSome(1); // the rest of the first answer stays unread: that makes the close a reset
  await until("the handler runs", () => seen.started === 1);
  client.close();
  await until("the signal is aborted", () => seen.aborts > 0);
  await until("the connection is closed", () => table.count(OWNED) === 0);
  await sleep(50);
  assert.equal(seen.aborts, 1);
  assert.ok(seen.reason instanceof DOMException && seen.reason.name === "AbortError", String(seen.reason));
});

Deno.test("a client that goes while its answer is streamed cancels the stream, once", async () => {
  await using server = await start(main);
  const { produced } = await import("./apps/main.ts");
  const before = produced.cancelled;
  const client = await RawClient.connect({ port: portOf(server) });
  await client.send(get("/endless"));
  await client.readSome(1000);
  client.close();
  await until("the stream is cancelled", () => produced.cancelled > before);
  await until("the connection is closed", () => table.count(OWNED) === 0);
  assert.equal(produced.cancelled, before + 1);
});

Deno.test("descriptors stay flat over 2,000 connections that end in different ways", async () => {
  await using server = await start(main);
  const port = portOf(server);
  const ways: readonly ((client: RawClient) => unknown)[] = [
    (client) => client.close(),
    (client) => client.request(get("/")),
    (client) => client.send(get("/").slice(0, 7)),
    (client) => client.request(get("/", "Connection: close\r\n")),
    async (client) => {
      await client.send(get("/") + get("/slow/5"));
      await client.readSome(1); // and then a reset
    },
    async (client) => {
      await client.send(get("/async"));
      await client.end();
      await client.untilClosed();
    },
    (client) => client.request("NONSENSE\r\n\r\n"),
    (client) => client.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nabc"),
  ];
  const open = async (index: number) => {
    using client = await RawClient.connect({ port });
    await ways[index % ways.length]!(client);
  };
  await Promise.all(ways.map((_, index) => open(index)));
  await until("the first ones are closed", () => table.count(OWNED) + table.count(HANDED) === 0);
  const before = descriptors();
  for (let from = 0; from < 2000; from += 50) {
    await Promise.all(Array.from({ length: 50 }, (_, i) => open(from + i)));
  }
  await until("all are closed", () => table.count(OWNED) + table.count(HANDED) === 0);
  assert.equal(table.count(FREE), table.entries);
  assert.ok(Math.abs(descriptors() - before) <= 1, `${before} descriptors before, ${descriptors()} after`);
  using client = await RawClient.connect({ port });
  assert.equal((await client.request(get("/"))).text, "hello\n");
});
