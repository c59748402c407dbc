/**
 * Socket faults, first half: rows 213 to 227 of the table in docs/conformance.md, against a server in this process.
 *
 * @module
 */

import assert from "node:assert/strict";
import { App, HttpError } from "../../mod.ts";
import { RawClient } from "../support/raw_client.ts";
import { portOf, sleep, start, until } from "../support/server.ts";
import { allClosed, endsInOrder, Gate, get, post, SOON_MS, withClient } from "./support.ts";

/** Echoes bodies, and tells of the first request what it was. */
function echoApp(): App {
  const app = new App();
  app.get("/", (c) => c.text("hello\n"));
  app.post("/echo", async (c) => c.text(`${c.req.header("x-id")}:${await c.req.text()}`));
  app.post("/unread", (c) => c.text("unread\n"));
  return app;
}

const CHUNKED = "POST /echo HTTP/1.1\r\nHost: h\r\nX-Id: two\r\nTransfer-Encoding: chunked\r\n\r\n" +
  "b;name=value\r\nhello chunk\r\n11\r\n and sixteen more\r\n0\r\nX-Trailer: yes\r\n\r\n";
const TWO_REQUESTS =
  post("/echo", "these are eighty-six bytes of a body, which is so long that there are three hundred.", {
    fields: "X-Id: one\r\n",
  }) + CHUNKED;
const TWO_BODIES = [
  "one:these are eighty-six bytes of a body, which is so long that there are three hundred.",
  "two:hello chunk and sixteen more",
];

Deno.test("row 213: a request that comes byte by byte is answered", async () => {
  await using server = await start(echoApp());
  await withClient(portOf(server), async (client) => {
    for (const character of TWO_REQUESTS + get("/")) {
      await client.send(character);
      await sleep(0); // the server's turn: it sees this byte alone
    }
    const answers = await client.responses(3, { timeoutMs: SOON_MS });
    assert.deepEqual(answers.map(({ text }) => text), [...TWO_BODIES, "hello\n"]);
  });
});

Deno.test("row 214: the result is the same at every split point of a 300-byte request", async () => {
  await using server = await start(echoApp());
  const port = portOf(server);
  assert.ok(TWO_REQUESTS.length > 250 && TWO_REQUESTS.length < 350, `${TWO_REQUESTS.length} bytes`);
  const splitAt = (at: number) =>
    withClient(port, async (client) => {
      await client.send(TWO_REQUESTS.slice(0, at));
      await sleep(10);
      await client.send(TWO_REQUESTS.slice(at));
      await client.end();
      const answers = await client.responses(2, { timeoutMs: SOON_MS });
      assert.deepEqual(answers.map(({ status, text }) => `${status} ${text}`), TWO_BODIES.map((body) => `200 ${body}`));
      await endsInOrder(client);
    });
  for (let from = 1; from < TWO_REQUESTS.length; from += 50) {
    const offsets = Array.from({ length: Math.min(50, TWO_REQUESTS.length - from) }, (_, i) => from + i);
    await Promise.all(offsets.map(splitAt));
  }
});

Deno.test("row 219: a half-close behind a complete request still gets the answer", async () => {
  const gate = new Gate();
  const app = echoApp();
  app.get("/held", async (c) => {
    await gate.pass();
    return c.text(`aborted: ${c.req.signal.aborted}\n`);
  });
  await using server = await start(app);
  await withClient(portOf(server), async (client) => {
    await client.send(get("/held") + get("/"));
    await client.end();
    await until("the handler runs", () => gate.waiting === 1);
    await sleep(100); // the server has seen the FIN, and it says nothing about this half
    gate.open();
    const answers = await client.responses(2, { timeoutMs: SOON_MS });
    assert.deepEqual(answers.map(({ text }) => text), ["aborted: false\n", "hello\n"]);
    await endsInOrder(client);
  });
});

