/**
 * A received request as the web's `Request`, for code that was written for `fetch` handlers.
 *
 * @module
 */

import type { ServerRequest } from "./message.ts";

/** The absolute URL that the client asked for: scheme, authority, target (RFC 9110 section 7.1). */
export function requestUrl(request: ServerRequest, scheme = "http"): string {
  const authority = request.authority || "localhost";
  const path = request.path === "*" ? "/" : request.path;
  return `${scheme}://${authority}${path}${request.queryText ? `?${request.queryText}` : ""}`;
}

/**
 * Builds a `Request` that shares body and signal with the received one: reading either reads both. The Fetch API
 * allows no content with GET and HEAD, so theirs is left out.
 */
export function toFetchRequest(request: ServerRequest): Request {
  const { method } = request;
  const hasBody = method !== "GET" && method !== "HEAD" && request.body.length !== 0;
  return new Request(requestUrl(request), {
    method,
    headers: request.headers(),
    body: hasBody ? request.body.stream() : null,
    signal: request.signal,
    // Deno streams a request body without asking; the standard's types want the word.
    ...(hasBody ? { duplex: "half" } : {}),
  } as RequestInit);
}
