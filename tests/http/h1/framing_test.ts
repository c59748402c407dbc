/**
 * Covers http/h1/framing.ts: how long the body is, which host is asked for, what the client expects, whether the
 * connection stays. Each table has the fields of a head and what they mean.
 */

import assert from "node:assert/strict";
import { peerError } from "../../../http/errors.ts";
import {
  authority,
  bodyLength,
  checkTarget,
  CHUNKED,
  EXPECT_CONTINUE,
  EXPECT_NOTHING,
  expectation,
  framingError,
  isPersistent,
} from "../../../http/h1/framing.ts";
import { RequestHead } from "../../../http/h1/parse.ts";
import { DEFAULT_LIMITS } from "../../../http/limits.ts";
import { latin1Bytes } from "../../support/wire_cases.ts";

/** A parsed head that does not begin at the start of its buffer. */
function parsed(text: string): RequestHead {
  const head = new RequestHead(DEFAULT_LIMITS);
  const bytes = latin1Bytes(`#####${text}\r\n`);
  assert.equal(head.parse(bytes, 5, bytes.length), bytes.length - 5, JSON.stringify(text));
  return head;
}

function outcome(code: number): number | string {
  return code < 0 ? peerError(code).token : code;
}

/** HTTP/1.minor, fields, and the length or error. */
const LENGTHS: readonly [number, string, number | string][] = [
  [1, "", 0],
  [1, "Content-Length: 0\r\n", 0],
  [1, "Content-Length: 5\r\n", 5],
  [1, "content-length:\t 007 \r\n", 7],
  [1, "Content-Length: 0000000000000005\r\n", 5],
  [1, "Content-Length: 00000000000000005\r\n", "bad-content-length"], // 17 digits
  [1, "Content-Length: 9007199254740991\r\n", Number.MAX_SAFE_INTEGER],
  [1, "Content-Length: 9007199254740992\r\n", "content-length-too-large"],
  [1, "Content-Length: 9007199254740993\r\n", "content-length-too-large"],
  [1, "Content-Length: 9999999999999999\r\n", "content-length-too-large"],
  [1, "Content-Length:\r\n", "bad-content-length"],
  [1, "Content-Length: -1\r\n", "bad-content-length"],
  [1, "Content-Length: 5, 5\r\n", "bad-content-length"],
  [1, "Content-Length: 0x5\r\n", "bad-content-length"],
  [1, "Content-Length: 5\r\nContent-Length: 5\r\n", "bad-content-length"],
  [1, "Transfer-Encoding: chunked\r\n", CHUNKED],
  [1, "transfer-encoding: \t CHUNKed\t\r\n", CHUNKED],
  [1, "Transfer-Encoding: gzip\r\n", "unknown-transfer-coding"],
  [1, "Transfer-Encoding: gzip, chunked\r\n", "unknown-transfer-coding"],
  [1, "Transfer-Encoding: chunked, chunked\r\n", "unknown-transfer-coding"],
  [1, "Transfer-Encoding:\r\n", "unknown-transfer-coding"],
  [1, "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "bad-transfer-coding"],
  [1, "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "bad-transfer-coding"],
  [1, "Content-Length: 5\r\nTransfer-Encoding: gzip\r\n", "bad-transfer-coding"],
  [0, "Transfer-Encoding: chunked\r\n", "bad-transfer-coding"],
  [0, "Content-Length: 5\r\n", 5],
  [0, "", 0],
];

Deno.test("bodyLength: one framing from the whole head", () => {
  for (const [minor, fields, expected] of LENGTHS) {
    const length = bodyLength(parsed(`POST / HTTP/1.${minor}\r\n${fields}`));
    const error = framingError(length);
    assert.equal(error < 0 ? outcome(error) : length, expected, JSON.stringify(fields));
    assert.equal(error < 0, typeof expected === "string");
  }
});

Deno.test("bodyLength: CHUNKED is no error, and no error is a length", () => {
  assert.equal(framingError(CHUNKED), 0);
  assert.equal(framingError(0), 0);
  assert.equal(framingError(Number.MAX_SAFE_INTEGER), 0);
});

/** Request line, Host fields, and the error or the authority. */
const TARGETS: readonly [string, string, string][] = [
  ["GET / HTTP/1.1", "Host: h\r\n", "=h"],
  ["GET / HTTP/1.1", "Host: example.com:8080\r\n", "=example.com:8080"],
  ["GET / HTTP/1.1", "Host: h:\r\n", "=h:"],
  ["GET / HTTP/1.1", "Host: h:0\r\n", "=h:0"],
  ["GET / HTTP/1.1", "Host: h:65535\r\n", "=h:65535"],
  ["GET / HTTP/1.1", "Host: h:65536\r\n", "bad-host"],
  ["GET / HTTP/1.1", "Host: h:000080\r\n", "bad-host"],
  ["GET / HTTP/1.1", "Host: :80\r\n", "bad-host"],
  ["GET / HTTP/1.1", "Host: h:80:80\r\n", "bad-host"],
  ["GET / HTTP/1.1", "Host: [::1]\r\n", "=[::1]"],
  ["GET / HTTP/1.1", "Host: [::ffff:1.2.3.4]:80\r\n", "=[::ffff:1.2.3.4]:80"],
  ["GET / HTTP/1.1", "Host: []\r\n", "bad-host"],
  ["GET / HTTP/1.1", "Host: [::1\r\n", "bad-host"],
  ["GET / HTTP/1.1", "Host: [::1]x\r\n", "bad-host"],
  ["GET / HTTP/1.1", "Host: [\r\n", "bad-host"],
  ["GET / HTTP/1.1", "Host: ::1\r\n", "bad-host"],
  ["GET / HTTP/1.1", "Host:\r\n", "bad-host"],
  ["GET / HTTP/1.1", "Host: u@h\r\n", "bad-host"],
  ["GET / HTTP/1.1", "Host: h/p\r\n", "bad-host"],
  ["GET / HTTP/1.1", "Host: h,i\r\n", "bad-host"],
  ["GET / HTTP/1.1", "Host: caf\xe9\r\n", "bad-host"],
  ["GET / HTTP/1.1", "Host: h\r\nHost: h\r\n", "bad-host"],
  ["GET / HTTP/1.1", "", "bad-host"],
  ["GET / HTTP/1.0", "", "="],
  ["GET / HTTP/1.0", "Host: h\r\n", "=h"],
  ["GET / HTTP/1.0", "Host:\r\n", "bad-host"],
  ["GET http://a/ HTTP/1.1", "Host: h\r\n", "=a"],
  ["GET HTTPS://a:1/x?y HTTP/1.1", "Host: h\r\n", "=a:1"],
  ["GET http://a?x HTTP/1.1", "Host: h\r\n", "=a"],
  ["GET http://[::1]:8/ HTTP/1.1", "Host: h\r\n", "=[::1]:8"],
  ["GET http://a/ HTTP/1.1", "", "bad-host"],
  ["GET http://a/ HTTP/1.0", "", "=a"],
  ["GET http:///x HTTP/1.1", "Host: h\r\n", "bad-target"],
  ["GET http:// HTTP/1.1", "Host: h\r\n", "bad-target"],
  ["GET http:/ HTTP/1.1", "Host: h\r\n", "bad-target"],
  ["GET http://u@a/ HTTP/1.1", "Host: h\r\n", "bad-target"],
  ["GET ftp://a/ HTTP/1.1", "Host: h\r\n", "bad-target"],
  ["GET h:80 HTTP/1.1", "Host: h\r\n", "bad-target"],
  ["GET x HTTP/1.1", "Host: h\r\n", "bad-target"],
  ["GET * HTTP/1.1", "Host: h\r\n", "bad-target"],
  ["OPTIONS * HTTP/1.1", "Host: h\r\n", "=h"],
  ["OPTIONS ** HTTP/1.1", "Host: h\r\n", "bad-target"],
  ["options * HTTP/1.1", "Host: h\r\n", "bad-target"],
  ["CONNECT h:443 HTTP/1.1", "Host: h:443\r\n", "method-not-offered"],
  ["CONNECT / HTTP/1.1", "Host: h\r\n", "bad-target"],
  ["TRACE / HTTP/1.1", "Host: h\r\n", "method-not-offered"],
];

Deno.test("checkTarget and authority: the target and Host against each other", () => {
  for (const [line, fields, expected] of TARGETS) {
    const head = parsed(`${line}\r\n${fields}`);
    const code = checkTarget(head);
    assert.equal(code < 0 ? outcome(code) : `=${authority(head)}`, expected, `${line} ${JSON.stringify(fields)}`);
  }
});

const PERSISTENT: readonly [number, string, boolean][] = [
  [1, "", true],
  [0, "", false],
  [1, "Connection: close\r\n", false],
  [1, "Connection: CLOSE\r\n", false],
  [1, "Connection: keep-alive\r\n", true],
  [0, "Connection: Keep-Alive\r\n", true],
  [0, "Connection: keep-alive, close\r\n", false],
  [1, "Connection: close, keep-alive\r\n", false],
  [1, "Connection: a,\t close ,b\r\n", false],
  [1, "Connection: a\r\nX: close\r\nConnection: close\r\n", false],
  [0, "Connection: a\r\nX: y\r\nconnection: keep-alive\r\n", true],
  [1, "Connection: closed, xclose, clos\r\n", true],
  [1, 'Connection: "close"\r\n', true],
  [1, "X: y\r\nKeep-Alive: close\r\n", true],
];

Deno.test("isPersistent: every element of every Connection field counts", () => {
  for (const [minor, fields, expected] of PERSISTENT) {
    assert.equal(isPersistent(parsed(`GET / HTTP/1.${minor}\r\n${fields}`)), expected, JSON.stringify(fields));
  }
});

const EXPECTATIONS: readonly [number, string, number | string][] = [
  [1, "", EXPECT_NOTHING],
  [1, "Expect: 100-continue\r\n", EXPECT_CONTINUE],
  [1, "expect: \t100-continue \r\n", EXPECT_CONTINUE],
  [0, "Expect: 100-continue\r\n", EXPECT_NOTHING],
  [0, "Expect: anything\r\n", EXPECT_NOTHING],
  [1, "Expect: 100-Continue\r\n", "unknown-expectation"],
  [1, "Expect: y 100-continue\r\n", "unknown-expectation"],
  [1, "Expect: 100-continue, x\r\n", "unknown-expectation"],
  [1, "Expect: 100-continue\r\nExpect: 100-continue\r\n", "unknown-expectation"],
  [1, "Expect:\r\n", "unknown-expectation"],
];

Deno.test("expectation: exactly one, exactly spelled", () => {
  for (const [minor, fields, expected] of EXPECTATIONS) {
    assert.equal(outcome(expectation(parsed(`PUT / HTTP/1.${minor}\r\n${fields}`))), expected, JSON.stringify(fields));
  }
});
