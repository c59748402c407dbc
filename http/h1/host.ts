/**
 * What a connection machine works with: the host that owns its socket, and what all connections of a loop share.
 *
 * @module
 */

import type { Limits } from "../limits.ts";
import { type Answer, type RemoteAddress, Reply } from "../message.ts";
import { RequestHead } from "./parse.ts";
import type { H1Request } from "./request.ts";
import type { HeadWriter } from "./write.ts";

/** What a connection asks of whoever owns its socket. */
export interface H1Host {
  /** Runs the handler. Neither throws nor rejects. */
  handle(request: H1Request): Answer | Promise<Answer>;
  /** An answer could not be sent as it was meant: logs it, and returns what to say if nothing was said yet. */
  failure(error: unknown, request: H1Request): Reply;
  /** There may be something to write, or reading may go on: call `flush` and look at `wantsRead` soon. */
  wake(): void;
  /** The peer's address. */
  remoteAddress(): RemoteAddress;
}

/** What all connections of a loop share. */
export class H1Services {
  /** Handlers that will answer later: while there are any, the loop must let others run. */
  waiting = 0;

  readonly #heads: RequestHead[] = [];

  constructor(readonly limits: Readonly<Limits>, readonly headWriter: HeadWriter) {}

  /** A head to parse into. */
  takeHead(): RequestHead {
    return this.#heads.pop() ?? new RequestHead(this.limits);
  }

  /** Takes a head back for the next request. */
  returnHead(head: RequestHead): void {
    head.reset();
    if (this.#heads.length < HEADS_KEPT) this.#heads.push(head);
  }
}

/** Heads kept for reuse per loop: more are in use at once only while as many handlers wait. */
const HEADS_KEPT = 64;

/** Stands in for the host of a connection that is gone, for the handlers that outlive it. */
export function hostOfTheDead(host: H1Host): H1Host {
  const address = host.remoteAddress();
  return {
    handle: () => new Reply("", 500),
    failure: () => new Reply("", 500),
    wake: () => {},
    remoteAddress: () => address,
  };
}
