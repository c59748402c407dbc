/**
 * Fuzzes connections (workers/connection.ts) over the fake shim: one to three clients share a thread, its scratch
 * buffer and its writer. Input comes in random pieces; reads and writes are short, say EAGAIN or ENOBUFS or fail for
 * good; handlers take their time; clients end their half or reset, and the server drains, all in random order.
 *
 * What a client reads has to be the answers to its requests, each once and in order; all of them, unless something
 * ended the connection earlier. Nothing is called on a closed connection, and nothing of it is kept.
 *
 * tests/workers/connection_random_test.ts looks at one connection that nothing ends, byte by byte.
 *
 * @module
 */

import assert from "node:assert/strict";
import { HttpError } from "../../http/errors.ts";
import { type Answer, Reply, type ServerRequest } from "../../http/message.ts";
import { EAGAIN, ENOBUFS } from "../../shim/errno.ts";
import { EPOLLIN, EPOLLOUT } from "../../shim/ffi.ts";
import { CLOSED } from "../../workers/connection.ts";
import { ECONNRESET, EPIPE, type FakeShim } from "../support/fake_shim.ts";
import { parseAnswers, type ReceivedAnswer } from "../support/h1_harness.ts";
import { Prng } from "../support/prng.ts";
import { FakeThread, LINGER_MS, type Opened, SEND_RETRY_MS } from "../support/thread.ts";
import { latin1Bytes } from "../support/wire_cases.ts";
import { type CaseFuzzer, caseFuzzer } from "./fuzzer.ts";

/** Bodies are windows of this; it holds no capital letter, so "HTTP/1.1 " stands where an answer begins only. */
const TEXT = new Prng(8).text(60_000, "abcdefghijklmnopqrstuvwxyz0123456789");
const KINDS = ["text", "bytes", "later", "stream", "post", "post", "bad"] as const;
const STEPS = 400;
/** CR LF, a size and CR LF again. */
const CHUNK_FRAMING_BYTES = 10;

interface Planned {
  readonly kind: typeof KINDS[number];
  readonly from: number;
  readonly length: number;
  readonly close: boolean;
}

interface Plan {
  readonly clients: readonly (readonly Planned[])[];
  /** How often a call of a socket goes wrong: once in so many. */
  readonly rarely: number;
  /** Whether clients reset, end early and sockets fail for good. */
  readonly rough: boolean;
  readonly drains: boolean;
  readonly pipelined: number;
}

function plan(prng: Prng): Plan {
  const requests = () => Array.from({ length: prng.between(1, 12) }, () => planned(prng));
  return {
    clients: Array.from({ length: prng.between(1, 3) }, requests),
    rarely: prng.between(1, 8),
    rough: prng.oneIn(2),
    drains: prng.oneIn(3),
    pipelined: prng.pick([1, 2, 16]),
  };
}

function planned(prng: Prng): Planned {
  const most = prng.oneIn(10) ? 50_000 : prng.oneIn(3) ? 20_000 : 200;
  const kind = prng.pick(KINDS);
  return {
    kind: kind === "bad" && !prng.oneIn(3) ? "text" : kind,
    from: prng.below(4000),
    length: prng.below(most),
    close: prng.oneIn(20),
  };
}

function wire({ kind, from, length, close }: Planned): string {
  if (kind === "bad") return "GET  / HTTP/1.1\r\n\r\n";
  const fields = `Host: h\r\n${close ? "Connection: close\r\n" : ""}`;
  const line = `/${kind}/${from}/${length} HTTP/1.1\r\n${fields}`;
  if (kind !== "post") return `GET ${line}\r\n`;
  const body = TEXT.slice(from, from + length);
  if (from % 2 === 0) return `POST ${line}Content-Length: ${body.length}\r\n\r\n${body}`;
  const chunk = body === "" ? "" : `${body.length.toString(16)}\r\n${body}\r\n`;
  return `POST ${line}Transfer-Encoding: chunked\r\n\r\n${chunk}0\r\n\r\n`;
}

/** A client, what it asks and what was seen of it. */
class Client {
  readonly opened: Opened;
  readonly pending: Uint8Array[] = [];
  /** Something ended the connection in the middle. */
  fatal = false;
  /** The client ended its half before all was sent. */
  early = false;
  /** ENOBUFS was said: it may be tried again without an edge. */
  mayRetry = false;
  /** Handlers that were started. */
  started = 0;
  running = 0;

