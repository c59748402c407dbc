/**
 * Covers http/limits.ts: every limit at its exact edge. At the limit the request is answered, one more gets the
 * documented status or makes reading stop. A key of DEFAULT_LIMITS that no case claims fails the last test.
 */

import assert from "node:assert/strict";
import {
  COPY_BYTES,
  DEFAULT_LIMITS,
  DISCARD_BYTES,
  LEADING_BLANK_LINES,
  type Limits,
  SIZE_DIGITS,
} from "../../http/limits.ts";
import { Reply } from "../../http/message.ts";
import { everyByte, pieces, someCuts } from "../support/feed.ts";
import { answerAtOnce, gate, Harness, readAndAnswer, type TestHandler } from "../support/h1_harness.ts";
import { Prng, SEED } from "../support/prng.ts";
import { CANARY, latin1Bytes } from "../support/wire_cases.ts";

type Key = keyof Limits;

/** A request whose size in the unit of a limit is exactly `size`, and the answer (a pattern) to one that is too big. */
interface Edge {
  readonly over: string;
  request(size: number): string;
}

const HEAD = "GET / HTTP/1.1\r\nHost: h\r\n";
const CHUNKED = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";

/** Field lines that make up exactly that many bytes, none of them long. */
function padding(bytes: number): string {
  let lines = "";
  while (bytes - lines.length > 2100) lines += `X: ${"a".repeat(1000)}\r\n`;
  return `${lines}X: ${"a".repeat(bytes - lines.length - 5)}\r\n`;
}

const EDGES: Readonly<Record<string, Edge>> = {
  methodBytes: { over: "501!", request: (size) => `${"A".repeat(size)} / HTTP/1.1\r\nHost: h\r\n\r\n` },
  targetBytes: { over: "414!", request: (size) => `GET /${"a".repeat(size - 1)} HTTP/1.1\r\nHost: h\r\n\r\n` },
  headBytes: { over: "431!", request: (size) => `${HEAD}${padding(size - HEAD.length - 2)}\r\n` },
  // A field line is what stands before its CR LF (RFC 9112 section 5).
  fieldBytes: { over: "431!", request: (size) => `${HEAD}X: ${"a".repeat(size - 3)}\r\n\r\n` },
  fields: { over: "431!", request: (size) => `${HEAD}${"X: y\r\n".repeat(size - 1)}\r\n` },
  bodyBytes: {
    over: "413!?", // what becomes of the connection depends on how much of the body has arrived
    request: (size) => `POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ${size}\r\n\r\n${"x".repeat(size)}`,
  },
  chunkExtensionBytes: {
    over: "400!",
    request: (size) => {
      const half = size >> 1;
      return `${CHUNKED}1;${"a".repeat(half)}\r\nx\r\n0;${"b".repeat(size - half)}\r\n\r\n`;
    },
  },
  trailerBytes: { over: "431!", request: (size) => `${CHUNKED}1\r\nx\r\n0\r\n${padding(size)}\r\n` },
  trailers: { over: "431!", request: (size) => `${CHUNKED}1\r\nx\r\n0\r\n${"X: y\r\n".repeat(size)}\r\n` },
};

async function play(text: string, cuts: readonly number[], handler: TestHandler = readAndAnswer): Promise<string> {
  const harness = new Harness(handler);
  for (const piece of pieces(latin1Bytes(text), cuts)) await harness.send(piece);
  return harness.result;
}

for (const [key, { over, request }] of Object.entries(EDGES)) {
  Deno.test(`limits: ${key} passes, one more is ${over} (seed ${SEED})`, async () => {
    const limit = DEFAULT_LIMITS[key as Key];
    const prng = new Prng();
    const atLimit = request(limit), overLimit = request(limit + 1);
    for (
      const cuts of [[], someCuts(atLimit.length, prng), ...atLimit.length < 20_000 ? [everyByte(atLimit.length)] : []]
    ) {
      assert.equal(await play(atLimit, cuts), "200", `${limit}, ${cuts.length + 1} pieces`);
      const edge = cuts.length > 9 ? everyByte(overLimit.length) : cuts;
      assert.match(await play(overLimit, edge), new RegExp(`^${over}$`), `${limit + 1}, ${cuts.length + 1} pieces`);
    }
    assert.equal(await play(atLimit + CANARY, []), "200,200", "with a request behind it");
    assert.match(await play(overLimit + CANARY, []), new RegExp(`^${over}(,200)?$`), "with a request behind it");
  });
}

Deno.test("limits: a body by chunks over bodyBytes is 413 too", async () => {
  const limit = DEFAULT_LIMITS.bodyBytes;
  const chunks = (size: number) => `${CHUNKED}${size.toString(16)}\r\n${"x".repeat(size)}\r\n0\r\n\r\n`;
  assert.equal(await play(chunks(limit), []), "200");
  assert.match(await play(chunks(limit + 1), []), /^413/);
});

