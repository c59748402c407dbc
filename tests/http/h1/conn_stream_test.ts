/**
 * Covers http/h1/conn.ts, answers that are streams or `Response`s: their framing, backpressure, and that an answer
 * which breaks off cannot be taken for a complete one.
 */

import assert from "node:assert/strict";
import { DEFAULT_LIMITS } from "../../../http/limits.ts";
import { type Answer, Reply } from "../../../http/message.ts";
import { fieldOf, gate, Harness, parseAnswers } from "../../support/h1_harness.ts";
import { CANARY, latin1Bytes } from "../../support/wire_cases.ts";

type Part = string | Error;

/** A stream of these parts, one a pull; an error is one that it fails with. */
function streamOf(parts: readonly Part[], onCancel?: (reason: unknown) => void): ReadableStream<Uint8Array> {
  const rest = [...parts];
  return new ReadableStream<Uint8Array>({
    pull(controller): void {
      const part = rest.shift();
      if (part === undefined) controller.close();
      else if (part instanceof Error) controller.error(part);
      else controller.enqueue(latin1Bytes(part));
    },
    cancel: onCancel,
  }, { highWaterMark: 0 });
}

function get(path: string, minor = 1, fields = ""): string {
  return `GET ${path} HTTP/1.${minor}\r\nHost: h\r\n${fields}\r\n`;
}

const PARTS: readonly (readonly Part[])[] = [
  [],
  ["a"],
  ["", "a", "", "bc", ""],
  ["x".repeat(20_000), "y", "z".repeat(17_000)],
  Array.from({ length: 1000 }, (_, i) => `chunk ${i};`),
];

Deno.test("stream: in chunks to HTTP/1.1, nothing lost, empty chunks skipped, and the connection stays", async () => {
  for (const parts of PARTS) {
    const harness = new Harness((request) => new Reply(request.path === "/canary" ? "canary" : streamOf(parts)));
    await harness.send(get("/") + CANARY);
    const answers = parseAnswers(harness.output, ["GET", "GET"]);
    assert.deepEqual(answers.map(({ body, complete }) => [body, complete]), [[parts.join(""), true], ["canary", true]]);
    assert.equal(fieldOf(answers[0]!.fields, "transfer-encoding"), "chunked");
    assert.equal(fieldOf(answers[0]!.fields, "content-length"), null);
    assert.ok(!harness.conn.broken);
  }
});

Deno.test("stream: until the close to HTTP/1.0, also when it wanted to stay", async () => {
  for (const fields of ["", "Connection: keep-alive\r\n"]) {
    const harness = new Harness(() => new Reply(streamOf(["ab", "c"])));
    await harness.send(get("/", 0, fields));
    const [answer] = parseAnswers(harness.output, ["GET"]);
    assert.deepEqual([answer!.body, fieldOf(answer!.fields, "connection")], ["abc", "close"]);
    assert.equal(fieldOf(answer!.fields, "transfer-encoding"), null);
    assert.ok(harness.conn.finished && !harness.conn.broken);
  }
});

Deno.test("stream: nothing comes behind an answer that ends with the connection", async () => {
  const harness = new Harness(({ path }) =>
    Promise.resolve(new Reply(path === "/1" ? streamOf(["ab", "c"]) : "second"))
  );
  await harness.send(get("/1", 0, "Connection: keep-alive\r\n") + get("/2", 0, "Connection: keep-alive\r\n"));
  const [answer] = parseAnswers(harness.output, ["GET", "GET"]);
  assert.equal(answer!.body, "abc", "the second answer became part of the first");
  assert.ok(harness.conn.finished);
});

Deno.test("stream: with the length that the handler declared, to both versions", async () => {
  for (const minor of [1, 0]) {
    const harness = new Harness(() => new Reply(streamOf(["ab", "", "c"]), 200, null, ["Content-Length", "3"]));
    await harness.send(get("/", minor, "Connection: keep-alive\r\n") + get("/", minor, "Connection: keep-alive\r\n"));
    const answers = parseAnswers(harness.output, ["GET", "GET"]);
    assert.deepEqual(answers.map(({ body, complete }) => [body, complete]), [["abc", true], ["abc", true]]);
    assert.equal(fieldOf(answers[0]!.fields, "content-length"), "3");
    assert.ok(!harness.conn.broken && harness.conn.idle);
  }
});

Deno.test("stream: a declared length that is none is ignored", async () => {
  for (const value of ["-1", "3x", "", "1e3", "99999999999999999999"]) {
    const harness = new Harness(() => new Reply(streamOf(["abc"]), 200, null, ["content-length", value]));
    await harness.send(get("/"));
    const [answer] = parseAnswers(harness.output, ["GET"]);
    assert.deepEqual([answer!.body, fieldOf(answer!.fields, "transfer-encoding")], ["abc", "chunked"], value);
  }
});

