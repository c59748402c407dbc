/**
 * `serve()`: the one function that people start a server with.
 *
 * @module
 */

import { asApplication } from "../http/application.ts";
import type { FetchModule } from "../http/fetch_module.ts";
import type { Application } from "../http/message.ts";
import { checkOptions, type ServeOptions } from "./options.ts";
import { isWorker } from "./place.ts";
import { banner, LocalEngine, RunningServer, type Server } from "./server.ts";
import { Supervisor } from "./supervisor.ts";
import { VERSION } from "./version.ts";

/**
 * Serves an app and resolves once it answers.
 *
 * Given the URL of a module (a string or a `URL`), it starts one Web Worker per processor, each of which imports that
 * module and serves its default export: an `App`, or any object with a `fetch` function. Functions cannot cross
 * threads, which is why it is the module and not the app. Given the app itself, it serves on the calling thread.
 *
 * Throws a `TypeError` or `RangeError` for options that make no sense, and an `Error` with one sentence when an address
 * cannot be listened on, the module cannot be loaded or the app's `start` hook fails.
 *
 * ```ts
 * import { App, serve } from "@sluice/http";
 *
 * const app = new App();
 * app.get("/", (c) => c.text("Hello, world\n"));
 *
 * await using server = await serve(app, { hostname: "127.0.0.1", port: 0 });
 * const [address] = server.addrs;
 * if (address.transport !== "tcp") throw new Error("a port is a TCP address");
 * const response = await fetch(`http://127.0.0.1:${address.port}/`);
 * console.assert(await response.text() === "Hello, world\n");
 * ```
 */
export async function serve(
  app: string | URL | Application | FetchModule,
  options: ServeOptions = {},
): Promise<Server> {
  if (isWorker()) {
    throw new Error(
      "Cannot serve inside a worker of a server: this module is the app and is imported by each worker; " +
        "call serve() in another module and give it this one's URL, like serve(import.meta.resolve('./app.ts'))",
    );
  }
  const checked = checkOptions(options);
  const start = typeof app === "string" || app instanceof URL ? startWorkers : startHere;
  const [engine, threads] = await start(app as never, options, checked);
  const server = new RunningServer(engine, checked);
  try {
    if (options.onListen) options.onListen([...server.addrs]);
    else console.error(banner(VERSION, server.addrs, threads));
  } catch (error) {
    await server.shutdown(); // nobody else could
    throw error;
  }
  return server;
}

type Checked = ReturnType<typeof checkOptions>;

async function startWorkers(app: string | URL, _: ServeOptions, checked: Checked): Promise<[Supervisor, string]> {
  let url: string;
  try {
    url = new URL(app).href;
  } catch {
    throw new TypeError(
      `Cannot serve ${JSON.stringify(String(app))}: expected the URL of a module, like import.meta.resolve("./app.ts")`,
    );
  }
  const workers = checked.workers === 1 ? "1 worker" : `${checked.workers} workers`;
  return [await Supervisor.start(url, checked), workers];
}

async function startHere(
  app: Application | FetchModule,
  options: ServeOptions,
  checked: Checked,
): Promise<[LocalEngine, string]> {
  const application = asApplication(app);
  if (application === null) {
    throw new TypeError("Cannot serve this: expected an App, an object with a fetch function, or the URL of a module");
  }
  if (options.workers !== undefined && options.workers !== 1) {
    throw new TypeError(
      `Cannot serve an app object with ${options.workers} workers: workers import a module, so give serve() its URL`,
    );
  }
  return [await LocalEngine.start(application, checked), "on this thread"];
}
