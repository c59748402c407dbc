import assert from "node:assert/strict";
import { HttpError } from "../../http/errors.ts";
import { errorAnswer, logError, statusAnswer } from "../../http/error_answer.ts";
import type { ServerRequest } from "../../http/message.ts";
import { fakeRequest, logOf, openBody } from "../support/fakes.ts";

async function answerAndLog(error: unknown, request: ServerRequest): Promise<[number, unknown, string[]]> {
  let answer!: ReturnType<typeof errorAnswer>;
  const log = await logOf(() => answer = errorAnswer(error, request));
  assert.equal(answer.contentType, "text/plain;charset=UTF-8");
  return [answer.status, answer.content, log];
}

Deno.test("an HttpError is its status, and its message only if it is exposed", async () => {
  const request = fakeRequest("/x");
  assert.deepEqual(await answerAndLog(new HttpError(404, "No such user"), request), [
    404,
    "404 Not Found: No such user\n",
    [],
  ]);
  assert.deepEqual(await answerAndLog(new HttpError(404), request), [404, "404 Not Found\n", []]);
  assert.deepEqual(await answerAndLog(new HttpError(403, "secret", { expose: false }), request), [
    403,
    "403 Forbidden\n",
    [],
  ]);
  assert.deepEqual(await answerAndLog(new HttpError(499, "odd"), request), [499, "499: odd\n", []]);
});

Deno.test("an HttpError of ours is logged, with its cause", async () => {
  const error = new HttpError(503, "database is away", { cause: new Error("ECONNREFUSED") });
  const [status, content, log] = await answerAndLog(error, fakeRequest("/x?password=1"));
  assert.equal(status, 503);
  assert.equal(content, "503 Service Unavailable\n");
  assert.equal(log.length, 1);
  assert.match(log[0]!, /^GET \/x: HttpError: database is away\n[^]*\nCaused by: Error: ECONNREFUSED\n {4}at /);
  assert(!log[0]!.includes("password"));
});

Deno.test("anything else is a 500 that says nothing, and one entry with the stack", async () => {
  const [status, content, log] = await answerAndLog(new TypeError("secret"), fakeRequest("/x", { method: "PUT" }));
  assert.deepEqual([status, content], [500, "500 Internal Server Error\n"]);
  assert.equal(log.length, 1);
  assert.match(log[0]!, /^PUT \/x: TypeError: secret\n {4}at .*error_answer_test\.ts/);
});

Deno.test("a body that could not be received gives its own status, whatever the handler made of it", async () => {
  const body = openBody();
  body.fail(new HttpError(413, "The request body is too large"));
  const request = fakeRequest("/x", { method: "POST", body });
  const [status, content, log] = await answerAndLog(new TypeError("cannot parse"), request);
  assert.deepEqual([status, content, log], [413, "413 Content Too Large: The request body is too large\n", []]);
  assert.equal((await answerAndLog(new HttpError(422, "x"), request))[0], 422);
});

Deno.test("nothing is logged when the client is gone and the error says so", async () => {
  const controller = new AbortController();
  const reason = new Error("gone");
  controller.abort(reason);
  const request = fakeRequest("/x", { signal: controller.signal });
  assert.deepEqual((await answerAndLog(reason, request))[2], []);
  assert.deepEqual((await answerAndLog(new DOMException("stop", "AbortError"), request))[2], []);
  assert.equal((await answerAndLog(new Error("other"), request))[2].length, 1);
  assert.equal((await answerAndLog(new DOMException("stop", "AbortError"), fakeRequest("/x")))[2].length, 1);
});

Deno.test("the log cannot be forged by a request or an error", async () => {
  const error = new Error("a\r\x1b[31mred\nGET /forged: Error");
  error.stack = `Error: ${error.message}`;
  const [entry] = await logOf(() => logError(error, fakeRequest("/a\x1b[2J\nb%s%c%o\u2028\x9b")));
  assert.equal(
    entry,
    "GET /a\\u001b[2J\\u000ab%s%c%o\\u2028\\u009b: Error: a\\u000d\\u001b[31mred\nGET /forged: Error",
  );
});

