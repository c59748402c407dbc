/**
 * Middleware around a handler, as an onion: each layer runs what is inside of it with `next()`.
 *
 * A layer never throws and never rejects. An error becomes an answer in the layer where it was thrown and is on
 * `c.error` for those outside of it, so `await next()` needs no `try`. Layers are made when a route is added; at a
 * request there is a promise only where a function returned one, and nothing at all for a route without middleware.
 *
 * @module
 */

import { noAnswerError } from "../http/error_answer.ts";
import { type Answer, discardAnswer, isAnswer, Reply } from "../http/message.ts";
import type { Context } from "./context.ts";

/**
 * Runs the rest: further middleware and the handler. Never throws and never rejects for what happens in there: then
 * `c.error` is the error and `c.res` its answer. Returns a promise only if something in there did; `await` it always.
 * Throws an `Error` when it is called twice.
 */
export type Next = () => void | Promise<void>;

/**
 * Runs around handlers. It calls `next()` or returns an answer of its own; what it returns is the answer, and if that
 * is nothing, `c.res` is.
 *
 * ```ts
 * import { App, type Middleware } from "@sluice/http";
 *
 * const timing: Middleware<unknown> = async (c, next) => {
 *   const start = performance.now();
 *   await next();
 *   c.header("server-timing", `app;dur=${performance.now() - start}`);
 * };
 *
 * const app = new App();
 * app.use(timing);
 * app.get("/", (c) => c.text("Hello\n"));
 * console.assert((await app.request("/")).headers.has("server-timing"));
 * ```
 */
export type Middleware<State = undefined> = (
  c: Context<State>,
  next: Next,
) => Answer | void | Promise<Answer | void>;

/** Answers a request, in one way or another: never throws and never rejects. */
export type Layer<State> = (c: Context<State>) => Answer | Promise<Answer>;

/** What stands innermost. It may throw and reject. */
export type Innermost<State> = (c: Context<State>) => Answer | Promise<Answer>;

/** The user's answer to what was thrown, or null to have the usual one. It may throw and reject. */
export type Recovery<State> = (error: unknown, c: Context<State>) => Answer | Promise<Answer> | null;

/** A handler with middleware around it, the first outermost. */
export function compose<State>(
  middleware: readonly Middleware<State>[],
  handler: Innermost<State>,
  recovery: Recovery<State> = () => null,
): Layer<State> {
  let layer = handlerLayer(handler, makeEnding(recovery, middleware.length === 0));
  for (let i = middleware.length - 1; i >= 0; i--) {
    layer = middlewareLayer(middleware[i]!, layer, makeEnding(recovery, i === 0));
  }
  return layer;
}

/** How a layer ends: with an answer, or with what went wrong. */
interface Ending<State> {
  answer(c: Context<State>, answer: Answer): Answer;
  failed(c: Context<State>, error: unknown): Answer | Promise<Answer>;
}

/** The outermost layer puts `c.header()`'s fields on the answer. */
function makeEnding<State>(recovery: Recovery<State>, outermost: boolean): Ending<State> {
  const answer = (c: Context<State>, answer: Answer) => outermost ? c.finish(answer) : answer;
  const usual = (c: Context<State>, error: unknown) => answer(c, c.errorAnswer(error));
  const check = (c: Context<State>, value: unknown) =>
    isSurely(value) ? answer(c, value) : usual(c, noAnswerError("onError()", value));
  return {
    answer,
    failed(c, error) {
      c.noteError(error);
      let own: unknown;
      try {
        own = recovery(c.error, c);
      } catch (second) {
        return usual(c, second);
      }
      if (own === null) return usual(c, c.error);
      if (!isThenable(own)) return check(c, own);
      return toPromise(own).then((late) => check(c, late), (second) => usual(c, second));
    },
  };
}

function handlerLayer<State>(handler: Innermost<State>, ending: Ending<State>): Layer<State> {
  const end = (c: Context<State>, value: unknown) =>
    isSurely(value) ? ending.answer(c, value) : ending.failed(c, noAnswerError("the handler", value));
  // Apart from what every request runs through: a function that holds closures costs memory at each call.
  const later = (c: Context<State>, value: PromiseLike<unknown>): Promise<Answer> =>
    toPromise(value).then((settled) => end(c, settled), (error) => ending.failed(c, error));
  const other = (c: Context<State>, value: unknown) => isThenable(value) ? later(c, value) : end(c, value);
  return (c) => {
    let value: unknown;
    let isReply: boolean;
    try {
      value = handler(c);
      isReply = value instanceof Reply;
    } catch (error) {
      return ending.failed(c, error);
    }
    return isReply ? ending.answer(c, value as Reply) : other(c, value);
  };
}

function middlewareLayer<State>(
  middleware: Middleware<State>,
  inner: Layer<State>,
  ending: Ending<State>,
): Layer<State> {
  return (c) => {
    let called = false;
    let closed = false;
    /** What runs inside, as long as it does. */
    let pending: Promise<void> | null = null;

    const next: Next = () => {
      // Behind the end of the middleware there is nobody to throw at.
      if (closed) return;
      if (called) throw new Error("Cannot call next() twice in one middleware");
      called = true;
      const answer = inner(c);
      if (!(answer instanceof Promise)) {
        c.res = answer;
        return;
      }
      return pending = answer.then((late) => {
        pending = null;
        if (closed) discardAnswer(late);
        else c.res = late;
      });
    };

    const fail = (error: unknown) => {
      closed = true;
      return ending.failed(c, error);
    };
    const settle = (value: unknown): Answer | Promise<Answer> => {
      if (value === undefined) {
        // It did not wait for next(): the answer is what comes of that, all the same.
        if (pending !== null) return pending.then(() => settle(undefined));
        try {
          value = c.currentAnswer();
        } catch (error) {
          return fail(error);
        }
        if (value === null) return fail(noAnswerError("a middleware that did not call next()", undefined));
      }
      if (!isSurely(value)) return fail(noAnswerError("a middleware", value));
      closed = true;
      return ending.answer(c, value);
    };

    let value: unknown;
    try {
      value = middleware(c, next);
    } catch (error) {
      return fail(error);
    }
    return isThenable(value) ? toPromise(value).then(settle, fail) : settle(value);
  };
}

/** Whether it is an answer; what throws when it is looked at is none. */
function isSurely(value: unknown): value is Answer {
  try {
    return isAnswer(value);
  } catch {
    return false;
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  try {
    return hasThen(value);
  } catch {
    return false; // it has a getter that throws: it is no answer either
  }
}

function hasThen(value: unknown): value is PromiseLike<unknown> {
  return value instanceof Promise ||
    (typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function");
}

/** A promise of the standard library: others may call back twice, or throw. */
function toPromise(value: PromiseLike<unknown>): Promise<unknown> {
  return value instanceof Promise ? value : Promise.resolve(value);
}
