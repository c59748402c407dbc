/**
 * Characters and numbers in bytes: the tables and small functions that every parser here shares.
 *
 * Header bytes become strings as Latin-1, one character a byte (RFC 9110 section 5.5), without a decoder object.
 *
 * @module
 */

export const TAB = 0x09;
export const LF = 0x0a;
export const CR = 0x0d;
export const SP = 0x20;

function table(accept: (code: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, code) => accept(code) ? 1 : 0);
}

function isOneOf(characters: string): (code: number) => boolean {
  const codes = new Set(Array.from(characters, (character) => character.charCodeAt(0)));
  return (code) => codes.has(code);
}

const isAlphanumeric = isOneOf("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789");
const isTokenMark = isOneOf("!#$%&'*+-.^_`|~");
const isHostMark = isOneOf("-._~%!$&'()*+;=");

/** tchar of RFC 9110 section 5.6.2. */
export const IS_TOKEN: Uint8Array = table((code) => isAlphanumeric(code) || isTokenMark(code));

/** What a field value may hold: HTAB, SP, VCHAR and obs-text (RFC 9110 section 5.5). */
export const IS_FIELD_VALUE: Uint8Array = table((code) => code === TAB || (code >= 0x20 && code !== 0x7f));

/** In `TARGET_BITS`: a byte of a target, and the one that begins the query. */
export const TARGET_BYTE = 1, TARGET_QUERY = 2;

/**
 * What a request target may hold: visible ASCII but `#`, which never goes on the wire (RFC 9112 section 3.2). 0 for any
 * other byte, `TARGET_BYTE` for these; `?` has `TARGET_QUERY` too.
 */
export const TARGET_BITS: Uint8Array = table((code) => code > 0x20 && code < 0x7f && code !== 0x23);
TARGET_BITS[0x3f] = TARGET_BYTE | TARGET_QUERY;

/** reg-name of RFC 3986 section 3.2.2 less the comma, which in a Host field means a list. */
export const IS_HOST: Uint8Array = table((code) => isAlphanumeric(code) || isHostMark(code));

/** The digits of an IP literal: hexadecimal, colon and dot. */
export const IS_IP_LITERAL: Uint8Array = table(isOneOf("0123456789abcdefABCDEF:."));

/** The value of a hexadecimal digit, 255 for any other byte. */
export const HEX_VALUE: Uint8Array = Uint8Array.from({ length: 256 }, (_, code) => {
  const value = code < 0x80 ? parseInt(String.fromCharCode(code), 16) : NaN;
  return Number.isNaN(value) ? 255 : value;
});

/** Whether the byte is an ASCII digit. */
export function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

/** Bytes to a string, one character a byte. */
export function latin1(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  let at = start;
  // Eight at a time: the engine makes one flat string of them, where a loop over single ones makes a chain.
  for (; at + 8 <= end; at += 8) {
    text += String.fromCharCode(
      bytes[at]!,
      bytes[at + 1]!,
      bytes[at + 2]!,
      bytes[at + 3]!,
      bytes[at + 4]!,
      bytes[at + 5]!,
      bytes[at + 6]!,
      bytes[at + 7]!,
    );
  }
  for (; at < end; at++) text += String.fromCharCode(bytes[at]!);
  return text;
}

/** Whether bytes equal a lower-case ASCII string, letters compared without case. */
export function equalsIgnoreCase(bytes: Uint8Array, start: number, end: number, lower: string): boolean {
  if (end - start !== lower.length) return false;
  for (let i = 0; i < lower.length; i++) {
    const code = bytes[start + i]!;
    const folded = code >= 0x41 && code <= 0x5a ? code | 0x20 : code;
    if (folded !== lower.charCodeAt(i)) return false;
  }
  return true;
}

/** Whether bytes equal an ASCII string exactly. */
export function equals(bytes: Uint8Array, start: number, end: number, text: string): boolean {
  if (end - start !== text.length) return false;
  for (let i = 0; i < text.length; i++) if (bytes[start + i] !== text.charCodeAt(i)) return false;
  return true;
}

/**
 * Calls `visit` with the bounds of each element of a comma-separated list, without its white space; empty elements are
 * skipped (RFC 9110 section 5.6.1.2).
 */
export function eachElement(
  bytes: Uint8Array,
  start: number,
  end: number,
  visit: (start: number, end: number) => void,
): void {
  for (let at = start; at < end;) {
    let comma = at;
    while (comma < end && bytes[comma] !== 0x2c) comma++;
    let from = at, to = comma;
    while (from < to && (bytes[from] === SP || bytes[from] === TAB)) from++;
    while (to > from && (bytes[to - 1] === SP || bytes[to - 1] === TAB)) to--;
    if (to > from) visit(from, to);
    at = comma + 1;
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A string as UTF-8. */
export function utf8(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text);
}

/** UTF-8 into a place with room; returns what was read and written. */
export function utf8Into(text: string, into: Uint8Array): { read: number; written: number } {
  return encoder.encodeInto(text, into);
}

/** UTF-8 bytes as a string; malformed sequences become U+FFFD and a leading byte order mark is dropped, as in fetch. */
export function utf8Text(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}
