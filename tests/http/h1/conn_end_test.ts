/**
 * Covers http/h1/conn.ts, how a connection ends: drain, the end of input, and abort, each in every state that a
 * connection can be in.
 */

import assert from "node:assert/strict";
import { HttpError } from "../../../http/errors.ts";
import type { H1Request } from "../../../http/h1/request.ts";
import { type Answer, Reply } from "../../../http/message.ts";
import { fieldOf, gate, Harness, parseAnswers } from "../../support/h1_harness.ts";
import { CANARY, latin1Bytes } from "../../support/wire_cases.ts";

const POST = "POST /post HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n";

/** A connection with one answer that is given by hand, and a stream that is too. */
class Scene {
  readonly answer: PromiseWithResolvers<Answer> = gate<Answer>();
  readonly requests: H1Request[] = [];
  readonly bodies: Promise<string>[] = [];
  readonly cancelled: unknown[] = [];
  producer!: ReadableStreamDefaultController<Uint8Array>;
  readonly stream: ReadableStream<Uint8Array> = new ReadableStream<Uint8Array>({
    start: (controller) => void (this.producer = controller),
    cancel: (reason) => void this.cancelled.push(reason),
  }, { highWaterMark: 0 });
  readonly harness: Harness = new Harness((request) => {
    this.requests.push(request);
    if (request.path === "/early") return new Reply("early");
    if (request.path === "/stream") return new Reply(this.stream);
    if (request.path === "/post") this.bodies.push(request.body.text(99));
    this.bodies.at(-1)?.catch(() => {});
    return this.answer.promise;
  });

  async reply(answer: Answer = new Reply("done")): Promise<void> {
    this.answer.resolve(answer);
    await this.harness.run();
  }

  get connection(): (string | null)[] {
    return parseAnswers(this.harness.output, this.requests.map(() => "GET")).map(({ fields }) =>
      fieldOf(fields, "connection")
    );
  }
}

Deno.test("drain: an idle connection is finished", async () => {
  const fresh = new Scene();
  fresh.harness.conn.drain();
  assert.ok(!fresh.harness.conn.finished, "a request may have arrived: its owner looks first");
  fresh.harness.conn.endIfIdle();
  assert.ok(fresh.harness.conn.finished);
  const used = new Scene();
  await used.harness.send("GET /early HTTP/1.1\r\nHost: h\r\n\r\n");
  assert.ok(!used.harness.conn.finished);
  used.harness.conn.endIfIdle();
  assert.ok(!used.harness.conn.finished, "nobody wants it to end");
  used.harness.conn.drain();
  used.harness.conn.drain();
  used.harness.conn.endIfIdle();
  assert.ok(used.harness.conn.finished && !used.harness.conn.wantsRead);
});

Deno.test("drain: within a head the request is received and answered, and told to close", async () => {
  const scene = new Scene();
  await scene.harness.send("GET /early HT");
  scene.harness.conn.drain();
  assert.ok(!scene.harness.conn.finished && scene.harness.conn.wantsRead);
  await scene.harness.send(`TP/1.1\r\nHost: h\r\n\r\n${CANARY}`);
  assert.deepEqual(scene.connection, ["close"]);
  assert.equal(scene.harness.result, "200!");
});

Deno.test("drain: while a handler runs its answer says close, with and without a body to come", async () => {
  for (const [text, rest] of [[CANARY, ""], [POST, "helloworld"]] as const) {
    const scene = new Scene();
    await scene.harness.send(text);
    scene.harness.conn.drain();
    assert.ok(!scene.harness.conn.finished);
    await scene.harness.send(rest);
    await scene.reply();
    assert.deepEqual(scene.connection, ["close"]);
    assert.ok(scene.harness.conn.finished);
  }
});

Deno.test("drain: of several in flight all are answered and the last says close", async () => {
  const scene = new Scene();
  await scene.harness.send(CANARY.repeat(3));
  scene.harness.conn.drain();
  await scene.reply();
  assert.deepEqual(scene.connection, [null, null, "close"]);
  assert.ok(scene.harness.conn.finished);
});

