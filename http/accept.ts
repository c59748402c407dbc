/**
 * What a client prefers: the lists of the Accept fields (RFC 9110 section 12.4.2).
 *
 * @module
 */

/** The members of an Accept field, in lower case, each with its weight from 0 to 1; a weight that is no number is 1. */
export function weights(header: string): [name: string, weight: number][] {
  return header.toLowerCase().split(",").map((part) => {
    const [name, ...parameters] = part.split(";").map((text) => text.trim());
    const weight = Number(parameters.find((text) => text.startsWith("q="))?.slice(2) ?? 1);
    return [name!, Number.isNaN(weight) ? 1 : weight];
  });
}
