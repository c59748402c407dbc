/**
 * Listening sockets: TCP and Unix, what is said when an address cannot be had, and that nothing is left behind.
 */

import assert from "node:assert/strict";
import type { Shim } from "../../shim/ffi.ts";
import { ListeningSockets, requireDescriptors, requirePermission } from "../../workers/bind.ts";
import type { ListenAddress } from "../../workers/options.ts";
import { shim } from "../shim/support.ts";
import { tidyTest } from "../support/thread.ts";

const LOOPBACK = { hostname: "127.0.0.1", port: 0 };

function bindOne(address: ListenAddress, used: Shim = shim): Promise<ListeningSockets> {
  return ListeningSockets.bind(used, [address]);
}

/** The port of the first socket. */
function portOf({ addresses: [address] }: ListeningSockets): number {
  return address!.transport === "tcp" ? address!.port : assert.fail();
}

/** A folder that is removed with everything in it. */
function withFolder(fn: (folder: string) => Promise<void>): () => Promise<void> {
  return async () => {
    const folder = Deno.makeTempDirSync({ dir: "/tmp", prefix: "sluice-bind." });
    try {
      await fn(folder);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  };
}

tidyTest("bind: port 0 gives a port, on which the server can be reached", async () => {
  const bound = await bindOne(LOOPBACK);
  assert.deepEqual(bound.addresses, [{ transport: "tcp", hostname: "127.0.0.1", port: portOf(bound) }]);
  assert.ok(portOf(bound) > 0);
  (await Deno.connect({ hostname: "127.0.0.1", port: portOf(bound) })).close();
  bound.close();
});

tidyTest("bind: without a host it is every address, IPv4 and IPv6", async () => {
  const bound = await bindOne({ port: 0 });
  const [address] = bound.addresses;
  assert.ok(address!.transport === "tcp" && ["::", "0.0.0.0"].includes(address!.hostname));
  (await Deno.connect({ hostname: "127.0.0.1", port: portOf(bound) })).close();
  bound.close();
});

for (const errno of [-97, -99]) {
  tidyTest(`bind: where IPv6 fails with ${errno}, every address is every IPv4 address`, async () => {
    const listen_tcp: Shim["listen_tcp"] = (address, capacity, ...rest) =>
      capacity === 16 ? errno : shim.listen_tcp(address, capacity, ...rest);
    const bound = await bindOne({ port: 0 }, { ...shim, listen_tcp } as unknown as Shim);
    assert.deepEqual(bound.addresses, [{ transport: "tcp", hostname: "0.0.0.0", port: portOf(bound) }]);
    bound.close();
  });
}

tidyTest("bind: a name is looked up, an unknown one is said to be unknown", async () => {
  const bound = await bindOne({ hostname: "localhost", port: 0 });
  bound.close();
  await assert.rejects(
    bindOne({ hostname: "no-such-host.invalid", port: 80 }),
    /^Error: Cannot listen on no-such-host\.invalid:80: the host is unknown, use an IP address or a name that resolves$/,
  );
});

tidyTest("bind: a port in use is said to be, with advice, and what was bound before is closed again", async () => {
  const first = await bindOne(LOOPBACK);
  const port = portOf(first);
  await assert.rejects(
    ListeningSockets.bind(shim, [LOOPBACK, LOOPBACK, { hostname: "127.0.0.1", port }]),
    new RegExp(
      `^Error: Cannot listen on 127\\.0\\.0\\.1:${port}: the address is in use \\(EADDRINUSE\\); ` +
        "stop what uses it or choose another port \\(0 for any\\)$",
    ),
  );
  first.close();
});

tidyTest("bind: an address of another machine, and a low port that is forbidden", async () => {
  await assert.rejects(bindOne({ hostname: "192.0.2.1", port: 0 }), /192\.0\.2\.1:0: .*EADDRNOTAVAIL\)$/);
  const denying = { ...shim, listen_tcp: () => -13 } as unknown as Shim;
  await assert.rejects(
    bindOne({ hostname: "127.0.0.1", port: 80 }, denying),
    /EACCES\); choose a port from 1024 on, or/,
  );
  await assert.rejects(bindOne({ hostname: "127.0.0.1", port: 8080 }, denying), /\(EACCES\)$/);
});

