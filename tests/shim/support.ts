/**
 * What the tests of the shim share: the loaded library, private connection tables, connections that are real sockets,
 * and a look at the descriptors of this process.
 *
 * The library is loaded when this module is: Deno's leak check would otherwise blame the test that came first.
 *
 * @module
 */

import assert from "node:assert/strict";
import { ENTRY_WORDS, FREE, must, OWNED, PEER_WORDS, provideShim, type Shim } from "../../shim/ffi.ts";
import { errnoName } from "../../shim/errno.ts";

const provided = provideShim();
export const shim: Shim = provided.shim;
export const memfd: number = provided.memfd;

export const PEER_BYTES: number = PEER_WORDS * 4;
const ENTRY_BYTES = ENTRY_WORDS * 4;

/** The shim keeps the address of a table for as long as the thread lives, so no table of a test may ever be freed. */
const kept: SharedArrayBuffer[] = [];

/** A connection table of the test's own. The last one made is the one that the shim of this thread looks into. */
export class Table {
  readonly memory: SharedArrayBuffer;
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly entries: number;

  /** `hidden` entries lie behind the end that the shim is told. */
  constructor(entries = 2048, hidden = 0) {
    this.entries = entries;
    this.memory = new SharedArrayBuffer((entries + hidden) * ENTRY_BYTES);
    kept.push(this.memory);
    this.words = new Int32Array(this.memory);
    must(shim.table(this.words, entries * ENTRY_BYTES), "set the table");
  }

  put(fd: number, generation: number, state: number = OWNED): Connection {
    assert.ok(fd * ENTRY_WORDS < this.words.length, `descriptor ${fd} is beyond the table of the test`);
    this.words[fd * ENTRY_WORDS] = generation;
    Atomics.store(this.words, fd * ENTRY_WORDS + 1, state);
    return { fd, generation };
  }

  state(fd: number): number {
    return Atomics.load(this.words, fd * ENTRY_WORDS + 1);
  }

  isFree(fd: number): boolean {
    return this.state(fd) === FREE;
  }
}

export interface Connection {
  readonly fd: number;
  readonly generation: number;
}

export interface Pair {
  readonly left: Connection;
  readonly right: Connection;
}

/** One record of `accept` and its kin. */
export interface Peer {
  readonly fd: number;
  readonly family: number;
  readonly port: number;
  readonly address: string;
}

export function readPeer(bytes: Uint8Array<ArrayBuffer>, index = 0): Peer {
  const view = new DataView(bytes.buffer, bytes.byteOffset + index * PEER_BYTES, PEER_BYTES);
  const family = view.getInt32(4, true);
  const length = family === 4 ? 4 : family === 6 ? 16 : 0;
  const address = Array.from({ length }, (_, at) => view.getUint8(12 + at)).join(".");
  return { fd: view.getInt32(0, true), family, port: view.getInt32(8, true), address };
}

/** Accepts what is waiting and enters it into the table, generations counting up from `generation`. */
export function acceptAll(listener: number, table: Table, generation: number): Connection[] {
  const peers = new Uint8Array(PEER_BYTES * 64);
  const count = must(shim.accept(listener, peers, peers.length, 64), "accept");
  return Array.from({ length: count }, (_, index) => table.put(readPeer(peers, index).fd, generation + index));
}

/** The path of a Unix socket that is not there yet, in a folder of its own under /tmp; `remove` takes both away. */
export function temporaryPath(): { text: string; bytes: Uint8Array<ArrayBuffer>; remove(): void } {
  const folder = Deno.makeTempDirSync({ dir: "/tmp", prefix: "sluice-shim." });
  const text = `${folder}/s`;
  const remove = (): void => {
    if (exists(folder)) Deno.removeSync(folder, { recursive: true });
  };
  return { text, bytes: new TextEncoder().encode(text), remove };
}

/** Whoever tidies /tmp up must not make a test fail. */
function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Two connected Unix sockets, both in the table. */
export function unixPair(table: Table, left: number, right: number): Pair {
  const path = temporaryPath();
  const listener = must(shim.listen_unix(path.bytes, path.bytes.length, 1), "listen");
  const client = table.put(must(shim.connect_unix(path.bytes, path.bytes.length), "connect"), left);
  const [accepted] = acceptAll(listener, table, right);
  must(shim.close_descriptor(listener), "close the listener");
  path.remove();
  return { left: client, right: accepted };
}

