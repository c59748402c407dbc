import assert from "node:assert/strict";
import { App } from "../../app/app.ts";
import { type CookieOptions, parseCookies, serializeCookie } from "../../app/cookies.ts";

Deno.test("parseCookies: names and decoded values, the first of a name", () => {
  const cases: [string | null, Record<string, string>][] = [
    [null, {}],
    ["", {}],
    ["a=1; b=2", { a: "1", b: "2" }],
    ["a=1;a=2", { a: "1" }],
    [' a = "quoted" ;; b', { a: "quoted" }],
    ["a=x=y; =z; b=%20%C3%A9", { a: "x=y", b: " é" }],
    ["a=%zz", { a: "%zz" }],
    ["\xa0__Host-a=x; __Host-a=y", { "\xa0__Host-a": "x", "__Host-a": "y" }],
    ["__proto__=1; constructor=2", { ["__proto__"]: "1", constructor: "2" }],
  ];
  for (const [header, expected] of cases) {
    assert.deepEqual([...parseCookies(header)], Object.entries(expected), `${header}`);
  }
});

Deno.test("serializeCookie: safe by default, everything on request", () => {
  assert.equal(serializeCookie("a", "b c;é"), "a=b%20c%3B%C3%A9; Path=/; SameSite=Lax; HttpOnly");
  assert.equal(
    serializeCookie("a", "", {
      path: "/x",
      domain: "example.com",
      maxAgeSeconds: 60,
      expires: new Date(0),
      httpOnly: false,
      secure: true,
      sameSite: "None",
      partitioned: true,
    }),
    "a=; Path=/x; SameSite=None; Domain=example.com; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Secure; Partitioned",
  );
  assert.equal(serializeCookie("__Host-a", "1"), "__Host-a=1; Path=/; SameSite=Lax; HttpOnly; Secure");
});

Deno.test("serializeCookie: what browsers would ignore is refused", () => {
  const refused: [string, string, CookieOptions][] = [
    ["", "x", {}],
    ["a b", "x", {}],
    ["a=b", "x", {}],
    ["a", "x".repeat(4096), {}],
    ["__Secure-a", "x", { secure: false }],
    ["__Host-a", "x", { path: "/x" }],
    ["__host-a", "x", { domain: "a.test" }],
    ["a", "x", { sameSite: "None" }],
    ["a", "x", { sameSite: "Any" as "Lax" }],
    ["a", "x", { partitioned: true }],
    ["a", "x", { path: "x" }],
    ["a", "x", { path: "/;x" }],
    ["a", "x", { domain: "a; b" }],
  ];
  for (const [name, value, options] of refused) {
    assert.throws(() => serializeCookie(name, value, options), TypeError, `${name} ${JSON.stringify(options)}`);
  }
  for (const maxAgeSeconds of [1.5, NaN, 401 * 24 * 3600]) {
    assert.throws(() => serializeCookie("a", "x", { maxAgeSeconds }), RangeError);
  }
});

Deno.test("cookies in a handler: read, set several, delete", async () => {
  const app = new App().get("/", (c) => {
    c.setCookie("seen", String(Number(c.req.cookie("seen") ?? 0) + 1));
    c.setCookie("b", "2", { path: "/b" });
    c.deleteCookie("old");
    return c.json([c.req.cookie("none"), ...c.req.cookies.keys()]);
  });
  const response = await app.request("/", { headers: { cookie: "seen=3; x=y" } });
  assert.deepEqual(await response.json(), [null, "seen", "x"]);
  assert.deepEqual(response.headers.getSetCookie(), [
    "seen=4; Path=/; SameSite=Lax; HttpOnly",
    "b=2; Path=/b; SameSite=Lax; HttpOnly",
    "old=; Path=/; SameSite=Lax; Max-Age=0; HttpOnly",
  ]);
});
