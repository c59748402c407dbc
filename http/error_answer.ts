/**
 * What becomes of an error: the answer that the client gets, and what the log gets.
 *
 * The client reads the message of an `HttpError` that exposes it, and of everything else only the status: a stack, a
 * file name or a query in an answer helps nobody but an attacker. The log gets one entry per failure that is ours, not
 * for those of the client (statuses below 500, or a client that has gone away).
 *
 * @module
 */

import { weights } from "./accept.ts";
import { HttpError } from "./errors.ts";
import { Reply, type ServerRequest } from "./message.ts";
import { reasonPhrase } from "./status.ts";

/** Content-Type of plain text. */
export const TEXT = "text/plain;charset=UTF-8";

/** Causes of causes that are logged: a chain that is longer, or a ring, ends there. */
const CAUSES_MAX = 8;

/**
 * The answer to a request whose handler threw or rejected with `error`; logs it if it is ours. Never throws.
 *
 * A body that could not be received (too long, malformed, broken off) makes handlers fail with whatever their reading
 * made of it; the answer is then the status of the body's own error.
 */
export function errorAnswer(error: unknown, request: ServerRequest): Reply {
  const known = asHttpError(error) ?? request.body.error;
  if (known !== null) {
    if (known.status >= 500) logError(error, request);
    return statusAnswer(known.status, known.expose ? known.message : "", acceptOf(request), known.fields);
  }
  if (!isAbort(error, request.signal)) logError(error, request);
  return statusAnswer(500, "", acceptOf(request));
}

function asHttpError(error: unknown): HttpError | null {
  try {
    return error instanceof HttpError ? error : null;
  } catch {
    return null; // a revoked proxy: whoever throws one gets the usual answer
  }
}

function acceptOf(request: ServerRequest): string | null {
  try {
    return request.header("accept");
  } catch {
    return null; // answered before: what is made here is thrown away
  }
}

/**
 * What a status says, and what else there is to say: as text (`404 Not Found: no such note`), as JSON, or as a problem
 * (RFC 9457), whichever the client's Accept field prefers; text if it has no preference.
 */
export function statusAnswer(
  status: number,
  message = "",
  accept: string | null = null,
  fields: readonly string[] = [],
): Reply {
  const title = reasonPhrase(status);
  // An HttpError without a message of its own has this one.
  const detail = message === "" || message === `HTTP ${status}` ? undefined : message;
  const type = preferredType(accept);
  const own = fields.length === 0 ? null : [...fields];
  if (type === TEXT) {
    return new Reply(
      `${`${status} ${title}`.trimEnd()}${detail === undefined ? "" : `: ${detail}`}\n`,
      status,
      TEXT,
      own,
    );
  }
  const value = type === PROBLEM
    ? { type: "about:blank", title, status, detail }
    : { error: { status, message: detail ?? title } };
  return new Reply(JSON.stringify(value), status, type, own);
}

/** Content-Type of JSON. */
export const JSON_TYPE = "application/json";
const PROBLEM = "application/problem+json";

/** The best of the three forms of an error for an Accept field (RFC 9110 section 12.5.1). */
function preferredType(accept: string | null): string {
  if (accept === null) return TEXT;
  let best = TEXT, bestQuality = quality(accept, "text/plain");
  for (const type of [JSON_TYPE, PROBLEM]) {
    const one = quality(accept, type);
    if (one > bestQuality) [best, bestQuality] = [type, one];
  }
  return best;
}

/** What a client gives a media type, 0 to 1. An exact name counts a little more than a range that has it. */
function quality(accept: string, type: string): number {
  const ranges = ["*/*", `${type.split("/")[0]}/*`, type];
  let specificity = -1, found = 0;
  for (const [range, weight] of weights(accept)) {
    const level = ranges.indexOf(range);
    if (level <= specificity) continue;
    specificity = level;
    found = weight;
  }
  return found === 0 ? 0 : found + specificity * 1e-6;
}

/** Whether the error only says that the client is gone. */
function isAbort(error: unknown, signal: AbortSignal): boolean {
  if (!signal.aborted || error === signal.reason) return signal.aborted;
  try {
    return error instanceof Error && error.name === "AbortError";
  } catch {
    return false;
  }
}

/** The error for what a handler returned in place of an answer. It has no stack: that would be ours. */
export function noAnswerError(who: string, value: unknown): TypeError {
  const error = new TypeError(
    `Cannot answer: ${who} returned ${describe(value)}, ` +
      "expected a Response, or what c.text(), c.json() and their like make, or a promise of one",
  );
  error.stack = `${error.name}: ${error.message}`;
  return error;
}

function describe(value: unknown): string {
  if (value === undefined || value === null) return `${value}`;
  if (typeof value !== "object") return `a ${typeof value}`;
  try {
    const name = Object.getPrototypeOf(value)?.constructor?.name;
    return typeof name === "string" && name !== "" ? `an object of class ${name}` : "an object";
  } catch {
    return "an object that cannot be looked at";
  }
}

/**
 * Logs a failure as one entry: method and path of the request (not its query, which may hold secrets), then the stack
 * and the causes. Control characters are escaped, so that a request can forge neither a line nor a terminal's
 * commands. Never throws.
 */
export function logError(error: unknown, request: ServerRequest): void {
  // One argument, always: with several, console.error would read a "%c" of the path as a format.
  console.error(`${escapeControls(describeRequest(request))}: ${explain(error)}`);
}

function describeRequest(request: ServerRequest): string {
  try {
    return `${request.method} ${request.path}`;
  } catch {
    return `${request.method} (answered before)`;
  }
}

function explain(error: unknown): string {
  try {
    const lines: string[] = [];
    let current = error;
    for (let depth = 0; depth <= CAUSES_MAX; depth++) {
      const text = current instanceof Error ? current.stack ?? String(current) : `thrown: ${String(current)}`;
      lines.push(text.split("\n").map(escapeControls).join("\n"));
      if (!(current instanceof Error) || current.cause === undefined) break;
      current = current.cause;
    }
    return lines.join("\nCaused by: ");
  } catch {
    return "an error that cannot be shown";
  }
}

/** Control characters made visible, so that a text forges no line of a log and commands no terminal. */
export function escapeControls(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}