/** Declared length or null, parts, and what the peer may have received of the body. */
const BROKEN: readonly [string, string | null, readonly Part[], string][] = [
  ["too long in one", "3", ["abcd"], ""],
  ["too long later", "3", ["ab", "cd"], "ab"],
  ["too long by a chunk", "3", ["abc", "d"], "abc"],
  ["too short", "5", ["ab", "c"], "abc"],
  ["empty", "1", [], ""],
  ["fails at once", null, [new Error("boom")], ""],
  ["fails in the middle", null, ["ab", "cd", new Error("boom")], "abcd"],
  ["fails in the middle of a length", "9", ["ab", "cd", new Error("boom")], "abcd"],
];

Deno.test("stream: one that breaks off is cut off, is told once, and cannot be taken for a complete one", async () => {
  for (const [name, length, parts, body] of BROKEN) {
    const harness = new Harness(() =>
      new Reply(streamOf(parts), 200, null, length ? ["content-length", length] : null)
    );
    await harness.send(get("/"));
    assert.ok(harness.conn.broken && harness.conn.finished, name);
    assert.equal(harness.failures.length, 1, name);
    const [answer] = parseAnswers(harness.output, ["GET"]);
    assert.ok(body.startsWith(answer!.body), `${name}: got ${JSON.stringify(answer!.body)}`);
    // A length that was reached is complete for the peer; the cut-off concerns what came behind.
    if (String(answer!.body.length) !== length) assert.ok(!answer!.complete, `${name}: looks complete`);
  }
});

Deno.test("stream: nothing is written behind one that broke off, whatever waits", async () => {
  for (const [name, length, parts] of BROKEN) {
    const harness = new Harness(({ path }) => {
      const first = new Reply(streamOf(parts), 200, null, length ? ["content-length", length] : null);
      return Promise.resolve(path === "/1" ? first : new Reply("SECOND"));
    });
    await harness.send(get("/1") + get("/2") + get("/3"));
    assert.ok(harness.conn.broken, name);
    assert.ok(!harness.output.includes("SECOND"), `${name}: ${JSON.stringify(harness.output)}`);
  }
});

Deno.test("stream: a chunk that is no bytes breaks it off, and the producer is told", async () => {
  let cancelled: unknown;
  const stream = new ReadableStream({
    pull: (controller) => controller.enqueue("text"),
    cancel: (reason) => void (cancelled = reason),
  }, { highWaterMark: 0 });
  const harness = new Harness(() => new Reply(stream as ReadableStream<Uint8Array>));
  await harness.send(get("/"));
  assert.ok(harness.conn.broken && cancelled instanceof TypeError);
});

Deno.test("stream: too long cancels the producer", async () => {
  let cancelled = 0;
  const stream = streamOf(new Array(1000).fill("ab"), () => cancelled++);
  const harness = new Harness(() => new Reply(stream, 200, null, ["content-length", "3"]));
  await harness.send(get("/"));
  assert.ok(harness.conn.broken);
  assert.equal(cancelled, 1);
});

Deno.test("stream: none for HEAD, 204 and 304, and the producer is cancelled", async () => {
  for (const [method, status] of [["HEAD", 200], ["GET", 204], ["GET", 304], ["HEAD", 304]] as const) {
    let cancelled = 0;
    const harness = new Harness(({ path }) =>
      new Reply(path === "/" ? streamOf(["abc"], () => cancelled++) : "x", status)
    );
    await harness.send(`${method} / HTTP/1.1\r\nHost: h\r\n\r\n${CANARY}`);
    const answers = parseAnswers(harness.output, [method, "GET"]);
    assert.deepEqual([answers.length, answers[0]!.body, cancelled], [2, "", 1], `${method} ${status}`);
    assert.ok(harness.conn.idle);
  }
});

Deno.test("stream: one that is locked is a failure, said before anything was", async () => {
  const stream = streamOf(["abc"]);
  stream.getReader();
  const harness = new Harness(({ path }) => new Reply(path === "/" ? stream : "next"));
  await harness.send(get("/") + CANARY);
  assert.equal(harness.result, "500,200");
  assert.equal(harness.failures.length, 1);
});

Deno.test("stream: the head goes out before the first chunk is there", async () => {
  const first = gate<void>();
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller): Promise<void> {
      await first.promise;
      controller.enqueue(latin1Bytes("abc"));
      controller.close();
    },
  }, { highWaterMark: 0 });
  const harness = new Harness(() => new Reply(stream));
  await harness.send(get("/"));
  assert.equal(harness.result, "200");
  first.resolve();
  await harness.run();
  assert.deepEqual(parseAnswers(harness.output, ["GET"])[0]!.body, "abc");
});

