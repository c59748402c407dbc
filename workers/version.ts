/**
 * The version of the package, as in deno.json (a test compares them).
 *
 * @module
 */

/** The version of the package. */
export const VERSION: string = "0.1.0";
