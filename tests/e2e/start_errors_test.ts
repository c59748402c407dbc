/**
 * Starting with something that cannot work: one clear sentence each, exit code 1, and nothing is left listening.
 *
 * @module
 */

import assert from "node:assert/strict";
import { serve } from "../../mod.ts";
import { needs, unless } from "../support/needs.ts";
import { appFile, appUrl, Child, descriptors, portOf, run, sleep, start, startCli, until } from "../support/server.ts";

/** Runs a command line that must fail and returns what it said, which is `error:` and one sentence. */
async function failure(args: readonly string[], flags: readonly string[] = ["-A"]): Promise<string> {
  const deno = ["run", "--no-check", "--no-prompt", ...flags, "scripts/serve.ts", ...args];
  await using child = new Child({ args: deno });
  const { code, stdout, stderr } = await child.ended();
  assert.equal(code, 1, child.output);
  assert.equal(stdout, "");
  const lines = stderr.trimEnd().split("\n");
  assert.equal(lines.length, 1, `one sentence was expected:\n${stderr}`);
  assert.match(lines[0]!, /^error: /);
  return lines[0]!.slice("error: ".length);
}

const WITH = ["--port", "0", "--workers", "2"];

Deno.test("start error: port in use", async () => {
  await using server = await startCli("main", 1);
  const said = await failure(["--app", appFile("main"), "--port", `${server.port}`]);
  assert.match(said, new RegExp(`^Cannot listen on \\S*:${server.port}: .*in use.*EADDRINUSE.*another port`));
});

Deno.test("start error: bad host", async () => {
  const said = await failure([...WITH, "--hostname", "no-such-host.invalid", "--app", appFile("main")]);
  assert.match(said, /^Cannot listen on no-such-host\.invalid:0: the host is unknown/);
  const foreign = await failure([...WITH, "--hostname", "192.0.2.1", "--app", appFile("main")]);
  assert.match(foreign, /^Cannot listen on 192\.0\.2\.1:0: .*EADDRNOTAVAIL/);
});

for (
  const [flag, others, sentence] of [
    ["--allow-ffi", ["--allow-net", "--allow-read", "--allow-env"], /^Cannot load the shim: .*--allow-ffi$/],
    ["--allow-read", ["--allow-net", "--allow-ffi", "--allow-env"], /^Cannot start a worker from .*--allow-read$/],
    ["--allow-net", ["--allow-ffi", "--allow-read", "--allow-env"], /^Cannot listen on .*--allow-net=\S+$/],
  ] as const
) {
  Deno.test(`start error: missing ${flag}`, async () => {
    assert.match(await failure([...WITH, "--app", appFile("main")], others), sentence);
  });
}

for (
  const [what, app, sentence] of [
    [
      "module without default export",
      "no_default",
      /^Cannot serve file:.*no_default\.ts: it has no default export, add/,
    ],
    [
      "default export that is no app",
      "no_app",
      /^Cannot serve file:.*no_app\.ts: its default export is neither an App nor/,
    ],
    [
      "serve() inside one of our workers",
      "nested",
      /Cannot serve inside a worker of a server: .*call serve\(\) in another/,
    ],
    [
      "a start hook that throws",
      "start_throws",
      /^Cannot start the app: its start hook failed: the database is not there$/,
    ],
    ["missing module", "does_not_exist", /^Cannot load the app file:.*does_not_exist\.ts: Module not found/],
  ] as const
) {
  Deno.test(`start error: ${what}`, async () => {
    assert.match(await failure([...WITH, "--app", appFile(app)]), sentence);
  });
}

Deno.test("start error: unknown options and values that are none", async () => {
  assert.match(await failure(["--prot", "80"]), /^Unknown option '--prot'; --help lists the options$/);
  assert.match(await failure(["app.ts"]), /app\.ts.*--help lists the options$/);
  assert.match(await failure(["--port", "http"]), /^--port http: expected a whole number$/);
  assert.match(
    await failure(["--port", "65536"]),
    /^Cannot serve with port 65536: expected an integer from 0 to 65535$/,
  );
  assert.match(await failure(["--workers", "0"]), /^Cannot serve with workers 0: expected an integer from 1 to 512$/);
  assert.match(await failure(["--path", "/tmp/x", "--port", "1"]), /^Cannot serve with path and port/);
});

Deno.test("start error: unknown options of serve() are a TypeError, and nothing has been opened", async () => {
  const count = descriptors();
  await assert.rejects(serve(appUrl("main"), { prot: 1 } as never), { name: "TypeError", message: /option "prot"/ });
  await assert.rejects(serve(appUrl("main"), { limits: { head: 1 } as never }), /limits\.head: expected one of/);
  await assert.rejects(serve(appUrl("main"), { wake: "magic" as never }), /wake "magic": expected "aio" or "poll"/);
  await assert.rejects(serve("./relative.ts", { port: 0 }), {
    name: "TypeError",
    message: /expected the URL of a module/,
  });
  await assert.rejects(serve({} as never, { port: 0 }), { name: "TypeError", message: /expected an App/ });
  assert.equal(descriptors(), count);
});

Deno.test("start error: whatever failed, the port is free again and no descriptor is left", async () => {
  const first = await start(appUrl("main"), { workers: 1 });
  const port = portOf(first);
  await first.shutdown();
  let count = descriptors();
  await until("the descriptors have settled", async () => {
    await sleep(100);
    return count === (count = descriptors());
  });
  for (const app of ["no_default", "start_throws", "does_not_exist"]) {
    await assert.rejects(start(appUrl(app), { workers: 2, port }), Error);
  }
  // What belongs to the runtime of a terminated worker goes a moment later.
  await until("no descriptor is left", () => descriptors() <= count);
  await using again = await start(appUrl("main"), { workers: 1, port });
  assert.equal(portOf(again), port);
});

const setpriv = needs({ programs: ["setpriv"], debian: "util-linux" });
const PRIVILEGED = 81;
const NOBODY = ["--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"];

/** Whether this machine has privileged ports (containers often do not), and nobody may read what is to be run. */
async function canTry(): Promise<boolean> {
  const from = Number(await Deno.readTextFile("/proc/sys/net/ipv4/ip_unprivileged_port_start"));
  if (from <= PRIVILEGED || Deno.uid() !== 0 || setpriv.missing !== undefined) return false;
  const files = [Deno.execPath(), appFile("main")];
  const tests = files.map((file) => run("setpriv", [...NOBODY, "test", "-r", file], { fails: true }));
  return (await Promise.all(tests)).every(({ code }) => code === 0);
}

Deno.test({
  name: "start error: privileged port",
  ignore: !await canTry(),
  async fn() {
    const cache = await Deno.makeTempDir({ prefix: "sluice-priv." });
    await Deno.chmod(cache, 0o777);
    const deno = ["run", "--no-check", "-A", "scripts/serve.ts", "--port", `${PRIVILEGED}`, "--app", appFile("main")];
    try {
      const env = { DENO_DIR: cache, HOME: cache };
      await using child = new Child({ command: "setpriv", args: [...NOBODY, Deno.execPath(), ...deno], env });
      const { code, stderr } = await child.ended();
      assert.equal(code, 1, child.output);
      assert.match(stderr, /^error: Cannot listen on \S*:81: .*EACCES.*choose a port from 1024 on.*setcap/);
    } finally {
      await Deno.remove(cache, { recursive: true });
    }
  },
  ...unless(setpriv),
});
