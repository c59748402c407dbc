/**
 * A module with a `fetch` function (Hono, or what `deno serve` runs) as an application, unchanged.
 *
 * @module
 */

import { HttpError } from "./errors.ts";
import { toFetchRequest } from "./fetch_request.ts";
import {
  type Answer,
  type Application,
  discardAnswer,
  isAnswer,
  type RemoteAddress,
  type ServerRequest,
} from "./message.ts";
import { errorAnswer, noAnswerError } from "./error_answer.ts";

/** What a `fetch` function gets as its second argument; the same as under `Deno.serve`. */
export interface FetchModuleInfo {
  /** Where the request came from. */
  readonly remoteAddr: RemoteAddress;
}

/** A module with a `fetch` function. */
export interface FetchModule {
  /** Answers a request. It may throw and reject. */
  fetch(request: Request, info: FetchModuleInfo): Response | Promise<Response>;
}

/**
 * The module as an application. What its `fetch` throws is answered as in an App: an `HttpError` with its status, a
 * body that could not be received with that error's (400, 413, …), anything else with 500 and an entry in the log.
 */
export function fetchApplication(module: FetchModule): Application {
  return {
    start: () => Promise.resolve(),
    stop: () => Promise.resolve(),
    handle: (request) => {
      let value: unknown;
      try {
        value = module.fetch(makeRequest(request), { remoteAddr: request.remoteAddr });
      } catch (error) {
        return errorAnswer(error, request);
      }
      if (value instanceof Response) return checked(value, request);
      return Promise.resolve(value).then((late) => checked(late, request), (error) => errorAnswer(error, request));
    },
  };
}

function makeRequest(request: ServerRequest): Request {
  try {
    return toFetchRequest(request);
  } catch (cause) {
    // What is good HTTP but has no form in the Fetch API: a method or a host that it forbids.
    throw new HttpError(400, "The request makes no Request", { cause });
  }
}

function checked(value: unknown, request: ServerRequest): Answer {
  if (!isAnswer(value)) return errorAnswer(noAnswerError("fetch()", value), request);
  const { error } = request.body;
  if (error === null || value.status !== 500) return value;
  // Frameworks catch what their handlers throw. The reason for this 500 is a body that could not be received.
  discardAnswer(value);
  return errorAnswer(error, request);
}