Deno.test("stream: pulls no more than the limit while the connection is congested, and goes on with resume", async () => {
  const { unsentBytes } = DEFAULT_LIMITS;
  const congestAfter = 5;
  let pulled = 0;
  let pullsLeft = congestAfter;
  const stream = new ReadableStream<Uint8Array>({
    pull(controller): void {
      // The socket stops taking bytes after a few chunks, each time that it has begun to again.
      if (--pullsLeft === 0) harness.conn.congested = true;
      pulled += 1000;
      controller.enqueue(new Uint8Array(1000));
      if (pulled === 500_000) controller.close();
    },
  }, { highWaterMark: 0 });
  const harness = new Harness(() => new Reply(stream));
  const most = unsentBytes + (congestAfter + 2) * 1000;
  await harness.send(get("/"));
  await harness.run();
  assert.ok(pulled >= unsentBytes && pulled <= most, `${pulled} bytes were pulled`);
  for (let resumes = 0; resumes < 20 && pulled < 500_000; resumes++) {
    const before = pulled;
    pullsLeft = congestAfter;
    harness.conn.resume();
    await harness.run();
    await harness.run();
    assert.ok(pulled > before && pulled <= before + most, `${pulled - before} bytes were pulled after a resume`);
  }
  pullsLeft = -1;
  harness.conn.resume();
  await harness.run();
  const [answer] = parseAnswers(harness.output, ["GET"]);
  assert.equal(answer!.body.length, 500_000);
});

Deno.test("stream: behind another answer it does not begin, and then comes whole", async () => {
  let pulls = 0;
  const first = gate<Answer>();
  const stream = new ReadableStream<Uint8Array>({
    pull(controller): void {
      if (pulls++ < 3) controller.enqueue(latin1Bytes("abc"));
      else controller.close();
    },
  }, { highWaterMark: 0 });
  const harness = new Harness(({ path }) => path === "/1" ? first.promise : new Reply(stream));
  await harness.send(get("/1") + get("/2"));
  assert.equal(pulls, 0);
  first.resolve(new Reply("first"));
  await harness.run();
  const answers = parseAnswers(harness.output, ["GET", "GET"]);
  assert.deepEqual(answers.map(({ body }) => body), ["first", "abcabcabc"]);
});

Deno.test("Response: status, fields and body reach the wire, with a length if it is one piece", async () => {
  const responses: readonly [() => Response, string, string | null][] = [
    [() => new Response("Grüße", { status: 201 }), "Gr\xc3\xbc\xc3\x9fe", "7"],
    [() => new Response(null), "", "0"],
    [() => new Response(""), "", "0"],
    [() => Response.json({ a: 1 }), '{"a":1}', "7"],
    [() => new Response(streamOf(["ab", "c"])), "abc", null],
    [() => new Response(streamOf(["ab", "c"]), { headers: { "content-length": "3" } }), "abc", "3"],
  ];
  for (const [make, body, length] of responses) {
    for (const handler of [make, () => Promise.resolve(make())]) {
      const harness = new Harness(({ path }) => path === "/" ? handler() : new Reply("x"), { turns: 60 });
      await harness.send(get("/") + CANARY);
      const [answer, next] = parseAnswers(harness.output, ["GET", "GET"]);
      assert.deepEqual([answer!.status, answer!.body, next!.body], [make().status, body, "x"]);
      assert.equal(fieldOf(answer!.fields, "content-length"), length);
    }
  }
});

Deno.test("Response: one that cannot be sent is a failure, said before anything was", async () => {
  const used = new Response("x");
  await used.text();
  const broken = () => new Response(streamOf([new Error("boom")]));
  for (const make of [() => Response.error(), () => used, broken]) {
    const harness = new Harness(({ path }) => path === "/" ? make() : new Reply("x"), { turns: 60 });
    await harness.send(get("/") + CANARY);
    assert.equal(harness.result, "500,200");
    assert.equal(harness.failures.length, 1);
  }
});

Deno.test("Response: a chunk that is no bytes never reaches the wire", async () => {
  for (const value of ["text", 5, new ArrayBuffer(4)]) {
    const make = () => new Response(ReadableStream.from<unknown>([value]) as ReadableStream<Uint8Array>);
    const harness = new Harness(() => make(), { turns: 60 });
    await harness.send(get("/"));
    const [answer] = parseAnswers(harness.output, ["GET"]);
    assert.ok(
      harness.failures.length === 1 && answer!.status === 500 || harness.conn.broken,
      `sent ${JSON.stringify(harness.output)}`,
    );
  }
});
