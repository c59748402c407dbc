/**
 * Middleware that most servers want, each in a file of its own.
 *
 * ```ts
 * import { App } from "@sluice/http";
 * import { cors, logger, requestId, securityHeaders } from "@sluice/http/middleware";
 *
 * const app = new App().use(requestId()).use(logger({ write: () => {} })).use(securityHeaders()).use("/api", cors());
 * app.get("/api", (c) => c.json({ ok: true }));
 * console.assert((await app.request("/api", { headers: { origin: "http://a" } })).headers.has("x-request-id"));
 * ```
 *
 * @module
 */

export { basicAuth, type BasicAuthOptions, bearerAuth, type BearerAuthOptions, userOf } from "./auth.ts";
export { compress, type CompressOptions } from "./compress.ts";
export { CookieSigner } from "./cookie_signer.ts";
export { cors, type CorsOptions } from "./cors.ts";
export { csrf, type CsrfOptions } from "./csrf.ts";
export { etag } from "./etag.ts";
export { type AccessLogEntry, logger, type LoggerOptions } from "./logger.ts";
export { requestId, requestIdOf, type RequestIdOptions } from "./request_id.ts";
export { securityHeaders, type SecurityHeadersOptions } from "./security_headers.ts";
