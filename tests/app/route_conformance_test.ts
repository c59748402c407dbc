/**
 * Routing against the runtime's own URLPattern: whether a route fits a path, with which parameters, is what URLPattern
 * says of its pattern; which of several answers is the one rule of precedence, applied to all that fit.
 */

import assert from "node:assert/strict";
import { NO_PARAMS, RouteTrie } from "../../app/route_trie.ts";
import { random } from "../support/fakes.ts";

interface Candidate {
  readonly method: string;
  readonly path: string;
  readonly pattern: URLPattern;
}

const REGEXES = ["\\d+", "[ab]+", "a\\w*", "(?:ab|b)", "\\w{2}"];

/** Text, expression, parameter, named rest, wildcard: smaller is better, segment by segment. */
function classOf(segment: string): number {
  if (segment === "*") return 4;
  if (segment.endsWith("*")) return 3;
  if (!segment.startsWith(":")) return 0;
  return segment.endsWith(")") ? 1 : 2;
}

/** Whether `a` goes before `b`: the first segment in which they differ decides, among expressions the order added. */
function isBetter(a: Candidate, b: Candidate, all: readonly Candidate[]): boolean {
  const first = a.path.split("/"), second = b.path.split("/");
  for (let i = 1; i < Math.max(first.length, second.length); i++) {
    // A path that has ended goes before a rest that matched nothing.
    if (first[i] === undefined || second[i] === undefined) return first[i] === undefined;
    const [one, other] = [classOf(first[i]!), classOf(second[i]!)];
    if (one !== other) return one < other;
    if (one !== 1) continue;
    const place = (path: string[]) => firstWith(all, path.slice(0, i + 1));
    if (place(first) !== place(second)) return place(first) < place(second);
  }
  return false;
}

/** When an expression was first added at its place: parameters may have any name. */
function firstWith(all: readonly Candidate[], prefix: string[]): number {
  const shape = (segments: string[]) => segments.map((segment) => segment.replace(/^:\w+/, ":")).join("/");
  return all.findIndex(({ path }) => shape(path.split("/").slice(0, prefix.length)) === shape(prefix));
}

function expected(all: readonly Candidate[], method: string, path: string): Candidate | null {
  let best: Candidate | null = null;
  for (const candidate of all) {
    if (candidate.method !== method || !candidate.pattern.test({ pathname: path })) continue;
    if (best === null || isBetter(candidate, best, all)) best = candidate;
  }
  return best;
}

function paramsOf({ pattern, path }: Candidate, given: string): Record<string, string> {
  const { groups } = pattern.exec({ pathname: given })!.pathname;
  return Object.fromEntries(
    Object.entries(groups).map(([name, value]) => [name === "0" && path.endsWith("/*") ? "*" : name, value ?? ""]),
  );
}

Deno.test("routing agrees with URLPattern and the rule of precedence, for random routes and paths", () => {
  const TEXTS = ["a", "b", "ab", "12", "x"];
  let found = 0;
  for (let seed = 1; seed <= 300; seed++) {
    const below = random(seed);
    const pick = <T>(values: readonly T[]): T => values[below(values.length)]!;
    const trie = new RouteTrie<Candidate>();
    const all: Candidate[] = [];
    for (let i = 2 + below(10); i > 0; i--) {
      const segments = Array.from({ length: 1 + below(3) }, (_, at) => {
        const kind = below(4);
        return kind === 0 ? `:p${at}` : kind === 1 ? `:p${at}(${pick(REGEXES)})` : pick(TEXTS);
      });
      const end = below(5);
      if (end === 0) segments.push("*");
      if (end === 1) segments.push(":rest*");
      const path = `/${segments.join("/")}`;
      const candidate = { method: pick(["GET", "POST"]), path, pattern: new URLPattern({ pathname: path }) };
      try {
        trie.add(candidate.method, path, candidate, "here");
        all.push(candidate);
      } catch (error) {
        assert.match((error as Error).message, /answers the same requests as/);
      }
    }
    for (let i = 0; i < 30; i++) {
      const path = `/${Array.from({ length: below(5) }, () => pick([...TEXTS, "", "abc", "a-b"])).join("/")}`;
      const holder = { params: NO_PARAMS };
      const context = `seed ${seed}: GET ${path} among ${
        all.map(({ method, path }) => `${method} ${path}`).join(", ")
      }`;
      const wanted = expected(all, "GET", path);
      assert.equal(trie.find("GET", path, holder)?.path, wanted?.path, context);
      if (wanted !== null) assert.deepEqual({ ...holder.params }, paramsOf(wanted, path), context);
      found += wanted === null ? 0 : 1;
      const methods = all.filter(({ pattern }) => pattern.test({ pathname: path })).map(({ method }) => method);
      const allowed = trie.allowed(path).filter((method) => method === "GET" || method === "POST");
      assert.deepEqual(allowed, [...new Set(methods)].sort(), context);
    }
  }
  assert.ok(found > 1000, `only ${found} of the paths had a route`);
});

Deno.test("a segment that is too long for expressions goes to the parameter behind them", () => {
  const trie = new RouteTrie<string>();
  trie.add("GET", "/:id([a-z]+)", "regex", "here");
  trie.add("GET", "/:name", "param", "here");
  const holder = { params: NO_PARAMS };
  assert.equal(trie.find("GET", `/${"a".repeat(255)}`, holder), "regex");
  assert.equal(trie.find("GET", `/${"a".repeat(256)}`, holder), "param");
});
