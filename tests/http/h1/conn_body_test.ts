/**
 * Covers http/h1/conn.ts, request bodies: 100 (Continue), answers given before the body was read, what is drained and
 * what ends the connection, and backpressure by a handler that reads slowly.
 */

import assert from "node:assert/strict";
import type { H1Request } from "../../../http/h1/request.ts";
import { DEFAULT_LIMITS, DISCARD_BYTES } from "../../../http/limits.ts";
import { type Answer, Reply } from "../../../http/message.ts";
import { HttpError } from "../../../http/errors.ts";
import { fieldOf, gate, Harness, parseAnswers, readAndAnswer, type TestHandler } from "../../support/h1_harness.ts";
import { CANARY } from "../../support/wire_cases.ts";

const CONTINUE = "HTTP/1.1 100 Continue\r\n\r\n";
const LIMIT = DEFAULT_LIMITS.bodyBytes;

function expecting(length: number, fields = ""): string {
  return `POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: ${length}\r\n${fields}\r\n`;
}

function post(length: number): string {
  return `POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ${length}\r\n\r\n`;
}

const CHUNKED = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";

/** Answers without a look at the body: in the same turn, or a little later. */
const EARLY: readonly [string, TestHandler][] = [
  ["at once", () => new Reply("early")],
  ["later", async () => {
    for (let turn = 0; turn < 5; turn++) await null;
    return new Reply("early");
  }],
];

Deno.test("100: sent when the handler first reads, not before, and once", async () => {
  for (const read of [(request: H1Request) => request.body.text(99), readByStream]) {
    const begin = gate<void>();
    const harness = new Harness(async (request) => {
      await begin.promise;
      return new Reply(await read(request));
    });
    await harness.send(expecting(5));
    assert.equal(harness.output, "");
    begin.resolve();
    await harness.run();
    assert.equal(harness.output, CONTINUE);
    await harness.send("he");
    await harness.run();
    await harness.send("llo" + CANARY);
    const answers = parseAnswers(harness.output, ["POST", "GET"]);
    assert.deepEqual(answers.map(({ status, body }) => [status, body]), [[100, ""], [200, "hello"], [200, ""]]);
  }
});

async function readByStream(request: H1Request): Promise<string> {
  let text = "";
  for await (const chunk of request.body.stream()) text += new TextDecoder().decode(chunk);
  return text;
}

Deno.test("100: sent for a handler that reads in the turn in which it is called, also for a chunked body", async () => {
  const harness = new Harness(readAndAnswer);
  await harness.send("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n");
  assert.equal(harness.output, CONTINUE);
  await harness.send("0\r\n\r\n" + CANARY);
  assert.equal(harness.result, "100,200,200");
});

Deno.test("100: left out when the body comes anyway, when there is none, and for HTTP/1.0", async () => {
  const quiet: readonly [string, string][] = [
    [`${expecting(5)}hello${CANARY}`, "200,200"],
    [`${expecting(5)}h`, ""],
    [`${expecting(0)}${CANARY}`, "200,200"],
    [`GET / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n${CANARY}`, "200,200"],
    ["POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n", ""],
  ];
  for (const [text, result] of quiet) {
    const harness = new Harness(readAndAnswer);
    await harness.send(text);
    assert.equal(harness.result, result, JSON.stringify(text));
  }
});

Deno.test("100: never behind the final answer, and the withheld body ends the connection", async () => {
  const tooLong: TestHandler = async ({ body }) => {
    const error = await body.bytes(3).then(() => null, (error) => error as HttpError);
    return new Reply("no", error?.status ?? 200);
  };
  const readsWithout: TestHandler = ({ body }) => {
    body.bytes(99).catch(() => {});
    return new Reply("no", 403);
  };
  for (const [name, handler] of [...EARLY, ["too long", tooLong], ["reads, answers", readsWithout]] as const) {
    const harness = new Harness(handler);
    await harness.send(expecting(5));
    const answers = parseAnswers(harness.output, ["POST"]);
    assert.deepEqual(answers.map(({ fields }) => fieldOf(fields, "connection")), ["close"], name);
    assert.ok(harness.conn.finished, name);
    // What follows may be the body or a request: neither is looked at.
    await harness.send("GET /x HTTP/1.1\r\nHost: h\r\n\r\n");
    assert.equal(harness.started.length, 1);
  }
});

