import assert from "node:assert/strict";
import { normalizeEscapes, parsePath, type PathParams } from "../../app/path.ts";

Deno.test("parsePath understands text, parameters and a last wildcard", () => {
  assert.deepEqual(parsePath("/").segments, [{ text: "" }]);
  assert.deepEqual(parsePath("/users/:id/posts/").segments, [{ text: "users" }, ":", { text: "posts" }, { text: "" }]);
  assert.deepEqual(parsePath("/:a/:b/*").names, ["a", "b", "*"]);
  assert.deepEqual(parsePath("/*").segments, ["*"]);
  assert.deepEqual(parsePath("/a.b~c-d_e@f!$&',;=").segments, [{ text: "a.b~c-d_e@f!$&',;=" }]);
});

Deno.test("parsePath understands regular expressions and named rests", () => {
  const { segments, names } = parsePath("/v/:id(\\d{1,3})/:path*");
  assert.deepEqual(names, ["id", "path"]);
  assert.deepEqual([segments[0], segments[2]], [{ text: "v" }, ":*"]);
  const regex = segments[1] as RegExp;
  assert.deepEqual(["1", "123", "1234", "x1", ""].map((text) => regex.test(text)), [true, true, false, false, false]);
});

Deno.test("parsePath brings text into normal form", () => {
  const text = (path: string) =>
    parsePath(path).segments.map((segment) => (segment as { text: string }).text).join("/");
  assert.equal(text("/café"), "caf%C3%A9");
  assert.equal(text("/caf%c3%a9"), "caf%C3%A9");
  assert.equal(text("/a b"), "a%20b");
  assert.equal(text("/%61%2f%25"), "a%2F%25");
  assert.equal(text("/c%2B%2B"), "c++");
});

Deno.test("normalizeEscapes decodes nothing twice and leaves what is no escape", () => {
  assert.equal(normalizeEscapes("/%2541"), "/%2541");
  assert.equal(normalizeEscapes("/%25%34%31"), "/%2541");
  assert.equal(normalizeEscapes("/%zz%4"), "/%zz%4");
  assert.equal(normalizeEscapes("/%00%7f%ff%0a"), "/%00%7F%FF%0A");
  const once = normalizeEscapes("/%c3%A9%41%2f%25%2b");
  assert.equal(normalizeEscapes(once), once);
});

Deno.test("parsePath refuses what is not supported, and says what is", () => {
  const refused = [
    ...["", "users", "*", ":id", "http://a/"],
    ...["/users/:", "/:1", "/:a-b", "/:a.json", "/a:b", "/:a:b"],
    ...["/{a}", "/a?", "/:a?", "/a+", "/:a+", "/a\\b", "/a#b", "/(\\d+)", "/a(b)"],
    ...["/:id()", "/:id(", "/:id(a", "/:id(a)b", "/:id((a))", "/:id(a+)*", "/:id([)", "/:id(a)?", "/:id(é)"],
    ...["/*/a", "/**", "/a*", "/*a", "/:a/:a", "/:a/b/:a", "/:a*/b", "/:a*/:b*", "/:a(x)/:a"],
    ...["/%", "/%4", "/%zz", "/\ud800"],
  ];
  for (const path of refused) {
    assert.throws(() => parsePath(path), (error: unknown) => {
      assert(error instanceof TypeError, path);
      assert(error.message.startsWith(`Cannot route ${JSON.stringify(path)}: `), error.message);
      assert.match(error.message, /like "\/users\/:id" or "\/files\/\*"$/);
      return true;
    });
  }
  assert.throws(() => parsePath(42 as unknown as string), TypeError);
});

Deno.test("PathParams are the names in the path", () => {
  type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false;
  const checks: [
    Equal<PathParams<"/users/:id">, { readonly id: string }>,
    Equal<PathParams<"/:a/b/:c/*">, { readonly a: string; readonly c: string; readonly "*": string }>,
    Equal<PathParams<"/:id(\\d+)/:rest*">, { readonly id: string; readonly rest: string }>,
    Equal<keyof PathParams<"/users">, never>,
    Equal<PathParams<string>, Readonly<Record<string, string>>>,
  ] = [true, true, true, true, true];
  assert(checks.every(Boolean));
});
