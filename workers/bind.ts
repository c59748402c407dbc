/**
 * Listening sockets: made on the first thread, before any worker starts, so that what is wrong with an address is an
 * exception at the call. They belong to that thread until the server ends.
 *
 * @module
 */

import { describeErrno, EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT, ECONNREFUSED } from "../shim/errno.ts";
import { must, PEER_WORDS, type Shim } from "../shim/ffi.ts";
import { formatAddress, formatHostPort, resolveHost } from "./address.ts";
import type { BoundAddress, ListenAddress, TcpAddress } from "./options.ts";

/** Connections that the kernel accepts ahead of us; it takes the lesser of this and net.core.somaxconn. */
const BACKLOG = 4096;

const ANY_IPV6 = new Uint8Array(16), ANY_IPV4 = new Uint8Array(4);

/** A listening socket. */
interface Bound {
  readonly fd: number;
  readonly address: BoundAddress;
}

/** The listening sockets of a server. */
export class ListeningSockets {
  readonly #shim: Shim;
  readonly #bound: Bound[] = [];

  private constructor(shim: Shim) {
    this.#shim = shim;
  }

  /** Listens on all addresses, or on none: a failure closes what was opened and says which address and why. */
  static async bind(shim: Shim, addresses: readonly ListenAddress[]): Promise<ListeningSockets> {
    const sockets = new ListeningSockets(shim);
    try {
      for (const address of addresses) {
        sockets.#bound.push("path" in address ? bindUnix(shim, address.path) : await bindTcp(shim, address));
      }
    } catch (error) {
      sockets.close();
      throw error;
    }
    return sockets;
  }

  /** Their descriptors. */
  get fds(): number[] {
    return this.#bound.map(({ fd }) => fd);
  }

  /** Where they listen. */
  get addresses(): BoundAddress[] {
    return this.#bound.map(({ address }) => address);
  }

  /** Closes them and removes what they left in the file system; nothing happens the second time. */
  close(): void {
    for (const { fd, address } of this.#bound.splice(0)) {
      this.#shim.close_descriptor(fd);
      if (address.transport !== "unix") continue;
      try {
        Deno.removeSync(address.path);
      } catch {
        // Somebody removed it already, or may and we may not: the next start replaces it.
      }
    }
  }
}

async function bindTcp(shim: Shim, { hostname, port = 0 }: TcpAddress): Promise<Bound> {
  const name = formatHostPort(hostname ?? "0.0.0.0", port);
  requirePermission({ name: "net", host: name }, `listen on ${name}`, `--allow-net=${name}`);
  let fd: number;
  if (hostname === undefined) {
    fd = shim.listen_tcp(ANY_IPV6, 16, port, 0, BACKLOG);
    // A machine without IPv6 says so in one of these ways.
    if (fd === EAFNOSUPPORT || fd === EADDRNOTAVAIL) fd = shim.listen_tcp(ANY_IPV4, 4, port, 0, BACKLOG);
  } else {
    const address = await resolveHost(hostname);
    if (address === null) {
      throw new Error(`Cannot listen on ${name}: the host is unknown, use an IP address or a name that resolves`);
    }
    fd = shim.listen_tcp(address, address.length, port, 0, BACKLOG);
  }
  if (fd < 0) throw new Error(`Cannot listen on ${name}: ${describeErrno(fd)}${advice(fd, port)}`);
  const peer = new Int32Array(PEER_WORDS);
  must(shim.local_address(fd, peer, peer.byteLength), `read the address of ${name}`);
  const bytes = new Uint8Array(peer.buffer, 12, peer[1] === 4 ? 4 : 16);
  return { fd, address: { transport: "tcp", hostname: formatAddress(bytes), port: peer[2]! } };
}

function advice(errno: number, port: number): string {
  if (errno === EADDRINUSE) return "; stop what uses it or choose another port (0 for any)";
  if (errno === -13 && port < 1024) {
    return "; choose a port from 1024 on, or allow it with `setcap cap_net_bind_service=+ep` on the executable";
  }
  return "";
}

function bindUnix(shim: Shim, path: string): Bound {
  const bytes = new TextEncoder().encode(path);
  requirePermission({ name: "write", path }, `listen on ${path}`, `--allow-write=${path}`);
  let fd = shim.listen_unix(bytes, bytes.length, BACKLOG);
  if (fd === EADDRINUSE) {
    const probe = shim.connect_unix(bytes, bytes.length);
    if (probe >= 0) shim.close_descriptor(probe);
    // A socket that nobody listens on: its server is gone. A file that is none refuses in the same way.
    if (probe === ECONNREFUSED && Deno.lstatSync(path).isSocket) {
      Deno.removeSync(path);
      fd = shim.listen_unix(bytes, bytes.length, BACKLOG);
    }
  }
  if (fd === EADDRINUSE && !Deno.lstatSync(path).isSocket) {
    throw new Error(`Cannot listen on ${path}: something that is no socket is there; choose another path (EADDRINUSE)`);
  }
  if (fd < 0) throw new Error(`Cannot listen on ${path}: ${describeErrno(fd)}`);
  return { fd, address: { transport: "unix", path } };
}

/** Descriptors that the runtime has open before a server is started, and that each thread of ours adds; measured. */
const RUNTIME_DESCRIPTORS = 32, THREAD_DESCRIPTORS = 12;

/** Descriptors for the first clients and for what their handlers open: with fewer it is no use to start. */
const LEAST_DESCRIPTORS = 32;

/** Throws unless the process may open as many descriptors as a server with this many threads needs to be of use. */
export function requireDescriptors(shim: Shim, threads: number): void {
  const limit = must(shim.rlimit_nofile(), "read the limit of file descriptors");
  const needed = RUNTIME_DESCRIPTORS + threads * THREAD_DESCRIPTORS + LEAST_DESCRIPTORS;
  if (limit >= needed) return;
  throw new Error(
    `Cannot serve with ${limit} file descriptors: at least ${needed} are needed for ${threads} threads and their ` +
      "clients; raise the limit (`ulimit -n 65536`, LimitNOFILE= in systemd) or start fewer workers",
  );
}

/** The shim reaches the kernel past Deno's permissions: this asks for them as Deno itself would. */
export function requirePermission(descriptor: Deno.PermissionDescriptor, what: string, flag: string): void {
  if (Deno.permissions.querySync(descriptor).state === "granted") return;
  if (Deno.permissions.requestSync(descriptor).state === "granted") return;
  throw new Deno.errors.NotCapable(`Cannot ${what}: run Deno again with ${flag}`);
}
