/**
 * Routes with the middleware around them: everything about a route is decided when it is added.
 *
 * Each route is composed with the middleware that covers it, once. What a route does not answer (404, 405, OPTIONS) has
 * middleware around it too, chosen by the path of the request. Routes for a host are tried before those for all hosts.
 *
 * @module
 */

import { statusAnswer } from "../http/error_answer.ts";
import { Reply, type ServerRequest } from "../http/message.ts";
import { compose, type Innermost, type Layer, type Middleware, type Recovery } from "./compose.ts";
import type { Context } from "./context.ts";
import { hostOf, type HostPattern, parseHost } from "./host_pattern.ts";
import { parsePath } from "./path.ts";
import { ALWAYS, coverage, EVERYWHERE, isUnder, joinPaths, NEVER, parsePrefix, type Prefix } from "./prefix.ts";
import { ALL, RouteTrie } from "./route_trie.ts";

/** A middleware and where it applies. */
export interface Scope<State> {
  readonly prefix: Prefix;
  readonly middleware: Middleware<State>;
}

/** A route as it was added, before anything is composed: what a group hands to whom it is mounted in. */
export interface Entry<State> {
  readonly method: string;
  readonly path: string;
  readonly host: string | null;
  /** Outermost first; all that may cover it. */
  readonly scopes: readonly Scope<State>[];
  readonly handler: Innermost<State>;
  readonly recovery: Recovery<State>;
  /** Where in the user's code it was added. */
  readonly place: string;
}

/** One line of the table of routes. */
export interface RouteInfo {
  /** The method, `"*"` for all. */
  readonly method: string;
  /** The path, as it was written, behind the prefixes that it is mounted under. */
  readonly path: string;
  /** The host that it is for, null for all. */
  readonly host: string | null;
  /** How many middleware are around it. */
  readonly middleware: number;
  /** Where it was added: `file:line:column`. */
  readonly place: string;
}

interface HostRoutes<State> {
  readonly pattern: HostPattern;
  readonly trie: RouteTrie<Layer<State>>;
}

/** The routes of one App. */
export class Router<State> {
  readonly entries: Entry<State>[] = [];
  readonly #scopes: Scope<State>[] = [];
  readonly #anyHost: RouteTrie<Layer<State>> = new RouteTrie();
  #hosts: HostRoutes<State>[] | null = null;
  /** What answers when no route does, by the scopes that apply: a string of 0 and 1. */
  readonly #missed: Map<string, Layer<State>> = new Map();
  readonly #recovery: Recovery<State>;
  readonly #notFound: () => Innermost<State> | null;

  /** `notFound` gives the user's answer to what no route has the path of, null if there is none. */
  constructor(recovery: Recovery<State>, notFound: () => Innermost<State> | null) {
    this.#recovery = recovery;
    this.#notFound = notFound;
  }

  /** Wraps a middleware around what is added later under a prefix. Throws a `TypeError` behind a route that it covers. */
  use(prefixSource: string, middleware: Middleware<State>): void {
    const prefix = parsePrefix(prefixSource);
    const covered = this.entries.find(({ path }) => coverage(prefix, parsePath(path).segments) !== NEVER);
    if (covered !== undefined) {
      throw new TypeError(
        `Cannot add middleware behind the route ${covered.method} ${covered.path}, added at ${covered.place}, ` +
          "which it covers: call app.use() before that route is added",
      );
    }
    this.#scopes.push({ prefix, middleware });
    this.#missed.clear();
  }

  /** Adds a route. Throws a `TypeError` for a path or host that is not supported, an `Error` if there is the same one. */
  add(entry: Entry<State>): void {
    const { segments } = parsePath(entry.path);
    const own = this.#scopes.filter(({ prefix }) => coverage(prefix, segments) !== NEVER);
    const whole = { ...entry, scopes: [...own, ...entry.scopes] };
    const around = whole.scopes.map(({ prefix, middleware }) => {
      const covered = coverage(prefix, segments);
      if (covered === NEVER) throw new Error(`assertion failed: ${entry.path} lost a middleware of its group`);
      return covered === ALWAYS ? middleware : onlyUnder(prefix, middleware);
    });
    const layer = compose(around, entry.handler, entry.recovery);
    this.#trieOf(entry.host).add(entry.method, entry.path, layer, entry.place);
    this.entries.push(whole);
  }

