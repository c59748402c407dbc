/**
 * The connection table: one row per file descriptor, in memory that all threads share (shim.h, `sluice_entry`).
 *
 * It says whom a descriptor belongs to. The listener fills a row and sets HANDED before it adds the descriptor to a
 * worker's epoll instance; the worker's first event moves it to OWNED by compare-and-swap, so that a hand-off can be
 * taken back by whoever wins that race; only closing moves it to FREE, in C, before the kernel may reuse the number.
 * The generation, raised at each accept, makes (descriptor, generation) a name that is never used twice.
 *
 * @module
 */

import { ENTRY_WORDS, FREE, HANDED, must, OWNED, type Shim } from "../shim/ffi.ts";
import type { RemoteAddress } from "../http/message.ts";
import { formatAddress } from "./address.ts";

/** Words of a row, in the order of shim.h. */
const GENERATION = 0, STATE = 1, OWNER = 2, SLOT = 3, LISTENER = 4, ACCEPTED_AT = 5, FAMILY = 6, PORT = 7, ADDRESS = 8;

/** Rows that are made at most, however many descriptors the process may open: 64 bytes each, touched when used. */
const ENTRIES_MAX = 1 << 20;

const GENERATION_MAX = 0x7fffffff;

/** The table, over memory that may be passed to other threads. */
export class ConnectionTable {
  /** Rows: descriptors from here on have none. */
  readonly entries: number;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #bytes: Uint8Array<SharedArrayBuffer>;

  constructor(readonly memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
    this.#bytes = new Uint8Array(memory);
    this.entries = this.#words.length / ENTRY_WORDS;
  }

  /** Makes a table with a row for every descriptor that this process may open. */
  static create(shim: Shim): ConnectionTable {
    const limit = must(shim.rlimit_nofile(), "read the limit of file descriptors");
    return new ConnectionTable(new SharedArrayBuffer(Math.min(limit, ENTRIES_MAX) * ENTRY_WORDS * 4));
  }

  /** Makes the table known to the shim on this thread. */
  install(shim: Shim): void {
    must(shim.table(this.#bytes, this.#bytes.length), "install the connection table");
  }

  /**
   * Fills the row of a descriptor that was just accepted and sets HANDED. `peer` is a `sluice_peer` record in `words`
   * at `at`. Returns the new generation.
   */
  hand(fd: number, owner: number, listener: number, nowMs: number, words: Int32Array, at: number): number {
    const row = fd * ENTRY_WORDS;
    const generation = this.#words[row + GENERATION]! % GENERATION_MAX + 1;
    this.#words[row + OWNER] = owner;
    this.#words[row + SLOT] = -1;
    this.#words[row + LISTENER] = listener;
    this.#words[row + ACCEPTED_AT] = nowMs;
    for (let i = 0; i < 6; i++) this.#words[row + FAMILY + i] = words[at + 1 + i]!;
    this.#words[row + GENERATION] = generation;
    Atomics.store(this.#words, row + STATE, HANDED);
    return generation;
  }

  /** Moves HANDED to OWNED and notes the pool slot; false if the row is not of this generation or was taken back. */
  claim(fd: number, generation: number, slot: number): boolean {
    const row = fd * ENTRY_WORDS;
    if (this.#words[row + GENERATION] !== generation) return false;
    if (Atomics.compareExchange(this.#words, row + STATE, HANDED, OWNED) !== HANDED) return false;
    this.#words[row + SLOT] = slot;
    return true;
  }

  /** The pool slot of an owned connection, -1 before it is claimed. */
  slot(fd: number): number {
    return this.#words[fd * ENTRY_WORDS + SLOT]!;
  }

  /** When the connection was accepted, on the clock of `shim.now_ms()`. */
  acceptedAt(fd: number): number {
    return this.#words[fd * ENTRY_WORDS + ACCEPTED_AT]!;
  }

  /** The peer of a connection. */
  remoteAddress(fd: number): RemoteAddress {
    const row = fd * ENTRY_WORDS;
    const family = this.#words[row + FAMILY]!;
    if (family === 0) return { transport: "unix", hostname: "", port: 0 };
    const bytes = this.#bytes.slice((row + ADDRESS) * 4, (row + ADDRESS) * 4 + (family === 4 ? 4 : 16));
    return { transport: "tcp", hostname: formatAddress(bytes), port: this.#words[row + PORT]! };
  }

  /** How many connections are in a state, and whose they are: for tests and for those who debug. */
  count(state: number, owner?: number): number {
    let found = 0;
    for (let row = 0; row < this.#words.length; row += ENTRY_WORDS) {
      if (Atomics.load(this.#words, row + STATE) !== state) continue;
      if (owner === undefined || this.#words[row + OWNER] === owner) found++;
    }
    return found;
  }

  /** Calls `visit` with every live connection of an owner, for closing what a worker leaves behind. */
  each(owner: number, visit: (fd: number, generation: number) => void): void {
    for (let fd = 0; fd < this.entries; fd++) {
      const row = fd * ENTRY_WORDS;
      if (this.#words[row + OWNER] !== owner || Atomics.load(this.#words, row + STATE) === FREE) continue;
      visit(fd, this.#words[row + GENERATION]!);
    }
  }
}

let shared: ConnectionTable | null = null;
let owners = 0;

/** The table of this process, made when first asked for and known to the shim of this thread from then on. */
export function processTable(shim: Shim): ConnectionTable {
  shared ??= ConnectionTable.create(shim);
  shared.install(shim); // again, for the library may have been unloaded in between
  return shared;
}

/** A number for a new owner of connections, never given twice in this process; for the first thread only. */
export function allocateOwner(): number {
  return owners++;
}
