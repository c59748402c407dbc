/**
 * The App: routes and middleware on one side, one function that answers a request on the other.
 *
 * Everything about a route is decided when it is added: its place in the trie, and the middleware around its handler.
 * That is why `use` comes before routes, and why answering is a look-up and a call. What routes are is in `router.ts`;
 * here is what people write against.
 *
 * @module
 */

import { errorAnswer } from "../http/error_answer.ts";
import type { Answer, Application, Handler, ServerRequest, StartInfo } from "../http/message.ts";
import { callSite } from "./call_site.ts";
import type { Innermost, Layer, Middleware } from "./compose.ts";
import { constantHandler } from "./constant.ts";
import { Context } from "./context.ts";
import { type FetchInfo, FetchRequest, toResponse } from "./fetch_adapter.ts";
import { type MountedFetch, mountFetch } from "./mount.ts";
import type { PathParams } from "./path.ts";
import { ALL } from "./route_trie.ts";
import { type RouteInfo, Router } from "./router.ts";

/** What an App does when it starts and stops; it runs once per worker. */
export interface AppHooks<State> {
  /** Opens what handlers need, before the first request; what it returns is `c.state`. If it throws, nothing starts. */
  start?(info: StartInfo): State | Promise<State>;
  /** Closes it, after the last answer. */
  stop?(state: State): void | Promise<void>;
}

/** Answers the requests of a route. What it throws becomes an answer: an `HttpError` with its status, others 500. */
export type RouteHandler<State = undefined, Path extends string = string> = (
  c: Context<State, PathParams<Path>>,
) => Answer | Promise<Answer>;

/** What a route may have beside its handler. */
export interface RouteOptions<State = undefined> {
  /** Middleware for this route alone, inside of what covers it already; the first one is outermost. */
  use?: readonly Middleware<State>[];
  /** The host that the route is for: `"example.com"`, or `"*.example.com"` for every name below. Default: all hosts. */
  host?: string;
}

/**
 * What stands behind the path of a route: its handler, and options in front of that. In place of a handler there may be
 * a `Response` that is always the answer: it is read once, and gets an entity tag and compressed forms.
 */
export type RouteArguments<State, Path extends string> =
  | [handler: RouteHandler<State, Path> | Response]
  | [options: RouteOptions<State>, handler: RouteHandler<State, Path> | Response];

/** Answers for what a handler or a middleware threw. */
export type ErrorHandler<State = undefined> = (error: unknown, c: Context<State>) => Answer | Promise<Answer>;

/**
 * A set of routes and their handlers. `State` is what `start` returns, `Base` the path that a group is mounted under, if
 * its handlers want the parameters of that.
 *
 * Of the routes that fit a request's path and method the most specific one answers: at each segment text goes before a
 * parameter with a regular expression (`:id(\\d+)`), that before a parameter (`:id`), a parameter before whole segments
 * (`:path*`), and those before a wildcard (`*`). No route for the path is 404; none for the method is 405 with `Allow`. A GET route answers HEAD, and
 * OPTIONS is answered unless a route does. A slash at the end makes another path.
 *
 * ```ts
 * import { App } from "@sluice/http";
 *
 * const app = new App({
 *   start: ({ worker }) => ({ worker, notes: new Map<string, unknown>() }),
 *   stop: ({ notes }) => notes.clear(),
 * });
 * app.get("/notes/:id", (c) => c.json(c.state.notes.get(c.params.id) ?? null));
 * app.put("/notes/:id", async (c) => {
 *   c.state.notes.set(c.params.id, await c.req.json());
 *   return c.body(null, 204);
 * });
 *
 * const saved = await app.request("/notes/7", { method: "PUT", body: '"milk"' });
 * console.assert(saved.status === 204);
 * console.assert((await (await app.request("/notes/7")).text()) === '"milk"');
 * await app.stop();
 * ```
 */
export class App<State = undefined, Base extends string = ""> implements Application {
  readonly #hooks: AppHooks<State>;
  readonly #router: Router<State>;
  #onError: ErrorHandler<State> | null = null;
  #notFound: Innermost<State> | null = null;
  /** Where it was mounted: what is added behind that would be left out. */
  #mountedAt: string | null = null;
  /** Whether it has fetch handlers under paths, which know how much of a path is theirs. */
  #hasMounted = false;
  #state: State = undefined as State;
  #ready: Promise<void> | null = null;

  /**
   * Answers one request of a server, once `start` has resolved. Never throws and never rejects.
   *
   * @internal
   */
  readonly handle: Handler;

  /**
   * Answers a web `Request` without our server: `Deno.serve(app.fetch)`. It may be passed around without the App.
   * Starts the App if nobody has, and rejects if that fails.
   */
  readonly fetch: (request: Request, info?: FetchInfo) => Promise<Response>;

