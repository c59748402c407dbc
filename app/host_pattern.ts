/**
 * Hosts that routes are for: a name, or `*.` and a name for everything below it.
 *
 * @module
 */

/** A host, understood. */
export interface HostPattern {
  /** In lower case. */
  readonly source: string;
  /** What is more specific has a higher one. */
  readonly rank: number;
  /** Whether a host, in lower case and without a port, is meant. */
  matches(host: string): boolean;
}

/** Understands a host. Throws a `TypeError` that says what is supported. */
export function parseHost(host: string): HostPattern {
  const source = host.toLowerCase();
  const isWild = source.startsWith("*.");
  const name = isWild ? source.slice(1) : source;
  if (!/^\.?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$|^\[[0-9a-f:.]+\]$/.test(name) || (!isWild && name.startsWith("."))) {
    throw new TypeError(
      `Cannot route for the host ${JSON.stringify(host)}: expected a name without a port, ` +
        'like "example.com", "*.example.com" or "[::1]"',
    );
  }
  return isWild
    ? { source, rank: name.length, matches: (given) => given.length > name.length && given.endsWith(name) }
    : { source, rank: 1000 + name.length, matches: (given) => given === name };
}

/** The host of an authority, in lower case, without its port and without the dot that may end a name. */
export function hostOf(authority: string): string {
  return authority.toLowerCase().replace(/:\d*$/, "").replace(/\.$/, "");
}
