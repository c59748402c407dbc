/**
 * Socket faults, second half: rows 228 to 245 of the table in docs/conformance.md, against a server in this process.
 *
 * @module
 */

import assert from "node:assert/strict";
import { App, HttpError } from "../../mod.ts";
import { portOf, sleep, start, until } from "../support/server.ts";
import { latin1Text } from "../support/wire_cases.ts";
import { allClosed, endsInOrder, Gate, get, logged, post, SOON_MS, withClient } from "./support.ts";

const EXPECT = "Expect: 100-continue\r\n";
const CONTINUE = "HTTP/1.1 100 Continue\r\n\r\n";

Deno.test("row 228: 100 (Continue) comes when the handler first reads, then the answer", async () => {
  const gate = new Gate();
  const app = new App();
  app.post("/", async (c) => {
    await gate.pass();
    return c.text(`got ${await c.req.text()}`);
  });
  await using server = await start(app);
  await withClient(portOf(server), async (client) => {
    await client.send(post("/", "hello", { fields: EXPECT, sent: "" }));
    await until("the handler runs", () => gate.waiting === 1);
    const early = client.until(CONTINUE, SOON_MS).then(() => "came");
    assert.equal(await Promise.race([early, sleep(150)]), undefined, "100 (Continue) before the handler has read");
    gate.open();
    await early;
    assert.equal(latin1Text(client.rest), CONTINUE);
    await client.send("hello");
    assert.equal((await client.response({ timeoutMs: SOON_MS })).text, "got hello");
    await client.send(post("/", "again")); // it has gone well: the connection stays
    assert.equal((await client.response({ timeoutMs: SOON_MS })).text, "got again");
  });
});

Deno.test("row 229: a final answer to Expect without reading says close, and nothing behind it is a request", async () => {
  let canaries = 0;
  const app = new App();
  app.post("/sync", (c) => c.text("no\n", 403));
  app.post("/async", async (c) => {
    await sleep(20);
    return c.text("no\n", 403);
  });
  app.get("/canary", (c) => c.text(`${++canaries}`));
  await using server = await start(app);
  for (const path of ["/sync", "/async"]) {
    await withClient(portOf(server), async (client) => {
      await client.send(post(path, "hello", { fields: EXPECT, sent: "" }));
      await client.until("no\n", SOON_MS);
      assert.ok(!latin1Text(client.rest).includes(" 100 "));
      const { status, headers } = await client.response();
      assert.deepEqual([status, headers.connection], [403, "close"]);
      await client.send(get("/canary"));
      await client.end();
      await endsInOrder(client);
    });
  }
  assert.equal(canaries, 0);
});

Deno.test("row 229: a stream that reads the body behind its first chunk does not cause a late 100 (Continue)", async () => {
  let read: unknown;
  const app = new App();
  app.post("/", (c) => {
    let pulls = 0;
    return c.body(
      new ReadableStream({
        async pull(controller): Promise<void> {
          if (pulls++ > 0) {
            read = await c.req.bytes().catch((error) => error);
            controller.close();
          } else controller.enqueue(new TextEncoder().encode("one"));
        },
      }, { highWaterMark: 0 }),
    );
  });
  await using server = await start(app);
  await withClient(portOf(server), async (client) => {
    await client.send(post("/", "hello", { fields: EXPECT, sent: "" }));
    await client.until("one", SOON_MS);
    await sleep(100);
    await client.end();
    const { bytes } = await client.untilClosed(SOON_MS);
    assert.match(latin1Text(bytes), /^HTTP\/1\.1 200 [^]*Connection: close\r\n[^]*\r\n\r\n3\r\none\r\n0\r\n\r\n$/);
  });
  assert.ok(read instanceof HttpError, String(read));
});

for (
  const [what, fields] of [
    ["y 100-continue", "Expect: y 100-continue\r\n"],
    ["100-Continue", "Expect: 100-Continue\r\n"],
    ["two lines", EXPECT + EXPECT],
    ["two lines, the second unknown", EXPECT + "Expect: other\r\n"],
    ["a list", "Expect: 100-continue, 100-continue\r\n"],
  ]
) {
  Deno.test(`row 230: Expect (${what}) is 417 and close, and what follows is no request`, async () => {
    let handled = 0;
    const app = new App();
    app.all("/*", (c) => c.text(`${++handled}`));
    await using server = await start(app);
    for (const method of ["GET", "POST"]) {
      await withClient(portOf(server), async (client) => {
        const inner = get("/evil");
        await client.send(post("/", inner, { fields: fields! }).replace("POST", method) + get("/canary"));
        const { status, headers } = await client.response({ timeoutMs: SOON_MS });
        assert.deepEqual([status, headers.connection], [417, "close"]);
        await client.end();
        await endsInOrder(client);
      });
    }
    assert.equal(handled, 0);
  });
}

