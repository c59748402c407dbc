/**
 * Content coding on the way out: gzip, brotli and zstd.
 *
 * What is at hand and short is coded at once; what is long, or comes by and by, is coded as it goes. Each piece of a
 * stream is flushed, so that an event reaches the client when it happens and not when a buffer is full.
 *
 * @module
 */

import * as zlib from "node:zlib";
import { utf8 } from "../../http/bytes.ts";
import { isStream } from "../../http/message.ts";
import type { AnswerView } from "../answer_view.ts";
import type { Middleware } from "../compose.ts";
import { isCompressible, preferredCoding } from "../encoding.ts";
import { addVary } from "./vary.ts";

/** Options of `compress`. */
export interface CompressOptions {
  /** Shorter content is sent as it is, in bytes. Default: 1024. */
  thresholdBytes?: number;
  /** What is offered, the best first. Default: br, zstd (where the runtime has it), gzip. */
  codings?: readonly ("br" | "zstd" | "gzip")[];
}

/** Longer content is coded in pieces: coding a megabyte at once keeps everybody waiting for 20 ms. */
const AT_ONCE_BYTES = 64 * 1024;

/** How a coding is done: at once, and as it goes. */
interface Coder {
  atOnce(bytes: Uint8Array): Uint8Array<ArrayBuffer>;
  stream(): zlib.Gzip;
}

const QUALITY = { [zlib.constants.BROTLI_PARAM_QUALITY]: 4 }; // its default of 11 is for what is coded once

const CODERS: Readonly<Record<string, Coder | undefined>> = {
  gzip: {
    atOnce: (bytes) => new Uint8Array(zlib.gzipSync(bytes)),
    stream: () => zlib.createGzip({ flush: zlib.constants.Z_SYNC_FLUSH }),
  },
  br: {
    atOnce: (bytes) => new Uint8Array(zlib.brotliCompressSync(bytes, { params: QUALITY })),
    stream: () =>
      zlib.createBrotliCompress({
        flush: zlib.constants.BROTLI_OPERATION_FLUSH,
        params: QUALITY,
      }) as unknown as zlib.Gzip,
  },
  zstd: typeof zlib.zstdCompressSync !== "function" ? undefined : {
    atOnce: (bytes) => new Uint8Array(zlib.zstdCompressSync(bytes)),
    stream: () => zlib.createZstdCompress({ flush: zlib.constants.ZSTD_e_flush }) as unknown as zlib.Gzip,
  },
};

/**
 * Codes answers that get smaller by it, as the client's Accept-Encoding allows. Left alone is what is coded already, a
 * part of something (206), what says `no-transform`, and types that do not get smaller. Beside secrets do not send what
 * a client chose in one coded answer: its length tells (BREACH). Throws a `TypeError` for a coding that is not there.
 *
 * ```ts
 * import { App } from "@sluice/http";
 * import { compress } from "@sluice/http/middleware";
 *
 * const app = new App().use(compress()).get("/", (c) => c.text("Hello\n".repeat(1000)));
 * const response = await app.request("/", { headers: { "accept-encoding": "gzip" } });
 * console.assert(response.headers.get("content-encoding") === "gzip");
 * ```
 */
export function compress(options: CompressOptions = {}): Middleware<unknown> {
  const { thresholdBytes = 1024 } = options;
  const codings = options.codings ?? ["br", "zstd", "gzip"].filter((coding) => CODERS[coding] !== undefined);
  for (const coding of codings) {
    if (CODERS[coding] === undefined) throw new TypeError(`Cannot compress with ${JSON.stringify(coding)} here`);
  }
  return async (c, next) => {
    await next();
    const { res } = c;
    if (!mayBeCoded(res)) return;
    addVary(res.headers, "Accept-Encoding");
    const coding = preferredCoding(c.req.header("accept-encoding"), codings);
    if (coding === "identity" || c.req.method === "HEAD") return;
    if (!code(res, CODERS[coding]!, thresholdBytes)) return;
    res.headers.set("content-encoding", coding);
    res.headers.delete("content-length");
    res.headers.delete("accept-ranges");
    // The bytes are others now: the tag can only say that they mean the same (RFC 9110 section 8.8.3.3).
    const etag = res.headers.get("etag");
    if (etag !== null && !etag.startsWith("W/")) res.headers.set("etag", `W/${etag}`);
  };
}

function mayBeCoded({ status, headers }: AnswerView): boolean {
  return status !== 206 && status !== 204 && status !== 304 && !headers.has("content-encoding") &&
    !headers.has("content-range") && isCompressible(headers.get("content-type")) &&
    !/\bno-transform\b/i.test(headers.get("cache-control") ?? "");
}

/** Puts the coded content in place of the content; false, and nothing changed, if that is not worth it. */
function code(res: AnswerView, coder: Coder, thresholdBytes: number): boolean {
  const { content } = res;
  if (content === null) return false;
  if (isStream(content)) {
    res.content = codedStream(content, coder.stream());
    return true;
  }
  const bytes = typeof content === "string" ? utf8(content) : content;
  if (bytes.length < thresholdBytes) return false;
  if (bytes.length > AT_ONCE_BYTES) {
    res.content = codedStream(pieces(bytes), coder.stream());
    return true;
  }
  const coded = coder.atOnce(bytes);
  if (coded.length >= bytes.length) return false;
  res.content = coded;
  return true;
}

function pieces(bytes: Uint8Array): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    pull(controller): void {
      controller.enqueue(bytes.subarray(at, at += AT_ONCE_BYTES));
      if (at >= bytes.length) controller.close();
    },
  }, { highWaterMark: 0 });
}

/** A stream of the coded bytes: one piece is read, coded and passed on before the next is asked for. */
function codedStream(source: ReadableStream<Uint8Array>, coder: zlib.Gzip): ReadableStream<Uint8Array> {
  const reader = source.getReader();
  const write = (piece: Uint8Array) =>
    new Promise<void>((resolve, reject) => coder.write(piece, (error) => error ? reject(error) : resolve()));
  let produced = false;
  return new ReadableStream<Uint8Array>({
    start(controller): void {
      coder.on("data", (coded: Uint8Array) => {
        produced = true;
        controller.enqueue(new Uint8Array(coded));
      });
      coder.on("error", (error) => controller.error(error));
    },
    async pull(controller): Promise<void> {
      try {
        // Until something comes of it: nothing does of an empty piece, and nobody would ask again.
        for (produced = false; !produced;) {
          const { done, value } = await reader.read();
          if (done) break;
          await write(value);
        }
        if (produced) return;
        await new Promise<void>((resolve) => coder.on("end", resolve).end());
        controller.close();
      } catch (error) {
        coder.destroy();
        controller.error(error);
        reader.cancel(error).catch(() => {});
      }
    },
    async cancel(reason): Promise<void> {
      coder.destroy();
      await reader.cancel(reason);
    },
  }, { highWaterMark: 0 });
}
