/**
 * Covers http/h1/parse.ts: what a head is taken apart into, which heads are refused with which error, and that both
 * are the same for every split of the bytes. The edges of the limits are in ../limits_test.ts.
 */

import assert from "node:assert/strict";
import { latin1 } from "../../../http/bytes.ts";
import { peerError } from "../../../http/errors.ts";
import { RequestHead, type SingleField } from "../../../http/h1/parse.ts";
import { DEFAULT_LIMITS } from "../../../http/limits.ts";
import { allCuts, concat, feedHead } from "../../support/feed.ts";
import { Prng, SEED } from "../../support/prng.ts";
import { latin1Bytes } from "../../support/wire_cases.ts";

interface Parsed {
  readonly method: string;
  readonly target: string;
  readonly minor: number;
  readonly fields: readonly (readonly [string, string])[];
}

function read(head: RequestHead): Parsed {
  return {
    method: head.method,
    target: latin1(head.bytes, head.base + head.targetStart, head.base + head.targetEnd),
    minor: head.minor,
    fields: Array.from({ length: head.fieldCount }, (_, i) => [
      latin1(head.bytes, head.nameStart(i), head.nameEnd(i)),
      latin1(head.bytes, head.valueStart(i), head.valueEnd(i)),
    ]),
  };
}

const GOOD: readonly [string, Parsed][] = [
  ["GET / HTTP/1.1\r\n\r\n", { method: "GET", target: "/", minor: 1, fields: [] }],
  ["GET / HTTP/1.0\r\n\r\n", { method: "GET", target: "/", minor: 0, fields: [] }],
  ["GET / HTTP/1.9\r\n\r\n", { method: "GET", target: "/", minor: 1, fields: [] }],
  ["\r\n\r\nGET /a HTTP/1.1\r\nA:b\r\n\r\n", { method: "GET", target: "/a", minor: 1, fields: [["A", "b"]] }],
  ["get * HTTP/1.1\r\n\r\n", { method: "get", target: "*", minor: 1, fields: [] }],
  ["GOT /x HTTP/1.1\r\n\r\n", { method: "GOT", target: "/x", minor: 1, fields: [] }],
  ["!#$%&'*+-.^_`|~ ! HTTP/1.1\r\n\r\n", { method: "!#$%&'*+-.^_`|~", target: "!", minor: 1, fields: [] }],
  ["POST /a?b=c&d=%20 HTTP/1.1\r\nHost:  h \t\r\nX:\r\nY: \t \r\nZ: a\t b\xe9\xff\r\n\r\n", {
    method: "POST",
    target: "/a?b=c&d=%20",
    minor: 1,
    fields: [["Host", "h"], ["X", ""], ["Y", ""], ["Z", "a\t b\xe9\xff"]],
  }],
  ...["PUT", "HEAD", "PATCH", "TRACE", "DELETE", "OPTIONS", "CONNECT", "DELETF", "POSTS", "GE"].map((method) =>
    [`${method} / HTTP/1.1\r\n\r\n`, { method, target: "/", minor: 1, fields: [] }] as [string, Parsed]
  ),
];

const BAD: readonly [string, string][] = [
  ["bad-request-line", "\r\n\r\n\r"],
  ["bad-request-line", " "],
  ["bad-request-line", "GET\t"],
  ["bad-request-line", "GET  "],
  ["bad-request-line", "\n"],
  ["bad-request-line", "GET\r"],
  ["bad-request-line", "G\0"],
  ["bad-target", "GET /\r"],
  ["bad-target", "GET /\t"],
  ["bad-target", "GET /#"],
  ["bad-target", "GET /\x7f"],
  ["bad-target", "GET /\xc3"],
  ["bad-version", "GET / \r"],
  ["bad-version", "GET / h"],
  ["bad-version", "GET / HTTP/1x"],
  ["bad-version", "GET / HTTP/x"],
  ["bad-version", "GET / HTTP/1.x"],
  ["bad-version", "GET / HTTP "],
  ["bad-line-end", "GET / HTTP/1.1 "],
  ["bad-line-end", "GET / HTTP/1.1\n"],
  ["bad-line-end", "GET / HTTP/1.1\rH"],
  ["bad-line-end", "GET / HTTP/1.10"],
  ["bad-line-end", "\rG"],
  ["bad-line-end", "GET / HTTP/1.1\r\n\r\r"],
  ["bad-line-end", "GET / HTTP/1.1\r\nA: b\n"],
  ["unsupported-version", "GET / HTTP/2.0\r\n"],
  ["unsupported-version", "GET / HTTP/0.9\r\n"],
  ["bad-field-name", "GET / HTTP/1.1\r\n "],
  ["bad-field-name", "GET / HTTP/1.1\r\n\t"],
  ["bad-field-name", "GET / HTTP/1.1\r\n:"],
  ["bad-field-name", "GET / HTTP/1.1\r\nA "],
  ["bad-field-name", "GET / HTTP/1.1\r\nA\r"],
  ["bad-field-name", "GET / HTTP/1.1\r\n\n"],
  ["bad-field-name", "GET / HTTP/1.1\r\nA: b\r\n "],
  ["bad-field-value", "GET / HTTP/1.1\r\nA: \0"],
  ["bad-field-value", "GET / HTTP/1.1\r\nA: \x7f"],
  ["bad-field-value", "GET / HTTP/1.1\r\nA: b\rc"],
  ["bad-field-value", "GET / HTTP/1.1\r\nA: b\r\r"],
];