Deno.test("logError() copes with everything that can be thrown", async () => {
  const ring = new Error("ring");
  ring.cause = ring;
  const nasty = { toString: () => assert.fail("no") };
  const cases: [unknown, RegExp][] = [
    ["text", /thrown: text$/],
    [undefined, /thrown: undefined$/],
    [Symbol("s"), /thrown: Symbol\(s\)$/],
    [Object.create(null), /an error that cannot be shown$/],
    [nasty, /an error that cannot be shown$/],
    [ring, /ring/],
    [Object.assign(new Error("no stack"), { stack: undefined }), /Error: no stack$/],
  ];
  for (const [error, message] of cases) {
    const log = await logOf(() => logError(error, fakeRequest("/")));
    assert.equal(log.length, 1);
    assert.match(log[0]!, message);
  }
});

Deno.test("logError() copes with a request that was answered before", async () => {
  const request = fakeRequest("/");
  Object.defineProperty(request, "path", {
    get() {
      throw new TypeError("released");
    },
  });
  const log = await logOf(() => logError(new Error("late"), request));
  assert.match(log[0]!, /^GET \(answered before\): Error: late/);
});

Deno.test("statusAnswer() is the status line as a sentence", () => {
  assert.equal(statusAnswer(404).content, "404 Not Found\n");
  assert.equal(statusAnswer(400, "Because").content, "400 Bad Request: Because\n");
});

Deno.test("an error is text, JSON or a problem, whichever the client prefers", () => {
  const TEXT = "text/plain;charset=UTF-8", JSON_TYPE = "application/json", PROBLEM = "application/problem+json";
  const cases: [string | null, string][] = [
    [null, TEXT],
    ["", TEXT],
    ["*/*", TEXT],
    ["text/html, */*;q=0.8", TEXT],
    ["application/json", JSON_TYPE],
    ["application/json, */*", JSON_TYPE],
    ["APPLICATION/JSON;charset=utf-8", JSON_TYPE],
    ["application/*", JSON_TYPE],
    ["application/problem+json", PROBLEM],
    ["application/problem+json, application/json", JSON_TYPE],
    ["application/problem+json, application/json;q=0.9", PROBLEM],
    ["application/json;q=0.5, text/plain", TEXT],
    ["application/json;q=0", TEXT],
    ["text/plain;q=0.2, application/json;q=0.5", JSON_TYPE],
    ["application/json;q=x", JSON_TYPE],
  ];
  for (const [accept, type] of cases) {
    assert.equal(statusAnswer(404, "no such note", accept).contentType, type, `Accept: ${accept}`);
  }
  assert.deepEqual(JSON.parse(statusAnswer(404, "gone", JSON_TYPE).content as string), {
    error: { status: 404, message: "gone" },
  });
  assert.deepEqual(JSON.parse(statusAnswer(404, "gone", PROBLEM).content as string), {
    type: "about:blank",
    title: "Not Found",
    status: 404,
    detail: "gone",
  });
  assert.deepEqual(JSON.parse(statusAnswer(500, "", JSON_TYPE).content as string), {
    error: { status: 500, message: "Internal Server Error" },
  });
});

Deno.test("an HttpError brings its header fields along", () => {
  const error = new HttpError(503, "busy", { headers: { "retry-after": "30", "x-a": "b" } });
  assert.deepEqual(errorAnswer(new HttpError(404, "x", { headers: { "x-a": "b" } }), fakeRequest("/")).fields, [
    "x-a",
    "b",
  ]);
  assert.deepEqual(error.fields, ["retry-after", "30", "x-a", "b"]);
  assert.throws(() => new HttpError(400, "x", { headers: { "x-a": "b\r\nc: d" } }), TypeError);
});
