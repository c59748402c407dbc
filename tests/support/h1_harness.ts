/**
 * Drives an `H1Conn` without sockets, as workers/connection.ts does: bytes go into a scratch buffer, what the machine
 * does not take is kept as a copy and given again, output is taken away after every call, and a `wake` brings a flush.
 *
 * The scratch is overwritten after every call, and microtasks run between the steps, so a view of the scratch that
 * somebody kept shows up as wrong bytes. Results come in the notation of ../shared/h1-vectors/check.py.
 *
 * @module
 */

import { HttpError } from "../../http/errors.ts";
import { H1Conn } from "../../http/h1/conn.ts";
import { type H1Host, H1Services } from "../../http/h1/host.ts";
import type { H1Request } from "../../http/h1/request.ts";
import { HeadWriter } from "../../http/h1/write.ts";
import { DEFAULT_LIMITS, type Limits } from "../../http/limits.ts";
import { type Answer, type RemoteAddress, Reply } from "../../http/message.ts";
import { Writer } from "../../http/writer.ts";
import { concat, POISON } from "./feed.ts";
import { latin1Bytes, latin1Text } from "./wire_cases.ts";

/** The time that every Date field of a harness shows. */
export const NOW = Date.UTC(1994, 10, 6, 8, 49, 37);
export const NOW_TEXT = "Sun, 06 Nov 1994 08:49:37 GMT";

/** Times around the loop that no test needs without a pause. */
const STEPS_MAX = 100_000;

export type TestHandler = (request: H1Request) => Answer | Promise<Answer>;

export interface HarnessOptions {
  readonly limits?: Partial<Limits>;
  /** Bytes that one `receive` sees at most. */
  readonly scratchBytes?: number;
  /** Turns of the microtask queue between two steps; a `Response` takes more of them than a `Reply`. */
  readonly turns?: number;
}

/** One connection with everything around it. */
export class Harness implements H1Host {
  readonly conn: H1Conn;
  readonly writer: Writer = new Writer(16 * 1024);
  /** What was sent, in the pieces in which it left. */
  readonly sent: Uint8Array<ArrayBuffer>[] = [];
  /** What could not be sent as it was meant. */
  readonly failures: unknown[] = [];
  /** Requests in the order in which their handlers started. */
  readonly started: H1Request[] = [];
  wakes = 0;

  readonly #scratch: Uint8Array<ArrayBuffer>;
  readonly #turns: number;
  /** Bytes that the machine was given and did not take. */
  #tail: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  /** Bytes that lie in the socket. */
  #socket: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #ended = false;
  #woken = false;
  #steps = 0;

  constructor(readonly handler: TestHandler = readAndAnswer, options: HarnessOptions = {}) {
    const headWriter = new HeadWriter();
    headWriter.setTime(NOW);
    this.conn = new H1Conn(new H1Services({ ...DEFAULT_LIMITS, ...options.limits }, headWriter), this);
    this.#scratch = new Uint8Array(options.scratchBytes ?? 64 * 1024).fill(POISON);
    this.#turns = options.turns ?? 12;
  }

  handle(request: H1Request): Answer | Promise<Answer> {
    this.started.push(request);
    return this.handler(request);
  }

  failure(error: unknown): Reply {
    this.failures.push(error);
    return new Reply("failed", 500);
  }

  wake(): void {
    this.wakes++;
    this.#woken = true;
  }

  remoteAddress(): RemoteAddress {
    return { transport: "tcp", hostname: "192.0.2.1", port: 4711 };
  }

  /** Bytes that were read or lie in the socket, and that the machine has not taken. */
  get unread(): number {
    return this.#tail.length + this.#socket.length;
  }

  /** Bytes that were read and not taken. */
  get tailBytes(): number {
    return this.#tail.length;
  }

