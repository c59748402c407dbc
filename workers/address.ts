/**
 * Addresses to listen on: from what a person writes to bytes and back.
 *
 * @module
 */

/** IPv4 or IPv6 bytes as text, IPv6 in the canonical form of RFC 5952. */
export function formatAddress(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  const groups = Array.from({ length: 8 }, (_, i) => (bytes[2 * i]! << 8 | bytes[2 * i + 1]!).toString(16));
  return new URL(`http://[${groups.join(":")}]/`).hostname.slice(1, -1);
}

/** The 4 or 16 bytes of an IP address, or null if the text is none. */
export function parseAddress(text: string): Uint8Array<ArrayBuffer> | null {
  if (/^(?:0|[1-9]\d{0,2})(?:\.(?:0|[1-9]\d{0,2})){3}$/.test(text)) {
    const bytes = text.split(".").map(Number);
    return bytes.every((byte) => byte <= 255) ? Uint8Array.from(bytes) : null;
  }
  const bare = text.startsWith("[") && text.endsWith("]") ? text.slice(1, -1) : text;
  if (!/^[\da-fA-F:.]+$/.test(bare) || !bare.includes(":") || !URL.canParse(`http://[${bare}]/`)) return null;
  const [before, after] = new URL(`http://[${bare}]/`).hostname.slice(1, -1).split("::") as [string, string?];
  const words = (part: string) => part === "" ? [] : part.split(":").map((group) => parseInt(group, 16));
  const head = words(before), tail = words(after ?? "");
  const groups = [...head, ...new Array<number>(8 - head.length - tail.length).fill(0), ...tail];
  return Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff]));
}

/** The address of a host: an IP literal as it is, a name looked up as the system does. Null if there is none. */
export async function resolveHost(hostname: string): Promise<Uint8Array<ArrayBuffer> | null> {
  const literal = parseAddress(hostname);
  if (literal) return literal;
  try {
    // Not at the top: the module costs each thread of the server a megabyte, and only the first looks up names.
    const { lookup } = await import("node:dns/promises");
    return parseAddress((await lookup(hostname)).address);
  } catch {
    return null;
  }
}

/** Host and port as in a URL: `127.0.0.1:80`, `[::1]:80`. */
export function formatHostPort(hostname: string, port: number): string {
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}
