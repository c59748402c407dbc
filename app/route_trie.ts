/**
 * Finds the route of a request: one trie over the segments of all paths, walked without allocating.
 *
 * At each segment text is preferred to a regular expression, that to a parameter, a parameter to a rest of whole segments
 * and that to a wildcard; regular expressions at one place are tried in the order they were added. Where the preferred branch leads to no route for the
 * method, the walk comes back and takes the next one, so a route is never hidden by one that could not have answered.
 * Paths that are all text always win that order, and are looked up in a map before the walk.
 *
 * A node is visited at most once per walk (the path to it fixes which segments it has seen), so the work is bounded
 * by the number of routes, whatever a client sends.
 *
 * @module
 */

import { HttpError } from "../http/errors.ts";
import { normalizeEscapes, PARAM, parsePath, REST, type RoutePath, WILDCARD } from "./path.ts";
import { REGEX_SEGMENT_CHARS } from "./segment_regex.ts";

/** Stands for every method. */
export const ALL = "*";

/** Who is told the parameters of a found route. */
export interface ParamsHolder {
  /** The decoded parameters by name. */
  params: Readonly<Record<string, string>>;
}

/** Parameters have no prototype, so that `params.constructor` is nothing either. */
const Params = function () {} as unknown as new () => Record<string, string>;
Params.prototype = Object.create(null);

/** The parameters of a path that has none. */
export const NO_PARAMS: Readonly<Record<string, string>> = Object.freeze(new Params());

interface Route<T> {
  readonly method: string;
  readonly path: RoutePath;
  readonly value: T;
  /** Where it was added, for the message to whoever adds it again. */
  readonly place: string;
}

/** All routes of one shape of path, by method. */
class Endpoint<T> {
  readonly routes: Map<string, Route<T>> = new Map();
  /** The one for GET, which most requests are for. */
  get: Route<T> | null = null;

  /** The route for a method; GET's answers HEAD too (RFC 9110 section 9.3.2). */
  find(method: string): Route<T> | null {
    const { routes, get } = this;
    if (method === "GET" && get !== null) return get;
    return routes.get(method) ?? (method === "HEAD" ? routes.get("GET") : undefined) ?? routes.get(ALL) ?? null;
  }
}

interface Child<T> {
  readonly text: string;
  readonly node: Node<T>;
}

class Node<T> {
  /** Children by text, in buckets by its length and last character: a map of texts would need the segment as a string. */
  readonly children: Map<number, Child<T>[]> = new Map();
  /** In the order added. */
  regexes: { readonly regex: RegExp; readonly node: Node<T> }[] | null = null;
  param: Node<T> | null = null;
  /** The routes whose last segment this is. */
  endpoint: Endpoint<T> | null = null;
  /** The routes that go on from here with a wildcard: whatever is behind the slash. */
  wildcard: Endpoint<T> | null = null;
  /** The routes that go on from here with whole segments, or end here. */
  rest: Endpoint<T> | null = null;

  /** The child whose text stands at `start` to `end` of the path, or null. */
  child(path: string, start: number, end: number): Node<T> | null {
    const bucket = this.children.get(bucketKey(path, start, end));
    if (bucket === undefined) return null;
    for (const { text, node } of bucket) if (path.startsWith(text, start)) return node;
    return null;
  }

  /** The child for a regular expression, made if there is none. */
  makeRegex(regex: RegExp): Node<T> {
    const regexes = this.regexes ??= [];
    const found = regexes.find((other) => other.regex.source === regex.source);
    if (found !== undefined) return found.node;
    const node = new Node<T>();
    regexes.push({ regex, node });
    return node;
  }

  /** The child for a text, made if there is none. */
  makeChild(text: string): Node<T> {
    const found = this.child(text, 0, text.length);
    if (found !== null) return found;
    const key = bucketKey(text, 0, text.length);
    const bucket = this.children.get(key) ?? [];
    const node = new Node<T>();
    bucket.push({ text, node });
    this.children.set(key, bucket);
    return node;
  }
}

