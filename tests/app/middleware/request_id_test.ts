import assert from "node:assert/strict";
import { App } from "../../../app/app.ts";
import { requestId, requestIdOf } from "../../../app/middleware/request_id.ts";

async function idsOf(app: App, sent?: string): Promise<[string | null, string]> {
  const response = await app.request("/", sent === undefined ? {} : { headers: { "x-request-id": sent } });
  return [response.headers.get("x-request-id"), await response.text()];
}

Deno.test("requestId: each request has its own, in the answer and for the handler, on errors too", async () => {
  const app = new App().use(requestId()).get("/", (c) => c.text(requestIdOf(c)!));
  const [first, second] = [await idsOf(app), await idsOf(app, "sent")];
  for (const [header, text] of [first, second]) {
    assert.match(header!, /^[0-9a-f-]{36}$/);
    assert.equal(header, text);
  }
  assert.notEqual(first[0], second[0]);
  assert.match((await app.request("/none")).headers.get("x-request-id")!, /^[0-9a-f-]{36}$/);
});

Deno.test("requestId: a sent one is taken over only if it is trusted and harmless", async () => {
  const make = { generate: () => "made" };
  const trusting = new App().use(requestId({ ...make, trust: true })).get("/", (c) => c.text(requestIdOf(c)!));
  for (const sent of ["abc-123_.:X", "a".repeat(128)]) assert.deepEqual(await idsOf(trusting, sent), [sent, sent]);
  for (const sent of ["", "a b", "a".repeat(129), "<x>"]) {
    assert.deepEqual(await idsOf(trusting, sent), ["made", "made"]);
  }
  const wary = new App().use(requestId({ ...make, header: "x-request-id" })).get("/", (c) => c.text(requestIdOf(c)!));
  assert.deepEqual(await idsOf(wary, "abc"), ["made", "made"]);
  assert.equal(requestIdOf({}), undefined);
});
