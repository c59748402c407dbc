/**
 * Cookies: what a client sends, and what it is told to keep (RFC 6265, and the prefixes of its successor).
 *
 * Values are percent-encoded on the way out and decoded on the way in, so any text may be kept. What a browser would
 * silently ignore (a `__Host-` cookie with a domain, `SameSite=None` without `Secure`) is refused here, where somebody
 * reads the message.
 *
 * @module
 */

import { checkFieldName } from "../http/headers.ts";

/** How a cookie is kept. */
export interface CookieOptions {
  /** The paths that it is sent back for. Default: `"/"`. */
  path?: string;
  /** The domain and everything below it that it is sent back for. Default: the host that set it, alone. */
  domain?: string;
  /** How long it is kept, in seconds; at most 400 days. Default: until the browser is closed. */
  maxAgeSeconds?: number;
  /** When it ends; `maxAgeSeconds` goes before it. */
  expires?: Date;
  /** Whether scripts of the page cannot read it. Default: true. */
  httpOnly?: boolean;
  /** Whether it is sent over HTTPS only. Default: false, but true for names that ask for it (`__Host-`, `__Secure-`). */
  secure?: boolean;
  /** Whether it comes along with requests from pages of other sites. Default: `"Lax"`, with links only. */
  sameSite?: "Strict" | "Lax" | "None";
  /** Whether each site that embeds us has one of its own. Default: false. */
  partitioned?: boolean;
}

/** Browsers keep no more of a name and a value together. */
const COOKIE_BYTES = 4096;

/** Browsers keep no cookie for longer. */
const AGE_SECONDS = 400 * 24 * 3600;

/** The cookies of a Cookie field, by name; of two with one name the first, which has the longer path. */
export function parseCookies(header: string | null): Map<string, string> {
  const cookies = new Map<string, string>();
  for (const pair of (header ?? "").split(";")) {
    const equals = pair.indexOf("=");
    const name = trim(pair.slice(0, Math.max(0, equals)));
    if (name === "" || cookies.has(name)) continue;
    const value = trim(pair.slice(equals + 1));
    cookies.set(name, decode(/^".*"$/.test(value) ? value.slice(1, -1) : value));
  }
  return cookies;
}

/** Of white space only what HTTP calls so: a name with a no-break space in front is another name. */
function trim(text: string): string {
  return text.replace(/^[ \t]+|[ \t]+$/g, "");
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // set by somebody else, in another way
  }
}

/**
 * A Set-Cookie field. Throws a `TypeError` or a `RangeError` for what cannot be sent or what browsers would ignore.
 */
export function serializeCookie(name: string, value: string, options: CookieOptions = {}): string {
  const refuse = (problem: string) => new TypeError(`Cannot set the cookie ${JSON.stringify(name)}: ${problem}`);
  checkFieldName(name);
  const lower = name.toLowerCase();
  const isHost = lower.startsWith("__host-");
  const needsSecure = isHost || lower.startsWith("__secure-");
  const { path = "/", domain, maxAgeSeconds, expires, httpOnly = true, secure = needsSecure, partitioned } = options;
  const { sameSite = "Lax" } = options;
  if (needsSecure && !secure) throw refuse("its prefix asks for secure");
  if (isHost && (path !== "/" || domain !== undefined)) throw refuse('__Host- asks for the path "/" and no domain');
  if (!["Strict", "Lax", "None"].includes(sameSite)) throw refuse(`sameSite is ${JSON.stringify(sameSite)}`);
  if ((sameSite === "None" || partitioned) && !secure) throw refuse('sameSite "None" and partitioned ask for secure');
  if (!/^\/[\x20-\x3a\x3c-\x7e]*$/.test(path)) throw refuse(`${JSON.stringify(path)} is no path`);
  if (domain !== undefined && !/^\.?[a-z0-9-]+(?:\.[a-z0-9-]+)*$/i.test(domain)) {
    throw refuse(`${JSON.stringify(domain)} is no domain`);
  }
  if (maxAgeSeconds !== undefined && !(Number.isInteger(maxAgeSeconds) && maxAgeSeconds <= AGE_SECONDS)) {
    throw new RangeError(
      `Cannot set the cookie ${JSON.stringify(name)}: expected an integer up to ${AGE_SECONDS} as maxAgeSeconds, ` +
        `got ${maxAgeSeconds}`,
    );
  }
  const encoded = encodeURIComponent(value);
  if (name.length + encoded.length > COOKIE_BYTES) throw refuse(`it has more than ${COOKIE_BYTES} bytes`);
  const parts = [`${name}=${encoded}`, `Path=${path}`, `SameSite=${sameSite}`];
  if (domain !== undefined) parts.push(`Domain=${domain}`);
  if (maxAgeSeconds !== undefined) parts.push(`Max-Age=${maxAgeSeconds}`);
  if (expires !== undefined) parts.push(`Expires=${expires.toUTCString()}`);
  if (httpOnly) parts.push("HttpOnly");
  if (secure) parts.push("Secure");
  if (partitioned) parts.push("Partitioned");
  return parts.join("; ");
}