  constructor(readonly thread: FakeThread, readonly requests: readonly Planned[], prng: Prng) {
    this.opened = thread.open(undefined, { address: [192, 0, 2, 1], port: 5000 + thread.fake.sockets.size });
    const bytes = latin1Bytes(requests.map(wire).join(""));
    for (let at = 0; at < bytes.length;) {
      const next = at + prng.between(1, prng.oneIn(2) ? 100 : 60_000);
      this.pending.push(bytes.subarray(at, next));
      at = next;
    }
  }

  get gone(): boolean {
    return this.opened.socket.gone !== "";
  }
}

/** One case: a thread, its clients, and what may happen to them. */
class Scene {
  readonly thread: FakeThread;
  readonly clients: Client[];
  #gates: (() => void)[] = [];
  #drained = false;
  #calm = false;

  constructor(readonly plan: Plan, readonly prng: Prng, canary: string) {
    this.thread = new FakeThread((request) => this.#handle(request), { pipelined: plan.pipelined });
    this.clients = plan.clients.map((requests) => new Client(this.thread, requests, prng));
    for (const client of this.clients) this.#disturb(client);
    watchCalls(this.thread.fake, this.clients);
    if (canary === "lost-byte") loseBytes(this.thread.fake);
    if (canary === "kept") this.thread.closed = (connection) => connection.tail = new Uint8Array(1);
  }

  #disturb(client: Client): void {
    const { prng, plan } = this;
    const { socket, connection } = client.opened;
    const fails = () => plan.rough && prng.oneIn(60);
    socket.room = 0;
    socket.onRecv = (wanted) => {
      if (this.#calm || !prng.oneIn(plan.rarely)) return null;
      if (fails()) return this.#kill(client, ECONNRESET);
      return prng.oneIn(3) ? EAGAIN : prng.between(1, Math.min(wanted, 300));
    };
    socket.onSend = (wanted) => {
      if (this.#calm || !prng.oneIn(plan.rarely)) return null;
      if (fails()) return this.#kill(client, prng.pick([EPIPE, ECONNRESET]));
      const choice = prng.below(8);
      if (choice === 0) client.mayRetry = true;
      return choice === 0 ? ENOBUFS : choice < 3 ? EAGAIN : prng.between(1, wanted);
    };
    socket.beforeRecv = () => {
      if (connection.unsentBytes >= this.thread.limits.unsentBytes) socket.violations.push("recv while congested");
    };
  }

  #kill(client: Client, errno: number): number {
    client.fatal = true;
    return errno;
  }

  #handle(request: ServerRequest): Answer | Promise<Answer> {
    const { port } = request.remoteAddr;
    const client = this.clients.find(({ opened }) => opened.socket.fd - 10 === port - 5000)!;
    const [, kind, from, length] = request.path.split("/") as [string, string, string, string];
    const text = TEXT.slice(Number(from), Number(from) + Number(length));
    const fields = ["x-id", String(client.started++)];
    if (kind === "text") return new Reply(text, 200, null, fields);
    if (kind === "bytes") return new Reply(latin1Bytes(text), 200, null, fields);
    return this.#count(client, kind === "post" ? this.#echo(request, fields) : this.#later(kind, text, fields));
  }

