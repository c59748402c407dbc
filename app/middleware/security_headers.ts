/**
 * Header fields that make browsers careful.
 *
 * @module
 */

import type { Middleware } from "../compose.ts";

/** Options of `securityHeaders`: the value of each field, or false to leave it out. */
export interface SecurityHeadersOptions {
  /** Default: `"nosniff"`. */
  contentTypeOptions?: string | false;
  /** Default: `"SAMEORIGIN"`. */
  frameOptions?: string | false;
  /** Default: `"strict-origin-when-cross-origin"`. */
  referrerPolicy?: string | false;
  /** Default: `"same-origin"`. */
  crossOriginOpenerPolicy?: string | false;
  /** Default: `"same-origin"`. */
  crossOriginResourcePolicy?: string | false;
  /** Default: none, for it depends on what a page loads: `"default-src 'self'"`. */
  contentSecurityPolicy?: string | false;
  /** Default: none, for it is a promise that outlives the server: `"max-age=63072000; includeSubDomains"`. */
  strictTransportSecurity?: string | false;
  /** Default: none: `"camera=(), microphone=()"`. */
  permissionsPolicy?: string | false;
}

const FIELDS: readonly (readonly [keyof SecurityHeadersOptions, name: string, value: string | false])[] = [
  ["contentTypeOptions", "x-content-type-options", "nosniff"],
  ["frameOptions", "x-frame-options", "SAMEORIGIN"],
  ["referrerPolicy", "referrer-policy", "strict-origin-when-cross-origin"],
  ["crossOriginOpenerPolicy", "cross-origin-opener-policy", "same-origin"],
  ["crossOriginResourcePolicy", "cross-origin-resource-policy", "same-origin"],
  ["contentSecurityPolicy", "content-security-policy", false],
  ["strictTransportSecurity", "strict-transport-security", false],
  ["permissionsPolicy", "permissions-policy", false],
];

/**
 * Adds the fields to every answer that does not have them already.
 *
 * ```ts
 * import { App } from "@sluice/http";
 * import { securityHeaders } from "@sluice/http/middleware";
 *
 * const app = new App().use(securityHeaders({ contentSecurityPolicy: "default-src 'self'" })).get("/", (c) => c.text("x"));
 * console.assert((await app.request("/")).headers.get("x-content-type-options") === "nosniff");
 * ```
 */
export function securityHeaders(options: SecurityHeadersOptions = {}): Middleware<unknown> {
  const fields: [string, string][] = [];
  for (const [key, name, usual] of FIELDS) {
    const value = options[key] ?? usual;
    if (value !== false) fields.push([name, value]);
  }
  return async (c, next) => {
    await next();
    for (const [name, value] of fields) if (!c.res.headers.has(name)) c.res.headers.set(name, value);
  };
}
