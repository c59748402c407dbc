/**
 * From a module's URL to a started application.
 *
 * @module
 */

import { asApplication } from "../http/application.ts";
import type { Application } from "../http/message.ts";
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