/** Equal for equal texts, and texts with equal keys are of one length. */
function bucketKey(path: string, start: number, end: number): number {
  return end === start ? 0 : ((end - start) << 7) | (path.charCodeAt(end - 1) & 0x7f);
}

/** Routes, each with a value. */
export class RouteTrie<T> {
  readonly #root: Node<T> = new Node();
  /** The routes without parameters, by path. */
  readonly #fixed: Map<string, Endpoint<T>> = new Map();
  readonly #methods: Set<string> = new Set();
  #hasParams = false;
  /** Where the parameters of the walk at hand begin and end; a walk is never interrupted. */
  readonly #bounds: number[] = [];

  /**
   * Adds a route. `method` is a method or `ALL`, `place` is where it is added, as text. Throws a `TypeError` for a path
   * that is not supported, and an `Error` that names both places if a route for this method and the same shape of path
   * is there.
   */
  add(method: string, path: string, value: T, place: string): void {
    const parsed = parsePath(path);
    const endpoint = this.#endpoint(parsed);
    const other = endpoint.routes.get(method);
    if (other !== undefined) {
      const name = (source: string) => method === ALL ? `all(${JSON.stringify(source)})` : `${method} ${source}`;
      throw new Error(
        `Cannot add the route ${name(path)} at ${place}: ` +
          `it answers the same requests as ${name(other.path.source)}, added at ${other.place}`,
      );
    }
    const route: Route<T> = { method, path: parsed, value, place };
    endpoint.routes.set(method, route);
    if (method === "GET") endpoint.get = route;
    this.#methods.add(method);
  }

