/**
 * The access log: a line for each answer.
 *
 * @module
 */

import { escapeControls } from "../../http/error_answer.ts";
import type { Middleware } from "../compose.ts";
import { requestIdOf } from "./request_id.ts";

/** One answer, as it is logged. */
export interface AccessLogEntry {
  /** When it was answered, in ISO 8601. */
  readonly time: string;
  /** The method. */
  readonly method: string;
  /** The path, without the query, which may hold secrets. */
  readonly path: string;
  /** The status. */
  readonly status: number;
  /** How long middleware inside of this one and the handler took, in milliseconds. */
  readonly durationMs: number;
  /** The address of the client, or of the proxy in front. */
  readonly client: string;
  /** The id that `requestId` gave, if that stands outside. */
  readonly requestId?: string;
}

/** Options of `logger`. */
export interface LoggerOptions {
  /** Default: `"text"`. */
  format?: "text" | "json";
  /** The share of answers below 500 that are logged, 0 to 1; those from 500 on always are. Default: 1. */
  sample?: number;
  /** Takes a line. Default: `console.log`. */
  write?: (line: string) => void;
}

/**
 * Logs each answer, as text or as JSON. No byte of a request gets into the log that could forge a line or command a
 * terminal. Throws a `RangeError` for a share that is not from 0 to 1.
 *
 * ```ts
 * import { App } from "@sluice/http";
 * import { logger } from "@sluice/http/middleware";
 *
 * const lines: string[] = [];
 * const app = new App().use(logger({ write: (line) => lines.push(line) })).get("/", (c) => c.text("x"));
 * await app.request("/");
 * console.assert(/ GET \/ 200 /.test(lines[0]!));
 * ```
 */
export function logger(options: LoggerOptions = {}): Middleware<unknown> {
  const { format = "text", sample = 1, write = console.log } = options;
  if (!(sample >= 0 && sample <= 1)) {
    throw new RangeError(`Cannot log a share of ${sample}: expected a number from 0 to 1`);
  }
  return async (c, next) => {
    const startMs = performance.now();
    await next();
    const { status } = c.res;
    if (status < 500 && sample < 1 && Math.random() >= sample) return;
    const id = requestIdOf(c);
    const entry: AccessLogEntry = {
      time: new Date().toISOString(),
      method: c.req.method,
      path: c.req.path,
      status,
      durationMs: Math.round((performance.now() - startMs) * 1000) / 1000,
      client: c.req.remoteAddr.hostname,
      ...(id === undefined ? {} : { requestId: id }),
    };
    write(format === "json" ? JSON.stringify(entry) : textOf(entry));
  };
}

function textOf({ time, method, path, status, durationMs, client, requestId }: AccessLogEntry): string {
  const id = requestId === undefined ? "" : ` ${requestId}`;
  return escapeControls(`${time} ${client || "-"} ${method} ${path} ${status} ${durationMs.toFixed(1)}ms${id}`);
}
