import assert from "node:assert/strict";
import { HttpError } from "../../http/errors.ts";
import { RequestView } from "../../app/request.ts";
import { fakeRequest, openBody } from "../support/fakes.ts";

const isStatus = (status: number) => (error: unknown) => error instanceof HttpError && error.status === status;

Deno.test("a view shows what the request has", () => {
  const controller = new AbortController();
  const request = fakeRequest("/a%20b/c?q=1&q=2&r=%C3%BC", {
    method: "PUT",
    fields: [["x-a", "1"], ["accept", "text/html"]],
    signal: controller.signal,
  });
  const view = new RequestView(request);
  assert.equal(view.method, "PUT");
  assert.equal(view.path, "/a%20b/c");
  assert.equal(view.target, "/a%20b/c?q=1&q=2&r=%C3%BC");
  assert.equal(view.protocol, "HTTP/1.1");
  assert.equal(view.remoteAddr.hostname, "192.0.2.1");
  assert.equal(view.signal, controller.signal);
  assert.equal(view.url.href, "http://test.example/a%20b/c?q=1&q=2&r=%C3%BC");
  assert.deepEqual(view.query.getAll("q"), ["1", "2"]);
  assert.equal(view.query.get("r"), "ü");
  assert.equal(view.header("X-A"), "1");
  assert.equal(view.header("x-b"), null);
  assert.deepEqual([...view.headers], [["accept", "text/html"], ["x-a", "1"]]);
  assert.equal(view.body, null);
  for (const name of ["url", "query", "headers", "raw"] as const) assert.equal(view[name], view[name], name);
});

Deno.test("a host that makes no URL is a 400", () => {
  for (const authority of ["%zz", "a%"]) {
    const view = new RequestView(fakeRequest("/", { authority }));
    assert.throws(() => view.url, isStatus(400));
    assert.throws(() => view.raw, isStatus(400));
  }
  assert.throws(() => new RequestView(fakeRequest("/", { method: "TRACK" })).raw, isStatus(400));
});

Deno.test("json(), text() and bytes() read the body, once", async () => {
  const view = (body: string) => new RequestView(fakeRequest("/", { method: "POST", body }));
  assert.deepEqual(await view('{"a":1}').json(), { a: 1 });
  assert.equal(await view("ü").text(), "ü");
  assert.deepEqual(await view("ab").bytes(), new Uint8Array([97, 98]));
  assert.equal(await view("").text(), "");
  await assert.rejects(view("{").json(), isStatus(400));
  const twice = view("x");
  await twice.text();
  await assert.rejects(twice.text(), TypeError);
});

Deno.test("a gathered body has the default limit, a streamed one has none", async () => {
  const long = "x".repeat(1024 * 1024 + 1);
  await assert.rejects(new RequestView(fakeRequest("/", { method: "POST", body: long })).text(), isStatus(413));
  const { body } = new RequestView(fakeRequest("/", { method: "POST", body: long }));
  let length = 0;
  for await (const chunk of body!) length += chunk.length;
  assert.equal(length, long.length);
});

Deno.test("a body that breaks off is an error of the stream", async () => {
  const broken = openBody();
  const view = new RequestView(fakeRequest("/", { method: "POST", body: broken }));
  const reading = view.body!.getReader().read();
  broken.fail(new HttpError(400, "broke off"));
  await assert.rejects(reading, isStatus(400));
});

Deno.test("asking for body or raw does not begin to read, and they share one body", async () => {
  const view = new RequestView(fakeRequest("/", { method: "POST", body: "hello", fields: [["x-a", "1"]] }));
  assert.equal(view.body, view.body);
  assert.equal(view.raw.method, "POST");
  assert.equal(view.raw.headers.get("x-a"), "1");
  assert.equal(view.raw.url, "http://test.example/");
  assert.equal(await view.text(), "hello");
  await assert.rejects(view.raw.text(), /has been read already/);

  const other = new RequestView(fakeRequest("/", { method: "POST", body: "hello" }));
  assert.equal(await other.raw.text(), "hello");
  await assert.rejects(other.text(), TypeError);
});

Deno.test("raw can be had after the body was read", async () => {
  const view = new RequestView(fakeRequest("/", { method: "POST", body: "hello" }));
  for await (const _ of view.body!);
  assert.equal(view.raw.method, "POST");
  const locked = new RequestView(fakeRequest("/", { method: "POST", body: "hello" }));
  locked.body!.getReader();
  assert.equal(locked.raw.body, null);
});

Deno.test("a stream that is cancelled lets the rest of the body go", async () => {
  const open = openBody();
  const view = new RequestView(fakeRequest("/", { method: "POST", body: open }));
  await view.body!.cancel();
  open.push(new Uint8Array(100), 0, 100);
  assert.equal(open.isFull(1), false);
  assert.equal(open.used, true);
});
