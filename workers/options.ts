/**
 * What `serve()` may be told, checked before anything is opened.
 *
 * @module
 */

import { DEFAULT_LIMITS, type Limits } from "../http/limits.ts";
import type { WakeKind } from "./wake.ts";

/** How epoll reports readiness: when it changes, or as long as it lasts. */
export type Trigger = "edge" | "level";

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
  /** How connections are registered: `"edge"` (the default), or `"level"`, so that the difference can be measured. */
  trigger?: Trigger;
  /** How the loop waits, instead of what its self-test finds: `"aio"`, or `"poll"` for the fallback. */
  wake?: WakeKind;
}

/** Options with everything filled in. */
export interface CheckedOptions extends ServeOptions {
  readonly addresses: readonly ListenAddress[];
  readonly workers: number;
  readonly checkedLimits: Readonly<Limits>;
  readonly handleSignals: boolean;
  readonly trigger: Trigger;
}

const WORKERS_MAX = 512;
const DEFAULT_PORT = 8000;

/** What a value has to be, and how to say that. */
type Rule = readonly [is: (value: unknown) => boolean, expected: string];

const isText: Rule = [(value) => typeof value === "string" && value !== "", "text that is not empty"];
const isFunction: Rule = [(value) => typeof value === "function", "a function"];
/** Numbers have checks of their own, which say the range. */
const isAnything: Rule = [() => true, ""];

const TCP_RULES: Readonly<Record<string, Rule>> = { port: isAnything, hostname: isText };
const UNIX_RULES: Readonly<Record<string, Rule>> = { path: isText };
const RULES: Readonly<Record<string, Rule>> = {
  ...TCP_RULES,
  ...UNIX_RULES,
  listeners: [Array.isArray, "an array of addresses"],
  workers: isAnything,
  signal: [(value) => value instanceof AbortSignal, "an AbortSignal"],
  onListen: isFunction,
  limits: [(value) => typeof value === "object" && value !== null, "an object"],
  handleSignals: [(value) => typeof value === "boolean", "true or false"],
  trigger: [(value) => value === "edge" || value === "level", '"edge" or "level"'],
  wake: [(value) => value === "aio" || value === "poll", '"aio" or "poll"'],
};

/** Checks options. Throws a `TypeError` for one that is unknown or contradicts another, a `RangeError` for a number. */
export function checkOptions(options: ServeOptions): CheckedOptions {
  checkRules("option", options, RULES);
  const { workers = Math.min(navigator.hardwareConcurrency, WORKERS_MAX) } = options;
  checkInteger("workers", workers, 1, WORKERS_MAX);
  return {
    ...options,
    workers,
    addresses: checkAddresses(options),
    checkedLimits: checkLimits(options.limits ?? {}),
    handleSignals: options.handleSignals ?? true,
    trigger: options.trigger ?? "edge",
  };
}

function checkRules(what: string, values: object, rules: Readonly<Record<string, Rule>>): void {
  if (typeof values !== "object" || values === null) {
    throw new TypeError(`Cannot serve with ${what}s ${JSON.stringify(values)}: expected an object`);
  }
  for (const [name, value] of Object.entries(values)) {
    if (!Object.hasOwn(rules, name)) {
      const known = Object.keys(rules).join(", ");
      throw new TypeError(`Cannot serve with ${what} ${JSON.stringify(name)}: expected one of ${known}`);
    }
    const [is, expected] = rules[name]!;
    if (value !== undefined && !is(value)) {
      throw new TypeError(`Cannot serve with ${name} ${JSON.stringify(value)}: expected ${expected}`);
    }
  }
}

function checkInteger(name: string, value: number, least: number, most: number): void {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new RangeError(`Cannot serve with ${name} ${value}: expected an integer from ${least} to ${most}`);
  }
}

function checkAddresses(options: ServeOptions): readonly ListenAddress[] {
  const { port, hostname, path, listeners } = options;
  const isTcp = port !== undefined || hostname !== undefined;
  if (listeners !== undefined && (isTcp || path !== undefined)) {
    throw new TypeError("Cannot serve with listeners and port, hostname or path: put them all into listeners");
  }
  if (listeners?.length === 0) throw new TypeError("Cannot serve with no listeners: expected at least one");
  return (listeners ?? [{ port, hostname, path } as ListenAddress]).map(checkAddress);
}

function checkAddress(address: ListenAddress): ListenAddress {
  checkRules("listener option", address, { ...TCP_RULES, ...UNIX_RULES });
  const { port = DEFAULT_PORT, hostname, path } = address as TcpAddress & Partial<UnixAddress>;
  if (path !== undefined && ((address as TcpAddress).port !== undefined || hostname !== undefined)) {
    throw new TypeError("Cannot serve with path and port or hostname: use listeners to listen on both");
  }
  if (path !== undefined) return { path };
  checkInteger("port", port, 0, 65535);
  return { port, hostname };
}

function checkLimits(limits: Partial<Limits>): Readonly<Limits> {
  for (const [name, value] of Object.entries(limits)) {
    if (!Object.hasOwn(DEFAULT_LIMITS, name)) {
      const known = Object.keys(DEFAULT_LIMITS).join(", ");
      throw new TypeError(`Cannot serve with limits.${name}: expected one of ${known}`);
    }
    checkInteger(`limits.${name}`, value, 1, 0x7fffffff);
  }
  return { ...DEFAULT_LIMITS, ...limits };
}
