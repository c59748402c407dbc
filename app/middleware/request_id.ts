/**
 * An id for each request: in the answer, and for whoever logs.
 *
 * @module
 */

import type { Middleware } from "../compose.ts";

/** Options of `requestId`. */
export interface RequestIdOptions {
  /** The header field that carries it. Default: `"x-request-id"`. */
  header?: string;
  /**
   * Whether an id that the client (or the proxy in front) sent is taken over, if it is 1 to 128 letters, digits and
   * `-_.:`. Default: false, for anybody can send one.
   */
  trust?: boolean;
  /** Makes an id. Default: `crypto.randomUUID`. */
  generate?: () => string;
}

const ids = new WeakMap<object, string>();

/**
 * Gives each request an id, sends it in a header field of the answer, and keeps it for `requestIdOf(c)`.
 *
 * ```ts
 * import { App } from "@sluice/http";
 * import { requestId, requestIdOf } from "@sluice/http/middleware";
 *
 * const app = new App().use(requestId());
 * app.get("/", (c) => c.text(requestIdOf(c) ?? ""));
 * const response = await app.request("/");
 * console.assert((await response.text()) === response.headers.get("x-request-id"));
 * ```
 */
export function requestId(options: RequestIdOptions = {}): Middleware<unknown> {
  const { header = "x-request-id", trust = false, generate = () => crypto.randomUUID() } = options;
  return (c, next) => {
    const sent = trust ? c.req.header(header) : null;
    const id = sent !== null && /^[\w.:-]{1,128}$/.test(sent) ? sent : generate();
    ids.set(c, id);
    c.header(header, id);
    return next();
  };
}

/** The id that `requestId` gave the request, undefined if that does not cover it. */
export function requestIdOf(c: object): string | undefined {
  return ids.get(c);
}
