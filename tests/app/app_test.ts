import assert from "node:assert/strict";
import { App } from "../../app/app.ts";
import type { Middleware } from "../../app/compose.ts";
import type { Context } from "../../app/context.ts";
import { HttpError } from "../../http/errors.ts";
import type { Application } from "../../http/message.ts";
import { asReply, fakeRequest, logOf, openBody, statusAndText } from "../support/fakes.ts";

const info = (worker = 0) => ({ worker, signal: new AbortController().signal });

Deno.test("an App is an Application", () => {
  const app = new App();
  app satisfies Application;
  for (const name of ["fetch", "handle"]) assert(Object.hasOwn(app, name));
});

Deno.test("routes are found by method and path, with typed parameters", async () => {
  const app = new App()
    .get("/", (c) => c.text("root"))
    .get("/users/:id", (c) => c.json({ id: c.params.id, q: c.req.query.get("q") }))
    .post("/users", async (c) => c.json(await c.req.json(), 201))
    .put("/users/:id", (c) => c.text(`put ${c.params.id}`))
    .patch("/users/:id", (c) => c.text(`patch ${c.params.id}`))
    .delete("/users/:id", (c) => c.body(null, 204))
    .all("/any/*", (c) => c.text(`${c.req.method} ${c.params["*"]}`));
  const text = async (path: string, method = "GET", body?: string) => {
    const response = await app.request(path, { method, body });
    return [response.status, await response.text()];
  };
  assert.deepEqual(await text("/"), [200, "root"]);
  assert.deepEqual(await text("/users/a%20b?q=c"), [200, '{"id":"a b","q":"c"}']);
  assert.deepEqual(await text("/users", "POST", '{"a":1}'), [201, '{"a":1}']);
  assert.deepEqual(await text("/users/1", "PUT"), [200, "put 1"]);
  assert.deepEqual(await text("/users/1", "PATCH"), [200, "patch 1"]);
  assert.deepEqual(await text("/users/1", "DELETE"), [204, ""]);
  assert.deepEqual(await text("/any/a/b", "PURGE"), [200, "PURGE a/b"]);
  assert.deepEqual(await text("/any", "GET"), [404, "404 Not Found\n"]);

  // @ts-expect-error a name that the path does not have
  app.get("/typed/:id", (c) => c.text(c.params.name));
  app.get(`/${"dynamic"}/:x` as string, (c) => c.text(c.params.anything ?? ""));
  const shared = (c: Context) => c.text(c.params.id ?? "none");
  app.get("/shared/:id", shared);
  app.get("/shared", shared);
  assert.deepEqual(await text("/shared/7"), [200, "7"]);
  assert.deepEqual(await text("/shared"), [200, "none"]);
});

Deno.test("404, 405 with Allow, OPTIONS and HEAD are answered by the App", async () => {
  const app = new App()
    .get("/a", (c) => c.text("hello"))
    .post("/a", (c) => c.text("x"))
    .options("/own", (c) => c.text("own"))
    .head("/h", (c) => c.text("x", 204));
  const seen = async (method: string, path: string) => {
    const response = await app.request(path, { method });
    return [response.status, response.headers.get("allow"), await response.text()];
  };
  assert.deepEqual(await seen("GET", "/b"), [404, null, "404 Not Found\n"]);
  assert.deepEqual(await seen("OPTIONS", "/b"), [404, null, "404 Not Found\n"]);
  assert.deepEqual(await seen("PUT", "/a"), [405, "GET, HEAD, OPTIONS, POST", "405 Method Not Allowed\n"]);
  assert.deepEqual(await seen("OPTIONS", "/a"), [204, "GET, HEAD, OPTIONS, POST", ""]);
  assert.deepEqual(await seen("OPTIONS", "/own"), [200, null, "own"]);
  assert.deepEqual(await seen("HEAD", "/a"), [200, null, ""]);
  assert.deepEqual(await seen("HEAD", "/h"), [204, null, ""]);
  assert.deepEqual(await seen("GET", "/h"), [405, "HEAD, OPTIONS", "405 Method Not Allowed\n"]);

  const server = asReply(app.handle(fakeRequest("*", { method: "OPTIONS" })));
  assert.deepEqual([server.status, server.fields], [204, ["allow", "GET, HEAD, OPTIONS, POST"]]);
  assert.equal(asReply(new App().handle(fakeRequest("*", { method: "OPTIONS" }))).status, 204);
});

