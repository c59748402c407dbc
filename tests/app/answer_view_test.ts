import assert from "node:assert/strict";
import { AnswerView } from "../../app/answer_view.ts";
import { type Answer, Reply } from "../../http/message.ts";

const both: [string, () => Answer][] = [
  ["Reply", () => new Reply("x", 201, "text/plain", ["vary", "accept", "set-cookie", "a=1"])],
  ["Response", () => {
    const headers = new Headers([["content-type", "text/plain"], ["vary", "accept"], ["set-cookie", "a=1"]]);
    return new Response("x", { status: 201, headers });
  }],
];

function fieldsOf(answer: Answer): string[] {
  const fields = answer instanceof Reply
    ? [...(answer.contentType === null ? [] : ["content-type", answer.contentType]), ...answer.fields ?? []]
    : [...answer.headers].flat();
  const pairs = Array.from(
    { length: fields.length / 2 },
    (_, i) => `${fields[2 * i]!.toLowerCase()}: ${fields[2 * i + 1]}`,
  );
  return pairs.sort();
}

for (const [name, make] of both) {
  Deno.test(`AnswerView of a ${name}: what is only looked at is passed on as it is`, () => {
    const answer = make();
    const view = new AnswerView(answer);
    assert.equal(view.status, 201);
    assert.equal(view.headers.get("Content-Type"), "text/plain");
    assert.equal(view.headers.get("none"), null);
    assert.ok(view.headers.has("VARY"));
    assert.deepEqual(view.headers.getSetCookie(), ["a=1"]);
    assert.equal(view.answer(), answer);
  });

  Deno.test(`AnswerView of a ${name}: changes make a copy, the original stays`, async () => {
    const answer = make();
    const before = fieldsOf(answer);
    const view = new AnswerView(answer);
    view.status = 202;
    view.headers.append("Vary", "origin");
    view.headers.append("set-cookie", "b=2");
    view.headers.set("content-type", "text/html");
    view.headers.set("x-new", " spaced ");
    assert.deepEqual(view.headers.getSetCookie(), ["a=1", "b=2"]);
    view.headers.delete("Set-Cookie");
    const changed = view.answer();
    assert.notEqual(changed, answer);
    assert.deepEqual([answer.status, fieldsOf(answer)], [201, before]);
    assert.equal(changed.status, 202);
    assert.deepEqual(
      fieldsOf(changed).join("; ").replace("vary: accept; vary: origin", "vary: accept, origin"),
      "content-type: text/html; vary: accept, origin; x-new: spaced",
    );
    const text = changed instanceof Reply ? changed.content : await changed.text();
    assert.equal(text, "x");
  });

  Deno.test(`AnswerView of a ${name}: content can be replaced`, () => {
    const view = new AnswerView(make());
    view.content = "longer";
    const changed = view.answer() as Reply;
    assert.equal(changed.content, "longer");
    assert.equal(changed.status, 201);
    assert.ok(fieldsOf(changed).includes("vary: accept"));
  });
}

Deno.test("AnswerView: immutable headers can be changed, what cannot be sent throws, a used body too", async () => {
  const view = new AnswerView(Response.redirect("http://a/"));
  view.headers.append("x-a", "1");
  assert.equal((view.answer() as Response).headers.get("location"), "http://a/");
  assert.throws(() => view.headers.set("x-a", "a\nb"), TypeError);
  assert.throws(() => view.headers.set("x a", "b"), TypeError);
  assert.throws(() => view.status = 99, RangeError);
  const used = new Response("x");
  await used.text();
  const other = new AnswerView(used);
  other.headers.set("a", "b");
  assert.throws(() => other.answer(), /used already/);
});