Deno.test(`parse: good heads, and what was taken, at every split (seed ${SEED})`, () => {
  const prng = new Prng();
  for (const [text, expected] of GOOD) {
    const bytes = latin1Bytes(text);
    for (const cuts of allCuts(bytes.length, prng)) {
      const head = new RequestHead(DEFAULT_LIMITS);
      assert.equal(feedHead(head, bytes, cuts), bytes.length, JSON.stringify(text));
      assert.deepEqual(read(head), expected, `${JSON.stringify(text)} cut at ${cuts}`);
    }
  }
});

Deno.test("parse: bytes behind the head change nothing and are not taken", () => {
  for (const [text, expected] of GOOD) {
    for (const behind of ["GET / HTTP/1.1\r\n\r\n", "\r\n", "\0", "x".repeat(20_000)]) {
      const head = new RequestHead(DEFAULT_LIMITS);
      const bytes = latin1Bytes(`###${text}${behind}`);
      assert.equal(head.parse(bytes, 3, bytes.length), text.length);
      assert.deepEqual(read(head), expected);
    }
  }
});

Deno.test(`parse: bad heads are refused as soon as the byte is there, at every split (seed ${SEED})`, () => {
  const prng = new Prng();
  for (const [token, text] of BAD) {
    const bytes = latin1Bytes(text);
    for (const behind of ["", "x", "\r\n\r\n"]) {
      const all = concat([bytes, latin1Bytes(behind)]);
      for (const cuts of allCuts(all.length, prng)) {
        const code = feedHead(new RequestHead(DEFAULT_LIMITS), all, cuts);
        assert.ok(code < 0, `${JSON.stringify(text)} cut at ${cuts}: ${code}`);
        assert.equal(peerError(code).token, token, `${JSON.stringify(text)} cut at ${cuts}`);
      }
    }
    // One byte less is still waiting: the error is the last byte's. Versions are judged when they are whole.
    if (token === "unsupported-version") continue;
    assert.equal(feedHead(new RequestHead(DEFAULT_LIMITS), bytes.slice(0, -1), []), 0, JSON.stringify(text));
  }
});

Deno.test("parse: every prefix of a good head needs more", () => {
  for (const [text] of GOOD) {
    for (let length = 0; length < text.length; length++) {
      assert.equal(feedHead(new RequestHead(DEFAULT_LIMITS), latin1Bytes(text.slice(0, length)), []), 0);
    }
  }
});

Deno.test("parse: each single byte in the place of each byte is accepted or refused alike at every split", () => {
  const text = "\r\nPO /a HTTP/1.1\r\nH: v\r\nHost:x\r\n\r\n";
  for (let at = 0; at < text.length; at++) {
    for (let code = 0; code < 256; code++) {
      const bytes = latin1Bytes(text);
      bytes[at] = code;
      const whole = feedHead(new RequestHead(DEFAULT_LIMITS), bytes, []);
      const single = feedHead(new RequestHead(DEFAULT_LIMITS), bytes, Array.from({ length: 35 }, (_, i) => i + 1));
      const halves = feedHead(new RequestHead(DEFAULT_LIMITS), bytes, [at || 1]);
      assert.deepEqual([single, halves], [whole, whole], `byte ${at} as 0x${code.toString(16)}`);
    }
  }
});

const NOTED: readonly [string, (head: RequestHead) => SingleField][] = [
  ["Host", (head) => head.host],
  ["Content-Length", (head) => head.contentLength],
  ["Transfer-Encoding", (head) => head.transferEncoding],
  ["Connection", (head) => head.connection],
  ["Expect", (head) => head.expect],
];

Deno.test("parse: the fields that decide are counted, in any case; others of the same length are not", () => {
  for (const [name, get] of NOTED) {
    const other = `${name.slice(0, -1)}x`;
    const lines = `A: b\r\n${other}: 1\r\n${name}: 2\r\n${name.toUpperCase()}: 3\r\n${name.toLowerCase()}: 4\r\n`;
    const head = new RequestHead(DEFAULT_LIMITS);
    feedHead(head, latin1Bytes(`GET / HTTP/1.1\r\n${lines}\r\n`), []);
    assert.deepEqual([get(head).index, get(head).count], [2, 3], name);
    for (const [, getOther] of NOTED) if (getOther !== get) assert.equal(getOther(head).count, 0);
    head.reset();
    assert.deepEqual([get(head).index, get(head).count], [-1, 0], `${name} after reset`);
  }
});

Deno.test("parse: a head that is reset is as good as new", () => {
  const head = new RequestHead(DEFAULT_LIMITS);
  assert.ok(!head.begun);
  for (
    const text of ["POST /long/target HTTP/1.0\r\nHost: a\r\nX: y\r\n\r\n", "GET / HTTP/1.1\r\nHo", "\r\n", "BAD\0"]
  ) {
    feedHead(head, latin1Bytes(text), []);
    head.reset();
    assert.ok(!head.begun);
    for (const [good, expected] of GOOD) {
      assert.equal(feedHead(head, latin1Bytes(good), [1]), good.length);
      assert.deepEqual(read(head), expected);
      head.reset();
    }
  }
  feedHead(head, latin1Bytes("GE"), []);
  assert.ok(head.begun);
});

Deno.test("parse: a detached head does not see its buffer any more", () => {
  const head = new RequestHead(DEFAULT_LIMITS);
  const bytes = latin1Bytes("xxGET /a HTTP/1.1\r\nHost: h\r\n\r\nrest");
  head.parse(bytes, 2, bytes.length);
  const expected = read(head);
  head.detach();
  bytes.fill(0x21);
  assert.deepEqual(read(head), expected);
  assert.equal(head.bytes.length, bytes.length - 2 - "rest".length, "no more than the head is copied");
});
