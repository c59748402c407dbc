/** Requests made by hand, and a look at the log, for the tests of app/. */

import { type BodySource, RequestBody } from "../../http/body.ts";
import { utf8 } from "../../http/bytes.ts";
import { type Answer, Reply, type ServerRequest } from "../../http/message.ts";

export interface FakeOptions {
  method?: string;
  fields?: [string, string][];
  authority?: string;
  /** Text that is received when the handler asks for it; or a body of one's own. */
  body?: string | RequestBody;
  signal?: AbortSignal;
}

/** A request as a protocol would make it. */
export function fakeRequest(target: string, options: FakeOptions = {}): ServerRequest {
  const { method = "GET", fields = [], authority = "test.example", signal = new AbortController().signal } = options;
  const query = target.indexOf("?");
  return {
    method,
    target,
    path: query < 0 ? target : target.slice(0, query),
    queryText: query < 0 ? "" : target.slice(query + 1),
    authority,
    protocol: "HTTP/1.1",
    remoteAddr: { transport: "tcp", hostname: "192.0.2.1", port: 4711 },
    signal,
    body: options.body instanceof RequestBody ? options.body : bodyOf(options.body ?? ""),
    header: (name) => fields.find(([key]) => key === name.toLowerCase())?.[1] ?? null,
    headers: () => fields,
  };
}

function bodyOf(text: string): RequestBody {
  const bytes = utf8(text);
  const source: BodySource = {
    onBodyWanted() {
      queueMicrotask(() => {
        body.push(bytes, 0, bytes.length);
        body.end();
      });
    },
  };
  const body = new RequestBody(bytes.length, source);
  return body;
}

/** A body of unknown length that hears its reader, for tests that end it themselves. */
export function openBody(): RequestBody {
  return new RequestBody(-1, null);
}

/** What was logged while `run` ran. */
export async function logOf(run: () => unknown): Promise<string[]> {
  const entries: string[] = [];
  const original = console.error;
  console.error = (...values: unknown[]) => {
    entries.push(values.map(String).join(" | "));
  };
  try {
    await run();
  } finally {
    console.error = original;
  }
  return entries;
}

/** The answer as a light one; fails for anything else. */
export function asReply(answer: unknown): Reply {
  if (!(answer instanceof Reply)) throw new Error(`expected a Reply, got ${Deno.inspect(answer)}`);
  return answer;
}

/** What a test looks at most: status and text. */
export async function statusAndText(answer: Answer | Promise<Answer>): Promise<[number, string]> {
  const settled = await answer;
  if (settled instanceof Response) return [settled.status, await settled.text()];
  return [settled.status, await new Response(settled.content as BodyInit | null).text()];
}

/** Random numbers from a seed (mulberry32): the same on every machine. */
export function random(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}
