import assert from "node:assert/strict";
import { hostOf, parseHost } from "../../app/host_pattern.ts";

Deno.test("hosts are compared without case, port and last dot", () => {
  const cases: [string, string, boolean][] = [
    ["example.com", "EXAMPLE.com:8080", true],
    ["Example.com", "example.com.", true],
    ["example.com", "www.example.com", false],
    ["*.example.com", "www.example.com:80", true],
    ["*.example.com", "a.b.example.com", true],
    ["*.example.com", "example.com", false],
    ["*.example.com", ".example.com", false],
    ["*.example.com", "badexample.com", false],
    ["[::1]", "[::1]:80", true],
    ["example.com", "", false],
  ];
  for (const [pattern, host, expected] of cases) {
    assert.equal(parseHost(pattern).matches(hostOf(host)), expected, `${pattern} ${host}`);
  }
});

Deno.test("an exact host ranks before a wildcard, a longer wildcard before a shorter one", () => {
  const ranks = ["a.b.c", "*.b.c", "*.c"].map((host) => parseHost(host).rank);
  assert.deepEqual(ranks, ranks.toSorted((a, b) => b - a));
  assert.equal(new Set(ranks).size, 3);
});

Deno.test("what is no host is refused", () => {
  for (const host of ["", "*", "*.", "a:80", "a b", ".a", "a..b", "http://a", "a.*.b"]) {
    assert.throws(() => parseHost(host), TypeError, host);
  }
});
