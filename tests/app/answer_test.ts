import assert from "node:assert/strict";
import { discardAnswer, isAnswer, Reply } from "../../http/message.ts";
import { AddedFields } from "../../app/answer.ts";
import { asReply } from "../support/fakes.ts";

function added(change: (fields: AddedFields) => void): AddedFields {
  const fields = new AddedFields();
  change(fields);
  return fields;
}

Deno.test("isAnswer() knows the two kinds", () => {
  assert(isAnswer(new Reply("x")));
  assert(isAnswer(new Response("x")));
  for (const value of [undefined, null, "x", {}, [], new Request("http://a/")]) assert(!isAnswer(value));
});

Deno.test("set fields take the place of the answer's, appended ones go behind, and the answer is not changed", () => {
  const fields = added((f) => {
    f.set("X-One", "new");
    f.append("vary", "origin");
    f.append("Set-Cookie", "a=1");
    f.append("set-cookie", "b=2");
  });
  const reply = new Reply("x", 201, "text/plain", ["x-one", "old", "vary", "accept", "x-two", "2"]);
  const merged = asReply(fields.onto(reply));
  assert.deepEqual(merged.fields, [
    ...["vary", "accept", "x-two", "2", "X-One", "new", "vary", "origin"],
    ...["Set-Cookie", "a=1", "set-cookie", "b=2"],
  ]);
  assert.deepEqual([merged.content, merged.status, merged.contentType], ["x", 201, "text/plain"]);
  assert.deepEqual(reply.fields, ["x-one", "old", "vary", "accept", "x-two", "2"]);

  const response = new Response("x", { status: 201, headers: { "x-one": "old", vary: "accept" } });
  const copy = fields.onto(response) as Response;
  assert.equal(copy.status, 201);
  assert.equal(copy.headers.get("x-one"), "new");
  assert.equal(copy.headers.get("vary"), "accept, origin");
  assert.deepEqual(copy.headers.getSetCookie(), ["a=1", "b=2"]);
  assert.equal(response.headers.get("x-one"), "old");
});

Deno.test("a Response with immutable headers gets fields too, and keeps its stream", async () => {
  const immutable = await fetch("data:text/plain,hello");
  assert.throws(() => immutable.headers.set("x", "y"), TypeError);
  const copy = added((f) => f.set("x-a", "b")).onto(immutable) as Response;
  assert.equal(copy.headers.get("x-a"), "b");
  assert.equal(await copy.text(), "hello");
});

Deno.test("the content type that was set wins, and is one", () => {
  const fields = added((f) => f.set("Content-Type", "text/csv"));
  assert.equal(asReply(fields.onto(new Reply("x", 200, "text/plain"))).contentType, "text/csv");
  assert.equal((fields.onto(new Response("x")) as Response).headers.get("content-type"), "text/csv");
  assert.throws(() => fields.append("content-type", "text/html"), /one content type/);
});

Deno.test("fields are checked when they are set", () => {
  const fields = new AddedFields();
  assert.throws(() => fields.set("bad name", "x"), TypeError);
  assert.throws(() => fields.append("", "x"), TypeError);
  assert.throws(() => fields.set("x", "a\r\nb: c"), TypeError);
  assert.throws(() => fields.set("content-type", "a\nb"), TypeError);
  assert.throws(() => fields.set("x", "\u20ac"), TypeError);
  assert.deepEqual(asReply(fields.onto(new Reply("x"))).fields, []);
});

Deno.test("dropContentFields() forgets what is about the content, and nothing else", () => {
  const fields = added((f) => {
    f.set("content-type", "image/png");
    f.set("ETag", '"1"');
    f.set("content-encoding", "gzip");
    f.set("content-security-policy", "default-src 'none'");
    f.set("cache-control", "no-store");
  });
  fields.dropContentFields();
  const reply = asReply(fields.onto(new Reply("x", 500, "text/plain", ["etag", '"error"'])));
  assert.equal(reply.contentType, "text/plain");
  assert.deepEqual(reply.fields, [
    ...["etag", '"error"', "content-security-policy", "default-src 'none'", "cache-control", "no-store"],
  ]);
});

Deno.test("a Response that cannot be sent is refused", async () => {
  const fields = added((f) => f.set("x", "y"));
  const used = new Response("x");
  await used.text();
  assert.throws(() => fields.onto(used), TypeError);
  assert.throws(() => fields.onto(Response.error()), RangeError);
});

Deno.test("discardAnswer() ends streams that nobody else reads", async () => {
  const cancelled: string[] = [];
  const stream = (name: string) =>
    new ReadableStream<Uint8Array>({
      cancel() {
        cancelled.push(name);
        throw new Error("is swallowed");
      },
    });
  discardAnswer(new Reply(stream("reply")));
  discardAnswer(new Response(stream("response")));
  const locked = stream("locked");
  locked.getReader();
  discardAnswer(new Reply(locked));
  discardAnswer(new Reply("text"));
  discardAnswer(new Response(null));
  await null;
  assert.deepEqual(cancelled, ["reply", "response"]);
});
