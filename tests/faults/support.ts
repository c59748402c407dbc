/**
 * What the fault tests have in common: requests as text, clients that see the end of a connection, and the log.
 *
 * @module
 */

import assert from "node:assert/strict";
import { HANDED, OWNED } from "../../shim/ffi.ts";
import { processTable } from "../../workers/table.ts";
import { RawClient } from "../support/raw_client.ts";
import { shim, until } from "../support/server.ts";

/** The connection table that all servers of this process share. */
export const table = processTable(shim);

/** How long an answer may take that a server without its guard would never give. */
export const SOON_MS = 5000;

/** A request without a body; `fields` are whole lines. */
export function get(path: string, fields = ""): string {
  return `GET ${path} HTTP/1.1\r\nHost: h\r\n${fields}\r\n`;
}

/** A POST with a body of a known length; `sent` is what of it goes out at once. */
export function post(
  path: string,
  body: string,
  { fields = "", sent = body }: { fields?: string; sent?: string } = {},
) {
  return `POST ${path} HTTP/1.1\r\nHost: h\r\nContent-Length: ${body.length}\r\n${fields}\r\n${sent}`;
}

/** Runs `use` with a client that is closed afterwards. */
export async function withClient<T>(port: number, use: (client: RawClient) => Promise<T>): Promise<T> {
  using client = await RawClient.connect({ port });
  return await use(client);
}

/** The connection ends in order, and nothing more comes before that. */
export async function endsInOrder(client: RawClient): Promise<void> {
  const { how, bytes } = await client.untilClosed(SOON_MS);
  assert.deepEqual({ how, rest: new TextDecoder().decode(bytes) }, { how: "eof", rest: "" });
}

/** Waits until no connection is left. */
export async function allClosed(): Promise<void> {
  await until("all connections are closed", () => table.count(OWNED) + table.count(HANDED) === 0, SOON_MS);
}

/** Runs `use` and returns what was logged meanwhile, which the terminal does not see. */
export async function logged(use: () => Promise<void>): Promise<string> {
  const { error } = console;
  const lines: string[] = [];
  console.error = (...values: unknown[]) => void lines.push(values.join(" "));
  try {
    await use();
  } finally {
    console.error = error;
  }
  return lines.join("\n");
}

/** A promise that a test resolves, and the number of those that came to wait for it. */
export class Gate {
  waiting = 0;
  readonly #gate = Promise.withResolvers<void>();

  pass(): Promise<void> {
    this.waiting++;
    return this.#gate.promise;
  }

  open(): void {
    this.#gate.resolve();
  }
}
