/**
 * A small raw client: sends bytes as they are and reads answers until as many as wanted are there, the connection has
 * ended, or the time is up. It knows nothing that a server could get wrong unnoticed: what it cannot parse is an error.
 *
 * @module
 */

import { latin1Bytes, latin1Text } from "./wire_cases.ts";

/** How long anything may take; far more than it does, for machines are shared. */
const TIMEOUT_MS = 20_000;

/** What is read at once. */
const READ_BYTES = 256 * 1024;

/** A parsed answer. */
export interface RawResponse {
  readonly status: number;
  /** Names in lower case; of several fields of a name the last one. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** The body, as Latin-1. */
  readonly text: string;
}

/** How a connection ended, and what came before. */
export interface Ending {
  readonly bytes: Uint8Array;
  /** `"eof"` if the server closed in order, `"reset"` if it did not. */
  readonly how: "eof" | "reset";
}

export type Place = { port: number; hostname?: string } | { path: string };

/** What an answer's framing depends on beside its head. */
export interface ReadOptions {
  /** The answers are to HEAD: they have no body. */
  readonly heads?: boolean;
  readonly timeoutMs?: number;
}

export class RawClient implements Disposable {
  readonly #conn: Deno.Conn;
  /** What was received and is in no answer yet: the first `#length` bytes of a buffer that grows by doubling. */
  #buffer: Uint8Array<ArrayBuffer> = new Uint8Array(READ_BYTES);
  #length = 0;
  #how: Ending["how"] | null = null;
  #open = true;

  private constructor(conn: Deno.Conn) {
    this.#conn = conn;
  }

  static async connect(place: Place): Promise<RawClient> {
    if ("path" in place) return new RawClient(await Deno.connect({ transport: "unix", path: place.path }));
    return new RawClient(await Deno.connect({ hostname: "127.0.0.1", ...place }));
  }

  /** The address of this end, for TCP. */
  get localAddr(): Deno.NetAddr {
    return this.#conn.localAddr as Deno.NetAddr;
  }

