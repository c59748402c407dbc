import assert from "node:assert/strict";
import { HttpError } from "../../http/errors.ts";
import { ALL, NO_PARAMS, type ParamsHolder, RouteTrie } from "../../app/route_trie.ts";
import { random } from "../support/fakes.ts";

function trieOf(...routes: string[]): RouteTrie<string> {
  const trie = new RouteTrie<string>();
  for (const route of routes) {
    const [method, path] = route.split(" ") as [string, string];
    trie.add(method, path, route, "here");
  }
  return trie;
}

function find(trie: RouteTrie<string>, method: string, path: string): [string | null, Record<string, string>] {
  const holder: ParamsHolder = { params: NO_PARAMS };
  const found = trie.find(method, path, holder);
  return [found, { ...holder.params }];
}

Deno.test("find() prefers text to a parameter to a wildcard, at each segment", () => {
  const trie = trieOf("GET /a/b", "GET /a/:x", "GET /:y/b", "GET /a/*", "GET /*", "GET /a/:x/c");
  assert.deepEqual(find(trie, "GET", "/a/b"), ["GET /a/b", {}]);
  assert.deepEqual(find(trie, "GET", "/a/c"), ["GET /a/:x", { x: "c" }]);
  assert.deepEqual(find(trie, "GET", "/z/b"), ["GET /:y/b", { y: "z" }]);
  assert.deepEqual(find(trie, "GET", "/a/b/c"), ["GET /a/:x/c", { x: "b" }]);
  assert.deepEqual(find(trie, "GET", "/a/b/d"), ["GET /a/*", { "*": "b/d" }]);
  assert.deepEqual(find(trie, "GET", "/z/z/z"), ["GET /*", { "*": "z/z/z" }]);
});

Deno.test("find() comes back from a branch that has no route for the method", () => {
  const trie = trieOf("GET /users/me", "POST /users/:id", "DELETE /*");
  assert.deepEqual(find(trie, "POST", "/users/me"), ["POST /users/:id", { id: "me" }]);
  assert.deepEqual(find(trie, "DELETE", "/users/me"), ["DELETE /*", { "*": "users/me" }]);
  assert.deepEqual(find(trie, "PUT", "/users/me"), [null, {}]);
  assert.deepEqual(trie.allowed("/users/me"), ["DELETE", "GET", "HEAD", "OPTIONS", "POST"]);
});

Deno.test("parameters of a branch that was left do not reach the one that was taken", () => {
  const trie = trieOf("GET /:a/:b/:c/x", "GET /:a/*");
  assert.deepEqual(find(trie, "GET", "/1/2/3/y"), ["GET /:a/*", { a: "1", "*": "2/3/y" }]);
});

Deno.test("a trailing slash is significant, a parameter takes no empty segment, a wildcard takes an empty rest", () => {
  const trie = trieOf("GET /files/*", "GET /users/:id", "GET /plain");
  assert.deepEqual(find(trie, "GET", "/files/"), ["GET /files/*", { "*": "" }]);
  assert.deepEqual(find(trie, "GET", "/files"), [null, {}]);
  assert.deepEqual(find(trie, "GET", "/files//a/"), ["GET /files/*", { "*": "/a/" }]);
  assert.deepEqual(find(trie, "GET", "/users/"), [null, {}]);
  assert.deepEqual(find(trie, "GET", "/users/1/"), [null, {}]);
  assert.deepEqual(find(trie, "GET", "/plain/"), [null, {}]);
  assert.deepEqual(find(trieOf("GET /*"), "GET", "/"), ["GET /*", { "*": "" }]);
});

Deno.test("HEAD is answered by HEAD, GET and all, in this order, but by the most specific path first", () => {
  assert.equal(find(trieOf("GET /a", "HEAD /a", `${ALL} /a`), "HEAD", "/a")[0], "HEAD /a");
  assert.equal(find(trieOf("GET /a", `${ALL} /a`), "HEAD", "/a")[0], "GET /a");
  assert.equal(find(trieOf("GET /a", "HEAD /:x"), "HEAD", "/a")[0], "GET /a");
  assert.equal(find(trieOf("POST /a", `${ALL} /*`), "HEAD", "/a")[0], `${ALL} /*`);
  assert.equal(find(trieOf("HEAD /a"), "GET", "/a")[0], null);
});