  #endpoint({ segments, names }: RoutePath): Endpoint<T> {
    if (names.length === 0) {
      const text = segments.map((segment) => `/${(segment as { text: string }).text}`).join("");
      const endpoint = this.#fixed.get(text) ?? new Endpoint<T>();
      this.#fixed.set(text, endpoint);
      return endpoint;
    }
    this.#hasParams = true;
    let node = this.#root;
    for (const segment of segments) {
      if (segment === WILDCARD) return node.wildcard ??= new Endpoint();
      if (segment === REST) return node.rest ??= new Endpoint();
      if (segment === PARAM) node = node.param ??= new Node();
      else node = segment instanceof RegExp ? node.makeRegex(segment) : node.makeChild(segment.text);
    }
    return node.endpoint ??= new Endpoint();
  }

  /**
   * The value of the route for a request, or null; tells `holder` the parameters. `path` is percent-encoded. Throws an
   * `HttpError` 400 if a parameter is not the percent-encoding of UTF-8 text.
   */
  find(method: string, path: string, holder: ParamsHolder): T | null {
    // A path that stands in the map is in normal form: only others have to be looked at.
    let normal = path;
    let fixed = this.#fixed.get(path);
    if (fixed === undefined && path.indexOf("%") >= 0) {
      normal = normalizeEscapes(path);
      fixed = this.#fixed.get(normal);
    }
    const route = fixed?.find(method);
    if (route) return route.value;
    if (!this.#hasParams || normal.charCodeAt(0) !== 0x2f) return null;
    const found = this.#walk(this.#root, method, normal, 1, 0);
    if (found === null) return null;
    holder.params = this.#params(found.path.names, normal);
    return found.value;
  }

  /** `depth` is the number of parameters passed. */
  #walk(node: Node<T>, method: string, path: string, start: number, depth: number): Route<T> | null {
    const slash = path.indexOf("/", start);
    const end = slash < 0 ? path.length : slash;
    const child = node.child(path, start, end);
    if (child !== null) {
      const found = this.#go(child, method, path, slash, depth);
      if (found !== null) return found;
    }
    if (node.regexes !== null) {
      const found = this.#walkRegexes(node.regexes, method, path, start, slash, depth);
      if (found !== null) return found;
    }
    if (node.param !== null && end > start) {
      const found = this.#go(node.param, method, path, slash, depth + 1);
      if (found !== null) return this.#mark(found, depth, start, end);
    }
    const whole = node.rest === null || !areSegments(path, start) ? null : node.rest.find(method);
    const found = whole ?? (node.wildcard === null ? null : node.wildcard.find(method));
    return found === null ? null : this.#mark(found, depth, start, path.length);
  }

  #walkRegexes(
    regexes: NonNullable<Node<T>["regexes"]>,
    method: string,
    path: string,
    start: number,
    slash: number,
    depth: number,
  ): Route<T> | null {
    const segment = path.slice(start, slash < 0 ? path.length : slash);
    if (segment.length > REGEX_SEGMENT_CHARS) return null;
    for (const { regex, node } of regexes) {
      const found = segment !== "" && regex.test(segment) ? this.#go(node, method, path, slash, depth + 1) : null;
      if (found !== null) return this.#mark(found, depth, start, start + segment.length);
    }
    return null;
  }

  /** On from a node whose segment ends at `slash`, or at the end of the path if that is negative. */
  #go(node: Node<T>, method: string, path: string, slash: number, depth: number): Route<T> | null {
    if (slash >= 0) return this.#walk(node, method, path, slash + 1, depth);
    const found = node.endpoint === null ? null : node.endpoint.find(method);
    if (found !== null || node.rest === null) return found;
    const rest = node.rest.find(method);
    return rest === null ? null : this.#mark(rest, depth, path.length, path.length);
  }

  /** The route was found: notes on the way back where its parameter is. */
  #mark(found: Route<T>, depth: number, start: number, end: number): Route<T> {
    this.#bounds[2 * depth] = start;
    this.#bounds[2 * depth + 1] = end;
    return found;
  }

  #params(names: readonly string[], path: string): Record<string, string> {
    const params = new Params();
    for (let i = 0; i < names.length; i++) {
      const text = path.slice(this.#bounds[2 * i], this.#bounds[2 * i + 1]);
      params[names[i]!] = text.indexOf("%") < 0 ? text : decode(text);
    }
    return params;
  }

  /**
   * The methods that are answered at a path, sorted: HEAD where GET is, and OPTIONS. Empty if no route has the path.
   */
  allowed(path: string): string[] {
    const methods = new Set<string>();
    const normal = normalizeEscapes(path);
    addMethods(methods, this.#fixed.get(normal));
    if (normal.startsWith("/")) collect(this.#root, normal, 1, methods);
    return complete(methods);
  }

  /** The methods that are answered at some path, sorted. */
  allMethods(): string[] {
    return complete(new Set([...this.#methods, "OPTIONS"]));
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw new HttpError(400, "The path has malformed percent-encoding", { cause });
  }
}

function addMethods<T>(methods: Set<string>, endpoint: Endpoint<T> | null | undefined): void {
  for (const method of endpoint?.routes.keys() ?? []) methods.add(method);
}

/** Whether what begins at `start` is segments that are not empty. */
function areSegments(path: string, start: number): boolean {
  return start < path.length && path.charCodeAt(start) !== 0x2f && !path.endsWith("/") &&
    path.indexOf("//", start) < 0;
}

/** The walk without a method: everything that matches. */
function collect<T>(node: Node<T>, path: string, start: number, methods: Set<string>): void {
  const slash = path.indexOf("/", start);
  const segment = path.slice(start, slash < 0 ? path.length : slash);
  const matching = (node.regexes ?? []).filter(({ regex }) =>
    segment !== "" && segment.length <= REGEX_SEGMENT_CHARS && regex.test(segment)
  );
  const param = segment === "" ? null : node.param;
  for (const next of [node.child(path, start, start + segment.length), ...matching.map(({ node }) => node), param]) {
    if (next === null) continue;
    if (slash >= 0) collect(next, path, slash + 1, methods);
    else [next.endpoint, next.rest].forEach((endpoint) => addMethods(methods, endpoint));
  }
  if (areSegments(path, start)) addMethods(methods, node.rest);
  addMethods(methods, node.wildcard);
}

function complete(methods: Set<string>): string[] {
  methods.delete(ALL);
  if (methods.size > 0) methods.add("OPTIONS");
  if (methods.has("GET")) methods.add("HEAD");
  return [...methods].sort();
}
