/**
 * Requests for the fuzzers: made after the grammar, taken from the wire cases and from the corpus of h2o, and changed.
 *
 * Where the corpus is not there (../shared/corpora/h2o-fuzz-corpus.tar.gz), a case that would take from it makes one
 * after the grammar instead, so the other cases of a seed stay what they are.
 *
 * @module
 */

import { concat } from "../support/feed.ts";
import type { Prng } from "../support/prng.ts";
import { latin1Bytes, loadWireCases } from "../support/wire_cases.ts";

const ARCHIVE = new URL("../../../shared/corpora/h2o-fuzz-corpus.tar.gz", import.meta.url).pathname;
const FOLDER = "h2o-fuzz-corpus/fuzz/http1-corpus";

/** Longer inputs cost the time of many short ones, and small limits find the same. */
const LONGEST = 6000;

const TOKEN = "abcXYZ019-_!~";
const VALUE = 'abc ,;:="\t\xe9\xff019';
const SPECIAL = "\r\n\0 \t:;,\x7f\xffaZ09/%";

/** What turns up in requests that two parties read in two ways. */
const PIECES: readonly string[] = [
  "\r\n",
  "\n",
  "\r",
  "\r\n\r\n",
  "Transfer-Encoding: chunked\r\n",
  "Transfer-Encoding: gzip, chunked\r\n",
  "Transfer-Encoding : chunked\r\n",
  "Content-Length: 5\r\n",
  "Content-Length: 0\r\n",
  "Content-Length: +5\r\n",
  "Content-Length: 9007199254740992\r\n",
  "Connection: close\r\n",
  "Connection: keep-alive\r\n",
  "Expect: 100-continue\r\n",
  "Host: other\r\n",
  " folded\r\n",
  "0\r\n\r\n",
  "5;a=b\r\nhello\r\n",
  "HTTP/1.0",
  "HTTP/1.2",
  "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
  "http://[::1]:80/",
  "*",
];

let corpusRead: readonly Uint8Array[] | null = null;

/** The HTTP/1 inputs of the corpus that are short enough; none when the archive is not there. */
export function corpus(): readonly Uint8Array[] {
  return corpusRead ??= readCorpus();
}

