/** Covers http/h1/request.ts: what a handler sees of a request, before and after its memory is gone. */

import assert from "node:assert/strict";
import { RequestHead } from "../../../http/h1/parse.ts";
import { H1Request, type RequestOwner } from "../../../http/h1/request.ts";
import { DEFAULT_LIMITS } from "../../../http/limits.ts";
import { POISON } from "../../support/feed.ts";
import { latin1Bytes } from "../../support/wire_cases.ts";

const REMOTE = { transport: "tcp", hostname: "192.0.2.1", port: 1 } as const;
const OWNER: RequestOwner = { remoteAddress: () => REMOTE, onBodyWanted: () => {} };

interface Made {
  readonly request: H1Request;
  readonly buffer: Uint8Array;
}

function make(text: string): Made {
  const head = new RequestHead(DEFAULT_LIMITS);
  const buffer = latin1Bytes(`###${text}\r\n###`);
  assert.equal(head.parse(buffer, 3, buffer.length), buffer.length - 6, JSON.stringify(text));
  return { request: new H1Request(head, OWNER, true, false), buffer };
}

/** Request line, Host, and path, query and authority. */
const TARGETS: readonly [string, string, readonly [string, string, string]][] = [
  ["GET /", "h", ["/", "", "h"]],
  ["GET /a/b%2Fc?d=e?f&g", "h:8", ["/a/b%2Fc", "d=e?f&g", "h:8"]],
  ["GET /?", "h", ["/", "", "h"]],
  ["GET //x/y", "h", ["//x/y", "", "h"]],
  ["GET /http://x/", "h", ["/http://x/", "", "h"]],
  ["GET http://a:1/b?c", "h", ["/b", "c", "a:1"]],
  ["GET HTTP://a", "h", ["/", "", "a"]],
  ["GET https://a?b/c", "h", ["/", "b/c", "a"]],
  ["OPTIONS *", "h", ["*", "", "h"]],
  ["OPTIONS http://a", "h", ["*", "", "a"]],
  ["OPTIONS http://a/", "h", ["/", "", "a"]],
];

Deno.test("request: path, query and authority of every form of target", () => {
  for (const [line, host, expected] of TARGETS) {
    const text = `${line} HTTP/1.1\r\nHost: ${host}\r\n`;
    const { request } = make(text);
    assert.deepEqual([request.path, request.queryText, request.authority], expected, line);
    assert.equal(request.target, line.split(" ")[1]);
    // In another order, so that nothing depends on what was asked for first.
    const { request: again } = make(text);
    assert.deepEqual([again.authority, again.queryText, again.path], expected.toReversed(), line);
  }
});

Deno.test("request: method, protocol, address", () => {
  const { request } = make("PATCH / HTTP/1.1\r\nHost: h\r\n");
  assert.deepEqual([request.method, request.protocol, request.remoteAddr], ["PATCH", "HTTP/1.1", REMOTE]);
  assert.equal(make("get / HTTP/1.0\r\n").request.protocol, "HTTP/1.0");
  assert.equal(make("get / HTTP/1.0\r\n").request.method, "get");
});

const FIELDS = "Host: h\r\nX-A: 1\r\nCookie: a=1\r\nx-a: \r\nX-a:\t2 3\r\ncookie: b=2\r\nx-ab: no\r\nX-L1: \xe9\r\n";

Deno.test("request: fields by name in any case, repeated ones joined, all in order", () => {
  const { request } = make(`GET / HTTP/1.1\r\n${FIELDS}`);
  assert.equal(request.header("x-a"), "1, , 2 3");
  assert.equal(request.header("X-A"), "1, , 2 3");
  assert.equal(request.header("COOKIE"), "a=1; b=2");
  assert.equal(request.header("x-l1"), "\xe9");
  for (const name of ["x", "x-", "", "x-a ", "x-abc"]) assert.equal(request.header(name), null, name);
  assert.deepEqual(request.headers(), [
    ["host", "h"],
    ["x-a", "1"],
    ["cookie", "a=1"],
    ["x-a", ""],
    ["x-a", "2 3"],
    ["cookie", "b=2"],
    ["x-ab", "no"],
    ["x-l1", "\xe9"],
  ]);
});

Deno.test("request: after detach the buffer may be overwritten", () => {
  const { request, buffer } = make(`GET http://a/b?c HTTP/1.1\r\n${FIELDS}`);
  request.detach();
  buffer.fill(POISON);
  assert.deepEqual([request.path, request.queryText, request.authority], ["/b", "c", "a"]);
  assert.equal(request.header("x-a"), "1, , 2 3");
});

Deno.test("request: after release every look at the received bytes and at the connection throws a TypeError", () => {
  const looks: readonly ((request: H1Request) => unknown)[] = [
    (request) => request.target,
    (request) => request.path,
    (request) => request.queryText,
    (request) => request.authority,
    (request) => request.header("host"),
    (request) => request.headers(),
    (request) => request.remoteAddr,
  ];
  for (const look of looks) {
    const { request } = make("GET /a HTTP/1.1\r\nHost: h\r\n");
    assert.ok(request.release() instanceof RequestHead);
    assert.throws(() => look(request), { name: "TypeError", message: /its answer is complete/ });
    assert.equal(request.release(), null);
    request.detach();
  }
});

Deno.test("request: no body is one that has ended, the same each time", () => {
  const { request } = make("GET / HTTP/1.1\r\nHost: h\r\n");
  assert.ok(request.body.ended);
  assert.equal(request.body.length, 0);
  assert.equal(request.body, request.body);
});

Deno.test("request: the signal is aborted once, with the reason, whenever it was asked for", () => {
  for (const early of [true, false]) {
    const { request } = make("GET / HTTP/1.1\r\nHost: h\r\n");
    let fired = 0;
    if (early) request.signal.addEventListener("abort", () => fired++);
    const reason = new Error("gone");
    assert.ok(!request.aborted);
    request.abort(reason);
    request.abort(new Error("again"));
    assert.ok(request.aborted && request.signal.aborted);
    assert.equal(request.signal.reason, reason);
    assert.equal(request.signal, request.signal);
    assert.equal(fired, early ? 1 : 0);
  }
});