Deno.test("row 220: FIN within a head closes in silence, at every place in it", async () => {
  let handled = 0;
  const app = new App();
  app.all("/*", (c) => c.text(`${++handled}`));
  await using server = await start(app);
  const head = get("/", "X-Id: one\r\n");
  for (const length of [1, 5, 16, 30, head.length - 1]) {
    await withClient(portOf(server), async (client) => {
      await client.send(head.slice(0, length));
      await client.end();
      await endsInOrder(client);
    });
  }
  assert.equal(handled, 0);
});

const BROKEN_BODIES = {
  "Content-Length": "Content-Length: 10\r\n\r\nhello",
  "chunked, within a chunk": "Transfer-Encoding: chunked\r\n\r\na\r\nhello",
  "chunked, behind a chunk": "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
  "chunked, before the last line": "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
};

for (const [what, rest] of Object.entries(BROKEN_BODIES)) {
  for (const way of ["bytes", "stream"] as const) {
    Deno.test(`row 220: FIN within a body (${what}) is an error for the handler that reads ${way}, not an end`, async () => {
      let seen: unknown = "nothing";
      const app = new App();
      app.post("/", async (c) => {
        try {
          if (way === "bytes") await c.req.bytes();
          else for await (const _ of c.req.body!);
          seen = "an end";
        } catch (error) {
          seen = error;
          throw error;
        }
        return c.text("complete\n");
      });
      await using server = await start(app);
      await withClient(portOf(server), async (client) => {
        await client.send(`POST / HTTP/1.1\r\nHost: h\r\n${rest}`);
        await sleep(20);
        await client.end();
        const answer = await client.response({ timeoutMs: SOON_MS });
        assert.equal(answer.status, 400);
        await endsInOrder(client);
      });
      assert.ok(seen instanceof HttpError && seen.status === 400, String(seen));
    });
  }
}

/** An app whose `/wait` goes on only when a test says so, even after its client has gone. */
function waitingApp() {
  const gate = new Gate(), seen = { aborts: 0, reason: undefined as unknown };
  const app = new App();
  app.get("/wait/:who", async (c) => {
    c.req.signal.addEventListener("abort", () => {
      seen.aborts++;
      seen.reason = c.req.signal.reason;
    });
    await gate.pass();
    return c.text(`for ${c.params.who}\n`);
  });
  app.get("/", (c) => c.text("hello\n"));
  return { app, gate, seen };
}

/** Sends a request to `/wait` and resets the connection once its handler runs. */
async function resetWhileWaiting(port: number, gate: Gate): Promise<void> {
  using client = await RawClient.connect({ port });
  await client.send(get("/") + get("/wait/gone"));
  await client.readSome(1); // the rest of the first answer stays unread: that makes the close a reset
  await until("the handler runs", () => gate.waiting === 1);
}

Deno.test("row 221: RST while the handler runs aborts its signal, once", async () => {
  const { app, gate, seen } = waitingApp();
  await using server = await start(app);
  await resetWhileWaiting(portOf(server), gate);
  await until("the signal is aborted", () => seen.aborts > 0, SOON_MS);
  await allClosed();
  gate.open();
  await sleep(50);
  assert.equal(seen.aborts, 1);
  assert.ok(seen.reason instanceof DOMException && seen.reason.name === "AbortError", String(seen.reason));
});

Deno.test("row 221: the answer to a client that reset never reaches the next one on its descriptor", async () => {
  const { app, gate } = waitingApp();
  await using server = await start(app);
  const port = portOf(server);
  await resetWhileWaiting(port, gate);
  await allClosed();
  // The kernel gives the lowest free number, the pool its last free slot: this one gets both.
  await withClient(port, async (client) => {
    assert.equal((await client.request(get("/"))).text, "hello\n");
    await client.send(get("/wait/next"));
    await until("its handler runs", () => gate.waiting === 2);
    gate.open();
    assert.equal((await client.response({ timeoutMs: SOON_MS })).text, "for next\n");
    assert.equal((await client.request(get("/"))).text, "hello\n");
    await client.end();
    await endsInOrder(client);
  });
});

const PIPELINED_MAX = 16; // limits.pipelined

