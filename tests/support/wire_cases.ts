/**
 * Wire cases: text files in tests/cases/ that say which bytes are sent and what has to come back. The head of each
 * file explains its keys; here is how a file is read.
 *
 *     # a comment                           == a group
 *
 *     7 the name of case 7
 *       send    GET / HTTP/1.1\r\n
 *       send    X: \{70000*a}\r\n\r\n
 *       canary
 *       expect  431!
 *
 * @module
 */

/** What is sent behind a case that is marked `canary`: if it is answered, both sides agree where the case ended. */
export const CANARY = "GET /canary HTTP/1.1\r\nHost: h\r\n\r\n";

const KEYS = ["send", "canary", "wait", "expect", "rfc", "why", "token"] as const;
type Key = typeof KEYS[number];

/** One case. */
export interface WireCase {
  readonly id: number;
  readonly group: string;
  readonly name: string;
  /** What is sent, without the canary. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Whether `CANARY` follows. */
  readonly canary: boolean;
  /** Whether waiting for more is a right answer. */
  readonly wait: boolean;
  /** A regular expression for the start of `STATUS,STATUS,…`, with `!` at the end if the server closed. */
  readonly expect: string;
  readonly rfc: string;
  readonly why: string;
  /** The row of http/errors.ts that the case is about, empty if none. */
  readonly token: string;
}

/** Reads tests/cases/NAME. */
export function loadWireCases(name: string): WireCase[] {
  return parseWireCases(Deno.readTextFileSync(new URL(`../cases/${name}`, import.meta.url)), name);
}

/** Reads cases from text; throws an error that names file and line. */
export function parseWireCases(text: string, name = "text"): WireCase[] {
  const cases: WireCase[] = [];
  let group = "";
  let open: Draft | null = null;
  for (const [index, line] of text.split("\n").entries()) {
    const fail = (what: string) => new Error(`${name}:${index + 1}: ${what}`);
    const head = /^(\d+) (.+)$/.exec(line);
    const entry = /^ {2}([a-z]+)(?: +(.*))?$/.exec(line);
    if (line === "" || line.startsWith("#")) continue;
    if (line.startsWith("== ")) {
      group = line.slice(3);
    } else if (head !== null) {
      if (open !== null) cases.push(finish(open, fail));
      open = { id: Number(head[1]), group, name: head[2]!, send: "", values: new Map() };
    } else if (entry !== null && open !== null) {
      note(open, entry[1]!, entry[2] ?? "", fail);
    } else {
      throw fail(`cannot read ${JSON.stringify(line)}`);
    }
  }
  if (open !== null) cases.push(finish(open, (what) => new Error(`${name}: ${what} in the last case`)));
  return cases;
}

interface Draft {
  readonly id: number;
  readonly group: string;
  readonly name: string;
  send: string;
  readonly values: Map<Key, string>;
}

type Fail = (what: string) => Error;

function note(draft: Draft, key: string, value: string, fail: Fail): void {
  if (!KEYS.includes(key as Key)) throw fail(`there is no key ${key}`);
  if (key === "send") draft.send += decode(value, fail);
  else if (draft.values.has(key as Key)) throw fail(`${key} is there twice`);
  else draft.values.set(key as Key, value);
}

function finish({ id, group, name, send, values }: Draft, fail: Fail): WireCase {
  const expect = values.get("expect");
  if (expect === undefined) throw fail(`case ${id} expects nothing`);
  return {
    id,
    group,
    name,
    bytes: latin1Bytes(send),
    canary: values.has("canary"),
    wait: values.has("wait"),
    expect,
    rfc: values.get("rfc") ?? "",
    why: values.get("why") ?? "",
    token: values.get("token") ?? "",
  };
}

const ESCAPES: Readonly<Record<string, string>> = { r: "\r", n: "\n", t: "\t", "0": "\0", "\\": "\\" };

/** `\xHH`, `\{3*ab}` and `\{0..2*X\#}` (the first kind may stand in the second or third), or `\` and a character. */
const ESCAPE =
  /\\(?:x([0-9a-f]{2})|\{(\d+)\*((?:\\\{[^}]*\}|[^}])+)\}|\{(\d+)\.\.(\d+)\*((?:\\\{[^}]*\}|[^}])+)\}|(.?))/gs;

/** Text of a `send` line to the characters that it stands for. */
function decode(text: string, fail: Fail): string {
  return text.replace(ESCAPE, (_, hex, times, repeated, from, to, counted, single) => {
    if (hex !== undefined) return String.fromCharCode(parseInt(hex, 16));
    if (times !== undefined) return decode(repeated, fail).repeat(Number(times));
    if (counted !== undefined) {
      const numbers = Array.from({ length: Number(to) - Number(from) + 1 }, (_, i) => String(Number(from) + i));
      return numbers.map((number) => decode(counted.replaceAll("\\#", number), fail)).join("");
    }
    const character = ESCAPES[single];
    if (character === undefined) throw fail(`there is no escape \\${single}`);
    return character;
  });
}

/** A string to bytes, one a character; throws for a character that is no Latin-1. */
export function latin1Bytes(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0xff) throw new RangeError(`character ${i} of the text is not Latin-1: ${JSON.stringify(text[i])}`);
    bytes[i] = code;
  }
  return bytes;
}

/** Bytes to a string, one character a byte. */
export function latin1Text(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}