function readCorpus(): Uint8Array[] {
  const folder = Deno.makeTempDirSync({ prefix: "sluice-corpus." });
  try {
    const args = ["-xzf", ARCHIVE, "-C", folder, FOLDER];
    const { success } = new Deno.Command("tar", { args, stdout: "null", stderr: "null" }).outputSync();
    if (!success) return [];
    const names = Array.from(Deno.readDirSync(`${folder}/${FOLDER}`), ({ name }) => name).sort();
    const inputs = names.map((name) => new Uint8Array(Deno.readFileSync(`${folder}/${FOLDER}/${name}`)));
    return inputs.filter(({ length }) => length > 0 && length <= LONGEST);
  } catch {
    return []; // no tar
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

let casesRead: readonly Uint8Array[] | null = null;

function wireCases(): readonly Uint8Array[] {
  casesRead ??= loadWireCases("h1_vectors.txt").map(({ bytes }) => bytes).filter(({ length }) => length <= LONGEST);
  return casesRead;
}

/** Some requests one behind the other, or what looks like it. */
export function someRequests(prng: Prng): Uint8Array<ArrayBuffer> {
  return concat(Array.from({ length: prng.between(1, prng.oneIn(4) ? 24 : 4) }, () => oneRequest(prng)));
}

function oneRequest(prng: Prng): Uint8Array {
  const kind = prng.below(10);
  let bytes: Uint8Array = grammatical(prng);
  if (kind >= 5 && kind < 8) bytes = prng.pick(wireCases());
  if (kind >= 8 && corpus().length > 0) bytes = prng.pick(corpus());
  return prng.oneIn(3) ? mutated(prng, bytes) : bytes;
}

/** A request that is right, most of the time. */
function grammatical(prng: Prng): Uint8Array {
  const method = prng.pick(["GET", "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PURGE"]);
  const target = prng.oneIn(8)
    ? prng.pick(["*", "http://h/", "https://h:1/x?y"])
    : `/${prng.text(prng.below(12), "abc?%2/.")}`;
  const lines = [`${method} ${target} HTTP/1.${prng.oneIn(8) ? 0 : 1}`, prng.oneIn(30) ? "X: y" : "Host: h"];
  for (let count = prng.below(4); count > 0; count--) {
    const blank = prng.pick([" ", "", "\t "]);
    lines.push(`${prng.text(prng.between(1, 9), TOKEN)}:${blank}${prng.text(prng.below(20), VALUE)}${blank}`);
  }
  if (prng.oneIn(8)) lines.push("Expect: 100-continue");
  if (prng.oneIn(10)) lines.push(`Connection: ${prng.pick(["close", "keep-alive", "x, close"])}`);
  let body: Uint8Array = new Uint8Array(0);
  const framing = prng.below(4);
  if (framing === 0) {
    body = prng.bytes(prng.below(prng.oneIn(6) ? 3000 : 60));
    lines.push(`Content-Length: ${body.length}`);
  } else if (framing === 1) {
    body = encodeChunked(prng, prng.bytes(prng.below(200)));
    lines.push("Transfer-Encoding: chunked");
  }
  return concat([latin1Bytes(`${lines.join("\r\n")}\r\n\r\n`), body]);
}

/** The bytes in chunks of random sizes, with extensions and trailers here and there. */
export function encodeChunked(prng: Prng, body: Uint8Array): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < body.length;) {
    const data = body.subarray(at, at + prng.between(1, prng.oneIn(3) ? 3 : 400));
    parts.push(latin1Bytes(`${size(prng, data.length)}${extension(prng)}\r\n`), data, latin1Bytes("\r\n"));
    at += data.length;
  }
  parts.push(latin1Bytes(`${size(prng, 0)}${extension(prng)}\r\n`));
  for (let count = prng.oneIn(3) ? prng.below(4) : 0; count > 0; count--) {
    parts.push(latin1Bytes(`${prng.text(prng.between(1, 9), TOKEN)}:${prng.text(prng.below(12), VALUE)}\r\n`));
  }
  parts.push(latin1Bytes("\r\n"));
  return concat(parts);
}

function size(prng: Prng, length: number): string {
  const digits = length.toString(16);
  return "0".repeat(prng.oneIn(4) ? prng.below(17 - digits.length) : 0) +
    (prng.oneIn(2) ? digits.toUpperCase() : digits);
}

function extension(prng: Prng): string {
  return prng.oneIn(4) ? `;${prng.text(prng.below(12), VALUE)}` : "";
}

/** The bytes with one to four things changed. */
export function mutated(prng: Prng, bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  let now = new Uint8Array(bytes);
  for (let count = prng.between(1, 4); count > 0; count--) now = mutatedOnce(prng, now);
  return now;
}

function mutatedOnce(prng: Prng, bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const at = prng.below(bytes.length + 1), length = prng.below(1 + Math.min(20, bytes.length - at));
  const before = bytes.subarray(0, at), after = bytes.subarray(at + length);
  switch (prng.below(7)) {
    case 0: // one byte
      return concat([before, latin1Bytes(prng.text(1, SPECIAL)), bytes.subarray(at + 1)]);
    case 1: // some noise
      return concat([before, prng.bytes(length), after]);
    case 2: // left out
      return concat([before, after]);
    case 3: // twice
      return concat([before, bytes.subarray(at, at + length), bytes.subarray(at)]);
    case 4: // ends here
      return new Uint8Array(before);
    case 5: // a long run, for the limits
      return concat([before, latin1Bytes(prng.text(1, SPECIAL).repeat(prng.below(400))), after]);
    default:
      return concat([before, latin1Bytes(prng.pick(PIECES)), prng.oneIn(2) ? bytes.subarray(at) : after]);
  }
}
