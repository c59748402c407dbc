/**
 * A route that always gives the same answer: `app.get("/robots.txt", new Response("…"))`.
 *
 * Its `Response` is read when it is first asked for. From then on bytes, entity tag and compressed forms are at hand: an
 * answer is a choice between them.
 *
 * @module
 */

import type { FieldList } from "../http/headers.ts";
import { type Answer, Reply } from "../http/message.ts";
import type { Innermost } from "./compose.ts";
import type { Context } from "./context.ts";
import { isCompressible, preferredCoding } from "./encoding.ts";
import { codedTag, namesTag } from "./entity_tag.ts";

/** Shorter content is not worth a field that says how it is coded. */
const COMPRESS_BYTES = 512;

/** One form of the content. */
interface Variant {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly etag: string | null;
  readonly fields: FieldList;
}

/** The answer, ready. */
interface Constant {
  readonly status: number;
  readonly contentType: string | null;
  /** By coding; `identity` is always there. */
  readonly variants: ReadonlyMap<string, Variant>;
  readonly codings: readonly string[];
}

/** A handler that answers with a `Response`, again and again. Throws a `TypeError` for one whose body was used. */
export function constantHandler<State>(response: Response): Innermost<State> {
  if (response.bodyUsed) throw new TypeError("Cannot answer with this Response: its body has been used already");
  let ready: Constant | null = null;
  let preparing: Promise<Constant> | null = null;
  return (c) => {
    if (ready !== null) return choose(ready, c);
    preparing ??= prepare(response).then((constant) => ready = constant);
    return preparing.then((constant) => choose(constant, c));
  };
}

function choose<State>({ status, contentType, variants, codings }: Constant, c: Context<State>): Answer {
  const coding = codings.length === 0 ? "identity" : preferredCoding(c.req.header("accept-encoding"), codings);
  const { bytes, etag, fields } = variants.get(coding)!;
  const { method } = c.req;
  const mayBeKnown = status === 200 && (method === "GET" || method === "HEAD");
  if (mayBeKnown && etag !== null && namesTag(c.req.header("if-none-match"), etag)) {
    return new Reply(null, 304, null, fields);
  }
  return new Reply(bytes, status, contentType, fields);
}

async function prepare(response: Response): Promise<Constant> {
  const bytes = new Uint8Array(await response.arrayBuffer());
  const { status, headers } = response;
  const own = (name: string) => name !== "content-type" && name !== "content-length" && name !== "etag";
  const fields: FieldList = [...headers].filter(([name]) => own(name)).flat();
  const contentType = headers.get("content-type");
  const mayCode = status === 200 && bytes.length >= COMPRESS_BYTES && isCompressible(contentType) &&
    !headers.has("content-encoding") && !/\bno-transform\b/.test(headers.get("cache-control") ?? "");
  const coded = mayCode ? await compressed(bytes) : [];
  const tag = status === 200 ? headers.get("etag") ?? await entityTag(bytes) : headers.get("etag");

  const variants = new Map<string, Variant>();
  const add = (coding: string, bytes: Uint8Array<ArrayBuffer>) => {
    const etag = tag === null || coding === "identity" ? tag : codedTag(tag, coding);
    const all = [...fields];
    if (etag !== null) all.push("etag", etag);
    if (coding !== "identity") all.push("content-encoding", coding);
    if (coded.length > 0) all.push("vary", "Accept-Encoding");
    variants.set(coding, { bytes, etag, fields: all });
  };
  add("identity", bytes);
  for (const [coding, bytes] of coded) add(coding, bytes);
  return { status, contentType, variants, codings: coded.map(([coding]) => coding) };
}

/** The coded forms that are smaller, the smallest first. */
async function compressed(bytes: Uint8Array<ArrayBuffer>): Promise<[string, Uint8Array<ArrayBuffer>][]> {
  const zlib = await import("node:zlib");
  const forms: [string, Uint8Array<ArrayBuffer>][] = [
    ["br", new Uint8Array(zlib.brotliCompressSync(bytes))],
    ["gzip", new Uint8Array(zlib.gzipSync(bytes, { level: 9 }))],
  ];
  if (typeof zlib.zstdCompressSync === "function") forms.push(["zstd", new Uint8Array(zlib.zstdCompressSync(bytes))]);
  return forms.filter(([, coded]) => coded.length < bytes.length).sort(([, a], [, b]) => a.length - b.length);
}

async function entityTag(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).subarray(0, 12);
  return `"${btoa(String.fromCharCode(...digest))}"`;
}
