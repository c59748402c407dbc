import assert from "node:assert/strict";
import { ALWAYS, coverage, isUnder, joinPaths, NEVER, parsePrefix, SOMETIMES } from "../../app/prefix.ts";
import { parsePath } from "../../app/path.ts";

const covers = (prefix: string, route: string) => coverage(parsePrefix(prefix), parsePath(route).segments);

Deno.test("coverage: always, sometimes, never", () => {
  const cases: [string, string, number][] = [
    ["/", "/anything/:at/all", ALWAYS],
    ["/*", "/", ALWAYS],
    ["/a", "/a", ALWAYS],
    ["/a", "/a/", ALWAYS],
    ["/a/*", "/a/b/:c", ALWAYS],
    ["/a", "/ab", NEVER],
    ["/a/b", "/a", NEVER],
    ["/a", "/:x", SOMETIMES],
    ["/a/b", "/:x/b/c", SOMETIMES],
    ["/a/b", "/:x/c", NEVER],
    ["/a/b", "/a/*", SOMETIMES],
    ["/a/b", "/*", SOMETIMES],
    ["/a/b", "/a/:rest*", SOMETIMES],
    ["/:t/a", "/x/a/b", ALWAYS],
    ["/:t/a", "/:u/a", ALWAYS],
    ["/:t", "/", NEVER],
    ["/:t(\\d+)", "/12", ALWAYS],
    ["/:t(\\d+)", "/ab", NEVER],
    ["/:t(\\d+)", "/:u(\\d+)/x", ALWAYS],
    ["/:t(\\d+)", "/:u(\\d*)", SOMETIMES],
    ["/a", "/:u([ab])", SOMETIMES],
    ["/caf%c3%a9", "/café/x", ALWAYS],
  ];
  for (const [prefix, route, expected] of cases) assert.equal(covers(prefix, route), expected, `${prefix} ${route}`);
});

Deno.test("isUnder agrees with coverage, for every path that a route answers", () => {
  const paths = ["/a", "/a/", "/a/b", "/a/b/c", "/ab", "/b/a", "/12", "/12/x", "/", "/%61/b", "//a"];
  const prefixes = ["/", "/a", "/a/b", "/:t", "/:t/b", "/:t(\\d+)"];
  for (const prefix of prefixes) {
    for (const path of paths) {
      const route = path.replace("%61", "a");
      assert.equal(isUnder(parsePrefix(prefix), path), covers(prefix, route) === ALWAYS, `${prefix} ${path}`);
    }
  }
  assert.equal(isUnder(parsePrefix("/a"), "*"), false);
  assert.equal(isUnder(parsePrefix("/"), "*"), true);
});

Deno.test("what is no prefix is refused", () => {
  for (const source of ["a", "/a/*/b", "/a*", "/:rest*"]) assert.throws(() => parsePrefix(source), TypeError, source);
});

Deno.test("joinPaths: a lone slash behind something adds nothing", () => {
  assert.equal(joinPaths("/api", "/users"), "/api/users");
  assert.equal(joinPaths("/api", "/"), "/api");
  assert.equal(joinPaths("/api/", "/users"), "/api/users");
  assert.equal(joinPaths("/", "/"), "/");
  assert.equal(joinPaths("/", "/a/"), "/a/");
});

Deno.test("a slash at the end of a prefix says nothing", () => {
  for (const prefix of ["/a/", "/a//", "/a//*", "/a/*"]) {
    assert.deepEqual(parsePrefix(prefix), parsePrefix("/a"), prefix);
  }
  assert.deepEqual(parsePrefix("//"), []);
});

Deno.test("a segment that is too long for an expression is covered: the middleware runs rather than not", () => {
  const prefix = parsePrefix("/:x([a-z]*[a-z]*[a-z]*\\d)");
  assert.equal(isUnder(prefix, `/${"a".repeat(8000)}/x`), true);
});