/** Counts what reaches a handler: paths, in order. */
function countingApp() {
  const paths: string[] = [];
  const app = new App();
  app.use(async (c, next) => {
    paths.push(c.req.path);
    return await next();
  });
  app.get("/", (c) => c.text("early\n"));
  app.get("/evil", (c) => c.text("evil\n"));
  app.get("/canary", (c) => c.text("canary\n"));
  app.post("/static", (c) => c.text("static\n"));
  app.get("/only-get", (c) => c.text("get\n"));
  app.post("/redirect", (c) => c.redirect("/elsewhere"));
  app.post("/throws", () => {
    throw new Error("on purpose");
  });
  app.post("/rejects", async () => {
    await sleep(5);
    throw new HttpError(409, "on purpose");
  });
  app.post("/no-content", (c) => c.body(null, 204));
  return { app, paths };
}

Deno.test("row 231: 0.CL: behind an early answer to GET the withheld body is a body, not a request", async () => {
  const { app, paths } = countingApp();
  await using server = await start(app);
  await withClient(portOf(server), async (client) => {
    const body = get("/evil", "X: 12345678\r\n");
    await client.send(post("/", body, { sent: "" }).replace("POST", "GET"));
    assert.equal((await client.response({ timeoutMs: SOON_MS })).text, "early\n");
    await client.send(body.slice(0, 20));
    await sleep(20);
    await client.send(body.slice(20) + get("/canary"));
    assert.equal((await client.response({ timeoutMs: SOON_MS })).text, "canary\n");
    await client.end();
    await endsInOrder(client);
  });
  assert.deepEqual(paths, ["/", "/canary"]);
});

const EARLY_EXITS = {
  "/static": 200,
  "/nowhere": 404,
  "/only-get": 405,
  "/redirect": 302,
  "/throws": 500,
  "/rejects": 409,
  "/no-content": 204,
};

