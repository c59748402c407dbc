/**
 * What a finished head means for the message and the connection, decided once, from the whole head: how long the body
 * is (RFC 9112 section 6.3), which host is asked for (section 3.2), what the client expects (RFC 9110 section 10.1.1)
 * and whether the connection stays (section 9.3). Everything that two parties could read in two ways is refused.
 *
 * @module
 */

import { eachElement, equals, equalsIgnoreCase, IS_HOST, IS_IP_LITERAL, isDigit, latin1 } from "../bytes.ts";
import * as errors from "../errors.ts";
import { SIZE_DIGITS } from "../limits.ts";
import type { RequestHead } from "./parse.ts";

/** The body's length when it is chunked. */
export const CHUNKED = -1;

/**
 * The steps of RFC 9112 section 6.3 that concern requests. Returns the body's length in bytes, `CHUNKED`, or a code
 * of errors.ts less one (so that CHUNKED and codes do not meet): use `framingError` to tell.
 */
export function bodyLength(head: RequestHead): number {
  // Step 7: a request with neither field has no body.
  if (!head.hasControl) return 0;
  const { transferEncoding, contentLength } = head;
  if (transferEncoding.count > 0) {
    // Step 3: both fields are how requests are smuggled; a sender that means well sends one.
    if (contentLength.count > 0) return errors.BAD_TRANSFER_CODING - 1;
    // Section 6.1: an HTTP/1.0 message with Transfer-Encoding has faulty framing.
    if (head.minor === 0 || transferEncoding.count > 1) return errors.BAD_TRANSFER_CODING - 1;
    const { index } = transferEncoding;
    // Step 4: chunked has to be final; here it also has to be the only coding.
    if (equalsIgnoreCase(head.bytes, head.valueStart(index), head.valueEnd(index), "chunked")) return CHUNKED;
    return errors.UNKNOWN_TRANSFER_CODING - 1;
  }
  // Step 5: one field, digits only. Section 8.6 of RFC 9110 would let a list of equal numbers pass.
  if (contentLength.count > 1) return errors.BAD_CONTENT_LENGTH - 1;
  // Step 6.
  if (contentLength.count === 1) return parseLength(head, contentLength.index);
  return 0; // step 7 again
}

/** The error code in a result of `bodyLength`, or 0 if it is a length. */
export function framingError(length: number): number {
  return length < CHUNKED ? length + 1 : 0;
}

function parseLength(head: RequestHead, index: number): number {
  const { bytes } = head;
  const end = head.valueEnd(index);
  let at = head.valueStart(index);
  if (at === end || end - at > SIZE_DIGITS) return errors.BAD_CONTENT_LENGTH - 1;
  let length = 0;
  for (; at < end; at++) {
    if (!isDigit(bytes[at]!)) return errors.BAD_CONTENT_LENGTH - 1;
    length = length * 10 + (bytes[at]! - 0x30); // in this order the sum stays exact up to 2^53
  }
  return length > Number.MAX_SAFE_INTEGER ? errors.CONTENT_LENGTH_TOO_LARGE - 1 : length;
}

/**
 * Checks Host and the request target against each other (RFC 9112 sections 3.2 and 3.2.1 to 3.2.4). Returns 0 or a
 * code. CONNECT and TRACE are not offered: this is neither a proxy nor a mirror.
 */
export function checkTarget(head: RequestHead): number {
  const { bytes, host, method } = head;
  if (host.count > 1 || (host.count === 0 && head.minor > 0)) return errors.BAD_HOST;
  if (host.count === 1 && !isAuthority(bytes, head.valueStart(host.index), head.valueEnd(host.index))) {
    return errors.BAD_HOST;
  }
  const start = head.base + head.targetStart, end = head.base + head.targetEnd;
  if (method === "CONNECT") return bytes[start] === 0x2f ? errors.BAD_TARGET : errors.METHOD_NOT_OFFERED;
  if (method === "TRACE") return errors.METHOD_NOT_OFFERED;
  if (bytes[start] === 0x2f) return 0;
  if (equals(bytes, start, end, "*")) return method === "OPTIONS" ? 0 : errors.BAD_TARGET;
  const authority = absoluteAuthorityStart(bytes, start, end);
  if (authority < 0) return errors.BAD_TARGET;
  return isAuthority(bytes, authority, authorityEnd(bytes, authority, end)) ? 0 : errors.BAD_TARGET;
}

