import assert from "node:assert/strict";
import { App } from "../../app/app.ts";
import { asApplication } from "../../http/application.ts";
import { fetchApplication, type FetchModule, type FetchModuleInfo } from "../../http/fetch_module.ts";
import { HttpError } from "../../http/errors.ts";
import type { Answer } from "../../http/message.ts";
import { fakeRequest, logOf, openBody, statusAndText } from "../support/fakes.ts";

const wrap = (fetch: (request: Request, info: FetchModuleInfo) => unknown) =>
  fetchApplication({ fetch } as unknown as FetchModule);

Deno.test("a module gets a Request and where it came from, with itself as this", async () => {
  const module = {
    name: "mine",
    async fetch(request: Request, info: FetchModuleInfo): Promise<Response> {
      return Response.json([
        this.name,
        request.method,
        request.url,
        request.headers.get("x-a"),
        await request.text(),
        info.remoteAddr.hostname,
      ]);
    },
  };
  const application = fetchApplication(module);
  await application.start({ worker: 0, signal: new AbortController().signal });
  const request = fakeRequest("/b?c=d", { method: "POST", body: "hello", fields: [["x-a", "1"]] });
  const [status, text] = await statusAndText(application.handle(request));
  assert.equal(status, 200);
  assert.deepEqual(JSON.parse(text), ["mine", "POST", "http://test.example/b?c=d", "1", "hello", "192.0.2.1"]);
  await application.stop();
});

Deno.test("a Response that is there at once comes at once", () => {
  const response = new Response("x");
  assert.equal(wrap(() => response).handle(fakeRequest("/")), response);
});

Deno.test("what a module throws is answered as in an App", async () => {
  const failures: [() => unknown, number, string, number][] = [
    [() => Promise.reject(new HttpError(404, "gone")), 404, "404 Not Found: gone\n", 0],
    [() => Promise.reject(new Error("secret")), 500, "500 Internal Server Error\n", 1],
    [() => undefined, 500, "500 Internal Server Error\n", 1],
    [() => Promise.resolve("text"), 500, "500 Internal Server Error\n", 1],
    [
      () => {
        throw new Error("secret");
      },
      500,
      "500 Internal Server Error\n",
      1,
    ],
  ];
  for (const [fetch, status, text, entries] of failures) {
    const log = await logOf(async () => {
      assert.deepEqual(await statusAndText(wrap(fetch).handle(fakeRequest("/"))), [status, text]);
    });
    assert.equal(log.length, entries);
  }
});

Deno.test("a body that could not be received carries its own status", async () => {
  const handlers: ((request: Request) => Promise<Response>)[] = [
    async (request) => Response.json(await request.json()),
    // As frameworks do: they catch, and answer with a 500 of their own.
    (request) => request.text().then((text) => new Response(text), () => new Response("caught", { status: 500 })),
    (request) => request.text().catch(() => Promise.reject(new TypeError("wrapped"))) as Promise<never>,
  ];
  for (const handler of handlers) {
    for (const status of [400, 413]) {
      const body = openBody();
      const answer = wrap(handler).handle(fakeRequest("/", { method: "POST", body }));
      setTimeout(() => body.fail(new HttpError(status, "why")), 0);
      const log = await logOf(async () => {
        assert.match((await statusAndText(answer)).join(" "), new RegExp(`^${status} .*: why\n$`));
      });
      assert.deepEqual(log, []);
    }
  }
});

Deno.test("a module's other answers stand, even when the body failed", async () => {
  const body = openBody();
  body.fail(new HttpError(413, "why"));
  const application = wrap(() => new Response("fine", { status: 422 }));
  assert.deepEqual(await statusAndText(application.handle(fakeRequest("/", { method: "POST", body }))), [422, "fine"]);
});

Deno.test("a request that makes no Request is a 400, and the module does not run", async () => {
  for (const request of [fakeRequest("/", { authority: "%zz" }), fakeRequest("/", { method: "TRACK" })]) {
    const log = await logOf(async () => {
      const [status] = await statusAndText(wrap(() => assert.fail("ran")).handle(request));
      assert.equal(status, 400);
    });
    assert.deepEqual(log, []);
  }
});

Deno.test("asApplication() tells what a default export is", async () => {
  const app = new App();
  assert.equal(asApplication(app), app);
  const module = asApplication({ fetch: () => new Response("x") });
  assert.deepEqual(await statusAndText(module!.handle(fakeRequest("/")) as Answer), [200, "x"]);
  const withFields = Object.assign(() => {}, { fetch: () => new Response("y") });
  assert.deepEqual(await statusAndText(asApplication(withFields)!.handle(fakeRequest("/"))), [200, "y"]);
  for (const value of [undefined, null, 42, "x", {}, { fetch: 1 }, () => {}, { start() {}, stop() {} }]) {
    assert.equal(asApplication(value), null);
  }
});