  #trieOf(host: string | null): RouteTrie<Layer<State>> {
    if (host === null) return this.#anyHost;
    const pattern = parseHost(host);
    const hosts = this.#hosts ??= [];
    const found = hosts.find((other) => other.pattern.source === pattern.source);
    if (found !== undefined) return found.trie;
    const made = { pattern, trie: new RouteTrie<Layer<State>>() };
    hosts.push(made);
    // An exact name goes before a wildcard, and of two wildcards the longer one.
    hosts.sort((a, b) => b.pattern.rank - a.pattern.rank);
    return made.trie;
  }

  /** Adds the routes of a group under a prefix. */
  mount(prefix: string, entries: readonly Entry<State>[], host: string | null): void {
    for (const entry of entries) {
      const scopes = entry.scopes.map((scope) => ({
        prefix: scope.prefix.length === 0 ? EVERYWHERE : [...parsePrefix(prefix), ...scope.prefix],
        middleware: scope.middleware,
      }));
      // The group's own answer to an error comes first.
      const recovery: Recovery<State> = (error, c) => entry.recovery(error, c) ?? this.#recovery(error, c);
      this.add({ ...entry, path: joinPaths(prefix, entry.path), host: entry.host ?? host, scopes, recovery });
    }
  }

  /** What answers a request. Throws an `HttpError` 400 for a path whose parameters are no percent-encoded text. */
  find(request: ServerRequest, c: Context<State>): Layer<State> {
    const { method, path } = request;
    if (this.#hosts !== null) {
      const host = hostOf(request.authority);
      for (const { pattern, trie } of this.#hosts) {
        const layer = pattern.matches(host) ? trie.find(method, path, c) : null;
        if (layer !== null) return layer;
      }
    }
    return this.#anyHost.find(method, path, c) ?? this.#missedLayer(path);
  }

  /** What answers a request for which `find` has thrown. */
  failed(path: string, error: unknown): Layer<State> {
    return this.#around(path, () => {
      throw error;
    });
  }

  #missedLayer(path: string): Layer<State> {
    const key = this.#scopes.map(({ prefix }) => isUnder(prefix, path) ? 1 : 0).join("");
    let layer = this.#missed.get(key);
    if (layer === undefined) this.#missed.set(key, layer = this.#around(path, (c) => this.#answerMissed(c)));
    return layer;
  }

  #around(path: string, innermost: Innermost<State>): Layer<State> {
    const around = this.#scopes.filter(({ prefix }) => isUnder(prefix, path)).map(({ middleware }) => middleware);
    return compose(around, innermost, this.#recovery);
  }

  /** 404, 405, or what a path allows (RFC 9110 section 9.3.7). */
  #answerMissed(c: Context<State>): ReturnType<Innermost<State>> {
    const { method, path } = c.req;
    const host = hostOf(c.req.host);
    const tries = (this.#hosts ?? []).filter(({ pattern }) => pattern.matches(host)).map(({ trie }) => trie);
    const methods = [...tries, this.#anyHost].flatMap((trie) => path === "*" ? trie.allMethods() : trie.allowed(path));
    const accept = c.req.header("accept");
    if (methods.length === 0) return this.#notFound()?.(c) ?? statusAnswer(404, "", accept);
    const allow = ["allow", [...new Set(methods)].sort().join(", ")];
    return method === "OPTIONS" ? new Reply(null, 204, null, allow) : statusAnswer(405, "", accept, allow);
  }

  /** The table of routes, in the order added. */
  list(): RouteInfo[] {
    return this.entries.map(({ method, path, host, scopes, place }) => ({
      method: method === ALL ? "*" : method,
      path,
      host,
      middleware: scopes.length,
      place,
    }));
  }
}

/** A middleware that lets everything pass that is not under a prefix. */
function onlyUnder<State>(prefix: Prefix, middleware: Middleware<State>): Middleware<State> {
  return (c, next) => isUnder(prefix, c.req.path) ? middleware(c, next) : next();
}