Deno.test("a synchronous handler is answered synchronously, also behind middleware", () => {
  const app = new App().get("/", (c) => c.text("x"));
  assert.equal(asReply(app.handle(fakeRequest("/"))).content, "x");
  const wrapped = new App().use((_c, next) => next()).get("/", (c) => c.text("x"));
  assert.equal(asReply(wrapped.handle(fakeRequest("/"))).content, "x");
  assert.equal(asReply(wrapped.handle(fakeRequest("/b"))).status, 404);
});

Deno.test("what a handler throws is an answer without a stack, and an entry with one", async () => {
  class Secret extends Error {}
  const app = new App()
    .get("/sync", () => {
      throw new Secret("the password is 1234");
    })
    .get("/async", () => Promise.reject(new Secret("the password is 1234")))
    .get("/http", () => {
      throw new HttpError(409, "Edit conflict");
    });
  for (const path of ["/sync", "/async"]) {
    const log = await logOf(async () => {
      const response = await app.request(path);
      assert.equal(response.status, 500);
      assert.deepEqual([...response.headers], [["content-type", "text/plain;charset=UTF-8"]]);
      assert.equal(await response.text(), "500 Internal Server Error\n");
    });
    assert.equal(log.length, 1);
    assert.match(log[0]!, new RegExp(`^GET ${path}: Error: the password is 1234\\n {4}at .*app_test\\.ts`));
  }
  assert.equal(await (await app.request("/http")).text(), "409 Conflict: Edit conflict\n");
});

Deno.test("errors of the body carry their status", async () => {
  const app = new App().post("/json", async (c) => c.json(await c.req.json()))
    .post("/wrapped", (c) => c.req.text().then((t) => c.text(t), () => Promise.reject(new Error("wrapped"))));
  assert.equal((await app.request("/json", { method: "POST", body: "{" })).status, 400);
  const long = { method: "POST", body: "x".repeat(1024 * 1024 + 1) };
  assert.equal((await app.request("/json", long)).status, 413);
  assert.equal((await app.request("/wrapped", long)).status, 413);
  const body = openBody();
  const answer = app.handle(fakeRequest("/json", { method: "POST", body }));
  body.fail(new HttpError(400, "broke off"));
  assert.deepEqual(await statusAndText(answer), [400, "400 Bad Request: broke off\n"]);
});

Deno.test("a path parameter with broken encoding is a 400, behind middleware", async () => {
  let error: unknown;
  const app = new App().use(async (c, next) => {
    await next();
    error = c.error;
    c.header("x-wrapped", "yes");
  }).get("/u/:id", (c) => c.text(c.params.id));
  const response = await app.request("/u/%ff");
  assert.equal(response.status, 400);
  assert.equal(response.headers.get("x-wrapped"), "yes");
  assert(error instanceof HttpError);
});

