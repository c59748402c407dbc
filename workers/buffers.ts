/**
 * The memory that all connections of a loop share: one scratch buffer that everything is received into, and one writer
 * that everything is written through. A connection owns memory only while it has an incomplete message or unsent
 * bytes; an idle one owns none.
 *
 * @module
 */

import type { Limits } from "../http/limits.ts";
import { Writer } from "../http/writer.ts";

/** What one read takes at most: large enough that an upload costs few calls, small enough to stay in the cache. */
const RECEIVE_BYTES = 64 * 1024;

/** The writer's buffer, before a long answer grows it. */
const CORK_BYTES = 64 * 1024;

/** Scratch and writer. */
export class LoopBuffers {
  /** In front an incomplete head may be laid, behind it goes what is received. */
  readonly scratch: Uint8Array<ArrayBuffer>;
  readonly writer = new Writer(CORK_BYTES);

  constructor(limits: Readonly<Limits>) {
    this.scratch = new Uint8Array(RECEIVE_BYTES + limits.headBytes);
  }
}
