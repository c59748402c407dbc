/**
 * The Vary field, which several middleware add to.
 *
 * @module
 */

import type { AnswerHeaders } from "../answer_view.ts";

/** Notes that the answer depends on a field of the request (RFC 9110 section 12.5.5); once, however often it is said. */
export function addVary(headers: AnswerHeaders, name: string): void {
  const names = (headers.get("vary") ?? "").split(",").map((text) => text.trim()).filter((text) => text !== "");
  if (names.includes("*") || names.some((text) => text.toLowerCase() === name.toLowerCase())) return;
  headers.set("vary", [...names, name].join(", "));
}
