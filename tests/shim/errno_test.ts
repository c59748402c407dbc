/** The names of the errors are those of Linux, and every number prints as a sentence. */

import assert from "node:assert/strict";
import { constants } from "node:os";
import * as errno from "../../shim/errno.ts";
import { describeErrno, errnoName } from "../../shim/errno.ts";
import { must } from "../../shim/ffi.ts";

const LINUX: Record<string, number> = constants.errno;
const KNOWN = Array.from({ length: 200 }, (_, number) => number).filter((number) => /^E/.test(errnoName(number)));

Deno.test("errno: every listed number has the name that the system gives it", () => {
  assert.ok(KNOWN.length >= 30);
  for (const number of KNOWN) assert.equal(LINUX[errnoName(number)], number, errnoName(number));
});

Deno.test("errno: the constants are the negated numbers of their names", () => {
  const named = Object.entries(errno).filter(([, value]) => typeof value === "number");
  assert.ok(named.length >= 10);
  for (const [name, value] of named) {
    assert.equal(value, -LINUX[name], name);
    assert.equal(errnoName(value as number), name);
  }
});

Deno.test("errno: a number is named with either sign", () => {
  assert.equal(errnoName(13), "EACCES");
  assert.equal(errnoName(-13), "EACCES");
});

Deno.test("errno: a description is a sentence that ends in the name", () => {
  assert.equal(describeErrno(-13), "permission denied (EACCES)");
  for (const number of KNOWN) {
    assert.match(describeErrno(-number), new RegExp(`^[a-z][a-zA-Z ,-]+ \\(${errnoName(number)}\\)$`));
  }
});

Deno.test("errno: a number that is not listed prints as it is", () => {
  assert.equal(errnoName(-123), "errno 123");
  assert.equal(describeErrno(123), "errno 123");
  assert.equal(describeErrno(-4095), "errno 4095");
});

Deno.test("errno: must gives back what is no error and throws the sentence for what is one", () => {
  assert.equal(must(0, "do it"), 0);
  assert.equal(must(7, "do it"), 7);
  assert.throws(() => must(-98, "listen on 127.0.0.1:80"), {
    name: "Error",
    message: "Cannot listen on 127.0.0.1:80: the address is in use (EADDRINUSE)",
  });
  assert.throws(() => must(-123, "do it"), { message: "Cannot do it: errno 123" });
});