  async #count(client: Client, answer: Promise<Answer>): Promise<Answer> {
    client.running++;
    if (client.running > this.plan.pipelined) client.opened.socket.violations.push(`${client.running} handlers run`);
    try {
      return await answer;
    } finally {
      client.running--;
    }
  }

  async #echo({ body }: ServerRequest, fields: string[]): Promise<Answer> {
    try {
      return new Reply(await body.bytes(), 200, null, fields);
    } catch (error) {
      assert.ok(error instanceof HttpError);
      return new Reply("broken", error.status, null, fields);
    }
  }

  async #later(kind: string, text: string, fields: string[]): Promise<Answer> {
    await this.#gate();
    if (kind === "later") return new Reply(text, 200, null, fields);
    let at = 0;
    const stream = new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        if (at % 5 === 1) await this.#gate();
        if (at >= text.length) return controller.close();
        const next = at + 1 + at % 7 * 3000;
        controller.enqueue(latin1Bytes(text.slice(at, next)));
        at = next;
      },
    }, { highWaterMark: 0 });
    return new Reply(stream, 200, null, fields);
  }

  /** Waits until the scene says so. */
  #gate(): Promise<void> {
    return new Promise((resolve) => this.#gates.push(resolve));
  }

  #release(): void {
    if (this.#gates.length > 0) this.#gates.splice(this.prng.below(this.#gates.length), 1)[0]!();
  }

  /** One of the things that may happen in any order. */
  #step(): void {
    const { prng, thread, plan } = this;
    const client = prng.pick(this.clients);
    const { socket, connection } = client.opened;
    switch (prng.below(10)) {
      case 0:
      case 1:
        if (client.pending.length > 0) socket.arrive(client.pending.shift()!);
        return;
      case 2:
        return socket.open(prng.oneIn(3) ? 200_000 : prng.below(5000));
      case 3:
      case 4:
        if (!client.gone) thread.tell(client.opened);
        return;
      case 5:
        return thread.runReady();
      case 6:
      case 7:
        return this.#release();
      case 8:
        return this.#advance(prng.pick([1, SEND_RETRY_MS, SEND_RETRY_MS]));
      default:
        if (plan.rough && prng.oneIn(40)) this.#end(client);
        else if (plan.drains && prng.oneIn(40)) this.#drain();
        else connection.run(); // a late wake does no harm
    }
  }

  /** Time passes; where the kernel had no buffers, it has some by then. */
  #advance(ms: number): void {
    for (const client of this.clients) {
      if (client.mayRetry) client.opened.socket.allow(EPOLLOUT);
    }
    this.thread.advance(ms);
  }

  #end(client: Client): void {
    const { socket, connection } = client.opened;
    const how = this.prng.below(3);
    if (how === 0) {
      client.early ||= client.pending.length > 0;
      client.pending.length = 0;
      return socket.end();
    }
    client.fatal = true;
    if (how === 1) socket.hangUp();
    else connection.cut();
  }

  #drain(): void {
    this.#drained = true;
    for (const { opened: { connection, socket } } of this.clients) {
      socket.allow(EPOLLIN); // it looks once more, without an edge
      connection.drain();
    }
  }

  async run(): Promise<void> {
    for (let step = 0; step < STEPS; step++) {
      this.#step();
      assert.ok(this.thread.buffers.writer.empty, "the writer is not empty between connections");
      if (this.prng.oneIn(2)) { for (let turn = this.prng.below(8); turn > 0; turn--) await null; }
    }
    this.#calm = true;
    await this.#settle((client) => {
      for (const piece of client.pending.splice(0)) client.opened.socket.arrive(piece);
      client.opened.socket.open(Infinity);
    });
    for (const client of this.clients) this.#checkAnswers(client);
    await this.#settle(({ opened }) => opened.socket.end());
    this.#advance(LINGER_MS);
    for (const client of this.clients) this.#checkEnd(client);
    assert.equal(this.thread.services.waiting, 0, "handlers are waited for that nobody waits for");
    assert.deepEqual(this.thread.failures, []);
  }

  /** Does something to each client that is there, and lets everything happen that comes of it. */
  async #settle(act: (client: Client) => void): Promise<void> {
    for (const client of this.clients) act(client);
    for (let quiet = 0, rounds = 0; quiet < 4; quiet++) {
      assert.ok(++rounds < 5000, "the connections do not come to rest");
      const before = this.#activity();
      this.#advance(SEND_RETRY_MS);
      while (this.#gates.length > 0) this.#release();
      for (const client of this.clients) if (!client.gone) await this.thread.settle(client.opened);
      if (this.#activity() !== before || this.#gates.length > 0) quiet = -1;
    }
  }

  #activity(): number {
    return this.clients.reduce((sum, { opened: { socket } }) => sum + socket.sentBytes + socket.readBytes, 0);
  }

  #checkAnswers(client: Client): void {
    const { socket } = client.opened;
    assert.deepEqual(socket.violations, []);
    const due = dueAnswers(client.requests);
    const methods = due.map(({ kind }) => kind === "post" ? "POST" : "GET");
    const answers = client.fatal ? parseCutOff(socket.output, methods) : parseAnswers(socket.output, methods);
    for (const [index, { status, body, complete, fields }] of answers.entries()) {
      const { kind, from, length } = due[index]!;
      const isLast = index === answers.length - 1;
      assert.ok(complete || (isLast && client.fatal), `answer ${index} is not complete`);
      if (kind === "bad") assert.equal(status, 400);
      else if (status === 400 && client.early && isLast) assert.equal(body, "broken".slice(0, body.length));
      else {
        assert.deepEqual([status, fields.find(([name]) => name === "x-id")?.[1]], [200, String(index)]);
        const want = TEXT.slice(from, from + length);
        assert.equal(body, complete ? want : want.slice(0, body.length), `the body of answer ${index}`);
      }
    }
    if (client.fatal) return;
    assert.ok(answers.length >= client.started, `${answers.length} answers to ${client.started} requests`);
    if (!client.early && !this.#drained) assert.equal(answers.length, due.length, "answers are missing");
  }

  #checkEnd({ opened: { connection, socket } }: Client): void {
    assert.notEqual(socket.gone, "", "the connection is still there");
    assert.deepEqual(socket.violations, []);
    const { state, tail, unsent, unsentBytes, h1 } = connection;
    assert.deepEqual({ state, tail, unsent, unsentBytes, h1 }, {
      state: CLOSED,
      tail: null,
      unsent: [],
      unsentBytes: 0,
      h1: null,
    });
  }
}

