/**
 * Covers http/h1/conn.ts, the life of a connection: keep-alive, pipelining and its order, which requests run side by
 * side, backpressure, and that a request is its own although all share one buffer. Further parts of the machine are in
 * conn_body_test.ts, conn_stream_test.ts and conn_end_test.ts.
 */

import assert from "node:assert/strict";
import { H1Services } from "../../../http/h1/host.ts";
import { HeadWriter } from "../../../http/h1/write.ts";
import type { H1Request } from "../../../http/h1/request.ts";
import { DEFAULT_LIMITS } from "../../../http/limits.ts";
import { type Answer, Reply } from "../../../http/message.ts";
import { fieldOf, gate, Harness, parseAnswers, readAndAnswer } from "../../support/h1_harness.ts";
import { Prng, SEED } from "../../support/prng.ts";

function get(path: string, fields = ""): string {
  return `GET ${path} HTTP/1.1\r\nHost: h\r\n${fields}\r\n`;
}

function post(path: string, body = "body"): string {
  return `POST ${path} HTTP/1.1\r\nHost: h\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}

/** A handler whose answers are given by hand, by path. */
class Manual {
  readonly waiting = new Map<string, PromiseWithResolvers<Answer>>();
  readonly harness: Harness = new Harness((request) => {
    const answer = gate<Answer>();
    this.waiting.set(request.path, answer);
    return answer.promise;
  });

  get started(): string[] {
    return [...this.waiting.keys()];
  }

  async answer(path: string, answer: Answer = new Reply(path)): Promise<void> {
    this.waiting.get(path)!.resolve(answer);
    await this.harness.run();
  }

  get bodies(): string[] {
    return parseAnswers(this.harness.output, this.started.map(() => "GET")).map(({ body }) => body);
  }
}

/** Version, fields, and the Connection field and fate of the connection. */
const KEEP_ALIVE: readonly [number, string, string | null, boolean][] = [
  [1, "", null, true],
  [1, "Connection: keep-alive\r\n", null, true],
  [1, "Connection: close\r\n", "close", false],
  [0, "", "close", false],
  [0, "Connection: close\r\n", "close", false],
  [0, "Connection: keep-alive\r\n", "keep-alive", true],
];

Deno.test("keep-alive: by version and Connection, answered at once or later", async () => {
  for (const [minor, fields, connection, stays] of KEEP_ALIVE) {
    for (const handler of [() => new Reply("x"), () => Promise.resolve(new Reply("x"))]) {
      const harness = new Harness(handler);
      await harness.send(`GET / HTTP/1.${minor}\r\nHost: h\r\n${fields}\r\n${get("/next")}`);
      const answers = parseAnswers(harness.output, stays ? ["GET", "GET"] : ["GET"]);
      assert.equal(answers.length, stays ? 2 : 1);
      assert.equal(fieldOf(answers[0]!.fields, "connection"), connection);
      assert.equal(harness.conn.finished, !stays);
      assert.equal(harness.started.length, stays ? 2 : 1, "what comes behind the last request is not looked at");
    }
  }
});

Deno.test("keep-alive: by version and Connection, for requests with a body too", async () => {
  for (const [minor, fields, connection, stays] of KEEP_ALIVE) {
    for (const framing of ["Content-Length: 2\r\n\r\nhi", "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"]) {
      if (minor === 0 && framing.startsWith("T")) continue;
      const harness = new Harness(readAndAnswer);
      await harness.send(`POST / HTTP/1.${minor}\r\nHost: h\r\n${fields}${framing}${get("/next")}`);
      const answers = parseAnswers(harness.output, ["POST", "GET"]);
      assert.equal(answers.length, stays ? 2 : 1);
      assert.equal(fieldOf(answers[0]!.fields, "connection"), connection);
      assert.deepEqual([harness.conn.finished, harness.started.length], [!stays, stays ? 2 : 1]);
    }
  }
});

Deno.test("keep-alive: idle between requests, not within one", async () => {
  const manual = new Manual();
  const { harness } = manual;
  const { conn } = harness;
  assert.ok(conn.idle && conn.wantsRead && !conn.finished);
  await harness.send("GET /a HT");
  assert.ok(!conn.idle && conn.wantsRead);
  await harness.send("TP/1.1\r\nHost: h\r\n\r\n");
  assert.ok(!conn.idle && conn.wantsRead);
  await manual.answer("/a");
  assert.ok(conn.idle && conn.wantsRead && !conn.hasOutput);
  await harness.send(post("/b", "x".repeat(10)).slice(0, -5));
  assert.ok(!conn.idle && conn.wantsRead);
});

Deno.test("pipelining: answers leave in the order of the requests, whatever order handlers finish in", async () => {
  const paths = Array.from({ length: 8 }, (_, i) => `/${i}`);
  for (let round = 0; round < 30; round++) {
    const prng = new Prng(SEED + round);
    const manual = new Manual();
    await manual.harness.send(paths.map((path) => get(path)).join(""));
    assert.deepEqual(manual.started, paths);
    const left = [...paths];
    while (left.length > 0) {
      const [path] = left.splice(prng.below(left.length), 1);
      await manual.answer(path!);
      const due = paths.slice(0, paths.findIndex((path) => left.includes(path)));
      assert.deepEqual(manual.bodies, left.length === 0 ? paths : due, `seed ${SEED + round}`);
    }
    assert.ok(manual.harness.conn.idle);
  }
});

Deno.test("pipelining: 16 requests that are answered at once leave as one piece", async () => {
  const harness = new Harness((request) => new Reply(request.path));
  await harness.send(Array.from({ length: 16 }, (_, i) => get(`/${i}`)).join(""));
  assert.equal(harness.sent.length, 1);
  const bodies = parseAnswers(harness.output, new Array(16).fill("GET")).map(({ body }) => body);
  assert.deepEqual(bodies, Array.from({ length: 16 }, (_, i) => `/${i}`));
});

Deno.test("pipelining: one that is answered at once waits for one that is not", async () => {
  const later = gate<Answer>();
  const harness = new Harness((request) => request.path === "/later" ? later.promise : new Reply(request.path));
  await harness.send(get("/1") + get("/later") + get("/2") + get("/3"));
  assert.equal(harness.started.length, 4);
  assert.deepEqual(parseAnswers(harness.output, ["GET"]).map(({ body }) => body), ["/1"]);
  later.resolve(new Reply("later"));
  await harness.run();
  const bodies = parseAnswers(harness.output, ["GET", "GET", "GET", "GET"]).map(({ body }) => body);
  assert.deepEqual(bodies, ["/1", "later", "/2", "/3"]);
});

Deno.test("pipelining: an unsafe request starts when those in front are answered, and nothing starts beside it", async () => {
  const unsafe = [post("/post"), "DELETE /post HTTP/1.1\r\nHost: h\r\n\r\n", "get /post HTTP/1.1\r\nHost: h\r\n\r\n"];
  const withBody = "GET /post HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx";
  for (const request of [...unsafe, withBody]) {
    const manual = new Manual();
    const { conn } = manual.harness;
    await manual.harness.send(get("/1") + get("/2") + request + get("/3"));
    assert.deepEqual(manual.started, ["/1", "/2"]);
    assert.ok(conn.blocked && !conn.wantsRead);
    await manual.answer("/2");
    assert.deepEqual(manual.started, ["/1", "/2"]);
    await manual.answer("/1");
    assert.deepEqual(manual.started, ["/1", "/2", "/post"]);
    assert.ok(conn.blocked && !conn.wantsRead);
    await manual.answer("/post");
    assert.deepEqual(manual.started, ["/1", "/2", "/post", "/3"]);
    await manual.answer("/3");
    assert.deepEqual(manual.bodies, ["/1", "/2", "/post", "/3"]);
    assert.ok(conn.idle);
  }
});

Deno.test("pipelining: an unsafe request held at every split of its bytes", async () => {
  const text = get("/1") + post("/post") + get("/3");
  for (let cut = 1; cut < text.length; cut++) {
    const manual = new Manual();
    await manual.harness.send(text.slice(0, cut));
    await manual.harness.send(text.slice(cut));
    assert.deepEqual(manual.started, ["/1"], `cut at ${cut}`);
    await manual.answer("/1");
    assert.deepEqual(manual.started, ["/1", "/post"], `cut at ${cut}`);
    await manual.answer("/post");
    await manual.answer("/3");
    assert.deepEqual(manual.bodies, ["/1", "/post", "/3"]);
  }
});

Deno.test("pipelining: a malformed request is refused in its turn, and ends the connection", async () => {
  const manual = new Manual();
  await manual.harness.send(get("/1") + get("/2") + "BAD\0" + get("/3"));
  assert.deepEqual(manual.started, ["/1", "/2"]);
  assert.ok(!manual.harness.conn.wantsRead && !manual.harness.conn.finished);
  await manual.answer("/2");
  assert.equal(manual.harness.result, "");
  await manual.answer("/1");
  assert.equal(manual.harness.result, "200,200,400!");
  assert.deepEqual(manual.started, ["/1", "/2"]);
});

Deno.test("pipelining: 1000 requests in one piece, in order, never more than the limit at once", async () => {
  let running = 0, most = 0;
  const harness = new Harness(async (request) => {
    most = Math.max(most, ++running);
    for (let turn = new Prng(Number(request.path.slice(1))).below(5); turn > 0; turn--) await null;
    running--;
    return new Reply(request.path);
  });
  await harness.send(Array.from({ length: 1000 }, (_, i) => get(`/${i}`)).join(""));
  const bodies = parseAnswers(harness.output, new Array(1000).fill("GET")).map(({ body }) => body);
  assert.deepEqual(bodies, Array.from({ length: 1000 }, (_, i) => `/${i}`));
  assert.ok(most > 1 && most <= DEFAULT_LIMITS.pipelined, `${most} at once`);
});

Deno.test("requests: read after an await, everything is the request's own", async () => {
  const seen: unknown[] = [];
  const look = (request: H1Request) => [request.path, request.queryText, request.header("x"), request.headers().length];
  const harness = new Harness(async (request) => {
    for (let turn = 0; turn < 5; turn++) await null;
    seen.push(look(request));
    return new Reply("ok");
  });
  await harness.send(get("/a?b", "X: first\r\n") + get("/c", "X: second\r\nY: z\r\n"));
  assert.deepEqual(seen, [["/a", "b", "first", 2], ["/c", "", "second", 3]]);
});

Deno.test("requests: kept beyond their answer they throw, and never show the next request", async () => {
  const kept: H1Request[] = [];
  for (const later of [false, true]) {
    kept.length = 0;
    const harness = new Harness((request) => {
      kept.push(request);
      return later ? Promise.resolve(new Reply("ok")) : new Reply("ok");
    });
    await harness.send(get("/first", "X: 1\r\n"));
    await harness.send(get("/second", "X: 2\r\n"));
    for (const request of kept) {
      for (
        const look of [() => request.header("x"), () => request.headers(), () => request.target, () => request.path]
      ) {
        assert.throws(look, { name: "TypeError", message: /its answer is complete/ });
      }
    }
  }
});

Deno.test("requests: what the handler sees of its peer", async () => {
  const harness = new Harness(({ remoteAddr }) => new Reply(JSON.stringify(remoteAddr)));
  await harness.send(get("/"));
  const [{ body } = { body: "" }] = parseAnswers(harness.output, ["GET"]);
  assert.deepEqual(JSON.parse(body), harness.remoteAddress());
});

Deno.test("backpressure: nothing is parsed or written while the output is full, and all of it afterwards", async () => {
  const { unsentBytes } = DEFAULT_LIMITS;
  const harness = new Harness(async () => {
    await null;
    return new Reply("x".repeat(40_000));
  });
  await harness.send(get("/").repeat(16));
  assert.ok(harness.sent.length > 1);
  for (const piece of harness.sent) assert.ok(piece.length < unsentBytes + 41_000, `${piece.length} bytes at once`);
  assert.equal(parseAnswers(harness.output, new Array(16).fill("GET")).length, 16);
});

Deno.test("backpressure: a congested connection writes nothing, and all of it when there is room again", async () => {
  const manual = new Manual();
  const { harness } = manual;
  await harness.send(get("/1") + get("/2"));
  harness.conn.congested = true;
  await manual.answer("/1");
  await manual.answer("/2");
  harness.conn.flush(harness.writer);
  assert.ok(harness.writer.empty && !harness.conn.hasOutput, "an owner that looks for output would spin");
  harness.conn.resume();
  await harness.run();
  assert.deepEqual(manual.bodies, ["/1", "/2"]);
});

Deno.test("heads are pooled, and come back clean", () => {
  const services = new H1Services(DEFAULT_LIMITS, new HeadWriter());
  const head = services.takeHead();
  assert.notEqual(services.takeHead(), head);
  services.returnHead(head);
  assert.equal(services.takeHead(), head);
  assert.equal(head.fieldCount, 0);
});
