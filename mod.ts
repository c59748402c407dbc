/**
 * Sluice: an HTTP server for Deno on Linux. An epoll loop per worker, HTTP in TypeScript, a router on top.
 *
 * An app is a module whose default export is an `App`; a server imports it once in each of its workers.
 *
 * ```ts
 * import { App } from "@sluice/http";
 *
 * const app = new App();
 * app.get("/users/:id", (c) => c.json({ id: c.params.id }));
 *
 * const response = await app.request("/users/42");
 * console.assert((await response.json()).id === "42");
 * export default app;
 * ```
 *
 * Another module serves it in workers, with `await serve(import.meta.resolve("./app.ts"), { port: 8000 })`, or the
 * command line does: `deno task serve --app app.ts`.
 *
 * @module
 */

export {
  App,
  type AppHooks,
  type ErrorHandler,
  type RouteArguments,
  type RouteHandler,
  type RouteOptions,
} from "./app/app.ts";
export type { AnswerHeaders, AnswerView } from "./app/answer_view.ts";
export type { Middleware, Next } from "./app/compose.ts";
export type { MountedFetch } from "./app/mount.ts";
export type { RouteInfo } from "./app/router.ts";
export type { Context, HeaderOptions } from "./app/context.ts";
export type { CookieOptions } from "./app/cookies.ts";
export type { RequestView } from "./app/request.ts";
export type { SchemaIssue, SchemaResult, StandardSchema } from "./app/schema.ts";
export type { PathParamNames, PathParams, SegmentParamName } from "./app/path.ts";
export type { FetchInfo } from "./app/fetch_adapter.ts";
export type { FetchModule, FetchModuleInfo } from "./http/fetch_module.ts";
export { HttpError, type HttpErrorOptions } from "./http/errors.ts";
export {
  type Answer,
  type Application,
  type Content,
  type Handler,
  type RemoteAddress,
  Reply,
  type ServerRequest,
  type StartInfo,
} from "./http/message.ts";
export type { RequestBody } from "./http/body.ts";
export type { FieldList } from "./http/headers.ts";
export type { Limits } from "./http/limits.ts";
export type { BoundAddress, ListenAddress, ServeOptions, TcpAddress, Trigger, UnixAddress } from "./workers/options.ts";
export { serve } from "./workers/serve.ts";
export type { Server } from "./workers/server.ts";
export type { WakeKind } from "./workers/wake.ts";
