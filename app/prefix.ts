/**
 * Where middleware applies: the paths under a prefix, and what is known of a route before any request comes.
 *
 * A route like `/:section/list` answers `/admin/list` too. Middleware for `/admin` has to run there, or it protects
 * nothing; whether it does can only be said when the path is known. So a prefix covers a route always, never or
 * sometimes, and only for the last is the path looked at.
 *
 * @module
 */

import { normalizeEscapes, PARAM, parsePath, REST, type Segment, WILDCARD } from "./path.ts";
import { REGEX_SEGMENT_CHARS } from "./segment_regex.ts";

/** Whether what is under a prefix includes the requests of a route. */
export const NEVER = 0, SOMETIMES = 1, ALWAYS = 2;

/** A prefix, understood; empty for all paths. */
export type Prefix = readonly Segment[];

/** All paths, and `*` of `OPTIONS *`. */
export const EVERYWHERE: Prefix = [];

/**
 * Understands a prefix: a route's path without a wildcard, or with `/` or `/*` at its end, which say the same. Throws a
 * `TypeError` for any other.
 */
export function parsePrefix(source: string): Prefix {
  const bare = source.replace(/\/+\*?$/, "");
  if (bare === "" && source !== "") return EVERYWHERE;
  const { segments } = parsePath(bare);
  if (segments.at(-1) === WILDCARD || segments.at(-1) === REST) {
    throw new TypeError(`Cannot use ${JSON.stringify(source)} as a prefix: expected a path like "/api" or "/api/*"`);
  }
  return segments;
}

/** Whether a prefix covers the requests of a route: `NEVER`, `SOMETIMES` or `ALWAYS`. */
export function coverage(prefix: Prefix, route: readonly Segment[]): number {
  let result = ALWAYS;
  for (const [index, wanted] of prefix.entries()) {
    const given = route[index];
    if (given === undefined) return NEVER;
    if (given === WILDCARD || given === REST) return SOMETIMES;
    const one = segmentCoverage(wanted, given);
    if (one === NEVER) return NEVER;
    if (one === SOMETIMES) result = SOMETIMES;
  }
  return result;
}

function segmentCoverage(wanted: Segment, given: Segment): number {
  if (typeof given === "object" && !(given instanceof RegExp)) return fits(wanted, given.text) ? ALWAYS : NEVER;
  if (wanted === PARAM) return ALWAYS;
  const same = wanted instanceof RegExp && given instanceof RegExp && wanted.source === given.source;
  return same ? ALWAYS : SOMETIMES;
}

/** Whether a segment of a request, in normal form, is what a segment of a prefix or route asks for. */
function fits(wanted: Segment, text: string): boolean {
  if (wanted === PARAM) return text !== "";
  // What is too long for an expression may be anything: then the middleware runs, which is the safe side.
  if (wanted instanceof RegExp) return text.length > REGEX_SEGMENT_CHARS || wanted.test(text);
  return typeof wanted === "object" && wanted.text === text;
}

/** Whether a path, as it was received, is under a prefix. */
export function isUnder(prefix: Prefix, path: string): boolean {
  if (prefix.length === 0) return true;
  if (!path.startsWith("/")) return false;
  const segments = normalizeEscapes(path).split("/");
  return prefix.length < segments.length && prefix.every((wanted, index) => fits(wanted, segments[index + 1]!));
}

/** One path behind another: `/api` and `/users` make `/api/users`; `/` behind something adds nothing. */
export function joinPaths(prefix: string, path: string): string {
  const bare = prefix.endsWith("/") ? prefix.slice(0, -1) : prefix;
  return path === "/" && bare !== "" ? bare : bare + path;
}