/** Answers of which the last may have been cut off anywhere: in its head, which is left out then, or between chunks. */
function parseCutOff(output: string, methods: readonly string[]): ReceivedAnswer[] {
  const last = output.lastIndexOf("HTTP/1.1 ");
  const hasHead = output.indexOf("\r\n\r\n", last) >= 0;
  const whole = hasHead ? output.replace(/H[TP/1.]*$/, "") : output.slice(0, Math.max(0, last));
  for (let cut = 0;; cut++) {
    try {
      return parseAnswers(whole.slice(0, whole.length - cut), methods);
    } catch (error) {
      const isFraming = /not a chunk size|chunk does not end/.test((error as Error).message);
      if (!isFraming || cut === CHUNK_FRAMING_BYTES) throw error;
    }
  }
}

/** The requests that are answered: those up to the first that ends the connection. */
function dueAnswers(requests: readonly Planned[]): readonly Planned[] {
  const last = requests.findIndex(({ kind, close }) => kind === "bad" || close);
  return last < 0 ? requests : requests.slice(0, last + 1);
}

/** Notes every call for a connection that is closed already. */
function watchCalls(fake: FakeShim, clients: readonly Client[]): void {
  for (const name of ["recv", "send", "writev", "shutdown", "close", "reset"] as const) {
    // deno-lint-ignore no-explicit-any
    const call = fake[name].bind(fake) as (...args: any[]) => number;
    // deno-lint-ignore no-explicit-any
    fake[name] = (...args: any[]): number => {
      const closed = clients.find(({ gone, opened: { socket } }) =>
        gone && socket.generation === args[1] && socket.fd === args[0]
      );
      closed?.opened.socket.violations.push(`${name} after the close`);
      return call(...args);
    };
  }
}

/** The canary: a socket that takes a byte less of a long write than it says. */
function loseBytes(fake: FakeShim): void {
  const send = fake.send.bind(fake);
  fake.send = (fd, generation, from, capacity, offset, length) => {
    if (length < 200) return send(fd, generation, from, capacity, offset, length);
    const sent = send(fd, generation, from, capacity, offset, length - 1);
    return sent === length - 1 ? length : sent;
  };
}

export const connection: CaseFuzzer = caseFuzzer({
  name: "connection",
  about: "connections over a socket that fails at random: answers once and in order, then nothing is left",
  canaries: ["lost-byte", "kept"],
  make: plan,
  check: (plan, prng, canary) => new Scene(plan, prng, canary).run(),
  show: (plan) => JSON.stringify(plan),
  *smaller(plan): Generator<Plan> {
    if (plan.clients.length > 1) { for (const client of plan.clients) yield { ...plan, clients: [client] }; }
    for (const [index, client] of plan.clients.entries()) {
      for (let at = 0; at < client.length; at++) {
        yield { ...plan, clients: plan.clients.with(index, client.toSpliced(at, 1)) };
      }
    }
  },
});
