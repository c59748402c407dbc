/** Covers http/headers.ts: what a handler may put into a field, and the list that holds it. */

import assert from "node:assert/strict";
import {
  appendField,
  checkFieldName,
  checkFieldValue,
  deleteField,
  type FieldList,
  findField,
  isConnectionField,
  setField,
} from "../../http/headers.ts";

/** Response splitting and its relatives: none of these may become a field. */
const BAD_VALUES: readonly string[] = [
  "a\r\nX: y",
  "a\r\n\r\n<html>",
  "a\nX: y",
  "a\rX: y",
  "\r\n",
  "a\0b",
  "a\x7fb",
  "a\x07b",
  "a\x0bb",
  "a\u2028b",
  "a\u010d\u010ab", // their low bytes are CR and LF
  "世",
];
const BAD_NAMES: readonly string[] = [
  "",
  " ",
  "a b",
  "a:",
  "a\r\n",
  "a\n",
  "a\0",
  "\u010d",
  "naïve",
  "a,b",
  "a\tb",
  "[a]",
];

Deno.test("checkFieldValue: no control characters, nothing beyond Latin-1", () => {
  for (const value of BAD_VALUES) {
    assert.throws(() => checkFieldValue("x", value), TypeError, JSON.stringify(value));
    assert.throws(() => setField([], "x", value), TypeError, JSON.stringify(value));
    assert.throws(() => appendField([], "x", value), TypeError, JSON.stringify(value));
  }
  for (let code = 0; code < 0x100; code++) {
    const value = `a${String.fromCharCode(code)}b`;
    const allowed = code === 9 || (code >= 0x20 && code !== 0x7f);
    if (allowed) assert.equal(checkFieldValue("x", value), value);
    else assert.throws(() => checkFieldValue("x", value), TypeError, `0x${code.toString(16)}`);
  }
});

Deno.test("checkFieldValue: white space around it is taken off, and other types are refused", () => {
  assert.equal(checkFieldValue("x", " \t a b\t "), "a b");
  assert.equal(checkFieldValue("x", ""), "");
  for (const value of [5, null, undefined, {}, ["a"]]) {
    assert.throws(() => checkFieldValue("x-count", value as string), { name: "TypeError", message: /x-count/ });
  }
});

Deno.test("checkFieldName: tokens alone", () => {
  for (const name of BAD_NAMES) {
    assert.throws(() => checkFieldName(name), TypeError, JSON.stringify(name));
    assert.throws(() => setField([], name, "y"), TypeError, JSON.stringify(name));
    assert.throws(() => appendField([], name, "y"), TypeError, JSON.stringify(name));
  }
  for (const name of [5, null, undefined, { length: 1 }]) {
    assert.throws(() => checkFieldName(name as string), TypeError);
  }
  for (const name of ["x", "X-Name", "!#$%&'*+-.^_`|~09azAZ"]) assert.equal(checkFieldName(name), name);
});

Deno.test("a refused field leaves the list as it was", () => {
  const fields: FieldList = ["vary", "accept"];
  assert.throws(() => setField(fields, "Vary", "a\r\nb"), TypeError);
  assert.throws(() => setField(fields, "bad name", "a"), TypeError);
  assert.throws(() => appendField(fields, "vary", "\n"), TypeError);
  assert.deepEqual(fields, ["vary", "accept"]);
});

Deno.test("set, append, find and delete compare names without case", () => {
  const fields: FieldList = [];
  appendField(fields, "Set-Cookie", "a=1");
  appendField(fields, "Vary", "accept");
  appendField(fields, "set-cookie", "b=2");
  assert.equal(findField(fields, "set-cookie"), "a=1");
  assert.equal(findField(fields, "vary"), "accept");
  assert.equal(findField(fields, "accept"), null, "a value is no name");
  setField(fields, "SET-COOKIE", "c=3");
  assert.deepEqual(fields, ["Vary", "accept", "SET-COOKIE", "c=3"]);
  deleteField(fields, "vary");
  assert.deepEqual(fields, ["SET-COOKIE", "c=3"]);
  deleteField(fields, "absent");
  deleteField(fields, "set-Cookie");
  assert.deepEqual(fields, []);
});

Deno.test("isConnectionField: the fields of RFC 9110 section 7.6.1, in lower case", () => {
  const names = ["connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"];
  for (const name of names) assert.ok(isConnectionField(name), name);
  for (const name of ["content-length", "date", "x-connection", "", "vary"]) assert.ok(!isConnectionField(name), name);
});
