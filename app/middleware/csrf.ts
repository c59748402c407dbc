/**
 * Requests that a page of somebody else makes in the name of its visitor.
 *
 * Browsers say where a request comes from: Sec-Fetch-Site in all of today's, Origin in older ones. A request that has
 * neither comes from no browser, and brings no visitor's cookies with it.
 *
 * @module
 */

import { HttpError } from "../../http/errors.ts";
import { isSafe } from "../../http/h1/framing.ts";
import type { Middleware } from "../compose.ts";

/** Options of `csrf`. */
export interface CsrfOptions {
  /** Other origins that may change things: `"https://example.com"`. Default: none. */
  trustedOrigins?: readonly string[];
}

/**
 * Refuses, with 403, requests that may change something and come from a page of another origin.
 *
 * ```ts
 * import { App } from "@sluice/http";
 * import { csrf } from "@sluice/http/middleware";
 *
 * const app = new App().use(csrf()).post("/", (c) => c.text("done"));
 * const headers = { "sec-fetch-site": "cross-site", origin: "https://evil.example" };
 * console.assert((await app.request("/", { method: "POST", headers })).status === 403);
 * console.assert((await app.request("/", { method: "POST" })).status === 200);
 * ```
 */
export function csrf({ trustedOrigins = [] }: CsrfOptions = {}): Middleware<unknown> {
  for (const origin of trustedOrigins) {
    if (URL.canParse(origin) && new URL(origin).origin === origin) continue;
    throw new TypeError(`Cannot trust ${JSON.stringify(origin)}: expected an origin like "https://example.com"`);
  }
  return (c, next) => {
    if (!isSafe(c.req.method) && !isOurs(c.req.header("sec-fetch-site"), c.req.header("origin"), c.req.host)) {
      const origin = c.req.header("origin");
      if (origin === null || !trustedOrigins.includes(origin)) throw new HttpError(403, "Cross-origin request refused");
    }
    return next();
  };
}

/** Whether a request comes from a page of this host, from the user, or from no browser. */
function isOurs(site: string | null, origin: string | null, host: string): boolean {
  if (site !== null) return site === "same-origin" || site === "none";
  if (origin === null) return true;
  return URL.canParse(origin) && new URL(origin).host === host.toLowerCase();
}
