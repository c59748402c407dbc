/**
 * Entity tags for answers whose content is at hand, so that a client that has it already gets 304.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { utf8 } from "../../http/bytes.ts";
import { isStream } from "../../http/message.ts";
import type { Middleware } from "../compose.ts";
import { namesTag } from "../entity_tag.ts";

/** Fields of an answer to GET that a 304 has too (RFC 9110 section 15.4.5). */
const KEPT: readonly string[] = ["cache-control", "content-location", "date", "etag", "expires", "set-cookie", "vary"];

/**
 * Gives answers to GET and HEAD with status 200 an entity tag, unless they have one, and answers 304 where the client
 * names it. The handler has run by then: it saves the sending, not the work. Streams get none.
 *
 * ```ts
 * import { App } from "@sluice/http";
 * import { etag } from "@sluice/http/middleware";
 *
 * const app = new App().use(etag()).get("/", (c) => c.text("Hello\n"));
 * const tag = (await app.request("/")).headers.get("etag")!;
 * console.assert((await app.request("/", { headers: { "if-none-match": tag } })).status === 304);
 * ```
 */
export function etag(): Middleware<unknown> {
  return async (c, next) => {
    await next();
    const { res, req } = c;
    if ((req.method !== "GET" && req.method !== "HEAD") || res.status !== 200) return;
    const { content } = res;
    let tag = res.headers.get("etag");
    if (tag === null) {
      if (isStream(content)) return;
      const bytes = typeof content === "string" ? utf8(content) : content ?? new Uint8Array(0);
      tag = `"${createHash("sha256").update(bytes).digest("base64").slice(0, 24)}"`;
      res.headers.set("etag", tag);
    }
    if (!namesTag(req.header("if-none-match"), tag)) return;
    if (isStream(content)) await content.cancel();
    res.content = null;
    res.status = 304;
    for (const [name] of [...res.headers]) if (!KEPT.includes(name)) res.headers.delete(name);
  };
}
