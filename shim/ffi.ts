/**
 * The TypeScript side of the border: the symbol table of the shim, and how its bytes get into the process.
 *
 * shim.h is the manual of every function; the names here are the same without the `sluice_` prefix. The library is
 * embedded as base64 and loaded through a memfd: no file, no download, no search path. glibc knows a library by the
 * name it was opened with, for ever, and `/proc/self/fd/N` names are reused as descriptors are, so it could hand out
 * somebody else's library, or an older build of this one; the path is therefore spelt in a way that nobody else uses
 * and that differs from build to build. All threads open the same one: `provideShim` on the first thread, `adoptShim`
 * with its number on the others.
 *
 * @module
 */

import { BUILD_HASH, SHIMS } from "./embedded.ts";
import { describeErrno } from "./errno.ts";

/** Parameter and result types of every function, in the order of shim.h. */
export const SYMBOLS = {
  abi_version: { name: "sluice_abi_version", parameters: [], result: "i32" },
  build_hash: { name: "sluice_build_hash", parameters: [], result: "i32" },
  record_size: { name: "sluice_record_size", parameters: ["i32"], result: "i32" },
  table: { name: "sluice_table", parameters: ["buffer", "i32"], result: "i32" },
  now_ms: { name: "sluice_now_ms", parameters: [], result: "i32" },
  now_us: { name: "sluice_now_us", parameters: [], result: "i32" },
  rlimit_nofile: { name: "sluice_rlimit_nofile", parameters: [], result: "i32" },

  listen_tcp: { name: "sluice_listen_tcp", parameters: ["buffer", "i32", "i32", "i32", "i32"], result: "i32" },
  listen_unix: { name: "sluice_listen_unix", parameters: ["buffer", "i32", "i32"], result: "i32" },
  connect_unix: { name: "sluice_connect_unix", parameters: ["buffer", "i32"], result: "i32" },
  local_address: { name: "sluice_local_address", parameters: ["i32", "buffer", "i32"], result: "i32" },
  peer_address: { name: "sluice_peer_address", parameters: ["i32", "i32", "buffer", "i32"], result: "i32" },
  accept: { name: "sluice_accept", parameters: ["i32", "buffer", "i32", "i32"], result: "i32" },

  recv: { name: "sluice_recv", parameters: ["i32", "i32", "buffer", "i32", "i32", "i32"], result: "i32" },
  send: { name: "sluice_send", parameters: ["i32", "i32", "buffer", "i32", "i32", "i32"], result: "i32" },
  writev: {
    name: "sluice_writev",
    parameters: ["i32", "i32", "buffer", "i32", "i32", "i32", "buffer", "i32", "i32", "i32"],
    result: "i32",
  },
  shutdown: { name: "sluice_shutdown", parameters: ["i32", "i32"], result: "i32" },
  unsent: { name: "sluice_unsent", parameters: ["i32", "i32"], result: "i32" },
  send_buffer: { name: "sluice_send_buffer", parameters: ["i32", "i32", "i32"], result: "i32" },
  close: { name: "sluice_close", parameters: ["i32", "i32"], result: "i32" },
  reset: { name: "sluice_reset", parameters: ["i32", "i32"], result: "i32" },

  epoll_create: { name: "sluice_epoll_create", parameters: [], result: "i32" },
  epoll_add: { name: "sluice_epoll_add", parameters: ["i32", "i32", "i32", "i32"], result: "i32" },
  epoll_mod: { name: "sluice_epoll_mod", parameters: ["i32", "i32", "i32", "i32"], result: "i32" },
  epoll_del: { name: "sluice_epoll_del", parameters: ["i32", "i32", "i32"], result: "i32" },
  epoll_watch: { name: "sluice_epoll_watch", parameters: ["i32", "i32", "i32"], result: "i32" },
  epoll_wait: { name: "sluice_epoll_wait", parameters: ["i32", "buffer", "i32", "i32"], result: "i32" },
  epoll_pwait2: { name: "sluice_epoll_pwait2", parameters: ["i32", "buffer", "i32", "i32", "i32"], result: "i32" },
  poll: { name: "sluice_poll", parameters: ["i32", "i32"], result: "i32", nonblocking: true },

  eventfd: { name: "sluice_eventfd", parameters: [], result: "i32" },
  eventfd_signal: { name: "sluice_eventfd_signal", parameters: ["i32"], result: "i32" },
  eventfd_drain: { name: "sluice_eventfd_drain", parameters: ["i32"], result: "i32" },
  timerfd: { name: "sluice_timerfd", parameters: [], result: "i32" },
  timerfd_set: { name: "sluice_timerfd_set", parameters: ["i32", "i32"], result: "i32" },
  close_descriptor: { name: "sluice_close_descriptor", parameters: ["i32"], result: "i32" },

  aio_setup: { name: "sluice_aio_setup", parameters: ["buffer", "i32"], result: "i32" },
  aio_arm: { name: "sluice_aio_arm", parameters: ["buffer", "i32", "i32", "i32"], result: "i32" },
  aio_drain: { name: "sluice_aio_drain", parameters: ["buffer", "i32"], result: "i32" },
  aio_destroy: { name: "sluice_aio_destroy", parameters: ["buffer", "i32"], result: "i32" },
} as const;

/** The functions of the shim, called as `shim.recv(…)`. Every result is >= 0 or a negated errno. */
export type Shim = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