Deno.test("row 223: 1000 GETs in one segment are answered in order, 16 at most at once", async () => {
  let running = 0, most = 0;
  const app = new App();
  app.get("/:n", async (c) => {
    most = Math.max(most, ++running);
    await sleep(Number(c.params.n) % 3);
    running--;
    return c.text(c.params.n);
  });
  await using server = await start(app);
  await withClient(portOf(server), async (client) => {
    const numbers = Array.from({ length: 1000 }, (_, n) => `${n}`);
    await client.send(numbers.map((n) => get(`/${n}`)).join(""));
    const answers = await client.responses(1000, { timeoutMs: SOON_MS });
    assert.deepEqual(answers.map(({ text }) => text), numbers);
  });
  assert.ok(most > 1 && most <= PIPELINED_MAX, `${most} handlers ran at once`);
});

for (const kind of ["synchronous", "asynchronous"] as const) {
  Deno.test(`row 223: reading pauses while answers of ${kind} handlers are unsent, then all come in order`, async () => {
    const BYTES = 16 * 1024;
    let handled = 0;
    const app = new App();
    app.get("/:n", (c) => {
      handled++;
      const answer = c.text(c.params.n.padEnd(BYTES, "."));
      return kind === "synchronous" ? answer : Promise.resolve(answer);
    });
    await using server = await start(app);
    await withClient(portOf(server), async (client) => {
      await client.send(Array.from({ length: 1000 }, (_, n) => get(`/${n}`)).join(""));
      await until("nothing moves any more", async () => {
        const before = handled;
        await sleep(200);
        return handled === before && handled > 0;
      });
      // What the kernel's buffers hold (on loopback about 6 MB), 64 KiB, and those that run: no more is made.
      assert.ok(handled < 500, `${handled} of 1000 answers were made for a client that does not read`);
      const answers = await client.responses(1000);
      answers.forEach(({ text }, n) => assert.ok(text.length === BYTES && text.startsWith(`${n}.`), `answer ${n}`));
    });
  });
}

Deno.test("row 224: pipelined slow and fast handlers are answered in request order", async () => {
  const finished: string[] = [];
  const app = new App();
  app.get("/slow/:n", async (c) => {
    await sleep(100);
    finished.push("slow");
    return c.text(`slow ${c.params.n}`);
  });
  app.get("/fast/:n", (c) => {
    finished.push("fast");
    return c.text(`fast ${c.params.n}`);
  });
  app.get("/async/:n", async (c) => {
    await null;
    finished.push("async");
    return c.text(`async ${c.params.n}`);
  });
  await using server = await start(app);
  await withClient(portOf(server), async (client) => {
    const wanted = ["slow 0", "fast 1", "async 2", "slow 3", "fast 4"];
    await client.send(wanted.map((what) => get(`/${what.replace(" ", "/")}`)).join(""));
    const answers = await client.responses(wanted.length, { timeoutMs: SOON_MS });
    assert.deepEqual(answers.map(({ text }) => text), wanted);
  });
  assert.notEqual(finished[0], "slow"); // others did not wait for it, only their answers did
});

const KIB = 1024;

function refusingApp(): App {
  const app = new App();
  app.post("/refuse", (c) => c.text("too much\n", 413));
  return app;
}

const GIGABYTE = "POST /refuse HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000000\r\n\r\n";

Deno.test("row 225: an early 413 is read by a client that sent 200 KiB of its 1 GB first", async () => {
  await using server = await start(refusingApp());
  await withClient(portOf(server), async (client) => {
    await client.send(GIGABYTE);
    for (let sent = 0; sent < 200; sent += 10) await client.send(new Uint8Array(10 * KIB));
    await sleep(100);
    const answer = await client.response({ timeoutMs: SOON_MS });
    assert.deepEqual([answer.status, answer.text, answer.headers.connection], [413, "too much\n", "close"]);
    await client.end();
    await endsInOrder(client); // a reset would have been able to take the answer away
  });
});

