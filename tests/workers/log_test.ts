/**
 * What a log line looks like, and what an error says.
 */

import assert from "node:assert/strict";
import { log, messageOf } from "../../workers/log.ts";

/** What `log` wrote on standard error. */
function logged(...args: Parameters<typeof log>): string {
  const lines: string[] = [];
  const { error } = console;
  console.error = (...texts: unknown[]) => lines.push(texts.join(" "));
  try {
    log(...args);
  } finally {
    console.error = error;
  }
  assert.equal(lines.length, 1);
  return lines[0]!;
}

Deno.test("log: a line says whose it is", () => {
  assert.equal(logged("worker 1 has stopped"), "sluice: worker 1 has stopped");
});

Deno.test("log: an error's stack stands below, or whatever was thrown", () => {
  const error = new Error("no luck");
  assert.equal(logged("it failed", error), `sluice: it failed\n${error.stack}`);
  assert.equal(logged("it failed", "text"), "sluice: it failed\ntext");
  assert.equal(logged("it failed", null), "sluice: it failed\nnull");
  delete error.stack;
  assert.equal(logged("it failed", error), "sluice: it failed\nno luck");
});

Deno.test("log: messageOf is the message without the stack", () => {
  assert.equal(messageOf(new TypeError("no luck")), "no luck");
  assert.equal(messageOf("text"), "text");
  assert.equal(messageOf(undefined), "undefined");
});
