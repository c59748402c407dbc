/**
 * What `serve()` may be told, checked before anything is opened.
 *
 * @module
 */

import { DEFAULT_LIMITS, type Limits } from "../http/limits.ts";
import type { WakeKind } from "./wake.ts";

/** A TCP address to listen on. */
export interface TcpAddress {
  /** 0 to 65535; 0 lets the system choose. Default: 8000. */
  port?: number;
  /** An IP address or a name. Default: every address of the machine, IPv6 and IPv4. */
  hostname?: string;
}

/** A Unix socket to listen on. */
export interface UnixAddress {
  /** Where the socket is made, at most 107 bytes; a left-over one is replaced, one in use is not. */
  path: string;
}

/** Somewhere to listen. */
export type ListenAddress = TcpAddress | UnixAddress;

/** Where a server listens, for `onListen` and `server.addrs`. */
export type BoundAddress =
  | { readonly transport: "tcp"; readonly hostname: string; readonly port: number }
  | { readonly transport: "unix"; readonly path: string };

/** Options of `serve()`. */
export interface ServeOptions {
  /** 0 to 65535; 0 lets the system choose. Default: 8000. */
  port?: number;
  /** An IP address or a name. Default: every address of the machine, IPv6 and IPv4. */
  hostname?: string;
  /** A Unix socket instead of a port. */
  path?: string;
  /** Several places to listen, instead of `port`, `hostname` and `path`. */
  listeners?: ListenAddress[];
  /** Web Workers that serve a module given by URL, 1 to 512. Default: one for each processor. */
  workers?: number;
  /** Shuts the server down when it is aborted. */
  signal?: AbortSignal;
  /** Called with the bound addresses once requests are answered. Default: prints a banner on standard error. */
  onListen?: (addresses: BoundAddress[]) => void;
  /** Limits other than the defaults. */
  limits?: Partial<Limits>;
  /** Whether SIGINT and SIGTERM shut the server down and end the process. Default: true. */
  handleSignals?: boolean;
  /** How the loop waits, instead of what its self-test finds: `"aio"`, or `"poll"` for the fallback. */
  wake?: WakeKind;
}

/** Options with everything filled in. */
export interface CheckedOptions extends ServeOptions {
  readonly addresses: readonly ListenAddress[];
  readonly workers: number;
  readonly checkedLimits: Readonly<Limits>;
  readonly handleSignals: boolean;
}

const KNOWN: ReadonlySet<string> = new Set([
  "port",
  "hostname",
  "path",
  "listeners",
  "workers",
  "signal",
  "onListen",
  "limits",
  "handleSignals",
  "wake",
]);

const WORKERS_MAX = 512;
const DEFAULT_PORT = 8000;

/** Checks options. Throws a `TypeError` for one that is unknown or contradicts another, a `RangeError` for a number. */
export function checkOptions(options: ServeOptions): CheckedOptions {
  for (const name of Object.keys(options)) {
    if (!KNOWN.has(name)) {
      throw new TypeError(`Cannot serve with option ${JSON.stringify(name)}: expected one of ${[...KNOWN].join(", ")}`);
    }
  }
  const { wake, workers = navigator.hardwareConcurrency } = options;
  if (wake !== undefined && wake !== "aio" && wake !== "poll") {
    throw new TypeError(`Cannot serve with wake ${JSON.stringify(wake)}: expected "aio" or "poll"`);
  }
  checkInteger("workers", workers, 1, WORKERS_MAX);
  return {
    ...options,
    workers,
    addresses: checkAddresses(options),
    checkedLimits: checkLimits(options.limits ?? {}),
    handleSignals: options.handleSignals ?? true,
  };
}

function checkInteger(name: string, value: number, least: number, most: number): void {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new RangeError(`Cannot serve with ${name} ${value}: expected an integer from ${least} to ${most}`);
  }
}

function checkAddresses(options: ServeOptions): readonly ListenAddress[] {
  const { port, hostname, path, listeners } = options;
  const short = port !== undefined || hostname !== undefined;
  if (listeners !== undefined && (short || path !== undefined)) {
    throw new TypeError("Cannot serve with listeners and port, hostname or path: put them all into listeners");
  }
  if (path !== undefined && short) {
    throw new TypeError("Cannot serve with path and port or hostname: use listeners to listen on both");
  }
  if (listeners?.length === 0) throw new TypeError("Cannot serve with no listeners: expected at least one");
  const addresses = listeners ?? [path !== undefined ? { path } : { port, hostname }];
  return addresses.map((address) => {
    if ("path" in address) return { path: address.path };
    const port = address.port ?? DEFAULT_PORT;
    checkInteger("port", port, 0, 65535);
    return { port, hostname: address.hostname };
  });
}

function checkLimits(limits: Partial<Limits>): Readonly<Limits> {
  for (const [name, value] of Object.entries(limits)) {
    if (!(name in DEFAULT_LIMITS)) {
      const known = Object.keys(DEFAULT_LIMITS).join(", ");
      throw new TypeError(`Cannot serve with limits.${name}: expected one of ${known}`);
    }
    checkInteger(`limits.${name}`, value, 1, 0x7fffffff);
  }
  return { ...DEFAULT_LIMITS, ...limits };
}
