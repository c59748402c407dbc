/**
 * A fetch handler under a path: another framework's application as a part of an App.
 *
 * Such a handler sees a URL, and URLs have no dot segments: `/x/../admin` becomes `/admin` there, behind the middleware
 * that was chosen for `/x`. So a path that would be another one as a URL is refused.
 *
 * @module
 */

import { HttpError } from "../http/errors.ts";
import type { Answer, RemoteAddress } from "../http/message.ts";
import type { Innermost } from "./compose.ts";
import type { Context } from "./context.ts";
import { parsePrefix } from "./prefix.ts";

/** A fetch handler, as that of Hono or of a module that `deno serve` runs. */
export type MountedFetch = (
  request: Request,
  info: { readonly remoteAddr: RemoteAddress },
) => Response | Promise<Response>;

/** A dot segment in any spelling, or a backslash, which URLs take for a slash. */
const MEANS_ANOTHER_PATH = /\\|(?:^|\/)(?:\.|%2e){1,2}(?:\/|$)/i;

/** A handler that calls `fetch` with the request's path behind the prefix. */
export function mountFetch<State>(path: string, fetch: MountedFetch): Innermost<State> {
  if (typeof fetch !== "function") {
    throw new TypeError(`Cannot mount a ${typeof fetch} at ${path}: expected a function (request) => Response`);
  }
  const depth = parsePrefix(path).length;
  return (c: Context<State>): Answer | Promise<Answer> => {
    if (MEANS_ANOTHER_PATH.test(c.req.path)) throw new HttpError(400, "The path has dot segments or a backslash");
    const url = new URL(c.req.url);
    url.pathname = `/${url.pathname.split("/").slice(1 + depth).join("/")}`;
    return fetch(new Request(url, c.req.raw), { remoteAddr: c.req.remoteAddr });
  };
}
