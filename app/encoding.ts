/**
 * Content codings: which one a client takes, and what is worth coding (RFC 9110 section 12.5.3).
 *
 * @module
 */

import { weights } from "../http/accept.ts";

/** What an Accept-Encoding field gives a coding, 0 to 1; without the field only `identity` is sure to be understood. */
function quality(accept: string, coding: string): number {
  let found = -1, star = -1;
  for (const [name, weight] of weights(accept)) {
    if (name === coding || (coding === "gzip" && name === "x-gzip")) found = weight;
    if (name === "*") star = weight;
  }
  if (found >= 0) return found;
  return star >= 0 ? star : coding === "identity" ? 1e-6 : 0;
}

/** The coding that a client likes best of those on offer, which are in our order; `identity` if it likes none. */
export function preferredCoding(accept: string | null, offered: readonly string[]): string {
  if (accept === null) return "identity";
  let best = "identity", bestQuality = quality(accept, "identity");
  if (bestQuality <= 1e-6) bestQuality = 0;
  for (const coding of offered) {
    const one = quality(accept, coding);
    if (one > bestQuality || (one === bestQuality && one > 0 && best === "identity")) {
      [best, bestQuality] = [coding, one];
    }
  }
  return best;
}

/** Whether content of a type gets smaller; what is compressed already does not. */
export function isCompressible(contentType: string | null): boolean {
  const type = (contentType ?? "").split(";")[0]!.trim().toLowerCase();
  if (type === "text/event-stream") return true;
  return /^text\/|[/+](?:json|xml|javascript|ecmascript|wasm|x-ndjson|manifest|graphql|svg)$|^image\/(?:svg\+xml|bmp)$/
    .test(type) ||
    /^(?:font\/(?:ttf|otf)|application\/(?:javascript|vnd\.ms-fontobject))$/.test(type);
}
