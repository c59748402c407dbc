/** Covers http/bytes.ts: the character tables against the grammar, and the small functions on bytes. */

import assert from "node:assert/strict";
import {
  eachElement,
  equals,
  equalsIgnoreCase,
  HEX_VALUE,
  IS_FIELD_VALUE,
  IS_HOST,
  IS_IP_LITERAL,
  IS_TOKEN,
  isDigit,
  latin1,
  TARGET_BITS,
  TARGET_BYTE,
  TARGET_QUERY,
  utf8,
  utf8Into,
  utf8Text,
} from "../../http/bytes.ts";
import { latin1Bytes } from "../support/wire_cases.ts";

/** Each table with the grammar that it stands for, as a regular expression over one character. */
const TABLES: readonly [string, Uint8Array, RegExp][] = [
  ["tchar", IS_TOKEN, /^[!#$%&'*+\-.^_`|~0-9A-Za-z]$/],
  ["field value", IS_FIELD_VALUE, /^[\t\x20-\x7e\x80-\xff]$/],
  ["target", TARGET_BITS.map((bits) => bits & TARGET_BYTE), /^[\x21\x22\x24-\x7e]$/],
  ["query mark", TARGET_BITS.map((bits) => bits / TARGET_QUERY), /^\?$/],
  ["reg-name without comma", IS_HOST, /^[0-9A-Za-z\-._~%!$&'()*+;=]$/],
  ["IP literal", IS_IP_LITERAL, /^[0-9a-fA-F:.]$/],
];

Deno.test("bytes: each table accepts exactly its grammar", () => {
  for (const [name, table, grammar] of TABLES) {
    assert.equal(table.length, 256, name);
    for (let code = 0; code < 256; code++) {
      const expected = grammar.test(String.fromCharCode(code)) ? 1 : 0;
      assert.equal(table[code], expected, `${name} 0x${code.toString(16)}`);
    }
  }
});

Deno.test("bytes: hexadecimal digits and decimal digits, and nothing else", () => {
  const digits = "0123456789abcdef";
  for (let code = 0; code < 256; code++) {
    const character = String.fromCharCode(code);
    const value = code < 0x80 ? digits.indexOf(character.toLowerCase()) : -1;
    assert.equal(HEX_VALUE[code], value < 0 ? 255 : value, `0x${code.toString(16)}`);
    assert.equal(isDigit(code), /^[0-9]$/.test(character), `0x${code.toString(16)}`);
  }
});

Deno.test("latin1: every byte at every length around the step of eight", () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => 255 - i);
  const all = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  for (let length = 0; length <= 40; length++) {
    for (const start of [0, 1, 7, 200]) {
      assert.equal(latin1(bytes, start, start + length), all.slice(start, start + length));
    }
  }
  assert.equal(latin1(bytes, 0, 256), all);
});

Deno.test("equals and equalsIgnoreCase: length, case, and bytes that differ from a letter by the case bit", () => {
  const bytes = latin1Bytes("xx-Chunked-xx");
  assert.ok(equalsIgnoreCase(bytes, 3, 10, "chunked"));
  assert.ok(!equalsIgnoreCase(bytes, 3, 9, "chunked"));
  assert.ok(!equalsIgnoreCase(bytes, 3, 11, "chunked"));
  assert.ok(!equalsIgnoreCase(bytes, 4, 11, "chunked"));
  assert.ok(equals(bytes, 3, 10, "Chunked"));
  assert.ok(!equals(bytes, 3, 10, "chunked"));
  assert.ok(!equals(bytes, 3, 9, "Chunked"));
  assert.ok(equals(bytes, 3, 3, ""));
  // "@" and "`", "[" and "{", CR and "-" differ by 0x20 only.
  for (const [sent, asked] of [["@", "`"], ["[", "{"], ["\r", "-"], ["\x10", "0"]] as const) {
    assert.ok(!equalsIgnoreCase(latin1Bytes(sent), 0, 1, asked), JSON.stringify(sent));
  }
});

Deno.test("eachElement: white space, empty elements, bounds", () => {
  const elements = (text: string): string[] => {
    const bytes = latin1Bytes(`,x,${text},y,`);
    const found: string[] = [];
    eachElement(bytes, 3, 3 + text.length, (start, end) => found.push(latin1(bytes, start, end)));
    return found;
  };
  assert.deepEqual(elements(""), []);
  assert.deepEqual(elements(" \t "), []);
  assert.deepEqual(elements("a"), ["a"]);
  assert.deepEqual(elements(" a\t, ,b c ,\t,, d"), ["a", "b c", "d"]);
  assert.deepEqual(elements(",,a,"), ["a"]);
});

Deno.test("utf8: there and back, a byte order mark dropped, malformed bytes replaced", () => {
  for (const text of ["", "plain", "Grüße, 世界 🎉", "\0\x7f"]) assert.equal(utf8Text(utf8(text)), text);
  assert.equal(utf8Text(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61)), "a");
  assert.equal(utf8Text(Uint8Array.of(0x61, 0xff, 0x62)), "a\ufffdb");
  const into = new Uint8Array(5);
  assert.deepEqual(utf8Into("aü世", into), { read: 2, written: 3 });
  assert.deepEqual([...into], [0x61, 0xc3, 0xbc, 0, 0]);
});