Deno.test("limits: pipelined handlers run at once, the next one only when an answer is out", async () => {
  const limit = DEFAULT_LIMITS.pipelined;
  const gates = Array.from({ length: limit + 2 }, () => gate<Reply>());
  const harness: Harness = new Harness(() => gates[harness.started.length - 1]!.promise);
  await harness.send(CANARY.repeat(limit));
  assert.equal(harness.started.length, limit);
  assert.ok(!harness.conn.wantsRead, "reading stops when the limit is reached");
  await harness.send(CANARY.repeat(2));
  assert.equal(harness.started.length, limit);
  assert.equal(harness.unread, 2 * CANARY.length);
  gates[1]!.resolve(new Reply("second"));
  await harness.run();
  assert.equal(harness.started.length, limit, "the second answer cannot go out before the first");
  gates[0]!.resolve(new Reply("first"));
  await harness.run();
  assert.equal(harness.started.length, limit + 2);
  assert.equal(harness.result, "200,200");
});

Deno.test("limits: unsentBytes of a body that nobody reads stop reading, one less does not", async () => {
  const limit = DEFAULT_LIMITS.unsentBytes;
  for (const framing of [`Content-Length: ${4 * limit}\r\n\r\n`, "Transfer-Encoding: chunked\r\n\r\n100000\r\n"]) {
    const harness = new Harness(() => new Promise<Reply>(() => {}));
    await harness.send(`POST / HTTP/1.1\r\nHost: h\r\n${framing}${"x".repeat(limit - 1)}`);
    assert.ok(harness.conn.wantsRead);
    await harness.send("x");
    assert.ok(!harness.conn.wantsRead);
    await harness.send("x");
    assert.equal(harness.unread, 1);
  }
});

Deno.test("limits: unsentBytes of output stop parsing until they are taken", async () => {
  const limit = DEFAULT_LIMITS.unsentBytes;
  for (const size of [limit >> 2, limit - 200, limit]) {
    const harness = new Harness(() => new Reply("x".repeat(size)));
    await harness.send(CANARY.repeat(40));
    assert.equal(harness.started.length, 40, "all of them are answered in the end");
    for (const piece of harness.sent) assert.ok(piece.length < limit + size + 300, `${piece.length} bytes at once`);
  }
});

Deno.test(`limits: ${LEADING_BLANK_LINES} empty lines before a request pass, one more is 400`, async () => {
  const request = (lines: number) => "\r\n".repeat(lines) + CANARY;
  assert.equal(await play(request(LEADING_BLANK_LINES), []), "200");
  assert.equal(await play(request(LEADING_BLANK_LINES + 1), []), "400!");
  assert.equal(await play(CANARY + request(LEADING_BLANK_LINES), [], answerAtOnce), "200,200", "behind another too");
});

Deno.test(`limits: ${SIZE_DIGITS} digits of a Content-Length or a chunk size pass, one more is 400`, async () => {
  const digits = (count: number) => "1".padStart(count, "0");
  const length = (count: number) => `POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ${digits(count)}\r\n\r\nx`;
  const chunk = (count: number) => `${CHUNKED}${digits(count)}\r\nx\r\n${"0".repeat(count)}\r\n\r\n`;
  for (const request of [length, chunk]) {
    assert.equal(await play(request(SIZE_DIGITS), []), "200");
    assert.equal(await play(request(SIZE_DIGITS + 1), []), "400!");
  }
});

Deno.test(`limits: ${DISCARD_BYTES} bytes of a body that nobody wants are drained, one more ends the connection`, async () => {
  for (const [extra, result] of [[0, "200,200"], [1, "200!"]] as const) {
    const harness = new Harness(() => new Reply("early"));
    const size = DISCARD_BYTES + extra;
    await harness.send(`POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ${size}\r\n\r\n`);
    assert.equal(harness.output.includes("Connection: close\r\n"), extra === 1);
    await harness.send("x".repeat(size) + CANARY);
    assert.equal(harness.result, result);
  }
});

Deno.test(`limits: bodies up to ${COPY_BYTES} bytes are copied behind their head, longer ones are gathered`, async () => {
  for (const [size, gathered] of [[COPY_BYTES, 0], [COPY_BYTES + 1, 1]] as const) {
    for (const content of ["x".repeat(size), new Uint8Array(size).fill(0x78)]) {
      let seen = -1;
      const harness = new Harness(() => new Reply(content));
      const { writer } = harness;
      const gather = writer.gather.bind(writer);
      seen = 0;
      writer.gather = (bytes) => {
        seen++;
        gather(bytes);
      };
      await harness.send(CANARY);
      assert.equal(seen, gathered, `${size} bytes as ${typeof content}`);
      assert.ok(harness.output.endsWith(`\r\n\r\n${"x".repeat(size)}`));
    }
  }
});

Deno.test("limits: every key of DEFAULT_LIMITS is claimed by a case of this file", () => {
  const claimed = new Set([...Object.keys(EDGES), "pipelined", "unsentBytes"]);
  assert.deepEqual(Object.keys(DEFAULT_LIMITS).filter((key) => !claimed.has(key)), []);
  assert.deepEqual([...claimed].filter((key) => !(key in DEFAULT_LIMITS)), []);
});
