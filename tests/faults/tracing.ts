/**
 * strace as a source of errors: attached to a server that runs, it makes system calls fail before they are made.
 *
 * @module
 */

import { needs } from "../support/needs.ts";
import { Child, type ServerChild } from "../support/server.ts";

/** What tests with injected errors need. */
export const strace = needs({ programs: ["strace"], debian: "strace" });

/** A strace that is attached to a server. */
export class Injector implements AsyncDisposable {
  readonly #child: Child;
  readonly #calls: string;

  private constructor(child: Child, calls: string) {
    this.#child = child;
    this.#calls = calls;
  }

  /** Makes `calls` (separated by commas) fail with `error`, those of each thread that `when` counts (strace(1)). */
  static async attach(server: ServerChild, calls: string, error: string, when: string): Promise<Injector> {
    const inject = `inject=${calls}:error=${error}:when=${when}`;
    const args = ["-f", "-s", "32", "-e", `trace=${calls}`, "-e", inject, "-p", `${server.pid}`];
    const child = new Child({ command: "strace", args });
    try {
      await child.said(/attached/);
    } catch (error) {
      await child[Symbol.asyncDispose]();
      throw error;
    }
    return new Injector(child, calls);
  }

  /** How many calls have been seen, and how many of them were made to fail. */
  get counts(): { calls: number; injected: number } {
    const call = new RegExp(`\\b(?:${this.#calls.replaceAll(",", "|")})\\(`, "g");
    const { stderr } = this.#child;
    return { calls: stderr.match(call)?.length ?? 0, injected: stderr.match(/\(INJECTED\)/g)?.length ?? 0 };
  }

  /** All that was traced. */
  get trace(): string {
    return this.#child.stderr;
  }

  /** Lets go of the server. */
  async detach(): Promise<void> {
    await this.#child.stop("SIGINT");
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#child[Symbol.asyncDispose]();
  }
}