Deno.test("100: due while an answer in front is still being given, sent behind it", async () => {
  const first = gate<Answer>();
  const harness = new Harness((request) => request.path === "/canary" ? first.promise : readAndAnswer(request));
  await harness.send(CANARY + expecting(2));
  assert.equal(harness.output, "");
  first.resolve(new Reply("first"));
  await harness.run();
  assert.equal(harness.result, "200,100");
  await harness.send("hi");
  assert.equal(harness.result, "200,100,200");
});

Deno.test("early answer: a body that is short enough is drained, and the next request answered", async () => {
  for (const [name, handler] of EARLY) {
    const wholes = [
      `${post(5)}hello`,
      `${CHUNKED}5\r\nhello\r\n0\r\nX: y\r\n\r\n`,
      `${post(DISCARD_BYTES)}${"x".repeat(DISCARD_BYTES)}`,
    ];
    for (const whole of wholes) {
      for (const cut of [whole.length, whole.indexOf("\r\n\r\n") + 4, whole.length - 1]) {
        const harness = new Harness(handler);
        await harness.send(whole.slice(0, cut));
        await harness.send(whole.slice(cut) + CANARY);
        assert.equal(harness.result, "200,200", `${name}, ${whole.length} bytes, cut at ${cut}`);
        assert.ok(!harness.output.includes("Connection:"));
        assert.ok(harness.conn.idle);
      }
    }
  }
});

Deno.test("early answer: a longer body ends the connection, and the answer says so when it is known", async () => {
  for (const [name, handler] of EARLY) {
    const harness = new Harness(handler);
    await harness.send(post(2 ** 30));
    assert.deepEqual(parseAnswers(harness.output, ["POST"]).map(({ fields }) => fieldOf(fields, "connection")), [
      "close",
    ], name);
    assert.ok(harness.conn.finished, name);
    const chunked = new Harness(handler);
    await chunked.send(`${CHUNKED}40000000\r\n`);
    assert.equal(chunked.result, "200");
    await chunked.send("x".repeat(DISCARD_BYTES));
    await chunked.send("x".repeat(DISCARD_BYTES));
    assert.equal(chunked.result, "200!", name);
    assert.equal(chunked.started.length, 1);
  }
});

Deno.test("early answer: a body that is refused as too long says close when more is to come than is drained", async () => {
  const harness = new Harness(readAndAnswer);
  await harness.send(post(LIMIT + DISCARD_BYTES + 1));
  const [answer] = parseAnswers(harness.output, ["POST"]);
  assert.equal(answer!.status, 413);
  assert.equal(fieldOf(answer!.fields, "connection"), "close");
  assert.equal(harness.result, "413!");
});

Deno.test("early answer: a stream that is cancelled says close when more is to come than is drained", async () => {
  const harness = new Harness(async (request) => {
    await request.body.stream().cancel();
    return new Reply("enough");
  });
  await harness.send(post(DISCARD_BYTES + 1));
  const [answer] = parseAnswers(harness.output, ["POST"]);
  assert.equal(fieldOf(answer!.fields, "connection"), "close");
});

Deno.test("early answer: a body that turns out malformed ends the connection without a second answer", async () => {
  for (const [name, handler] of EARLY) {
    const harness = new Harness(handler);
    await harness.send(`${CHUNKED}5\r\nhello\r\n`);
    assert.equal(harness.result, "200", name);
    await harness.send(`zz\r\n${CANARY}`);
    assert.equal(harness.result, "200!", name);
  }
});

Deno.test("early answer: what a handler reads on behind its answer is the body or an error, never a part of it", async () => {
  for (const way of ["bytes", "stream"] as const) {
    const outcome = gate<string>();
    const harness = new Harness((request) => {
      const text = way === "bytes" ? request.body.text(99) : readByStream(request);
      text.then(outcome.resolve, (error) => outcome.resolve(`rejected: ${error.name}`));
      return new Reply("accepted", 202);
    });
    await harness.send(post(10) + "hello");
    await harness.send("world");
    const text = await outcome.promise;
    assert.ok(text === "helloworld" || text.startsWith("rejected"), `${way}: the reader got ${JSON.stringify(text)}`);
  }
});