/** The border's version: shim.h's SLUICE_ABI_VERSION. */
export const ABI_VERSION: number = 1;

/** Words (of four bytes) of the shared records, in the order of `record_size`. */
export const ENTRY_WORDS: number = 16;
export const EVENT_WORDS: number = 3;
export const PEER_WORDS: number = 7;
export const AIO_BYTES: number = 8;

/** States of a table entry (shim.h). */
export const FREE: number = 0;
export const HANDED: number = 1;
export const OWNED: number = 2;

/** Readiness bits of epoll(7). */
export const EPOLLIN: number = 0x001;
export const EPOLLOUT: number = 0x004;
export const EPOLLERR: number = 0x008;
export const EPOLLHUP: number = 0x010;
export const EPOLLRDHUP: number = 0x2000;
export const EPOLLET: number = 1 << 31;

const LIBC = {
  memfd_create: { parameters: ["buffer", "u32"], result: "i32" },
  write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  close: { parameters: ["i32"], result: "i32" },
} as const;
const MFD_CLOEXEC = 1;

/** The library as this thread has it. */
interface Loaded {
  readonly shim: Shim;
  readonly memfd: number;
  readonly close: () => void;
}

let loaded: Loaded | null = null;
let users = 0;

/**
 * Loads the shim on the first thread of the process, or finds it loaded. Each call has to be matched by one of
 * `releaseShim`; the last of these unloads it.
 */
export function provideShim(): { readonly shim: Shim; readonly memfd: number } {
  loaded ??= loadShim();
  users++;
  return loaded;
}

/** Gives back what `provideShim` gave. After the last one no function of the shim may be called. */
export function releaseShim(): void {
  if (loaded === null || --users > 0) return;
  loaded.close();
  loaded = null;
}

/** Opens the shim that another thread of this process provided, for as long as this thread lives. */
export function adoptShim(memfd: number): Shim {
  if (loaded !== null) return loaded.shim;
  requireFfi();
  return openLibrary(memfd).symbols;
}

function loadShim(): Loaded {
  if (Deno.build.os !== "linux") {
    throw new Error(
      `Cannot load the shim: Sluice runs on Linux only, this is ${Deno.build.os}; ` +
        "use Deno.serve(app.fetch) for development here",
    );
  }
  requireFfi();
  const libc = Deno.dlopen("libc.so.6", LIBC);
  let memfd = -1;
  const free = () => {
    if (memfd >= 0) libc.symbols.close(memfd);
    libc.close();
  };
  try {
    memfd = writeMemfd(libc.symbols, Uint8Array.fromBase64(SHIMS[Deno.build.arch]));
    const library = openLibrary(memfd);
    const close = () => {
      library.symbols.table(null, 0);
      library.close();
      free();
    };
    return { shim: library.symbols, memfd, close };
  } catch (error) {
    free();
    throw error;
  }
}

function requireFfi(): void {
  if (Deno.permissions.querySync({ name: "ffi" }).state === "granted") return;
  if (Deno.permissions.requestSync({ name: "ffi" }).state === "granted") return;
  throw new Deno.errors.NotCapable(
    "Cannot load the shim: it is called through FFI, run Deno again with --allow-ffi",
  );
}

function writeMemfd(libc: Deno.DynamicLibrary<typeof LIBC>["symbols"], bytes: Uint8Array<ArrayBuffer>): number {
  const memfd = libc.memfd_create(new TextEncoder().encode("sluice-shim\0"), MFD_CLOEXEC);
  if (memfd < 0) throw new Error("Cannot load the shim: memfd_create failed, is it forbidden by a seccomp filter?");
  for (let at = 0; at < bytes.length;) {
    const written = Number(libc.write(memfd, bytes.subarray(at), BigInt(bytes.length - at)));
    if (written <= 0) {
      libc.close(memfd);
      throw new Error("Cannot load the shim: writing the library into memory failed, is memory short?");
    }
    at += written;
  }
  return memfd;
}

/** The path of a memfd: each bit of the build hash is a detour that leads nowhere. */
function libraryPath(memfd: number): string {
  const detours = Array.from({ length: 31 }, (_, bit) => (BUILD_HASH >> bit & 1) === 1 ? "../fd/" : "./");
  return `/proc/self/fd/${detours.join("")}${memfd}`;
}

/** Opens the library behind a memfd and compares everything that both sides of the border have to agree on. */
function openLibrary(memfd: number): Deno.DynamicLibrary<typeof SYMBOLS> {
  const library = Deno.dlopen(libraryPath(memfd), SYMBOLS);
  const shim = library.symbols;
  const expected = [ENTRY_WORDS * 4, EVENT_WORDS * 4, PEER_WORDS * 4, AIO_BYTES];
  const same = shim.abi_version() === ABI_VERSION && shim.build_hash() === BUILD_HASH &&
    expected.every((bytes, kind) => shim.record_size(kind) === bytes);
  if (!same) {
    const got = `ABI ${shim.abi_version()}, build ${shim.build_hash()}`;
    library.close();
    throw new Error(
      `Cannot load the shim: expected ABI ${ABI_VERSION}, build ${BUILD_HASH}, got ${got}; ` +
        "run `deno task build` and start again",
    );
  }
  return library;
}

/** Returns `result` if it is no error, else throws `Cannot <what>: <reason> (<ERRNO>)`. */
export function must(result: number, what: string): number {
  if (result < 0) throw new Error(`Cannot ${what}: ${describeErrno(result)}`);
  return result;
}