tidyTest(
  "bind: a Unix socket is made, reached, and removed again",
  withFolder(async (folder) => {
    const path = `${folder}/app.sock`;
    const bound = await bindOne({ path });
    assert.deepEqual(bound.addresses, [{ transport: "unix", path }]);
    (await Deno.connect({ transport: "unix", path })).close();
    bound.close();
    assert.throws(() => Deno.lstatSync(path), Deno.errors.NotFound);
  }),
);

tidyTest(
  "bind: a Unix socket in use is refused and stays usable; one left over is replaced",
  withFolder(async (folder) => {
    const path = `${folder}/app.sock`;
    const first = await bindOne({ path });
    await assert.rejects(bindOne({ path }), /app\.sock: the address is in use \(EADDRINUSE\)$/);
    (await Deno.connect({ transport: "unix", path })).close();
    shim.close_descriptor(first.fds[0]!); // as a server that was killed
    const second = await bindOne({ path });
    (await Deno.connect({ transport: "unix", path })).close();
    second.close();
  }),
);

tidyTest(
  "bind: what is no socket is never removed to make room for one",
  withFolder(async (folder) => {
    const file = `${folder}/precious.txt`, empty = `${folder}/empty`;
    Deno.writeTextFileSync(file, "years of work");
    Deno.mkdirSync(empty);
    for (const path of [file, empty]) {
      const [result] = await Promise.allSettled([bindOne({ path })]);
      if (result!.status === "fulfilled") result!.value.close();
    }
    const left = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
    assert.deepEqual(left, ["empty", "precious.txt"]);
    assert.equal(Deno.readTextFileSync(file), "years of work");
  }),
);

tidyTest(
  "bind: a path that cannot be",
  withFolder(async (folder) => {
    await assert.rejects(bindOne({ path: `${folder}/none/app.sock` }), /none\/app\.sock: .*\(ENOENT\)$/);
    await assert.rejects(bindOne({ path: `${folder}/${"x".repeat(108)}` }), /: the path is too long \(ENAMETOOLONG\)$/);
  }),
);

tidyTest(
  "bind: unbinding does not mind a socket that somebody removed",
  withFolder(async (folder) => {
    const bound = await ListeningSockets.bind(shim, [{ path: `${folder}/a` }, LOOPBACK, { path: `${folder}/b` }]);
    Deno.removeSync(`${folder}/a`);
    bound.close();
    assert.deepEqual([...Deno.readDirSync(folder)], []);
  }),
);

tidyTest("bind: closing twice closes nobody else's descriptor", async () => {
  const bound = await ListeningSockets.bind(shim, [LOOPBACK, LOOPBACK]);
  const { fds } = bound;
  bound.close();
  assert.deepEqual(bound.fds, []);
  const mine = fds.map(() => shim.eventfd());
  bound.close();
  for (const fd of mine) assert.equal(shim.close_descriptor(fd), 0);
});

Deno.test({
  name: "bind: without permission Deno's own error says which flag is missing",
  permissions: { net: ["127.0.0.1:1"], read: true },
  fn(): void {
    requirePermission({ name: "net", host: "127.0.0.1:1" }, "listen", "--allow-net");
    const query = Deno.permissions.requestSync;
    Deno.permissions.requestSync = () => ({ state: "denied" }) as Deno.PermissionStatus; // nobody to ask
    try {
      assert.throws(
        () => requirePermission({ name: "net", host: "127.0.0.1:2" }, "listen on it", "--allow-net=127.0.0.1:2"),
        (error: Error) =>
          error instanceof Deno.errors.NotCapable &&
          error.message === "Cannot listen on it: run Deno again with --allow-net=127.0.0.1:2",
      );
    } finally {
      Deno.permissions.requestSync = query;
    }
  },
});

Deno.test("bind: as many descriptors as the threads need are enough, one fewer is said with what is needed", () => {
  const limited = (limit: number) => ({ rlimit_nofile: () => limit }) as unknown as Shim;
  requireDescriptors(limited(76), 1);
  requireDescriptors(limited(100), 3);
  assert.throws(
    () => requireDescriptors(limited(75), 1),
    /with 75 file descriptors: at least 76 are needed for 1 thread/,
  );
  assert.throws(() => requireDescriptors(limited(99), 3), /at least 100 are needed for 3 threads/);
});
