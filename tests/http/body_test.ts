/** Covers http/body.ts: one reader, once; limits; errors that are never an end; and when the protocol has to wait. */

import assert from "node:assert/strict";
import { RequestBody } from "../../http/body.ts";
import { BAD_CHUNK, HttpError, httpErrorOf } from "../../http/errors.ts";
import { concat, POISON } from "../support/feed.ts";
import { latin1Bytes, latin1Text } from "../support/wire_cases.ts";

class Source {
  wanted = 0;
  onBodyWanted(): void {
    this.wanted++;
  }
}

function push(body: RequestBody, text: string): void {
  const bytes = latin1Bytes(`##${text}##`);
  body.push(bytes, 2, 2 + text.length);
  bytes.fill(POISON);
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await null;
}

/** Whether a promise has settled, and how: nothing while it has not. */
async function state(promise: Promise<unknown>): Promise<string> {
  let settled = "pending";
  promise.then(() => settled = "fulfilled", (error) => settled = `rejected: ${error.status ?? error.name}`);
  await turns();
  return settled;
}

Deno.test("body: bytes that came before, between and after, copied", async () => {
  const source = new Source();
  const body = new RequestBody(9, source);
  push(body, "abc");
  const read = body.bytes(100);
  assert.equal(source.wanted, 1);
  push(body, "def");
  push(body, "");
  push(body, "ghi");
  assert.equal(await state(read), "pending");
  body.end();
  assert.equal(latin1Text(await read), "abcdefghi");
  assert.deepEqual([body.received, body.ended, body.open, body.used], [9, true, false, true]);
});

Deno.test("body: an ended one is there at once and asks for nothing", async () => {
  const source = new Source();
  const empty = new RequestBody(0, source);
  assert.ok(empty.ended && !empty.used);
  assert.equal((await empty.bytes(0)).length, 0);
  const full = new RequestBody(-1, source);
  push(full, "x");
  full.end();
  assert.equal(await full.text(1), "x");
  assert.equal(source.wanted, 0);
});

Deno.test("body: text is UTF-8 across pieces, json is parsed, no JSON is a 400", async () => {
  const text = new RequestBody(-1, null);
  for (const byte of new TextEncoder().encode("Grüße 🎉")) text.push(Uint8Array.of(byte), 0, 1);
  text.end();
  assert.equal(await text.text(100), "Grüße 🎉");
  const json = new RequestBody(-1, null);
  push(json, '{"a":[1,');
  push(json, "2]}");
  json.end();
  assert.deepEqual(await json.json(100), { a: [1, 2] });
  const bad = new RequestBody(-1, null);
  push(bad, "{");
  bad.end();
  await assert.rejects(bad.json(100), (error: HttpError) => error instanceof HttpError && error.status === 400);
});

Deno.test("body: a second reader gets a TypeError, whatever both are", async () => {
  const readers: readonly ((body: RequestBody) => unknown)[] = [
    (body) => body.bytes(9),
    (body) => body.text(9),
    (body) => body.json(9),
    (body) => body.stream(),
  ];
  for (const first of readers) {
    for (const second of readers) {
      const body = new RequestBody(-1, null);
      push(body, "1");
      body.end();
      await first(body);
      await assert.rejects(async () => await second(body), { name: "TypeError", message: /has been read already/ });
    }
  }
});

Deno.test("body: over the limit is 413, told at once where it can be", async () => {
  const announced = new RequestBody(11, new Source());
  assert.equal(await state(announced.bytes(10)), "rejected: 413");
  const arrived = new RequestBody(-1, new Source());
  push(arrived, "12345678901");
  assert.equal(await state(arrived.bytes(10)), "rejected: 413");
  const coming = new RequestBody(-1, new Source());
  const read = coming.bytes(10);
  push(coming, "1234567890");
  assert.equal(await state(read), "pending");
  push(coming, "1");
  assert.equal(await state(read), "rejected: 413");
  push(coming, "more");
  coming.end();
  assert.ok(!coming.isFull(1), "what is refused is thrown away and does not stop reading");
});

Deno.test("body: a failure reaches a reader that comes later, by either way, and what arrived is not given", async () => {
  const reads: readonly ((body: RequestBody) => Promise<unknown>)[] = [
    (body) => body.bytes(99),
    (body) => body.text(99),
    (body) => body.json(99),
    (body) => body.stream().getReader().read(),
  ];
  for (const read of reads) {
    const body = new RequestBody(-1, new Source());
    push(body, "12");
    body.fail(httpErrorOf(BAD_CHUNK));
    body.end();
    push(body, "34");
    assert.ok(!body.ended && !body.open);
    assert.equal(await state(read(body)), "rejected: 400");
    assert.equal(body.error?.status, 400);
  }
});