/** Where the authority of an absolute-form target begins, -1 if it is not of that form. */
export function absoluteAuthorityStart(bytes: Uint8Array, start: number, end: number): number {
  for (const scheme of ["http://", "https://"]) {
    const after = start + scheme.length;
    if (after <= end && equalsIgnoreCase(bytes, start, after, scheme)) return after;
  }
  return -1;
}

/** Where the authority that begins at `start` ends: at the path, the query or the end of the target. */
export function authorityEnd(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && bytes[at] !== 0x2f && bytes[at] !== 0x3f) at++;
  return at;
}

/** uri-host [ ":" port ], not empty, without user information; the port at most 65535 (RFC 3986 section 3.2). */
function isAuthority(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start;
  if (bytes[at] === 0x5b && at < end) {
    at++;
    while (at < end && IS_IP_LITERAL[bytes[at]!] === 1) at++;
    if (at === end || at === start + 1 || bytes[at] !== 0x5d) return false;
    at++;
  } else {
    while (at < end && IS_HOST[bytes[at]!] === 1) at++;
    if (at === start) return false;
  }
  if (at === end) return true;
  if (bytes[at++] !== 0x3a) return false;
  let port = 0;
  for (const first = at; at < end; at++) {
    if (!isDigit(bytes[at]!) || at - first >= 5) return false;
    port = port * 10 + (bytes[at]! - 0x30);
  }
  return port <= 65535;
}

/** Whether a method asks for no change (RFC 9110 section 9.2.1). */
export function isSafe(method: string): boolean {
  return method === "GET" || method === "HEAD" || method === "OPTIONS";
}

/** Whether the connection may carry another request (RFC 9112 section 9.3). */
export function isPersistent(head: RequestHead): boolean {
  return head.hasControl && head.connection.count > 0 ? saysToStay(head) : head.minor > 0;
}

function saysToStay(head: RequestHead): boolean {
  let close = false, keepAlive = head.minor > 0;
  for (let index = head.connection.index; index < head.fieldCount; index++) {
    const { bytes } = head;
    if (!equalsIgnoreCase(bytes, head.nameStart(index), head.nameEnd(index), "connection")) continue;
    eachElement(bytes, head.valueStart(index), head.valueEnd(index), (start, end) => {
      if (equalsIgnoreCase(bytes, start, end, "close")) close = true;
      else if (equalsIgnoreCase(bytes, start, end, "keep-alive")) keepAlive = true;
    });
  }
  return keepAlive && !close;
}

/** Expectations: none, the one that is known, or an error. */
export const EXPECT_NOTHING = 0, EXPECT_CONTINUE = 1;

/**
 * What the client waits for. Exactly one field that says exactly `100-continue` counts; other spellings have been used
 * to make two parties disagree, and an unknown expectation may be refused with 417. HTTP/1.0 knows none.
 */
export function expectation(head: RequestHead): number {
  const { expect, bytes } = head;
  if (!head.hasControl || expect.count === 0 || head.minor === 0) return EXPECT_NOTHING;
  const known = expect.count === 1 &&
    equals(bytes, head.valueStart(expect.index), head.valueEnd(expect.index), "100-continue");
  return known ? EXPECT_CONTINUE : errors.UNKNOWN_EXPECTATION;
}

/** The host and port that the request is for: the target's if it has one, else the Host field's; empty for none. */
export function authority(head: RequestHead): string {
  const { bytes, host } = head;
  const start = head.base + head.targetStart, end = head.base + head.targetEnd;
  if (bytes[start] !== 0x2f) {
    const from = absoluteAuthorityStart(bytes, start, end);
    if (from >= 0) return latin1(bytes, from, authorityEnd(bytes, from, end));
  }
  return host.count === 0 ? "" : latin1(bytes, head.valueStart(host.index), head.valueEnd(host.index));
}