  /** An App without routes. */
  constructor(hooks: AppHooks<State> = {}) {
    this.#hooks = hooks;
    this.#router = new Router<State>((error, c) => this.#onError?.(error, c) ?? null, () => this.#notFound);
    this.handle = (request) => {
      const c = new Context<State>(request, this.#state);
      let layer: Layer<State>;
      try {
        layer = this.#router.find(request, c);
      } catch (error) {
        layer = this.#router.failed(request.path, error);
      }
      return layer(c);
    };
    this.fetch = async (request, info) => {
      await (this.#ready ?? this.#begin({ worker: 0, signal: new AbortController().signal }));
      return await this.#fetch(new FetchRequest(request, info));
    };
  }

  async #fetch(request: ServerRequest): Promise<Response> {
    const answer = await this.handle(request);
    try {
      return toResponse(answer, request.method);
    } catch (error) {
      return toResponse(errorAnswer(error, request), request.method);
    }
  }

  /**
   * Wraps a middleware around all routes, and around the answers of the App itself: 404, 405, OPTIONS, errors. With a
   * path in front (`app.use("/admin", …)`) it covers that path and everything below it. The first one is outermost.
   * Throws a `TypeError` behind a route that it covers, which would be left out.
   */
  use(middleware: Middleware<State>): this;
  /** The same for what is under a path. */
  use(path: string, middleware: Middleware<State>): this;
  use(...args: [Middleware<State>] | [string, Middleware<State>]): this {
    const [path, middleware] = args.length === 1 ? ["/", args[0]] : args;
    if (typeof middleware !== "function") {
      throw new TypeError(`Cannot add middleware of type ${typeof middleware}: expected a function (c, next) => …`);
    }
    this.#mayAdd("middleware");
    this.#router.use(path, middleware);
    return this;
  }

  /**
   * Answers what a handler or a middleware threw or rejected with, in place of the usual answer; routes of a group ask
   * the group's first. What it throws itself gets the usual answer. An error that has an answer here is not logged.
   */
  onError(handler: ErrorHandler<State>): this {
    this.#onError = handler;
    return this;
  }

  /** Answers requests whose path no route has, in place of the usual 404. That of a group is not asked. */
  notFound(handler: (c: Context<State>) => Answer | Promise<Answer>): this {
    this.#notFound = handler;
    return this;
  }

  /**
   * Answers GET, and HEAD unless a route does. Like its kin it throws a `TypeError` for a path that is not supported,
   * and an `Error` that names both places if a route answers the same requests already.
   */
  get<Path extends string>(path: Path, ...rest: RouteArguments<State, `${Base}${Path}`>): this {
    return this.#add(["GET"], path, rest, this.get);
  }

  /** Answers POST; see `get`. */
  post<Path extends string>(path: Path, ...rest: RouteArguments<State, `${Base}${Path}`>): this {
    return this.#add(["POST"], path, rest, this.post);
  }

  /** Answers PUT; see `get`. */
  put<Path extends string>(path: Path, ...rest: RouteArguments<State, `${Base}${Path}`>): this {
    return this.#add(["PUT"], path, rest, this.put);
  }

  /** Answers PATCH; see `get`. */
  patch<Path extends string>(path: Path, ...rest: RouteArguments<State, `${Base}${Path}`>): this {
    return this.#add(["PATCH"], path, rest, this.patch);
  }

  /** Answers DELETE; see `get`. */
  delete<Path extends string>(path: Path, ...rest: RouteArguments<State, `${Base}${Path}`>): this {
    return this.#add(["DELETE"], path, rest, this.delete);
  }

  /** Answers OPTIONS, in place of the App; see `get`. */
  options<Path extends string>(path: Path, ...rest: RouteArguments<State, `${Base}${Path}`>): this {
    return this.#add(["OPTIONS"], path, rest, this.options);
  }

  /** Answers HEAD, in place of the route for GET; see `get`. */
  head<Path extends string>(path: Path, ...rest: RouteArguments<State, `${Base}${Path}`>): this {
    return this.#add(["HEAD"], path, rest, this.head);
  }

  /** Answers every method for which this path has no route of its own; see `get`. */
  all<Path extends string>(path: Path, ...rest: RouteArguments<State, `${Base}${Path}`>): this {
    return this.#add([ALL], path, rest, this.all);
  }

  /** Answers these methods, `app.on(["GET", "PURGE"], …)`; see `get`. Throws a `TypeError` for what is no method. */
  on<Path extends string>(
    methods: readonly string[],
    path: Path,
    ...rest: RouteArguments<State, `${Base}${Path}`>
  ): this {
    for (const method of methods) {
      if (!/^[!#$%&'*+\-.^_`|~\w]+$/.test(method) || method === ALL) {
        throw new TypeError(`Cannot route the method ${JSON.stringify(method)}: expected a name like "GET"`);
      }
    }
    return this.#add(methods, path, rest, this.on);
  }

  /**
   * Mounts a group: all its routes, under a path, inside its own middleware and that of this App. The group's handlers
   * get the parameters of the path too; `new App<State, "/teams/:team">()` has their types. What is added to the group
   * later throws. Throws a `TypeError` for a group that has `start` or `stop`: state belongs to the App that is served.
   *
   * ```ts
   * import { App } from "@sluice/http";
   *
   * const members = new App<undefined, "/teams/:team">();
   * members.get("/members/:id", (c) => c.text(`${c.params.id} of ${c.params.team}`));
   * const app = new App().route("/teams/:team", members);
   *
   * console.assert((await (await app.request("/teams/red/members/7")).text()) === "7 of red");
   * ```
   */
  route<Path extends string>(
    path: Path,
    group: App<State, `${Base}${Path}`> | App<State, ""> | App<undefined, `${Base}${Path}`> | App<undefined, "">,
    options: { host?: string } = {},
  ): this {
    const place = callSite(this.route);
    const other = group as unknown as App<State>;
    if (other.#hooks.start !== undefined || other.#hooks.stop !== undefined) {
      throw new TypeError(`Cannot mount a group with start or stop at ${path}: declare them on the App that is served`);
    }
    if (other.#hasMounted) {
      throw new TypeError(
        `Cannot mount a group at ${path} in which fetch handlers are mounted: mount them on this App`,
      );
    }
    this.#mayAdd("a group");
    other.#mountedAt = place;
    this.#router.mount(path, other.#router.entries, options.host ?? null);
    return this;
  }

  /**
   * Hands everything under a path to a fetch handler, such as that of a Hono application: `app.mount("/old", hono.fetch)`.
   * The handler sees the path behind that. Not for groups: a group with such handlers cannot be mounted.
   */
  mount(path: string, fetch: MountedFetch): this {
    const handler = mountFetch(path, fetch);
    this.#hasMounted = true;
    const bare = path.replace(/\/+$/, "");
    this.#add([ALL], bare === "" ? "/" : bare, [handler], this.mount);
    return this.#add([ALL], `${bare}/*`, [handler], this.mount);
  }

  #mayAdd(what: string): void {
    if (this.#mountedAt === null) return;
    throw new TypeError(`Cannot add ${what} to a group that was mounted at ${this.#mountedAt}: it would be left out`);
  }

  #add(
    methods: readonly string[],
    path: string,
    rest: readonly unknown[],
    called: (...args: never[]) => unknown,
  ): this {
    const [options, handler] = (rest.length > 1 ? rest : [{}, rest[0]]) as [RouteOptions<State>, unknown];
    const place = callSite(called);
    const answering = handler instanceof Response ? constantHandler<State>(handler) : handler as Innermost<State>;
    for (const method of methods) {
      const name = method === ALL ? `all(${JSON.stringify(path)})` : `${method} ${path}`;
      if (typeof handler !== "function" && !(handler instanceof Response)) {
        throw new TypeError(`Cannot add the route ${name}: expected a function as handler, got ${typeof handler}`);
      }
      this.#mayAdd(`the route ${name}`);
      this.#router.add({
        method,
        path,
        host: options.host ?? null,
        scopes: (options.use ?? []).map((middleware) => ({ prefix: [], middleware })),
        // The trie gives a handler's context the parameters of its path, which the types say no more behind it.
        handler: answering,
        recovery: (error, c) => this.#onError?.(error, c) ?? null,
        place,
      });
    }
    return this;
  }

  /** The table of routes, in the order they were added. */
  routes(): RouteInfo[] {
    return this.#router.list();
  }

  /**
   * Runs `start` of the hooks. Servers call it; rejects with what the hook threw, and with an `Error` if the App has
   * been started and not stopped.
   */
  start(info: StartInfo): Promise<void> {
    if (this.#ready !== null) {
      return Promise.reject(new Error("Cannot start this App: it has been started already, call app.stop() first"));
    }
    return this.#begin(info);
  }

  /** Runs `stop` of the hooks, if the App was started. Rejects with what the hook threw. */
  async stop(): Promise<void> {
    const ready = this.#ready;
    if (ready === null) return;
    await ready;
    if (this.#ready !== ready) return;
    const state = this.#state;
    this.#ready = null;
    this.#state = undefined as State;
    await this.#hooks.stop?.(state);
  }

  #begin(info: StartInfo): Promise<void> {
    const ready = this.#open(info);
    this.#ready = ready;
    // Whoever waits for it gets the error; the App is where it was before.
    ready.catch(() => {
      if (this.#ready === ready) this.#ready = null;
    });
    return ready;
  }

  async #open(info: StartInfo): Promise<void> {
    this.#state = await this.#hooks.start?.(info) as State;
  }

  /**
   * Answers a request made of a path and the options of a `Request`, for tests: `await app.request("/users/1")`. Rejects
   * with a `TypeError` for a path that does not begin with a slash.
   */
  request(path: string, init?: RequestInit): Promise<Response> {
    if (!path.startsWith("/")) {
      return Promise.reject(new TypeError(`Cannot request ${JSON.stringify(path)}: expected a path like "/users/1"`));
    }
    return this.fetch(new Request(`http://localhost${path}`, init));
  }
}
