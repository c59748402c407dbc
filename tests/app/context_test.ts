import assert from "node:assert/strict";
import { Reply } from "../../http/message.ts";
import { Context } from "../../app/context.ts";
import { asReply, fakeRequest, logOf } from "../support/fakes.ts";

const context = () => new Context(fakeRequest("/"), undefined);

Deno.test("text(), json(), html(), bytes() and body() make light answers", () => {
  const c = context();
  const seen = (reply: Reply) => [reply.content, reply.status, reply.contentType, reply.fields];
  assert.deepEqual(seen(c.text("a")), ["a", 200, "text/plain;charset=UTF-8", null]);
  assert.deepEqual(seen(c.text("a", 404)), ["a", 404, "text/plain;charset=UTF-8", null]);
  assert.deepEqual(seen(c.json({ a: [1] }, 201)), ['{"a":[1]}', 201, "application/json", null]);
  assert.deepEqual(seen(c.json(null)), ["null", 200, "application/json", null]);
  assert.deepEqual(seen(c.html("<p>")), ["<p>", 200, "text/html;charset=UTF-8", null]);
  const bytes = new Uint8Array([1]);
  assert.deepEqual(seen(c.bytes(bytes)), [bytes, 200, "application/octet-stream", null]);
  assert.deepEqual(seen(c.bytes(bytes, 200, "image/png")), [bytes, 200, "image/png", null]);
  assert.deepEqual(seen(c.body(null, 204)), [null, 204, null, null]);
  const stream = new ReadableStream<Uint8Array>();
  assert.deepEqual(seen(c.body(stream, 200, "text/csv")), [stream, 200, "text/csv", null]);
});

Deno.test("answers are checked when they are made", () => {
  const c = context();
  for (const status of [99, 199, 600, 200.5, NaN]) assert.throws(() => c.text("x", status), RangeError);
  assert.throws(() => c.bytes(new Uint8Array(), 200, "a\r\nb"), TypeError);
  assert.throws(() => c.body(null, 200, "a\r\nb"), TypeError);
  for (const value of [undefined, () => 1, Symbol("s")]) assert.throws(() => c.json(value), /Cannot send a value/);
  assert.throws(() => c.json(1n), TypeError);
});

Deno.test("redirect() encodes what a location cannot hold and refuses the rest", () => {
  const c = context();
  assert.deepEqual(c.redirect("/login").fields, ["location", "/login"]);
  assert.equal(c.redirect("/login").status, 302);
  assert.equal(c.redirect("/login", 308).status, 308);
  assert.deepEqual(c.redirect("/ü b?q=%20").fields, ["location", "/%C3%BC%20b?q=%20"]);
  assert.deepEqual(c.redirect("/\ud800").fields, ["location", "/%EF%BF%BD"]);
  assert.throws(() => c.redirect("/a\r\nset-cookie: x"), TypeError);
  for (const status of [200, 300, 304, 306, 404]) assert.throws(() => c.redirect("/", status), RangeError);
});

Deno.test("header() holds whenever it was called before the answer is finished", () => {
  const c = context();
  c.header("x-before", "1");
  const reply = c.redirect("/a");
  c.header("x-after", "2");
  c.header("vary", "accept", { append: true });
  c.header("vary", "origin", { append: true });
  const sent = asReply(c.finish(reply));
  assert.deepEqual(sent.fields, [
    ...["location", "/a", "x-before", "1", "x-after", "2", "vary", "accept", "vary", "origin"],
  ]);
  assert.throws(() => c.header("x-late", "3"), /on its way/);
});

Deno.test("header() is checked at once, and the last one set is the one", () => {
  const c = context();
  assert.throws(() => c.header("x", "a\nb"), TypeError);
  c.header("X-A", "1");
  c.header("x-a", "2");
  assert.deepEqual(asReply(c.finish(c.text(""))).fields, ["x-a", "2"]);
});

Deno.test("finish() returns an answer to which nothing was added as it is", () => {
  const reply = new Reply("x");
  assert.equal(context().finish(reply), reply);
});

Deno.test("finish() makes a 500 of a Response that cannot be sent, with the fields", async () => {
  const c = context();
  c.header("x-a", "b");
  const log = await logOf(() => {
    const sent = asReply(c.finish(Response.error()));
    assert.equal(sent.status, 500);
    assert.deepEqual(sent.fields, ["x-a", "b"]);
  });
  assert.equal(log.length, 1);
});

Deno.test("fail() keeps fields but not those of the content that failed", async () => {
  const c = context();
  c.header("etag", '"1"');
  c.header("content-type", "image/png");
  c.header("access-control-allow-origin", "*");
  await logOf(() => {
    const sent = asReply(c.finish((c.noteError(new Error("x")), c.errorAnswer(c.error))));
    assert.deepEqual(sent.fields, ["access-control-allow-origin", "*"]);
    assert.equal(sent.contentType, "text/plain;charset=UTF-8");
  });
});

Deno.test("req is made once, state is what was given", () => {
  const state = { db: 1 };
  const c = new Context(fakeRequest("/"), state);
  assert.equal(c.req, c.req);
  assert.equal(c.state, state);
  assert.deepEqual({ ...c.params }, {});
});