Deno.test("drain: while a stream goes out it is sent to its end, and then the connection is finished", async () => {
  const scene = new Scene();
  await scene.harness.send("GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
  scene.producer.enqueue(latin1Bytes("abc"));
  await scene.harness.run();
  scene.harness.conn.drain();
  scene.producer.close();
  await scene.harness.run();
  const [answer] = parseAnswers(scene.harness.output, ["GET"]);
  assert.deepEqual([answer!.body, answer!.complete], ["abc", true]);
  assert.ok(scene.harness.conn.finished, "the connection stays open although it was drained");
});

Deno.test("drain: while a body that nobody wants is thrown away, the connection is finished behind it", async () => {
  const scene = new Scene();
  await scene.harness.send("POST /early HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhello");
  assert.equal(scene.harness.result, "200");
  scene.harness.conn.drain();
  await scene.harness.send("world");
  assert.equal(scene.harness.result, "200!");
});

Deno.test("end of input: idle, after an answer, and within a head it is finished without a word", async () => {
  for (const text of ["", "GET /early HTTP/1.1\r\nHost: h\r\n\r\n", "GET /x HTTP/1.1\r\nHo", "\r\n"]) {
    const scene = new Scene();
    await scene.harness.send(text);
    const before = scene.harness.result;
    await scene.harness.end();
    assert.equal(scene.harness.result, `${before}!`, JSON.stringify(text));
  }
});

Deno.test("end of input: what was asked for is still answered, in order, and the last says close", async () => {
  const scene = new Scene();
  await scene.harness.send(CANARY.repeat(2));
  await scene.harness.end();
  assert.ok(!scene.harness.conn.finished && !scene.harness.conn.wantsRead);
  assert.ok(!scene.requests[0]!.signal.aborted, "half-closed is not gone");
  await scene.reply();
  assert.equal(scene.harness.result, "200,200!");
  assert.deepEqual(scene.connection, [null, "close"]);
});

Deno.test("end of input: a request that is held is still started", async () => {
  const scene = new Scene();
  await scene.harness.send(`${CANARY}POST /early HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi`);
  await scene.harness.end();
  assert.equal(scene.requests.length, 1);
  await scene.reply();
  assert.equal(scene.harness.result, "200,200!");
});

Deno.test("end of input: within a body the reader gets an error, and its answer closes", async () => {
  const chunked = "POST /post HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const text of [POST, `${POST}hello`, chunked, `${chunked}5\r\nhello\r\n`, `${chunked}5\r\nhello\r\n0\r\n`]) {
    const scene = new Scene();
    await scene.harness.send(text);
    await scene.harness.end();
    await assert.rejects(scene.bodies[0]!, (error) => error instanceof HttpError && error.status === 400, text);
    await scene.reply(new Reply("truncated", 400));
    assert.equal(scene.harness.result, "400!", JSON.stringify(text));
    assert.deepEqual(scene.connection, ["close"]);
  }
});

Deno.test("end of input: within a body that nobody wants it is finished", async () => {
  const scene = new Scene();
  await scene.harness.send("POST /early HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhello");
  await scene.harness.end();
  assert.equal(scene.harness.result, "200!");
});

