/** Covers http/status.ts: reason phrases, answers without content, and the statuses that a handler may send. */

import assert from "node:assert/strict";
import { checkStatus, isBodiless, reasonPhrase } from "../../http/status.ts";

Deno.test("reasonPhrase: registered ones, and nothing for the others", () => {
  assert.equal(reasonPhrase(100), "Continue");
  assert.equal(reasonPhrase(200), "OK");
  assert.equal(reasonPhrase(404), "Not Found");
  assert.equal(reasonPhrase(431), "Request Header Fields Too Large");
  assert.equal(reasonPhrase(505), "HTTP Version Not Supported");
  for (const status of [0, 199, 299, 306, 430, 599, 1000]) assert.equal(reasonPhrase(status), "");
});

Deno.test("reasonPhrase: all of them are field text", () => {
  for (let status = 100; status < 600; status++) assert.match(reasonPhrase(status), /^[\x20-\x7e]*$/);
});

Deno.test("isBodiless: 204 and 304 alone among what a handler may send", () => {
  const bodiless = Array.from({ length: 400 }, (_, i) => 200 + i).filter(isBodiless);
  assert.deepEqual(bodiless, [204, 304]);
});

Deno.test("checkStatus: integers from 200 to 599", () => {
  for (let status = 200; status < 600; status++) assert.equal(checkStatus(status), status);
  for (const status of [199, 600, 0, -200, 100, 101, 999, 1000, 200.5, NaN, Infinity, "200", null, undefined]) {
    assert.throws(() => checkStatus(status as number), { name: "RangeError", message: /200 to 599/ });
  }
});
