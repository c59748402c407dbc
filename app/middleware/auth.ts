/**
 * Who is asking: Basic (RFC 7617) and Bearer (RFC 6750) credentials.
 *
 * Secrets are compared in constant time, by their digests, so that neither their length nor their first characters can
 * be measured from outside.
 *
 * @module
 */

import { createHash, timingSafeEqual } from "node:crypto";
import { HttpError } from "../../http/errors.ts";
import type { Middleware } from "../compose.ts";

/** Options of `basicAuth`. */
export interface BasicAuthOptions {
  /** Passwords by user name. */
  users?: Readonly<Record<string, string>>;
  /** Asked instead of `users`. */
  verify?: (user: string, password: string) => boolean | Promise<boolean>;
  /** What the browser shows. Default: `"restricted"`. */
  realm?: string;
}

/** Options of `bearerAuth`. */
export interface BearerAuthOptions {
  /** The token, or those that are valid. */
  token?: string | readonly string[];
  /** Asked instead of `token`. */
  verify?: (token: string) => boolean | Promise<boolean>;
  /** Names what is protected. Default: `"restricted"`. */
  realm?: string;
}

const users = new WeakMap<object, string>();

/**
 * Lets requests through that bring a user's name and password; others get 401 and are asked for them. Throws a
 * `TypeError` without `users` or `verify`.
 *
 * ```ts
 * import { App } from "@sluice/http";
 * import { basicAuth, userOf } from "@sluice/http/middleware";
 *
 * const app = new App().use("/admin", basicAuth({ users: { ada: "secret" } }));
 * app.get("/admin", (c) => c.text(`hello ${userOf(c)}`));
 * const headers = { authorization: `Basic ${btoa("ada:secret")}` };
 * console.assert((await (await app.request("/admin", { headers })).text()) === "hello ada");
 * console.assert((await app.request("/admin")).status === 401);
 * ```
 */
export function basicAuth({ users: known, verify, realm = "restricted" }: BasicAuthOptions): Middleware<unknown> {
  if (known === undefined && verify === undefined) {
    throw new TypeError("Cannot use basicAuth without users: pass users or verify");
  }
  const passwords = new Map(Object.entries(known ?? {}));
  const check = verify ?? ((user: string, password: string) => {
    // A name that nobody has is compared too, with nothing that could be equal.
    const wanted = passwords.get(user);
    return isSame(password, wanted ?? "") && wanted !== undefined;
  });
  const challenge = `Basic realm=${quote(realm)}, charset="UTF-8"`;
  return async (c, next) => {
    const [user, password] = basicCredentials(c.req.header("authorization")) ?? [];
    if (user === undefined || !(await check(user, password!))) throw unauthorized(challenge);
    users.set(c, user);
    await next();
  };
}

/** The user whom `basicAuth` let through, undefined if that does not cover the request. */
export function userOf(c: object): string | undefined {
  return users.get(c);
}

function basicCredentials(header: string | null): [string, string] | null {
  const encoded = /^basic +([A-Za-z0-9+/]+={0,2})$/i.exec(header ?? "")?.[1];
  if (encoded === undefined) return null;
  let text: string;
  try {
    text = new TextDecoder().decode(Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0)));
  } catch {
    return null;
  }
  const colon = text.indexOf(":");
  return colon < 0 ? null : [text.slice(0, colon), text.slice(colon + 1)];
}

/**
 * Lets requests through that bring a token; others get 401. Throws a `TypeError` without `token` or `verify`.
 *
 * ```ts
 * import { App } from "@sluice/http";
 * import { bearerAuth } from "@sluice/http/middleware";
 *
 * const app = new App().use(bearerAuth({ token: "t0k3n" })).get("/", (c) => c.text("in"));
 * console.assert((await app.request("/", { headers: { authorization: "Bearer t0k3n" } })).status === 200);
 * console.assert((await app.request("/")).status === 401);
 * ```
 */
export function bearerAuth({ token, verify, realm = "restricted" }: BearerAuthOptions): Middleware<unknown> {
  if (token === undefined && verify === undefined) {
    throw new TypeError("Cannot use bearerAuth without a token: pass token or verify");
  }
  const tokens = typeof token === "string" ? [token] : token ?? [];
  // Each is compared, whichever is the right one.
  const check = verify ?? ((given: string) => tokens.map((wanted) => isSame(given, wanted)).includes(true));
  return async (c, next) => {
    const given = /^bearer +([\w.~+/-]+=*)$/i.exec(c.req.header("authorization") ?? "")?.[1];
    if (given === undefined) throw unauthorized(`Bearer realm=${quote(realm)}`);
    if (!(await check(given))) throw unauthorized(`Bearer realm=${quote(realm)}, error="invalid_token"`);
    await next();
  };
}

function isSame(given: string, wanted: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(wanted));
}

function unauthorized(challenge: string): HttpError {
  return new HttpError(401, undefined, { headers: { "www-authenticate": challenge } });
}

/** A quoted-string (RFC 9110 section 5.6.4). */
function quote(text: string): string {
  return `"${text.replace(/["\\]/g, "\\$&")}"`;
}
