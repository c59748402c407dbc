/**
 * An application's life: from a module's URL to one that has started, and its end.
 *
 * @module
 */

import { asApplication } from "../http/application.ts";
import type { Application, StartInfo } from "../http/message.ts";
import { messageOf } from "./log.ts";

/** Imports a module and takes its default export as an application. Rejects with one sentence that says what to do. */
export async function loadApplication(url: string): Promise<Application> {
  let module: { default?: unknown };
  try {
    module = await import(url);
  } catch (error) {
    throw new Error(`Cannot load the app ${url}: ${messageOf(error)}`, { cause: error });
  }
  if (module.default === undefined) {
    throw new TypeError(`Cannot serve ${url}: it has no default export, add \`export default app\``);
  }
  const application = asApplication(module.default);
  if (application === null) {
    throw new TypeError(
      `Cannot serve ${url}: its default export is neither an App nor an object with a fetch function`,
    );
  }
  return application;
}

/** Runs a `start` hook. Rejects with one sentence if it fails. */
export async function startApplication(application: Application, info: StartInfo): Promise<void> {
  try {
    await application.start(info);
  } catch (error) {
    throw new Error(`Cannot start the app: its start hook failed: ${messageOf(error)}`, { cause: error });
  }
}

/** How long a stop hook may take after the last answer. */
const STOP_HOOK_MS = 1000;

/** Runs a `stop` hook. Rejects with one sentence if it fails, or has not ended after `deadlineMs`. */
export async function stopApplication(application: Application, deadlineMs: number = STOP_HOOK_MS): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`it has not ended after ${deadlineMs} ms`)), deadlineMs);
  });
  try {
    await Promise.race([application.stop(), late]);
  } catch (error) {
    throw new Error(`Cannot stop the app: its stop hook failed: ${messageOf(error)}`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}