Deno.test("middleware wraps all routes, 404, 405, OPTIONS and errors", async () => {
  const app = new App()
    .use(async (c, next) => {
      await next();
      c.header("x-outer", String(c.res?.status));
    })
    .use((c, next) => {
      c.header("x-inner", "1");
      return next();
    })
    .get("/", (c) => c.text("x"))
    .get("/native", () => new Response("x", { headers: { "x-inner": "0", "x-own": "1" } }))
    .get("/boom", () => Promise.reject(new HttpError(503)));
  await logOf(async () => {
    const cases: [string, string, number][] = [
      ["GET", "/", 200],
      ["GET", "/native", 200],
      ["GET", "/nope", 404],
      ["PUT", "/", 405],
      ["OPTIONS", "/", 204],
      ["GET", "/boom", 503],
    ];
    for (const [method, path, status] of cases) {
      const { headers, status: actual } = await app.request(path, { method });
      assert.deepEqual([actual, headers.get("x-outer"), headers.get("x-inner")], [status, String(status), "1"], path);
    }
  });
  assert.equal((await app.request("/native")).headers.get("x-own"), "1");
});

Deno.test("middleware for any state fits every App", async () => {
  const any: Middleware<unknown> = async (c, next) => {
    await next();
    c.header("x-any", "1");
  };
  const app = new App({ start: () => ({ n: 1 }) }).use(any).get("/", (c) => c.json(c.state.n));
  assert.equal((await app.request("/")).headers.get("x-any"), "1");
  await app.stop();
});

Deno.test("use() behind a route is refused and names the fix", () => {
  const app = new App().get("/first", (c) => c.text("x")).get("/second", (c) => c.text("x"));
  assert.throws(() => app.use(() => {}), (error: unknown) => {
    assert(error instanceof TypeError);
    assert.match(
      error.message,
      /^Cannot add middleware behind the route GET \/first, added at .*app_test\.ts:\d+:\d+, which it covers: call app\.use\(\) before/,
    );
    return true;
  });
  assert.throws(() => new App().use(42 as unknown as Middleware), TypeError);
});

Deno.test("routes are checked when they are added, and a refused one is not there", async () => {
  const app = new App().get("/u/:id", (c) => c.text("x"));
  assert.throws(() => app.get("/u/:name", (c) => c.text("y")), /GET \/u\/:name.*GET \/u\/:id/);
  assert.throws(() => app.get("nope", (c) => c.text("y")), TypeError);
  assert.throws(() => app.get("/:id(\\d+)+", (c) => c.text("y")), TypeError);
  assert.throws(() => app.get("/x", undefined as unknown as () => never), /expected a function/);
  assert.equal((await app.request("/x")).status, 404);
  const empty = new App();
  assert.throws(() => empty.get("/(", (c) => c.text("")));
  empty.use((_c, next) => next());
});

Deno.test("start() and stop() open and close what handlers need", async () => {
  const events: unknown[] = [];
  const app = new App({
    async start({ worker, signal }) {
      await null;
      events.push(["start", worker, signal.aborted]);
      return { worker };
    },
    async stop(state) {
      await null;
      events.push(["stop", state]);
    },
  }).get("/", (c) => c.json(c.state));
  await app.stop();
  assert.deepEqual(events, []);
  await app.start(info(3));
  await assert.rejects(app.start(info(3)), /started already/);
  assert.deepEqual(await statusAndText(app.handle(fakeRequest("/"))), [200, '{"worker":3}']);
  await Promise.all([app.stop(), app.stop()]);
  assert.deepEqual(events, [["start", 3, false], ["stop", { worker: 3 }]]);
  await app.start(info(4));
  assert.equal(await (await app.request("/")).text(), '{"worker":4}');
  await app.stop();
});

Deno.test("start() that fails leaves the App as it was", async () => {
  for (const isAsync of [false, true]) {
    let fails = true;
    const app = new App({
      start(): { ok: true } | Promise<{ ok: true }> {
        if (!fails) return { ok: true };
        if (isAsync) return Promise.reject(new Error("no database"));
        throw new Error("no database");
      },
      stop: () => assert.fail("never started"),
    }).get("/", (c) => c.json(c.state));
    await assert.rejects(app.start(info()), /no database/);
    await assert.rejects(app.request("/"), /no database/);
    await app.stop();
    fails = false;
    assert.equal(await (await app.request("/")).text(), '{"ok":true}');
  }
});

