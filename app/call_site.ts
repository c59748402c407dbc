/**
 * Where in the user's code something was called, for messages that have to name two places.
 *
 * @module
 */

/** `file:line:column` of the call of a function, as the engine has it; `an unknown place` if it has nothing. */
export function callSite(called: (...args: never[]) => unknown): string {
  const holder: { stack?: string } = {};
  Error.captureStackTrace(holder, called);
  const frame = holder.stack?.split("\n").find((line) => /^\s*at /.test(line)) ?? "";
  return /\(?((?:file|https?|jsr|npm|data):[^\s()]+|[^\s()]+:\d+:\d+)\)?$/.exec(frame)?.[1] ?? "an unknown place";
}
