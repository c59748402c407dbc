/**
 * Where a server listens: ports, several places at once, Unix sockets, both IP versions; and what addresses it tells.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { BoundAddress } from "../../mod.ts";
import { type Place, RawClient } from "../support/raw_client.ts";
import { appUrl, Child, portOf, start, startCli } from "../support/server.ts";
import main from "./apps/main.ts";

const REMOTE = "GET /remote HTTP/1.1\r\nHost: h\r\n\r\n";

async function remote(place: Place): Promise<{ told: unknown; port: number }> {
  using client = await RawClient.connect(place);
  const told = JSON.parse((await client.request(REMOTE)).text);
  return { told, port: "path" in place ? 0 : client.localAddr.port };
}

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "sluice-unix." });
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("port 0 reports the real port, to onListen and in server.addrs", async () => {
  for (const app of [main, appUrl("main")]) {
    let told: BoundAddress[] = [];
    await using server = await start(app, { onListen: (addresses) => void (told = addresses) });
    assert.deepEqual(told, server.addrs);
    assert.equal(told.length, 1);
    assert.ok(portOf(server) > 0);
    assert.equal(portOf(server), (told[0] as { port: number }).port);
    await remote({ port: portOf(server) });
  }
});

Deno.test("listeners: two TCP ports and a Unix socket at once", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/socket`;
    const listeners = [{ port: 0, hostname: "127.0.0.1" }, { port: 0, hostname: "::1" }, { path }];
    await using server = await start(appUrl("main"), { workers: 2, listeners });
    const [v4, v6, unix] = server.addrs;
    assert.ok(v4?.transport === "tcp" && v4.hostname === "127.0.0.1");
    assert.ok(v6?.transport === "tcp" && v6.hostname === "::1");
    assert.deepEqual(unix, { transport: "unix", path });
    const first = await remote({ port: v4.port });
    assert.deepEqual(first.told, { transport: "tcp", hostname: "127.0.0.1", port: first.port });
    const second = await remote({ port: v6.port, hostname: "::1" });
    assert.deepEqual(second.told, { transport: "tcp", hostname: "::1", port: second.port });
    assert.deepEqual((await remote({ path })).told, { transport: "unix", hostname: "", port: 0 });
  });
});

Deno.test("both IP versions by default, and remoteAddr is right for each (no ::ffff:)", async () => {
  await using server = await start(main);
  const port = portOf(server);
  const v4 = await remote({ port, hostname: "127.0.0.1" });
  assert.deepEqual(v4.told, { transport: "tcp", hostname: "127.0.0.1", port: v4.port });
  const v6 = await remote({ port, hostname: "::1" });
  assert.deepEqual(v6.told, { transport: "tcp", hostname: "::1", port: v6.port });
});

Deno.test("a Unix socket: a stale file is replaced, one in use is refused, and it is removed at the end", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/socket`;
    const args = ["run", "-A", "--no-check", "scripts/serve.ts", "--path", path, "--workers", "1"];
    {
      await using killed = new Child({ args });
      await killed.said(/listening on unix:/);
      await killed.stop("SIGKILL");
    }
    assert.ok((await Deno.stat(path)).isSocket);
    await using server = await start(main, { path });
    assert.deepEqual(server.addrs, [{ transport: "unix", path }]);
    await assert.rejects(start(main, { path }), /^Error: Cannot listen on .*socket: .*EADDRINUSE/);
    assert.deepEqual((await remote({ path })).told, { transport: "unix", hostname: "", port: 0 });
    await server.shutdown();
    await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
  });
});

Deno.test("a file that is no socket is not replaced", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/precious`;
    await Deno.writeTextFile(path, "mine");
    await assert.rejects(async () => (await start(main, { path })).shutdown(), /Cannot listen on/);
    assert.equal(await Deno.readTextFile(path), "mine");
  });
});

Deno.test("kill -9 and a restart on the same port at once works", async () => {
  const first = await startCli("main", 2);
  const { port } = first;
  using client = await RawClient.connect({ port });
  await client.request(REMOTE);
  // Not answered when the server dies: the kernel has to end it.
  await client.send("GET /slow/5000 HTTP/1.1\r\nHost: h\r\n\r\n");
  await first.stop("SIGKILL");
  await using second = await startCli("main", 2, ["--port", `${port}`]);
  assert.equal(second.port, port);
  await remote({ port });
  assert.equal((await second.stop()).code, 0);
});

Deno.test("SO_REUSEADDR: a port with connections in TIME_WAIT is bound again", async () => {
  const first = await start(main);
  const port = portOf(first);
  using client = await RawClient.connect({ port });
  await client.request("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  await client.untilClosed();
  client.close();
  await first.shutdown();
  await using second = await start(main, { port });
  assert.equal(portOf(second), port);
});