for (const [path, status] of Object.entries(EARLY_EXITS)) {
  Deno.test(`row 232: CL.0: the body of POST ${path} (${status}) is consumed, not taken for a request`, async () => {
    const { app, paths } = countingApp();
    await using server = await start(app);
    const body = get("/evil");
    const chunked = `POST ${path} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n` +
      `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
    const log = await logged(async () => {
      for (const message of [post(path, body), chunked]) {
        for (const at of [message.length, message.indexOf("\r\n\r\n") + 4]) { // in one segment, or the body apart
          await withClient(portOf(server), async (client) => {
            await client.send(message.slice(0, at));
            await sleep(20);
            await client.send(message.slice(at) + get("/canary"));
            const answers = await client.responses(2, { timeoutMs: SOON_MS });
            assert.deepEqual(answers.map((answer) => answer.status), [status, 200]);
            assert.equal(answers[1]!.text, "canary\n");
            await client.end();
            await endsInOrder(client);
          });
        }
      }
    });
    assert.ok(!paths.includes("/evil"), paths.join(" "));
    assert.equal(log.includes("on purpose"), status === 500, log);
  });
}

Deno.test("row 235: each request on a connection is validated by itself, whatever the first one was", async () => {
  const app = new App();
  app.get("/", (c) => c.text(c.req.header("host") === "a" ? "allowed\n" : "refused\n"));
  await using server = await start(app);
  const request = (fields: string) => `GET / HTTP/1.1\r\n${fields}\r\n`;
  await withClient(portOf(server), async (client) => {
    assert.equal((await client.request(request("Host: a\r\n"))).text, "allowed\n");
    assert.equal((await client.request(request("Host: b\r\n"))).text, "refused\n");
    assert.equal((await client.request(request("Host: a\r\n"))).text, "allowed\n");
  });
  for (const second of ["", "Host: \r\n", "Host: a\r\nHost: b\r\n", "Host: a, b\r\n", "Host: me@a\r\n"]) {
    for (const together of [true, false]) {
      await withClient(portOf(server), async (client) => {
        const first = request("Host: a\r\n");
        await client.send(together ? first + request(second) : first);
        assert.equal((await client.response({ timeoutMs: SOON_MS })).text, "allowed\n");
        if (!together) await client.send(request(second));
        assert.equal((await client.response({ timeoutMs: SOON_MS })).status, 400, JSON.stringify(second));
        await client.end();
        await endsInOrder(client);
      });
    }
  }
});

for (const kind of ["sync", "async"] as const) {
  Deno.test(`row 240: behind Connection: close (${kind} handler) nothing is a request, and the answer is not lost`, async () => {
    let canaries = 0;
    const app = new App();
    app.get("/sync", (c) => c.text("first\n"));
    app.get("/async", async (c) => {
      await sleep(50);
      return c.text("first\n");
    });
    app.get("/canary", (c) => c.text(`${++canaries}`));
    await using server = await start(app);
    for (const behind of [get("/canary"), get("/canary", "Connection: close\r\n"), "\0nonsense\r\n\r\n"]) {
      await withClient(portOf(server), async (client) => {
        await client.send(get(`/${kind}`, "Connection: close\r\n") + behind);
        await sleep(10);
        await client.send(behind); // this is on its way while the answer is
        const { status, text, headers } = await client.response({ timeoutMs: SOON_MS });
        assert.deepEqual([status, text, headers.connection], [200, "first\n", "close"]);
        await client.end();
        await endsInOrder(client);
      });
    }
    assert.equal(canaries, 0);
  });
}

/** Routes that write a body where none may be. */
function bodilessApp(): App {
  const app = new App();
  const stream = () => new Response("a body").body!;
  const statuses = { "/200": 200, "/204": 204, "/304": 304 };
  for (const [path, status] of Object.entries(statuses)) {
    app.get(`/text${path}`, (c) => c.text("a body", status));
    app.get(`/stream${path}`, (c) => c.body(stream(), status));
    app.get(`/async${path}`, async (c) => {
      await sleep(1);
      return c.bytes(new Uint8Array(20_000), status);
    });
  }
  app.get("/canary", (c) => c.text("canary\n"));
  return app;
}

for (const [method, status] of [["HEAD", 200], ["GET", 204], ["GET", 304], ["HEAD", 204], ["HEAD", 304]] as const) {
  Deno.test(`row 241: ${method} with ${status} sends no byte of the body that the handler wrote`, async () => {
    await using server = await start(bodilessApp());
    for (const [kind, length] of [["text", "6"], ["stream", undefined], ["async", "20000"]] as const) {
      await withClient(portOf(server), async (client) => {
        await client.send(get(`/${kind}/${status}`).replace("GET", method) + get("/canary"));
        await client.end();
        const { bytes } = await client.untilClosed(SOON_MS);
        const [head, next, ...rest] = latin1Text(bytes).split("\r\n\r\n");
        assert.match(head!, new RegExp(`^HTTP/1.1 ${status} `));
        assert.match(next!, /^HTTP\/1\.1 200 /, "there are bytes between the two answers");
        assert.deepEqual(rest, ["canary\n"]);
        if (status === 204) assert.doesNotMatch(head!, /content-length|transfer-encoding/i);
        if (status === 200 && length !== undefined) assert.match(head!, new RegExp(`Content-Length: ${length}`));
      });
    }
  });
}

/** A stream that gives `text` in two pieces and then ends, or fails. */
function pieces(text: string, error?: Error): ReadableStream<Uint8Array<ArrayBuffer>> {
  const half = text.length >> 1;
  const parts = [text.slice(0, half), text.slice(half)].map((part) => new TextEncoder().encode(part));
  return new ReadableStream({
    async pull(controller) {
      await sleep(5);
      const part = parts.shift();
      if (part !== undefined) controller.enqueue(part);
      else if (error !== undefined) controller.error(error);
      else controller.close();
    },
  }, { highWaterMark: 0 });
}

for (const [what, text] of [["more", "hello, and more"], ["less", "hell"]] as const) {
  Deno.test(`row 242: a stream with ${what} than its Content-Length is cut off and logged, never passed for whole`, async () => {
    const app = new App();
    app.get("/", () => new Response(pieces(text), { headers: { "content-length": "10" } }));
    app.get("/canary", (c) => c.text("canary\n"));
    await using server = await start(app);
    const log = await logged(async () => {
      await withClient(portOf(server), async (client) => {
        await client.send(get("/") + get("/canary"));
        const { bytes, how } = await client.untilClosed(SOON_MS);
        const [head, body] = latin1Text(bytes).split("\r\n\r\n");
        assert.match(head!, /^HTTP\/1\.1 200 [^]*Content-Length: 10$/);
        assert.ok(body!.length <= 10 && text.startsWith(body!), body);
        assert.ok(how === "reset" || body!.length < 10, "the client took it for a whole answer");
      });
      await allClosed();
    });
    assert.match(log, /Content-Length of 10 bytes/);
  });
}

Deno.test("row 242: content at hand is sent with its own length, whatever the handler announced", async () => {
  const app = new App();
  for (const length of ["3", "300", "-1", "none"]) {
    app.get(`/${length}`, (c) => {
      c.header("content-length", length);
      return c.text("hello\n");
    });
  }
  await using server = await start(app);
  for (const path of ["/3", "/300", "/-1", "/none"]) {
    await withClient(portOf(server), async (client) => {
      await client.send(get(path, "Connection: close\r\n"));
      const text = latin1Text((await client.untilClosed(SOON_MS)).bytes);
      assert.deepEqual(text.match(/content-length:.*/gi), ["Content-Length: 6"]);
      assert.match(text, /\r\n\r\nhello\n$/);
    });
  }
});

Deno.test("row 243: a header or status that cannot be sent throws before anything is sent: 500", async () => {
  const app = new App();
  const bad: (() => [string, string, number])[] = [
    () => ["x-id", "a\r\nX-Evil: yes", 200],
    () => ["x-id", "a\nX-Evil: yes", 200],
    () => ["x-id", "a\rb", 200],
    () => ["x-id", "a\0b", 200],
    () => ["x id", "a", 200],
    () => ["x-id\r\nX-Evil", "yes", 200],
    () => ["x-id:", "a", 200],
    () => ["", "a", 200],
    () => ["x-id", "a", 99],
    () => ["x-id", "a", 1000],
    () => ["x-id", "a", 101],
  ];
  let thrown = 0;
  bad.forEach((make, n) =>
    app.get(`/${n}`, (c) => {
      const [name, value, status] = make();
      try {
        c.header(name, value);
        return c.text("sent", status);
      } catch (error) {
        thrown++;
        throw error;
      }
    })
  );
  await using server = await start(app);
  await logged(() =>
    withClient(portOf(server), async (client) => {
      for (let n = 0; n < bad.length; n++) {
        const answer = await client.request(get(`/${n}`), { timeoutMs: SOON_MS });
        assert.equal(answer.status, 500, JSON.stringify(bad[n]!()));
        assert.equal(answer.headers["x-evil"], undefined);
        assert.doesNotMatch(answer.text, /sent/);
      }
    })
  );
  assert.equal(thrown, bad.length);
});

Deno.test("row 244: a client of HTTP/1.0 never gets a 1xx", async () => {
  const app = new App();
  app.post("/", async (c) => {
    await sleep(20);
    return c.text(`got ${await c.req.text()}`);
  });
  await using server = await start(app);
  for (const sent of ["hello", ""]) {
    await withClient(portOf(server), async (client) => {
      await client.send(post("/", "hello", { fields: EXPECT, sent }).replace("HTTP/1.1", "HTTP/1.0"));
      const everything = client.untilClosed(SOON_MS);
      everything.catch(() => {}); // it is awaited below, unless something else fails first
      if (sent === "") {
        await sleep(100);
        assert.equal(latin1Text(client.rest), "");
        await client.send("hello");
      }
      const { bytes, how } = await everything;
      assert.equal(how, "eof");
      assert.match(latin1Text(bytes), /^HTTP\/1\.1 200 [^]*\r\n\r\ngot hello$/);
      assert.doesNotMatch(latin1Text(bytes), / 100 /);
    });
  }
});

Deno.test("row 245: an exception before the head is a 500, and the connection stays", async () => {
  const { app } = countingApp();
  await using server = await start(app);
  const log = await logged(() =>
    withClient(portOf(server), async (client) => {
      const answer = await client.request(post("/throws", ""), { timeoutMs: SOON_MS });
      assert.deepEqual([answer.status, answer.text], [500, "500 Internal Server Error\n"]);
      assert.equal((await client.request(get("/canary"))).text, "canary\n");
    })
  );
  assert.match(log, /on purpose/);
});

for (const version of ["HTTP/1.1", "HTTP/1.0"]) {
  Deno.test(`row 245: an exception behind the head cuts a streamed answer off (${version}), the client can tell`, async () => {
    const app = new App();
    app.get("/", (c) => c.body(pieces("some of the answer", new Error("on purpose"))));
    app.get("/canary", (c) => c.text("canary\n"));
    await using server = await start(app);
    const log = await logged(async () => {
      await withClient(portOf(server), async (client) => {
        await client.send(get("/").replace("HTTP/1.1", version) + get("/canary"));
        const { bytes, how } = await client.untilClosed(SOON_MS);
        const text = latin1Text(bytes);
        assert.doesNotMatch(text, /\r\n0\r\n\r\n/, "there is a last chunk");
        // HTTP/1.0 has no other way to tell: the end of the connection is the end of the body.
        assert.equal(how, "reset");
        assert.equal(text.match(/HTTP\/1\.1 /g)?.length ?? 0, 1, text);
      });
      await allClosed();
    });
    assert.match(log, /on purpose/);
  });
}
