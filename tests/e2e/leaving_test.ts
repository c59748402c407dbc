/**
 * Apps that harm their worker: one that ends it takes the process with it, and says so, instead of leaving a share of
 * the clients alone; one that answers with nonsense gets a 500 and harms nobody.
 */

import assert from "node:assert/strict";
import { startCli } from "../support/server.ts";

for (const [path, how] of [["/exit", "Deno.exit(0)"], ["/close", "self.close()"]] as const) {
  Deno.test(`an app that calls ${how} in a worker ends the process with a sentence`, async () => {
    await using server = await startCli("leaving", 2);
    assert.equal(await (await fetch(`http://127.0.0.1:${server.port}${path}`)).text(), "leaving\n");
    const { code, stderr } = await server.ended(10_000);
    assert.equal(code, 1, stderr);
    assert.ok(stderr.includes(`A worker has ended: the app called ${how}`), stderr);
  });
}

Deno.test("an answer whose content is no content is a 500, and the server goes on", async () => {
  await using server = await startCli("leaving", 1);
  const at = (path: string) => fetch(`http://127.0.0.1:${server.port}${path}`);
  const wrong = await at("/wrong");
  assert.deepEqual([wrong.status, await wrong.text()], [500, "500 Internal Server Error\n"]);
  assert.equal(await (await at("/")).text(), "hello\n");
  assert.match(server.stderr, /Cannot send content of type Number/);
});