Deno.test("fetch is bound, and starts the App once", async () => {
  let starts = 0;
  const { fetch } = new App({ start: () => ++starts }).get("/:x", (c) => c.text(`${c.state} ${c.params.x}`));
  const responses = await Promise.all([1, 2, 3].map((n) => fetch(new Request(`http://a/${n}`))));
  assert.deepEqual(await Promise.all(responses.map((response) => response.text())), ["1 1", "1 2", "1 3"]);
});

Deno.test("fetch serves under Deno.serve", async () => {
  const app = new App()
    .get("/", (c) => c.text(c.req.remoteAddr.hostname))
    .post("/echo", (c) => c.body(c.req.body, 200, "text/plain"));
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, app.fetch);
  const base = `http://127.0.0.1:${server.addr.port}`;
  assert.equal(await (await fetch(`${base}/`)).text(), "127.0.0.1");
  assert.equal(await (await fetch(`${base}/echo`, { method: "POST", body: "hello" })).text(), "hello");
  const head = await fetch(`${base}/`, { method: "HEAD" });
  assert.equal(head.headers.get("content-length"), "9");
  await server.shutdown();
});

Deno.test("fetch makes a 500 of an answer that cannot be sent", async () => {
  const stream = new ReadableStream<Uint8Array>();
  stream.getReader();
  const app = new App().get("/", (c) => c.body(stream));
  const log = await logOf(async () => assert.equal((await app.request("/")).status, 500));
  assert.equal(log.length, 1);
});

Deno.test("request() wants a path", async () => {
  await assert.rejects(new App().request("users"), TypeError);
  assert.equal((await new App().request("//users")).status, 404);
});

Deno.test("bodies may be streams, light or native", async () => {
  const stream = () => ReadableStream.from([new Uint8Array([104]), new Uint8Array([105])]);
  const app = new App()
    .get("/light", (c) => c.body(stream(), 200, "text/plain"))
    .get("/native", (c) => {
      c.header("x-a", "1");
      return new Response(stream());
    });
  for (const path of ["/light", "/native"]) assert.equal(await (await app.request(path)).text(), "hi");
});

Deno.test("handlers that run at once see their own parameters, fields and bodies", async () => {
  const gates = new Map<string, () => void>();
  const app = new App().use(async (c, next) => {
    await next();
    c.header("x-path", c.req.path);
  }).post("/:a/:b", async (c) => {
    c.header("x-a", c.params.a);
    await new Promise<void>((resolve) => gates.set(c.params.a, resolve));
    c.header("x-b", c.params.b);
    return c.text(`${c.params.a} ${c.params.b} ${await c.req.text()}`);
  });
  const first = app.request("/1/one", { method: "POST", body: "eins" });
  const second = app.request("/2/two", { method: "POST", body: "zwei" });
  while (gates.size < 2) await new Promise((resolve) => setTimeout(resolve, 0));
  gates.get("2")!();
  const late = await second;
  gates.get("1")!();
  const early = await first;
  assert.equal(await early.text(), "1 one eins");
  assert.equal(await late.text(), "2 two zwei");
  const fields = ({ headers }: Response) => ["x-a", "x-b", "x-path"].map((name) => headers.get(name));
  assert.deepEqual(fields(early), ["1", "one", "/1/one"]);
  assert.deepEqual(fields(late), ["2", "two", "/2/two"]);
});

Deno.test("a client that is gone is on c.req.signal, and is not our failure", async () => {
  const controller = new AbortController();
  const app = new App().get(
    "/",
    (c) => new Promise((_, reject) => c.req.signal.addEventListener("abort", () => reject(c.req.signal.reason))),
  );
  const log = await logOf(async () => {
    const answer = app.handle(fakeRequest("/", { signal: controller.signal }));
    controller.abort(new Error("the client is gone"));
    await answer;
  });
  assert.deepEqual(log, []);
});
