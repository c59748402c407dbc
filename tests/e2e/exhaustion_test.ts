/**
 * No descriptors left: whoever is connected is served on, nobody spins, who waits is refused in the end, and accepting
 * goes on when there are descriptors again.
 *
 * @module
 */

import assert from "node:assert/strict";
import { needs, unless } from "../support/needs.ts";
import { RawClient } from "../support/raw_client.ts";
import { appFile, cpuMs, descriptors, sleep, startChild, until } from "../support/server.ts";

const shell = needs({ programs: ["sh"], debian: "dash" });
const DESCRIPTORS = 300, CLIENTS = 400;
const HELLO = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

async function outOfDescriptors(): Promise<void> {
  const deno = `${Deno.execPath()} run -A --no-check scripts/serve.ts --port 0 --workers 2 --app ${appFile("main")}`;
  const limited = `ulimit -Sn ${DESCRIPTORS}; ulimit -Hn ${DESCRIPTORS}; exec ${deno}`;
  await using server = await startChild({ command: "sh", args: ["-c", limited] });
  const clients: RawClient[] = [];
  try {
    for (let i = 0; i < CLIENTS; i++) clients.push(await RawClient.connect({ port: server.port }));
    await until("all descriptors are used", () => descriptors(server.pid) >= DESCRIPTORS - 1);
    const before = cpuMs(server.pid);
    await sleep(1000);
    const usedMs = cpuMs(server.pid) - before;
    assert.ok(usedMs < 200, `used ${usedMs} ms of CPU in a second while it cannot accept`);
    assert.equal((await clients[0]!.request(HELLO)).text, "hello\n");
    // The last to come has no place. It is told so: the connection ends, it does not hang.
    assert.equal((await clients.at(-1)!.untilClosed()).how, "eof");
    assert.equal((await clients[0]!.request(HELLO)).text, "hello\n");
    for (const client of clients.splice(0, CLIENTS / 2)) client.close();
    using late = await RawClient.connect({ port: server.port });
    assert.equal((await late.request(HELLO)).text, "hello\n");
  } finally {
    for (const client of clients) client.close();
  }
  assert.match(server.stderr, /accepting rests.*\n.*refusing connections: no file descriptors are left\n/);
  assert.equal((await server.stop()).code, 0, server.output);
}

Deno.test({
  name: "out of descriptors: serves on, does not spin, refuses who waits too long, accepts again",
  fn: outOfDescriptors,
  ...unless(shell),
});