Deno.test("end of input: a stream that goes out is sent to its end", async () => {
  const scene = new Scene();
  await scene.harness.send("GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
  await scene.harness.end();
  assert.ok(!scene.harness.conn.finished);
  scene.producer.enqueue(latin1Bytes("abc"));
  scene.producer.close();
  await scene.harness.run();
  const [answer] = parseAnswers(scene.harness.output, ["GET"]);
  assert.deepEqual([answer!.body, answer!.complete], ["abc", true]);
  assert.ok(scene.harness.conn.finished);
});

Deno.test("abort: every signal fires once, with the reason, and nothing is written any more", async () => {
  const scene = new Scene();
  await scene.harness.send(CANARY.repeat(3));
  const fired: unknown[] = [];
  for (const { signal } of scene.requests) signal.addEventListener("abort", () => fired.push(signal.reason));
  const reason = new Error("gone");
  scene.harness.conn.abort(reason);
  scene.harness.conn.abort(new Error("again"));
  assert.deepEqual(fired, [reason, reason, reason]);
  assert.ok(scene.harness.conn.finished && !scene.harness.conn.hasOutput);
  await scene.reply();
  assert.equal(scene.harness.output, "");
  assert.deepEqual(scene.harness.failures, []);
});

Deno.test("abort: a handler that asks for the signal afterwards gets an aborted one, and may still read its request", async () => {
  const scene = new Scene();
  await scene.harness.send(CANARY);
  scene.harness.conn.abort(new Error("gone"));
  const [request] = scene.requests;
  assert.ok(request!.signal.aborted);
  assert.equal(request!.header("host"), "h");
});

Deno.test("abort: a signal of an answered request does not fire", async () => {
  const scene = new Scene();
  await scene.harness.send("GET /early HTTP/1.1\r\nHost: h\r\n\r\n");
  const { signal } = scene.requests[0]!;
  scene.harness.conn.abort(new Error("gone"));
  assert.ok(!signal.aborted);
});

Deno.test("abort: pending reads of a body reject, by either way, with the reason as cause", async () => {
  const reason = new Error("gone");
  const gathering = new Scene();
  await gathering.harness.send(`${POST}hello`);
  gathering.harness.conn.abort(reason);
  await assert.rejects(gathering.bodies[0]!, (error: HttpError) => error.status === 400 && error.cause === reason);
  const outcome = gate<unknown>();
  const streaming = new Harness(async (request) => {
    const read = Array.fromAsync(request.body.stream());
    await read.then(outcome.resolve, outcome.resolve);
    return new Reply("late");
  });
  await streaming.send(`${POST}hello`);
  streaming.conn.abort(reason);
  await streaming.run();
  const error = await outcome.promise;
  assert.ok(error instanceof HttpError && error.cause === reason);
  assert.equal(streaming.output, "");
});

Deno.test("abort: a stream that goes out is cancelled with the reason", async () => {
  const scene = new Scene();
  await scene.harness.send("GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
  const reason = new Error("gone");
  scene.harness.conn.abort(reason);
  await scene.harness.run();
  assert.deepEqual(scene.cancelled, [reason]);
  const { length } = scene.harness.output;
  await scene.harness.run();
  assert.equal(scene.harness.output.length, length);
});

Deno.test("abort: a stream that waits behind another answer is cancelled too", async () => {
  const scene = new Scene();
  await scene.harness.send(`${CANARY}GET /stream HTTP/1.1\r\nHost: h\r\n\r\n`);
  scene.harness.conn.abort(new Error("gone"));
  await scene.harness.run();
  assert.equal(scene.cancelled.length, 1, "its producer would wait for ever");
});

Deno.test("abort: a stream that a handler returns afterwards is cancelled", async () => {
  const scene = new Scene();
  await scene.harness.send(CANARY);
  scene.harness.conn.abort(new Error("gone"));
  await scene.reply(new Reply(scene.stream));
  assert.equal(scene.cancelled.length, 1);
  const again = new Scene();
  await again.harness.send(CANARY);
  again.harness.conn.abort(new Error("gone"));
  again.producer.enqueue(latin1Bytes("abc"));
  await again.reply(new Response(again.stream));
  for (let rounds = 0; rounds < 5; rounds++) await again.harness.run();
  assert.equal(again.cancelled.length, 1);
});

Deno.test("abort: a Response whose first chunk has not come is cancelled", async () => {
  const scene = new Scene();
  await scene.harness.send(CANARY);
  await scene.reply(new Response(scene.stream));
  scene.harness.conn.abort(new Error("gone"));
  for (let rounds = 0; rounds < 5; rounds++) await scene.harness.run();
  assert.equal(scene.cancelled.length, 1, "its producer would wait for ever");
});

Deno.test("abort: a Response that a handler returns afterwards is cancelled before its first chunk", async () => {
  const scene = new Scene();
  await scene.harness.send(CANARY);
  scene.harness.conn.abort(new Error("gone"));
  await scene.reply(new Response(scene.stream));
  for (let rounds = 0; rounds < 5; rounds++) await scene.harness.run();
  assert.equal(scene.cancelled.length, 1, "its producer would wait for ever");
});

/** What a handler that outlives its connection may still do with its request. */
function useLate(request: H1Request): void {
  for (const use of [() => request.remoteAddr, () => request.body.stream().cancel()]) {
    try {
      use();
    } catch (error) {
      assert.ok(error instanceof TypeError);
    }
  }
}

Deno.test("abort: the host is not asked again, for it may belong to another connection by then", async () => {
  const stream = (path: string) => `GET ${path} HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n`;
  const scenes: readonly [string, string][] = [
    ["one that was answered", "GET /early HTTP/1.1\r\nHost: h\r\n\r\n"],
    ["one whose body was thrown away", "POST /early HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nx"],
    ["one that is running", CANARY],
    ["one that is running and reads", POST],
    ["one behind an answer that ended the connection", stream("/stream") + stream("/running")],
  ];
  const wrong: string[] = [];
  for (const [name, text] of scenes) {
    const scene = new Scene();
    const { harness } = scene;
    await harness.send(text);
    if (text.includes("/stream")) {
      scene.producer.close();
      await harness.run();
      assert.equal(harness.result, "200!", name);
    }
    harness.conn.abort(new Error("gone"));
    let asked = 0;
    const ask = () => asked++;
    harness.wake = ask;
    harness.remoteAddress = () => {
      ask();
      return { transport: "tcp", hostname: "another client", port: 1 };
    };
    for (const request of scene.requests) useLate(request);
    await scene.reply(new Reply("late"));
    if (asked > 0) wrong.push(name);
  }
  assert.deepEqual(wrong, []);
});

Deno.test("abort: in every other state it finishes the connection and takes no more bytes", async () => {
  for (const text of ["", "GET /x HT", "BAD\0", "POST /early HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nx"]) {
    const scene = new Scene();
    await scene.harness.send(text);
    scene.harness.conn.abort(new Error("gone"));
    assert.ok(scene.harness.conn.finished && !scene.harness.conn.wantsRead, JSON.stringify(text));
    assert.ok(!scene.harness.conn.hasOutput && !scene.harness.conn.blocked);
    const before = scene.harness.output;
    await scene.harness.send(CANARY);
    assert.equal(scene.harness.output, before);
  }
});