  /** Received bytes that are in no answer yet. */
  get rest(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  async send(data: string | Uint8Array): Promise<void> {
    const bytes = typeof data === "string" ? latin1Bytes(data) : data;
    for (let at = 0; at < bytes.length;) at += await this.#conn.write(bytes.subarray(at));
  }

  /** Ends this half: the server sees EOF, and may still answer. */
  end(): Promise<void> {
    return (this.#conn as Deno.TcpConn).closeWrite();
  }

  /** Closes. With received bytes that nobody has read, the kernel makes a reset of it. */
  close(): void {
    if (this.#open) this.#conn.close();
    this.#open = false;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Reads at most `max` bytes, past everything else. */
  async readSome(max: number, timeoutMs = TIMEOUT_MS): Promise<number> {
    return await this.#read(max, timeoutMs);
  }

  /** The next `count` final answers; interim ones (1xx) are left out. */
  async responses(count: number, { heads = false, timeoutMs = TIMEOUT_MS }: ReadOptions = {}): Promise<RawResponse[]> {
    const found: RawResponse[] = [];
    while (found.length < count) {
      const parsed = parseResponse(this.rest, heads, this.#how !== null);
      if (parsed !== null) {
        this.#buffer.copyWithin(0, parsed.end, this.#length);
        this.#length -= parsed.end;
        if (parsed.response.status >= 200) found.push(parsed.response);
        continue;
      }
      if (this.#how !== null) {
        throw new Error(`got ${found.length} of ${count} answers, then ${this.#how}; left: ${this.#tail()}`);
      }
      await this.#read(READ_BYTES, timeoutMs);
    }
    return found;
  }

  /** The next answer. */
  async response(options?: ReadOptions): Promise<RawResponse> {
    return (await this.responses(1, options))[0]!;
  }

  /** Sends a request and reads its answer. */
  async request(data: string | Uint8Array, options?: ReadOptions): Promise<RawResponse> {
    await this.send(data);
    return await this.response(options);
  }

  /** Everything up to the end of the connection. */
  async untilClosed(timeoutMs = TIMEOUT_MS): Promise<Ending> {
    while (this.#how === null) await this.#read(READ_BYTES, timeoutMs);
    return { bytes: this.rest.slice(), how: this.#how };
  }

  /** Reads until what was received contains a text. */
  async until(text: string, timeoutMs = TIMEOUT_MS): Promise<void> {
    while (!latin1Text(this.rest).includes(text)) {
      if (this.#how !== null) throw new Error(`ended by ${this.#how} before ${JSON.stringify(text)}: ${this.#tail()}`);
      await this.#read(READ_BYTES, timeoutMs);
    }
  }

  /** Receives at most `max` bytes; 0 when the connection has ended. */
  async #read(max: number, timeoutMs: number): Promise<number> {
    if (this.#buffer.length < this.#length + max) {
      const larger = new Uint8Array(2 * this.#buffer.length + max);
      larger.set(this.rest);
      this.#buffer = larger;
    }
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.close();
    }, timeoutMs);
    try {
      const count = await this.#conn.read(this.#buffer.subarray(this.#length, this.#length + max));
      if (count === null) this.#how = "eof";
      this.#length += count ?? 0;
      return count ?? 0;
    } catch (error) {
      if (late) throw new Error(`nothing came for ${timeoutMs} ms; received so far: ${this.#tail()}`);
      if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
      this.#how = "reset";
      return 0;
    } finally {
      clearTimeout(timer);
    }
  }

  #tail(): string {
    return JSON.stringify(latin1Text(this.rest.subarray(0, 300)));
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

interface Parsed {
  readonly response: RawResponse;
  readonly end: number;
}

/** Where the blank line behind a head is, in the first bytes; -1 if it is not there. */
function headEnd(bytes: Uint8Array): number {
  return latin1Text(bytes.subarray(0, 64 * 1024)).indexOf("\r\n\r\n");
}

/** The first answer in `bytes`, or null if it is not complete. */
export function parseResponse(bytes: Uint8Array, isHead: boolean, ended: boolean): Parsed | null {
  const end = headEnd(bytes);
  if (end < 0) return null;
  const [statusLine, ...lines] = latin1Text(bytes.subarray(0, end)).split("\r\n") as [string, ...string[]];
  const match = /^HTTP\/1\.1 (\d{3}) /.exec(statusLine);
  if (match === null) throw new Error(`this is no status line: ${JSON.stringify(statusLine)}`);
  const status = Number(match[1]);
  const headers: Record<string, string> = Object.create(null);
  for (const line of lines) {
    const field = /^([!#$%&'*+.^_`|~\w-]+): ?(.*)$/.exec(line);
    if (field === null) throw new Error(`this is no field line: ${JSON.stringify(line)}`);
    headers[field[1]!.toLowerCase()] = field[2]!;
  }
  const content = bytes.subarray(end + 4);
  const body = bodyOf(content, status, headers, isHead, ended);
  if (body === null) return null;
  const response = { status, headers, body: body.body, text: latin1Text(body.body) };
  return { response, end: end + 4 + body.length };
}

/** The body at the beginning of `content` and how many bytes it takes there; null if it is not complete. */
function bodyOf(
  content: Uint8Array,
  status: number,
  headers: Readonly<Record<string, string>>,
  isHead: boolean,
  ended: boolean,
): { body: Uint8Array; length: number } | null {
  if (isHead || status < 200 || status === 204 || status === 304) return { body: new Uint8Array(0), length: 0 };
  if (headers["transfer-encoding"] === "chunked") return chunkedBody(content);
  const { "content-length": length } = headers;
  if (length === undefined) return ended ? { body: content.slice(), length: content.length } : null;
  return content.length < Number(length) ? null : { body: content.slice(0, Number(length)), length: Number(length) };
}

function chunkedBody(content: Uint8Array): { body: Uint8Array; length: number } | null {
  const parts: Uint8Array[] = [];
  for (let at = 0;;) {
    const line = latin1Text(content.subarray(at, at + 20));
    const end = line.indexOf("\r\n");
    if (end < 0) return null;
    const size = parseInt(line.slice(0, end), 16);
    const next = at + end + 2 + size + 2;
    if (content.length < next) return null;
    if (size === 0) return { body: joined(parts), length: next };
    parts.push(content.subarray(at + end + 2, next - 2));
    at = next;
  }
}