Deno.test("row 225: behind an early 413 at most about 256 KiB are read, then the connection is closed", async () => {
  await using server = await start(refusingApp());
  await withClient(portOf(server), async (client) => {
    await client.send(GIGABYTE);
    assert.equal((await client.response({ timeoutMs: SOON_MS })).status, 413);
    let sent = 0;
    const sending = async () => {
      for (; sent < 100_000 * KIB; sent += 64 * KIB) await client.send(new Uint8Array(64 * KIB));
    };
    await assert.rejects(sending(), (error: Error) => /reset|broken pipe/i.test(error.message));
    assert.ok(sent >= 256 * KIB, `closed after ${sent} bytes`);
    await allClosed();
  });
});

Deno.test("row 225: behind an early 413 a client that says nothing is let go after 2 seconds", async () => {
  await using server = await start(refusingApp());
  await withClient(portOf(server), async (client) => {
    await client.send(GIGABYTE + "some of it");
    assert.equal((await client.response({ timeoutMs: SOON_MS })).status, 413);
    const from = performance.now();
    await allClosed();
    const ms = performance.now() - from;
    assert.ok(ms > 1500 && ms < 4000, `closed after ${ms} ms`);
  });
});

for (
  const [what, body] of [["Content-Length", post("/unread", "hello")], ["chunked", CHUNKED.replace("echo", "unread")]]
) {
  Deno.test(`row 226: a body (${what}) that the handler did not read is drained, and the next request answered`, async () => {
    await using server = await start(echoApp());
    for (const pause of [false, true]) {
      await withClient(portOf(server), async (client) => {
        const at = body!.indexOf("\r\n\r\n") + (pause ? 4 : 0); // the body in a segment of its own, or not
        await client.send(body!.slice(0, at));
        if (pause) await sleep(20);
        await client.send(body!.slice(at) + get("/"));
        const answers = await client.responses(2, { timeoutMs: SOON_MS });
        assert.deepEqual(answers.map(({ text }) => text), ["unread\n", "hello\n"]);
      });
    }
  });
}

for (const framing of ["Content-Length", "chunked"] as const) {
  Deno.test(`row 226: with more than 256 KiB unread (${framing}) the connection is closed instead`, async () => {
    let canaries = 0;
    const app = new App();
    app.post("/unread", (c) => c.text("unread\n"));
    app.get("/canary", (c) => c.text(`${++canaries}`));
    await using server = await start(app);
    await withClient(portOf(server), async (client) => {
      const size = 600 * KIB;
      const field = framing === "chunked" ? "Transfer-Encoding: chunked" : `Content-Length: ${size}`;
      const body = framing === "chunked"
        ? `${size.toString(16)}\r\n${"x".repeat(size)}\r\n0\r\n\r\n`
        : "x".repeat(size);
      await client.send(`POST /unread HTTP/1.1\r\nHost: h\r\n${field}\r\n\r\n`);
      assert.equal((await client.response({ timeoutMs: SOON_MS })).text, "unread\n");
      await client.send(body + get("/canary")).catch(() => {}); // it may have been closed by then
      assert.equal((await client.untilClosed(SOON_MS)).bytes.length, 0);
    });
    assert.equal(canaries, 0);
  });
}

Deno.test("row 227: behind a malformed chunked body that nobody reads nothing is answered", async () => {
  for (
    const bad of ["zz\r\n", "5\r\nhelloworld\r\n0\r\n\r\n", "5\nhello\r\n0\r\n\r\n", "-1\r\n", "fffffffffffffffff\r\n"]
  ) {
    let canaries = 0;
    const app = echoApp();
    app.get("/canary", (c) => c.text(`${++canaries}`));
    await using server = await start(app);
    await withClient(portOf(server), async (client) => {
      await client.send(
        `POST /unread HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n${bad}${get("/canary")}`,
      );
      assert.equal((await client.response({ timeoutMs: SOON_MS })).text, "unread\n");
      await client.send(get("/canary"));
      assert.equal((await client.untilClosed(SOON_MS)).bytes.length, 0, bad);
    });
    assert.equal(canaries, 0, bad);
  }
});