Deno.test("parameters are decoded once; broken encoding is a 400", () => {
  const trie = trieOf("GET /u/:id", "GET /f/*");
  assert.deepEqual(find(trie, "GET", "/u/a%20b%2Fc")[1], { id: "a b/c" });
  assert.deepEqual(find(trie, "GET", "/u/%2541")[1], { id: "%41" });
  assert.deepEqual(find(trie, "GET", "/u/%F0%9F%98%80")[1], { id: "😀" });
  assert.deepEqual(find(trie, "GET", "/u/a+b")[1], { id: "a+b" });
  assert.deepEqual(find(trie, "GET", "/f/a%2Fb/c%20d")[1], { "*": "a/b/c d" });
  for (const bad of ["%", "%zz", "%ff", "a%C3", "%E0%80%80"]) {
    assert.throws(() => find(trie, "GET", `/u/${bad}`), (error) => error instanceof HttpError && error.status === 400);
  }
});

Deno.test("text is found in every spelling of its percent-encoding", () => {
  const trie = trieOf("GET /café/:x", "GET /c%2B%2B", "GET /a%2Fb");
  for (const path of ["/caf%C3%A9/1", "/caf%c3%a9/1", "/%63af%C3%a9/1"]) {
    assert.equal(find(trie, "GET", path)[1].x, "1");
  }
  for (const path of ["/c++", "/c%2b+"]) assert.equal(find(trie, "GET", path)[0], "GET /c%2B%2B");
  assert.equal(find(trie, "GET", "/a%2fb")[0], "GET /a%2Fb");
  assert.equal(find(trie, "GET", "/a/b")[0], null);
});

Deno.test("parameters have no inherited names, and may have any name", () => {
  const trie = trieOf("GET /:__proto__/:constructor");
  const holder: ParamsHolder = { params: NO_PARAMS };
  trie.find("GET", "/a/b", holder);
  assert.deepEqual(Object.entries(holder.params), [["__proto__", "a"], ["constructor", "b"]]);
  assert.equal(holder.params.toString, undefined);
  assert.equal(NO_PARAMS.toString, undefined);
  assert(Object.isFrozen(NO_PARAMS));
});

Deno.test("routes that answer the same requests are refused, and both are named", () => {
  const cases = [["GET /u/:id", "GET /u/:name"], ["GET /a", "GET /%61"], ["GET /*", "GET /*"], [
    `${ALL} /a`,
    `${ALL} /a`,
  ]];
  for (const [first, second] of cases as [string, string][]) {
    assert.throws(() => trieOf(first, second), (error: unknown) => {
      assert(error instanceof Error);
      for (const route of [first, second]) assert(error.message.includes(route.split(" ")[1]!), error.message);
      return true;
    });
  }
  trieOf("GET /u/:id", "POST /u/:name", `${ALL} /u/:x`, "GET /u/*", "GET /u/:id/");
});

Deno.test("a refused route leaves the others as they were", () => {
  const trie = trieOf("GET /u/:id");
  assert.throws(() => trie.add("GET", "/u/:name", "second", "here"));
  assert.deepEqual(find(trie, "GET", "/u/1"), ["GET /u/:id", { id: "1" }]);
});

Deno.test("allowed() is sorted, has HEAD where GET is and OPTIONS, and is empty where no route is", () => {
  const trie = trieOf("PUT /a/:x", "GET /a/b", "DELETE /a/*");
  assert.deepEqual(trie.allowed("/a/b"), ["DELETE", "GET", "HEAD", "OPTIONS", "PUT"]);
  assert.deepEqual(trie.allowed("/a/%62"), ["DELETE", "GET", "HEAD", "OPTIONS", "PUT"]);
  assert.deepEqual(trie.allowed("/a/"), ["DELETE", "OPTIONS"]);
  assert.deepEqual(trie.allowed("/b"), []);
  assert.deepEqual(trie.allowed("*"), []);
  assert.deepEqual(trie.allMethods(), ["DELETE", "GET", "HEAD", "OPTIONS", "PUT"]);
});

