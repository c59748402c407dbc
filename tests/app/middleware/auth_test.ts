import assert from "node:assert/strict";
import { App } from "../../../app/app.ts";
import type { Middleware } from "../../../app/compose.ts";
import { basicAuth, bearerAuth, userOf } from "../../../app/middleware/auth.ts";

async function ask(middleware: Middleware<unknown>, authorization?: string): Promise<[number, string, string | null]> {
  const app = new App().use(middleware).get("/", (c) => c.text(userOf(c) ?? "in"));
  const response = await app.request("/", authorization === undefined ? {} : { headers: { authorization } });
  return [response.status, (await response.text()).trim(), response.headers.get("www-authenticate")];
}

const basic = (text: string) => `Basic ${btoa(String.fromCharCode(...new TextEncoder().encode(text)))}`;

Deno.test("basicAuth: the right password gets in, everything else is asked for one", async () => {
  const auth = basicAuth({ users: { ada: "sécret:with colon", bob: "" }, realm: 'the "vault"' });
  const challenge = 'Basic realm="the \\"vault\\"", charset="UTF-8"';
  assert.deepEqual(await ask(auth, basic("ada:sécret:with colon")), [200, "ada", null]);
  assert.deepEqual(await ask(auth, basic("bob:").replace("Basic", "bASIC ")), [200, "bob", null]);
  const wrong = [
    undefined,
    "",
    basic("ada:x"),
    basic("eve:"),
    basic("ada"),
    basic("__proto__:"),
    "Basic ?",
    "Basic a",
    "Bearer x",
  ];
  for (const given of wrong) assert.deepEqual(await ask(auth, given), [401, "401 Unauthorized", challenge], given);
});

Deno.test("basicAuth: verify is asked, and may be slow", async () => {
  const auth = basicAuth({ verify: (user, password) => Promise.resolve(user === "u" && password === "p") });
  assert.deepEqual(await ask(auth, basic("u:p")), [200, "u", null]);
  assert.equal((await ask(auth, basic("u:q")))[0], 401);
});

Deno.test("bearerAuth: one of the tokens, or what verify says", async () => {
  const auth = bearerAuth({ token: ["first", "second=="] });
  assert.equal((await ask(auth, "Bearer first"))[0], 200);
  assert.equal((await ask(auth, "bearer second=="))[0], 200);
  assert.deepEqual(await ask(auth), [401, "401 Unauthorized", 'Bearer realm="restricted"']);
  assert.deepEqual(await ask(auth, "Bearer firs"), [
    401,
    "401 Unauthorized",
    'Bearer realm="restricted", error="invalid_token"',
  ]);
  assert.equal((await ask(auth, "Bearer first second=="))[0], 401);
  assert.equal((await ask(bearerAuth({ verify: (token) => token === "t" }), "Bearer t"))[0], 200);
});

Deno.test("auth: without anybody who may get in it is refused", () => {
  assert.throws(() => basicAuth({}), TypeError);
  assert.throws(() => bearerAuth({}), TypeError);
});
