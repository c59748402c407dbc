/**
 * Tells what kind of application a module's default export is.
 *
 * @module
 */

import type { Application } from "./message.ts";
import { fetchApplication, type FetchModule } from "./fetch_module.ts";

/**
 * The value as an application: itself if it has `start`, `stop` and `handle` (an App), wrapped if it has `fetch`, null
 * if it is neither.
 */
export function asApplication(value: unknown): Application | null {
  if (has(value, "start") && has(value, "stop") && has(value, "handle")) return value as unknown as Application;
  return has(value, "fetch") ? fetchApplication(value as unknown as FetchModule) : null;
}

function has<Name extends string>(value: unknown, name: Name): value is Record<Name, () => unknown> {
  if (value === null || (typeof value !== "object" && typeof value !== "function")) return false;
  return typeof (value as Record<string, unknown>)[name] === "function";
}