// The oracle: every route is tried, and of those that fit the best one is taken.

interface OracleRoute {
  readonly method: string;
  readonly path: string;
}

/** The parameters if the path fits, else null; and how the route ranks, smaller is better. */
function fit(route: OracleRoute, path: string): { params: Record<string, string>; rank: string } | null {
  const wanted = route.path.split("/").slice(1);
  const given = path.split("/").slice(1);
  const params: Record<string, string> = {};
  let rank = "";
  for (const [i, segment] of wanted.entries()) {
    if (segment === "*") {
      if (i >= given.length) return null;
      params["*"] = decodeURIComponent(given.slice(i).join("/"));
      return { params, rank: rank + "2" };
    }
    if (i >= given.length) return null;
    if (segment.startsWith(":")) {
      if (given[i] === "") return null;
      params[segment.slice(1)] = decodeURIComponent(given[i]!);
      rank += "1";
    } else {
      if (segment !== given[i]) return null;
      rank += "0";
    }
  }
  return wanted.length === given.length ? { params, rank } : null;
}

function methodRank(route: string, method: string): number {
  if (route === method) return 0;
  if (route === "GET" && method === "HEAD") return 1;
  return route === ALL ? 2 : -1;
}

function oracle(routes: OracleRoute[], method: string, path: string): [string | null, Record<string, string>] {
  let best: { rank: string; name: string; params: Record<string, string> } | null = null;
  for (const route of routes) {
    const fits = fit(route, path);
    const byMethod = methodRank(route.method, method);
    if (fits === null || byMethod < 0) continue;
    const rank = fits.rank + byMethod;
    if (best === null || rank < best.rank) best = { rank, name: `${route.method} ${route.path}`, params: fits.params };
  }
  return best === null ? [null, {}] : [best.name, best.params];
}

function oracleAllowed(routes: OracleRoute[], path: string): string[] {
  const methods = new Set(routes.filter((route) => fit(route, path) !== null).map((route) => route.method));
  methods.delete(ALL);
  if (methods.size > 0) methods.add("OPTIONS");
  if (methods.has("GET")) methods.add("HEAD");
  return [...methods].sort();
}

Deno.test("find() and allowed() agree with trying every route, for random routes and paths", () => {
  const METHODS = ["GET", "POST", "HEAD", ALL];
  const TEXTS = ["a", "b", "ab", "ba", "", "abc"];
  for (let seed = 1; seed <= 1500; seed++) {
    const below = random(seed);
    const pick = <T>(values: readonly T[]): T => values[below(values.length)]!;
    const routes: OracleRoute[] = [];
    const trie = new RouteTrie<string>();
    const shapes = new Set<string>();
    for (let i = 2 + below(14); i > 0; i--) {
      const length = 1 + below(4);
      const segments = Array.from({ length }, (_, at) => below(3) === 0 ? `:p${at}${below(2)}` : pick(TEXTS));
      if (below(4) === 0) segments.push("*");
      const route = { method: pick(METHODS), path: `/${segments.join("/")}` };
      const shape = `${route.method} ${route.path.replace(/:\w+/g, ":")}`;
      const add = () => trie.add(route.method, route.path, `${route.method} ${route.path}`, "here");
      if (shapes.has(shape)) {
        assert.throws(add);
        continue;
      }
      shapes.add(shape);
      add();
      routes.push(route);
    }
    for (let i = 0; i < 40; i++) {
      const path = `/${Array.from({ length: 1 + below(5) }, () => pick([...TEXTS, "x", "%2F"])).join("/")}`;
      const method = pick(["GET", "POST", "HEAD", "PUT"]);
      const context = `seed ${seed}: ${method} ${path} among ${JSON.stringify(routes)}`;
      assert.deepEqual(find(trie, method, path), oracle(routes, method, path), context);
      assert.deepEqual(trie.allowed(path), oracleAllowed(routes, path), context);
    }
  }
});
