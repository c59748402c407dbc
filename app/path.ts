/**
 * The paths that routes are registered under: their syntax, and the types of the parameters that they name.
 *
 * A path is split at its slashes. Each segment is text, a parameter (`:id`, which takes one segment that is not empty),
 * a parameter with a regular expression that the whole segment has to match (`:id(\\d+)`) or, at the end, a wildcard
 * (`*`, which takes the rest, an empty one too) or a named rest (`:path*`, whole segments, or none). It is a subset of
 * `URLPattern`'s syntax and means what it means there, but that an expression never sees more than one segment; what that
 * has beyond is refused when the route is added, so that it can get its meaning later without changing that of an
 * existing path.
 *
 * Text is compared in one normal form: visible ASCII is decoded but for `%2F`, which separates nothing, and `%25`; what
 * stays encoded is in upper case. So `/caf%c3%a9`, `/caf%C3%A9` and, where a route is added, `/café` are the same path,
 * and so are `/c++` and `/c%2B%2B`. Regular expressions see the segment in that form. A parameter is decoded after that,
 * which decodes nothing twice.
 *
 * @module
 */

import { checkSegmentRegex } from "./segment_regex.ts";

/**
 * The parameters of a path: `{ readonly id: string }` for `"/users/:id"`, `{ readonly "*": string }` for `"/files/*"`.
 * For a path that is not known when the types are checked, any name.
 */
export type PathParams<Path extends string> = string extends Path ? Readonly<Record<string, string>>
  : { readonly [Name in PathParamNames<Path>]: string };

/** The names of the parameters in a path, `"*"` for its wildcard. */
export type PathParamNames<Path extends string> = Path extends `${infer First}/${infer Rest}`
  ? SegmentParamName<First> | PathParamNames<Rest>
  : SegmentParamName<Path>;

/** The name of the parameter that a segment is; `never` for text. */
export type SegmentParamName<Part extends string> = Part extends `:${infer Name}(${string}` ? Name
  : Part extends `:${infer Name}*` ? Name
  : Part extends `:${infer Name}` ? Name
  : Part extends "*" ? "*"
  : never;

/** A segment that takes any text but none. */
export const PARAM = ":";

/** The last segment that takes whatever is left, an empty rest too. */
export const WILDCARD = "*";

/** The last segment that takes all segments that are left, or none; none of them may be empty. */
export const REST = ":*";

/** One segment of a route's path: text, what takes its place, or a regular expression for it. */
export type Segment = { readonly text: string } | RegExp | typeof PARAM | typeof WILDCARD | typeof REST;

/** A route's path, understood. */
export interface RoutePath {
  /** As it was written. */
  readonly source: string;
  /** Its segments; the first begins behind the first slash. */
  readonly segments: readonly Segment[];
  /** The names of its parameters from left to right, `"*"` for the wildcard. */
  readonly names: readonly string[];
}

const SUPPORTED = 'expected text, ":name", ":name(regex)" and a last "*" or ":name*" between slashes, ' +
  'like "/users/:id" or "/files/*"';

/** Understands a path. Throws a `TypeError` that names the path and what is supported. */
export function parsePath(source: string): RoutePath {
  const refuse = (problem: string) => new TypeError(`Cannot route ${JSON.stringify(source)}: ${problem}; ${SUPPORTED}`);
  if (typeof source !== "string" || !source.startsWith("/")) throw refuse("it does not begin with a slash");
  const parts = source.slice(1).split("/");
  const names: string[] = [];
  const segments = parts.map((part, index): Segment => {
    const segment = parseSegment(part, names, refuse);
    if ((segment === WILDCARD || segment === REST) && index !== parts.length - 1) {
      throw refuse(`${JSON.stringify(part)} has to be the last segment`);
    }
    return segment;
  });
  return { source, segments, names };
}

/** One segment; the name of its parameter is added to `names`. */
function parseSegment(part: string, names: string[], refuse: (problem: string) => TypeError): Segment {
  const name = (text: string) => {
    if (names.includes(text)) throw refuse(`the parameter ${JSON.stringify(text)} occurs twice`);
    names.push(text);
  };
  if (part === "*") {
    name("*");
    return WILDCARD;
  }
  const [, param, behind] = /^:([A-Za-z_$][\w$]*)(.*)$/s.exec(part) ?? [];
  if (param !== undefined) {
    name(param);
    if (behind === "") return PARAM;
    if (behind === "*") return REST;
    if (behind!.startsWith("(") && behind!.endsWith(")")) {
      const problem = checkSegmentRegex(behind!.slice(1, -1));
      if (problem !== null) throw refuse(`the regular expression of ${JSON.stringify(param)} ${problem}`);
      return new RegExp(`^(?:${behind!.slice(1, -1)})$`, "u");
    }
  }
  return { text: parseText(part, refuse) };
}

function parseText(part: string, refuse: (problem: string) => TypeError): string {
  if (part.startsWith(":")) throw refuse(`${JSON.stringify(part)} is no parameter`);
  const special = /[:*?+(){}\\#]/.exec(part);
  if (special) {
    throw refuse(`${JSON.stringify(special[0])} is not supported there, as text it is written ${escapeOf(special[0])}`);
  }
  if (/%(?![0-9A-Fa-f]{2})/.test(part)) throw refuse("a percent sign is not followed by two hexadecimal digits");
  if (!part.isWellFormed()) throw refuse("it is not well-formed Unicode");
  return normalizeEscapes(part.replace(/[^\x21-\x7e]+/g, encodeURIComponent));
}

function escapeOf(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}

/** A path in normal form; see the head of this file. */
export function normalizeEscapes(path: string): string {
  return path.replace(/%[0-9A-Fa-f]{2}/g, (escape) => {
    const code = parseInt(escape.slice(1), 16);
    const stays = code <= 0x20 || code >= 0x7f || code === 0x25 || code === 0x2f;
    return stays ? escape.toUpperCase() : String.fromCharCode(code);
  });
}