  /** The peer sends bytes. */
  async send(bytes: Uint8Array | string): Promise<void> {
    const added = typeof bytes === "string" ? latin1Bytes(bytes) : bytes;
    this.#socket = this.#socket.length === 0 ? new Uint8Array(added) : concat([this.#socket, added]);
    await this.run();
  }

  /** The peer sends the end of its stream. */
  async end(): Promise<void> {
    this.#ended = true;
    await this.run();
  }

  /** Lets everything happen that can happen without the peer. */
  async run(): Promise<void> {
    do {
      this.#woken = false;
      this.#steps = 0;
      while (this.step());
      for (let turn = 0; turn < this.#turns; turn++) await null;
    } while (this.#woken);
  }

  /** Once around the loop of workers/connection.ts, without microtasks; false when it would wait. */
  step(): boolean {
    const { conn } = this;
    if (conn.congested) return false;
    conn.flush(this.writer);
    this.#take();
    if (conn.broken || conn.finished) return false;
    if (++this.#steps > STEPS_MAX) throw new Error("the machine spins: it neither waits nor gets on");
    if (conn.hasOutput) return true;
    if (!conn.wantsRead) return false;
    if (this.#tail.length > 0 && !conn.starved) return this.#receive(0);
    if (this.#socket.length > 0) return this.#receive(this.#scratch.length - this.#tail.length);
    if (!this.#ended) return false;
    this.#tail = new Uint8Array(0);
    conn.endOfInput();
    return true;
  }

  /** Gives the machine the tail and up to `room` bytes of the socket behind it. */
  #receive(room: number): true {
    const scratch = this.#scratch;
    const fresh = Math.min(room, this.#socket.length);
    scratch.set(this.#tail);
    scratch.set(this.#socket.subarray(0, fresh), this.#tail.length);
    this.#socket = this.#socket.slice(fresh);
    const end = this.#tail.length + fresh;
    const taken = this.conn.receive(scratch, 0, end, this.writer);
    if (!Number.isInteger(taken) || taken < 0 || taken > end) throw new Error(`receive took ${taken} of ${end} bytes`);
    this.#tail = scratch.slice(taken, end);
    scratch.fill(POISON, 0, end);
    return true;
  }

  /** Takes what the machine wrote, as a `writev` would. */
  #take(): void {
    const { writer } = this;
    if (writer.empty) return;
    const parts: Uint8Array[] = [];
    let from = 0;
    for (const { at, bytes } of writer.gathered) {
      parts.push(writer.bytes.subarray(from, at), bytes);
      from = at;
    }
    parts.push(writer.bytes.subarray(from, writer.length));
    this.sent.push(concat(parts));
    writer.clear();
    writer.bytes.fill(POISON);
  }

  /** Everything that was sent, a character a byte. */
  get output(): string {
    return latin1Text(concat(this.sent));
  }

  /** `STATUS,STATUS,…` and `!` if the server would close the connection now. */
  get result(): string {
    return resultOf(this.output, this.conn.finished || this.conn.broken);
  }
}

/** The notation of check.py. */
export function resultOf(output: string, closed: boolean): string {
  const statuses = Array.from(output.matchAll(/HTTP\/1\.[01] (\d{3})/g), (match) => match[1]);
  return statuses.join(",") + (closed ? "!" : "");
}

/** The handler of the vectors: reads the body, answers 200, and with the error's status if the body is broken. */
export async function readAndAnswer(request: H1Request): Promise<Reply> {
  try {
    await request.body.bytes(DEFAULT_LIMITS.bodyBytes);
  } catch (error) {
    if (error instanceof HttpError) return new Reply(error.message, error.status);
    throw error;
  }
  return new Reply("ok");
}

/** The same, but requests without a body are answered at once. */
export function answerAtOnce(request: H1Request): Reply | Promise<Reply> {
  return request.body.ended ? new Reply("ok") : readAndAnswer(request);
}

/** One answer, taken apart. */
export interface ReceivedAnswer {
  readonly status: number;
  readonly head: string;
  /** Fields in order, names in lower case. */
  readonly fields: readonly (readonly [string, string])[];
  readonly body: string;
  /** Whether the end of the body was told: by length, last chunk, or because there is none. */
  readonly complete: boolean;
}

/**
 * Takes a byte stream of answers apart, as a strict client would. `methods` are the methods that were asked with, for
 * the answer to HEAD has no body. What is left over after the last request is an answer too many: throws.
 */
export function parseAnswers(output: string, methods: readonly string[]): ReceivedAnswer[] {
  const answers: ReceivedAnswer[] = [];
  let rest = output;
  for (let asked = 0; rest !== "";) {
    const headEnd = rest.indexOf("\r\n\r\n");
    if (headEnd < 0) throw new Error(`not the head of an answer: ${JSON.stringify(rest.slice(0, 80))}`);
    const [line, ...lines] = rest.slice(0, headEnd).split("\r\n");
    const status = /^HTTP\/1\.1 (\d{3}) [^\r\n]*$/.exec(line!)?.[1];
    if (status === undefined) throw new Error(`not a status line: ${JSON.stringify(line!.slice(0, 80))}`);
    const fields = lines.map(parseField);
    const head = rest.slice(0, headEnd + 4);
    rest = rest.slice(headEnd + 4);
    const isInterim = status.startsWith("1");
    if (!isInterim && asked === methods.length) throw new Error(`an answer too many: ${JSON.stringify(head)}`);
    const method = isInterim ? "" : methods[asked++]!;
    const content = isInterim ? { body: "", rest, complete: true } : readContent(rest, Number(status), method, fields);
    rest = content.rest;
    answers.push({ status: Number(status), head, fields, body: content.body, complete: content.complete });
  }
  return answers;
}

function parseField(line: string): readonly [string, string] {
  const [, name, value] = /^([!-9;-~]+): (.*)$/.exec(line) ?? [];
  if (name === undefined) throw new Error(`not a field line: ${JSON.stringify(line)}`);
  return [name.toLowerCase(), value!];
}

interface Content {
  readonly body: string;
  readonly rest: string;
  readonly complete: boolean;
}

function readContent(text: string, status: number, method: string, fields: ReceivedAnswer["fields"]): Content {
  const length = fieldOf(fields, "content-length");
  const coding = fieldOf(fields, "transfer-encoding");
  if (method === "HEAD" || status === 204 || status === 304) return { body: "", rest: text, complete: true };
  if (length !== null && coding !== null) throw new Error("an answer has Content-Length and Transfer-Encoding");
  if (coding !== null) return readChunks(text);
  if (length === null) return { body: text, rest: "", complete: false };
  const body = text.slice(0, Number(length));
  return { body, rest: text.slice(body.length), complete: body.length === Number(length) };
}

function readChunks(text: string): Content {
  let body = "", at = 0;
  while (at < text.length) {
    const line = /^([1-9a-f][0-9a-f]*|0)\r\n/.exec(text.slice(at, at + 20));
    if (line === null) throw new Error(`not a chunk size: ${JSON.stringify(text.slice(at, at + 20))}`);
    const size = parseInt(line[1]!, 16);
    at += line[0].length;
    body += text.slice(at, at + size);
    at += size;
    if (at >= text.length) break;
    if (text.slice(at, at + 2) !== "\r\n") throw new Error("a chunk does not end in CR LF");
    at += 2;
    if (size === 0) return { body, rest: text.slice(at), complete: true };
  }
  return { body, rest: "", complete: false };
}

/** The value of a (lower-case) field, or null; throws if it is there twice. */
export function fieldOf(fields: ReceivedAnswer["fields"], name: string): string | null {
  const values = fields.filter(([field]) => field === name);
  if (values.length > 1) throw new Error(`field ${name} is there ${values.length} times`);
  return values[0]?.[1] ?? null;
}

/** A promise that a test settles when it is time. */
export function gate<T>(): PromiseWithResolvers<T> {
  return Promise.withResolvers<T>();
}
