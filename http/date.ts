/**
 * IMF-fixdate, the form of every Date field (RFC 9110 section 5.6.7), from a time that the caller read.
 *
 * @module
 */

/** Bytes of an IMF-fixdate: `Sun, 06 Nov 1994 08:49:37 GMT`. */
export const DATE_BYTES = 29;

/** Milliseconds since 1970 as an IMF-fixdate. */
export function httpDate(epochMs: number): string {
  return new Date(epochMs).toUTCString();
}