Deno.test("broken body: the reader gets the row's error, the answer closes, nothing behind it is read", async () => {
  const broken: readonly [string, number][] = [
    [`${CHUNKED}5\r\nhello\r\nzz\r\n`, 400],
    [`${CHUNKED}20000000000000\r\n`, 413],
    [`${CHUNKED}0\r\nX\r\n`, 400],
  ];
  for (const [text, status] of broken) {
    const seen: unknown[] = [];
    const harness = new Harness(async (request) => {
      await request.body.bytes(LIMIT).catch((error) => seen.push(error));
      return new Reply("answered all the same");
    });
    await harness.send(text + CANARY);
    assert.equal(harness.result, "200!");
    assert.ok(seen[0] instanceof HttpError && seen[0].status === status);
    const [answer] = parseAnswers(harness.output, ["POST"]);
    assert.equal(fieldOf(answer!.fields, "connection"), "close");
  }
});

Deno.test("backpressure: a body that is read slowly stops reading at the limit and goes on when it is wanted", async () => {
  const { unsentBytes } = DEFAULT_LIMITS;
  const total = 20 * unsentBytes;
  const turn: { next: PromiseWithResolvers<void> } = { next: gate<void>() };
  let read = 0;
  const harness = new Harness(async (request) => {
    for await (const chunk of request.body.stream()) {
      read += chunk.length;
      await turn.next.promise;
    }
    return new Reply(String(read));
  }, { scratchBytes: 8192 });
  await harness.send(post(total) + "x".repeat(total) + CANARY);
  for (let rounds = 0; rounds < 1000 && harness.started.length === 1; rounds++) {
    const waiting = total - harness.unread - read;
    assert.ok(waiting < unsentBytes + 2 * 8192, `${waiting} bytes wait in memory`);
    const { next } = turn;
    turn.next = gate<void>();
    next.resolve();
    await harness.run();
  }
  assert.deepEqual(parseAnswers(harness.output, ["POST", "GET"])[0]!.body, String(total));
  assert.equal(harness.started.length, 2);
});

Deno.test("backpressure: a body that is gathered is read without a stop", async () => {
  const harness = new Harness(async (request) => new Reply(String((await request.body.bytes(LIMIT)).length)));
  await harness.send(post(LIMIT) + "x".repeat(LIMIT) + CANARY);
  assert.equal(harness.started.length, 2);
});

Deno.test("100: a streamed answer that reads the body asks for it before its own head", async () => {
  const harness = new Harness((request) => new Reply(request.body.stream()));
  await harness.send(expecting(5));
  await harness.run();
  assert.ok(harness.output.startsWith(CONTINUE), harness.output);
  await harness.send("hello");
  await harness.run();
  const answers = parseAnswers(harness.output, ["POST"]);
  assert.deepEqual(answers.map(({ status, body }) => [status, body]), [[100, ""], [200, "hello"]]);
});

Deno.test("100: a streamed answer that does not read the body says close, and nothing asks for it", async () => {
  const harness = new Harness(() => new Reply(new Response("streamed").body!));
  await harness.send(expecting(5));
  await harness.run();
  const [answer] = parseAnswers(harness.output, ["POST"]);
  assert.deepEqual([answer!.status, answer!.body, fieldOf(answer!.fields, "connection")], [200, "streamed", "close"]);
});

Deno.test("early answer: a stream that was made and never pulled is a body that nobody reads", async () => {
  const harness = new Harness((request) => {
    request.body.stream();
    return new Reply("early");
  });
  await harness.send(post(DISCARD_BYTES + 1));
  const [answer] = parseAnswers(harness.output, ["POST"]);
  assert.equal(fieldOf(answer!.fields, "connection"), "close");
});

Deno.test("early answer: of a body that was refused no more is read than is drained, while the handler goes on", async () => {
  const end = gate<void>();
  const harness = new Harness(async (request) => {
    await request.body.bytes(10).catch(() => {});
    await end.promise;
    return new Reply("late");
  });
  await harness.send(CHUNKED);
  const chunk = `4000\r\n${"x".repeat(0x4000)}\r\n`;
  let sent = 0;
  while (harness.conn.wantsRead && sent < 4 * DISCARD_BYTES) {
    await harness.send(chunk);
    sent += chunk.length;
  }
  assert.ok(sent > DISCARD_BYTES && sent < 2 * DISCARD_BYTES, `${sent} bytes were read`);
  end.resolve();
  await harness.run();
  const [answer] = parseAnswers(harness.output, ["POST"]);
  assert.equal(fieldOf(answer!.fields, "connection"), "close");
  assert.ok(harness.conn.finished);
});
