/**
 * What a thread has to say to the person who runs it. One line each on standard error, a stack below it if there is
 * one; nothing a peer sent is in it.
 *
 * @module
 */

/** Logs a line, with the error that caused it. */
export function log(message: string, error?: unknown): void {
  const cause = error === undefined ? "" : `\n${error instanceof Error ? error.stack ?? error.message : String(error)}`;
  console.error(`sluice: ${message}${cause}`);
}

/** What an error says, without its stack. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
