import assert from "node:assert/strict";
import { CookieSigner } from "../../../app/middleware/cookie_signer.ts";

const OLD = "an old key of enough characters", NEW = "a new key of enough characters";

Deno.test("CookieSigner: what one key has signed, any list with that key verifies", () => {
  const old = new CookieSigner([OLD]), both = new CookieSigner([NEW, OLD]);
  for (const value of ["", "ada", "a.b.c", "é;=,", "x".repeat(1000)]) {
    assert.equal(old.verify("user", old.sign("user", value)), value);
    assert.equal(both.verify("user", old.sign("user", value)), value);
    assert.equal(old.verify("user", both.sign("user", value)), null);
    assert.equal(both.verify("user", both.sign("user", value)), value);
  }
});

Deno.test("CookieSigner: anything that was changed is nothing", () => {
  const signer = new CookieSigner([OLD]);
  const signed = signer.sign("user", "ada");
  assert.equal(signer.verify("other", signed), null);
  for (let i = 0; i < signed.length; i++) {
    const changed = `${signed.slice(0, i)}${signed[i] === "x" ? "y" : "x"}${signed.slice(i + 1)}`;
    // The last character of base64 holds two bits that mean nothing.
    if (i < signed.length - 1) assert.equal(signer.verify("user", changed), null, changed);
  }
  for (const text of [null, "", ".", "ada", "ada.", signed.slice(1), signed.slice(0, -2)]) {
    assert.equal(signer.verify("user", text), null);
  }
});

Deno.test("CookieSigner: without a key of some length it is refused", () => {
  for (const keys of [[], [""], ["short"], [OLD, "short"]]) assert.throws(() => new CookieSigner(keys), TypeError);
});
