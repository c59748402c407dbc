/**
 * Cross-origin requests: which pages may read our answers (the CORS protocol of the Fetch standard).
 *
 * @module
 */

import type { Middleware } from "../compose.ts";
import type { AnswerHeaders } from "../answer_view.ts";
import { Reply } from "../../http/message.ts";
import { addVary } from "./vary.ts";

/** Options of `cors`. */
export interface CorsOptions {
  /**
   * Who may read answers: `"*"` for everybody, one or more origins (`"https://example.com"`), or a function that is
   * asked. Default: `"*"`.
   */
  origin?: "*" | string | readonly string[] | ((origin: string) => boolean);
  /** The methods that a preflight allows. Default: GET, HEAD, PUT, POST, DELETE, PATCH. */
  methods?: readonly string[];
  /** The request header fields that a preflight allows. Default: those that it asks for. */
  allowHeaders?: readonly string[];
  /** The fields of the answer that pages may read beside the usual ones. Default: none. */
  exposeHeaders?: readonly string[];
  /** Whether cookies and the like may come along; not with `origin: "*"`. Default: false. */
  credentials?: boolean;
  /** How long a browser may remember a preflight, in seconds. Default: what the browser does. */
  maxAgeSeconds?: number;
}

const METHODS: readonly string[] = ["GET", "HEAD", "PUT", "POST", "DELETE", "PATCH"];

/**
 * Answers preflights, and lets pages of other origins read what is answered. An origin that may not gets an answer
 * without the fields, which its browser keeps from it. Throws a `TypeError` for credentials with every origin: any page
 * could then act in its visitors' names.
 *
 * ```ts
 * import { App } from "@sluice/http";
 * import { cors } from "@sluice/http/middleware";
 *
 * const app = new App().use(cors({ origin: "https://example.com" })).get("/", (c) => c.text("x"));
 * const response = await app.request("/", { headers: { origin: "https://example.com" } });
 * console.assert(response.headers.get("access-control-allow-origin") === "https://example.com");
 * ```
 */
export function cors(options: CorsOptions = {}): Middleware<unknown> {
  const { origin = "*", methods = METHODS, allowHeaders, exposeHeaders = [], credentials = false } = options;
  if (origin === "*" && credentials) {
    throw new TypeError('Cannot use cors with credentials and origin "*": name the origins that may have them');
  }
  const isAllowed = typeof origin === "function"
    ? origin
    : (given: string) => origin === "*" || origin === given || (Array.isArray(origin) && origin.includes(given));

  const addOrigin = (headers: AnswerHeaders, given: string | null): boolean => {
    if (origin !== "*") addVary(headers, "Origin");
    if (given === null || !isAllowed(given)) return false;
    headers.set("access-control-allow-origin", origin === "*" ? "*" : given);
    if (credentials) headers.set("access-control-allow-credentials", "true");
    return true;
  };
  const addPreflight = (headers: AnswerHeaders, asked: string | null): void => {
    headers.set("access-control-allow-methods", methods.join(", "));
    const fields = allowHeaders?.join(", ") ?? asked ?? "";
    if (fields !== "") headers.set("access-control-allow-headers", fields);
    if (allowHeaders === undefined) addVary(headers, "Access-Control-Request-Headers");
    if (options.maxAgeSeconds !== undefined) headers.set("access-control-max-age", String(options.maxAgeSeconds));
  };

  return async (c, next) => {
    const given = c.req.header("origin");
    if (c.req.method === "OPTIONS" && given !== null && c.req.header("access-control-request-method") !== null) {
      c.res = new Reply(null, 204);
      if (addOrigin(c.res.headers, given)) addPreflight(c.res.headers, c.req.header("access-control-request-headers"));
      return;
    }
    await next();
    const isOpen = addOrigin(c.res.headers, given);
    if (isOpen && exposeHeaders.length > 0) {
      c.res.headers.set("access-control-expose-headers", exposeHeaders.join(", "));
    }
  };
}
