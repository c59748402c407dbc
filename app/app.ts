/**
 * The App: routes and middleware on one side, one function that answers a request on the other.
 *
 * Everything about a route is decided when it is added: its place in the trie, and the middleware around its handler.
 * That is why `use` comes before routes, and why answering is a look-up and a call.
 *
 * @module
 */

import { type Answer, type Application, type Handler, Reply, type StartInfo } from "../http/message.ts";
import { compose, type Innermost, type Layer, type Middleware } from "./compose.ts";
import { Context } from "./context.ts";
import { errorAnswer, statusAnswer } from "../http/error_answer.ts";
import { type FetchInfo, FetchRequest, toResponse } from "./fetch_adapter.ts";
import type { PathParams } from "./path.ts";
import { ALL, RouteTrie } from "./route_trie.ts";

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

/**
 * A set of routes and their handlers. `State` is what `start` returns.
 *
 * Of the routes that fit a request's path and method the most specific one answers: at each segment text goes before a
 * parameter (`:id`), a parameter before a wildcard (`*`). No route for the path is 404; none for the method is 405 with
 * `Allow`. A GET route answers HEAD, and OPTIONS is answered unless a route does.
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
export class App<State = undefined> implements Application {
  readonly #hooks: AppHooks<State>;
  readonly #middleware: Middleware<State>[] = [];
  readonly #routes: RouteTrie<Layer<State>> = new RouteTrie();
  /** The first route, for the message of a `use` that comes too late. */
  #firstRoute: string | null = null;
  /** What answers when no route does. */
  #missed: Layer<State>;
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
    this.#missed = this.#composeMissed();
    this.handle = (request) => {
      const c = new Context<State>(request, this.#state);
      let layer: Layer<State> | null;
      try {
        layer = this.#routes.find(request.method, request.path, c);
      } catch (error) {
        layer = this.#compose(() => {
          throw error;
        });
      }
      return (layer ?? this.#missed)(c);
    };
    this.fetch = async (request, info) => {
      await (this.#ready ?? this.#begin({ worker: 0, signal: new AbortController().signal }));
      const adapted = new FetchRequest(request, info);
      const answer = await this.handle(adapted);
      try {
        return toResponse(answer, request.method);
      } catch (error) {
        return toResponse(errorAnswer(error, adapted), request.method);
      }
    };
  }

  /**
   * Wraps a middleware around all routes, and around the answers of the App itself: 404, 405, OPTIONS, errors. The first
   * one is outermost. Throws a `TypeError` behind a route, which would be left out.
   */
  use(middleware: Middleware<State>): this {
    if (this.#firstRoute !== null) {
      throw new TypeError(
        `Cannot add middleware behind the route ${this.#firstRoute}: call app.use() before the first route is added`,
      );
    }
    if (typeof middleware !== "function") {
      throw new TypeError(`Cannot add middleware of type ${typeof middleware}: expected a function (c, next) => …`);
    }
    this.#middleware.push(middleware);
    this.#missed = this.#composeMissed();
    return this;
  }

  /**
   * Answers GET, and HEAD unless a route does. Like its kin it throws a `TypeError` for a path that is not supported,
   * and an `Error` if a route answers the same requests already.
   */
  get<Path extends string>(path: Path, handler: RouteHandler<State, Path>): this {
    return this.#add("GET", path, handler);
  }

  /** Answers POST; see `get`. */
  post<Path extends string>(path: Path, handler: RouteHandler<State, Path>): this {
    return this.#add("POST", path, handler);
  }

  /** Answers PUT; see `get`. */
  put<Path extends string>(path: Path, handler: RouteHandler<State, Path>): this {
    return this.#add("PUT", path, handler);
  }

  /** Answers PATCH; see `get`. */
  patch<Path extends string>(path: Path, handler: RouteHandler<State, Path>): this {
    return this.#add("PATCH", path, handler);
  }

  /** Answers DELETE; see `get`. */
  delete<Path extends string>(path: Path, handler: RouteHandler<State, Path>): this {
    return this.#add("DELETE", path, handler);
  }

  /** Answers OPTIONS, in place of the App; see `get`. */
  options<Path extends string>(path: Path, handler: RouteHandler<State, Path>): this {
    return this.#add("OPTIONS", path, handler);
  }

  /** Answers HEAD, in place of the route for GET; see `get`. */
  head<Path extends string>(path: Path, handler: RouteHandler<State, Path>): this {
    return this.#add("HEAD", path, handler);
  }

  /** Answers every method for which this path has no route of its own; see `get`. */
  all<Path extends string>(path: Path, handler: RouteHandler<State, Path>): this {
    return this.#add(ALL, path, handler);
  }

  #add<Path extends string>(method: string, path: Path, handler: RouteHandler<State, Path>): this {
    const name = method === ALL ? `all(${JSON.stringify(path)})` : `${method} ${path}`;
    if (typeof handler !== "function") {
      throw new TypeError(`Cannot add the route ${name}: expected a function as handler, got ${typeof handler}`);
    }
    // The trie gives a handler's context the parameters of its path, which the types say no more behind it.
    this.#routes.add(method, path, this.#compose(handler as unknown as Innermost<State>));
    this.#firstRoute ??= name;
    return this;
  }

  #compose(handler: Innermost<State>): Layer<State> {
    return compose(this.#middleware, handler);
  }

  #composeMissed(): Layer<State> {
    return this.#compose((c) => this.#answerMissed(c.req.method, c.req.path));
  }

  /** 404, 405, or what a path allows (RFC 9110 section 9.3.7). */
  #answerMissed(method: string, path: string): Reply {
    const allowed = path === "*" ? this.#routes.allMethods() : this.#routes.allowed(path);
    if (allowed.length === 0) return statusAnswer(404);
    const fields = ["allow", allowed.join(", ")];
    if (method === "OPTIONS") return new Reply(null, 204, null, fields);
    const { content, status, contentType } = statusAnswer(405);
    return new Reply(content, status, contentType, fields);
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
   * Answers a request made of a path and the options of a `Request`, for tests: `await app.request("/users/1")`. Throws
   * a `TypeError` for a path that does not begin with a slash.
   */
  request(path: string, init?: RequestInit): Promise<Response> {
    if (!path.startsWith("/")) {
      return Promise.reject(new TypeError(`Cannot request ${JSON.stringify(path)}: expected a path like "/users/1"`));
    }
    return this.fetch(new Request(`http://localhost${path}`, init));
  }
}