export const LOOPBACK4: Uint8Array<ArrayBuffer> = new Uint8Array([127, 0, 0, 1]);
export const ANY4: Uint8Array<ArrayBuffer> = new Uint8Array(4);
export const LOOPBACK6: Uint8Array<ArrayBuffer> = new Uint8Array(16).fill(1, 15);
export const ANY6: Uint8Array<ArrayBuffer> = new Uint8Array(16);

export function listenTcp(address = LOOPBACK4, port = 0, v6only = 0): { fd: number; port: number } {
  const fd = must(shim.listen_tcp(address, address.length, port, v6only, 64), "listen");
  return { fd, port: localAddress(fd).port };
}

export function localAddress(fd: number): Peer {
  const peer = new Uint8Array(PEER_BYTES);
  must(shim.local_address(fd, peer, peer.length), "ask for the address");
  return readPeer(peer);
}

/** A TCP connection: Deno's end and, accepted by the shim, ours. */
export async function tcpPair(table: Table, generation: number): Promise<{ client: Deno.TcpConn; ours: Connection }> {
  const listener = listenTcp();
  const client = await Deno.connect({ hostname: "127.0.0.1", port: listener.port });
  const [ours] = acceptAll(listener.fd, table, generation);
  must(shim.close_descriptor(listener.fd), "close the listener");
  return { client, ours };
}

export function sendText({ fd, generation }: Connection, text: string): number {
  const bytes = new TextEncoder().encode(text);
  return shim.send(fd, generation, bytes, bytes.length, 0, bytes.length);
}

/** What `recv` gave: text, or the number when that was an error or the end. */
export function recvText({ fd, generation }: Connection, limit = 4096): string | number {
  const bytes = new Uint8Array(limit);
  const count = shim.recv(fd, generation, bytes, limit, 0, limit);
  return count > 0 ? new TextDecoder().decode(bytes.subarray(0, count)) : count;
}

/** Reads until there is nothing more; returns the number of bytes. */
export function drain(connection: Connection): number {
  const bytes = new Uint8Array(65536);
  for (let total = 0;;) {
    const count = shim.recv(connection.fd, connection.generation, bytes, bytes.length, 0, bytes.length);
    if (count <= 0) return total;
    total += count;
  }
}

export function close(...connections: Connection[]): void {
  for (const { fd, generation } of connections) must(shim.close(fd, generation), "close");
}

/** Compares a result with a name (`EBADF`) or a number, and says which error it was when it differs. */
export function assertResult(actual: number, expected: string | number, message = ""): void {
  const shown = typeof expected === "string" && actual < 0 ? errnoName(actual) : actual;
  assert.equal(shown, expected, message || undefined);
}

/** Waits until `ready` is true; what depends on the kernel's own pace takes a moment. */
export async function until(ready: () => boolean, what: string): Promise<void> {
  for (const deadline = performance.now() + 5000; !ready();) {
    assert.ok(performance.now() < deadline, `not within 5 seconds: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** The open sockets, pipes, epoll descriptors and the like, and the three standard streams whatever they are. */
export function descriptors(): Map<number, string> {
  const found = new Map<number, string>();
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    const target = readLink(`/proc/self/fd/${name}`);
    // Files are Deno's own (caches in SQLite) and come and go.
    if (Number(name) < 3 || /^(?:socket|pipe|anon_inode|\/memfd):/.test(target)) found.set(Number(name), target);
  }
  return found;
}

function readLink(path: string): string {
  try {
    return Deno.readLinkSync(path);
  } catch {
    return ""; // closed meanwhile: the descriptor that read the folder
  }
}

/** The flags of a descriptor as open(2) knows them. */
export function descriptorFlags(fd: number): { closeOnExec: boolean; nonBlocking: boolean } {
  const [, octal] = /^flags:\s+(\d+)$/m.exec(Deno.readTextFileSync(`/proc/self/fdinfo/${fd}`))!;
  const flags = parseInt(octal, 8);
  return { closeOnExec: (flags & 0o2000000) !== 0, nonBlocking: (flags & 0o4000) !== 0 };
}

/** A test after which the same descriptors have to be open as before. */
export function flatTest(name: string, fn: () => void | Promise<void>, { ignore = false } = {}): void {
  Deno.test({
    name,
    ignore,
    async fn(): Promise<void> {
      const before = descriptors();
      await fn();
      const count = before.size;
      // A socket that Deno closes goes with its next turn.
      await until(() => descriptors().size <= count, "the descriptors that the test opened are closed");
      assert.deepEqual(descriptors(), before);
    },
  });
}