Deno.test("body: a failure in the middle rejects a gathering read and a streaming one", async () => {
  const gathered = new RequestBody(-1, new Source());
  push(gathered, "half");
  const read = gathered.bytes(99);
  gathered.fail(httpErrorOf(BAD_CHUNK));
  await assert.rejects(read, { status: 400 });
  const streamed = new RequestBody(-1, new Source());
  push(streamed, "half");
  const reader = streamed.stream().getReader();
  assert.equal(latin1Text((await reader.read()).value!), "half");
  const next = reader.read();
  streamed.fail(httpErrorOf(BAD_CHUNK));
  await assert.rejects(next, { status: 400 });
});

Deno.test("body: a stream gives what came, waits for more, asks for it, and ends", async () => {
  const source = new Source();
  const body = new RequestBody(-1, source);
  push(body, "abc");
  const reader = body.stream().getReader();
  await turns();
  assert.equal(source.wanted, 0, "nothing is asked for before somebody reads");
  assert.equal(latin1Text((await reader.read()).value!), "abc");
  const next = reader.read();
  await turns();
  assert.ok(source.wanted > 0);
  push(body, "def");
  assert.equal(latin1Text((await next).value!), "def");
  const last = reader.read();
  body.end();
  assert.deepEqual(await last, { value: undefined, done: true });
});

Deno.test("body: full from the limit on, until the stream is read, and never while it is gathered or thrown away", async () => {
  const body = new RequestBody(-1, new Source());
  push(body, "x".repeat(9));
  assert.ok(!body.isFull(10));
  push(body, "x");
  assert.ok(body.isFull(10));
  const reader = body.stream().getReader();
  assert.ok(body.isFull(10));
  await reader.read();
  await reader.read();
  assert.ok(!body.isFull(10));
  const gathered = new RequestBody(-1, new Source());
  push(gathered, "x".repeat(20));
  const read = gathered.bytes(1000);
  assert.ok(!gathered.isFull(10));
  gathered.end();
  await read;
  const unwanted = new RequestBody(-1, new Source());
  push(unwanted, "x".repeat(20));
  unwanted.discard();
  assert.ok(!unwanted.isFull(10));
  push(unwanted, "x".repeat(20));
  assert.ok(!unwanted.isFull(10));
  assert.equal(unwanted.received, 40);
});

Deno.test("body: a cancelled stream throws the rest away and lets the connection go on", async () => {
  const source = new Source();
  const body = new RequestBody(-1, source);
  push(body, "x".repeat(20));
  const stream = body.stream();
  await stream.cancel();
  assert.ok(!body.isFull(10));
  assert.ok(source.wanted > 0);
  push(body, "more");
  body.end();
  assert.ok(body.ended);
  const waiting = new RequestBody(-1, source);
  const reader = waiting.stream().getReader();
  const read = reader.read();
  await turns();
  await reader.cancel();
  assert.deepEqual(await read, { value: undefined, done: true });
  push(waiting, "late");
  waiting.end();
  await turns();
});

Deno.test("body: bytes of a discarded body never come out as a complete one", async () => {
  const body = new RequestBody(8, new Source());
  const read = body.bytes(99);
  push(body, "half");
  body.discard();
  push(body, "full");
  body.end();
  const outcome = await read.then(latin1Text, (error) => `rejected: ${error.name}`);
  assert.ok(outcome.startsWith("rejected") || outcome === "halffull", `the reader got ${JSON.stringify(outcome)}`);
  const streamed = new RequestBody(8, new Source());
  const reader = streamed.stream().getReader();
  const first = reader.read();
  push(streamed, "half");
  await first;
  const second = reader.read();
  streamed.discard();
  push(streamed, "full");
  streamed.end();
  const end = await second.then(({ done }) => done ? "done" : "more", () => "rejected");
  assert.notEqual(end, "done", "the stream ended although half of the body was thrown away");
});

Deno.test("body: tiny pieces are not kept one by one: a byte of body must not cost hundreds of memory", async () => {
  const body = new RequestBody(-1, new Source());
  const pieces = 50_000;
  for (let i = 0; i < pieces; i++) body.push(Uint8Array.of(i & 0xff), 0, 1);
  body.end();
  const chunks: Uint8Array[] = [];
  for await (const chunk of body.stream()) chunks.push(chunk);
  assert.deepEqual(concat(chunks), Uint8Array.from({ length: pieces }, (_, i) => i & 0xff));
  assert.ok(chunks.length < 1000, `${pieces} bytes came out as ${chunks.length} chunks`);
});
