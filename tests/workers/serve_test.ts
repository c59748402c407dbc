/**
 * `serve()`: what it takes for an app, and what it says when it cannot serve it. Requests are the matter of tests/e2e.
 */

import assert from "node:assert/strict";
import { Reply } from "../../http/message.ts";
import type { BoundAddress, ServeOptions } from "../../workers/options.ts";
import { isWorker, markAsWorker } from "../../workers/place.ts";
import { serve } from "../../workers/serve.ts";
import { application, tidyTest } from "../support/thread.ts";

const QUIET: ServeOptions = { hostname: "127.0.0.1", port: 0, handleSignals: false, onListen: () => {} };

tidyTest("serve: an app and an object with fetch are served here; onListen is told where", async () => {
  for (const app of [application(() => new Reply("hi")), { fetch: () => new Response("hi") }]) {
    let told: BoundAddress[] = [];
    const server = await serve(app, { ...QUIET, onListen: (addresses) => told = addresses });
    assert.deepEqual(told, server.addrs);
    const [address] = told;
    assert.ok(address!.transport === "tcp" && address.port > 0);
    await server.shutdown();
    await server.finished;
  }
});

tidyTest("serve: without onListen there is a banner on standard error", async () => {
  const lines: string[] = [];
  const { error } = console;
  console.error = (text: string) => lines.push(text);
  try {
    await using _ = await serve({ fetch: () => new Response() }, { ...QUIET, onListen: undefined });
  } finally {
    console.error = error;
  }
  assert.equal(lines.length, 1);
  assert.match(lines[0]!, /^sluice .*, on this thread, .*\n {2}listening on http:\/\/127\.0\.0\.1:\d+\/$/);
});

tidyTest("serve: what is no app is refused", async () => {
  for (const value of [null, undefined, 1, {}, { fetch: 1 }, () => new Response()]) {
    await assert.rejects(serve(value as never, QUIET), {
      name: "TypeError",
      message: "Cannot serve this: expected an App, an object with a fetch function, or the URL of a module",
    });
  }
  for (const url of ["./app.ts", "", "app"]) {
    await assert.rejects(serve(url, QUIET), {
      name: "TypeError",
      message: `Cannot serve ${
        JSON.stringify(url)
      }: expected the URL of a module, like import.meta.resolve("./app.ts")`,
    });
  }
});

tidyTest("serve: an app object has one thread, so no other number of workers", async () => {
  const app = { fetch: () => new Response() };
  await assert.rejects(serve(app, { ...QUIET, workers: 2 }), /^TypeError: Cannot serve an app object with 2 workers: /);
  await (await serve(app, { ...QUIET, workers: 1 })).shutdown();
});

tidyTest("serve: options are checked before anything is opened or started", async () => {
  const app = application(() => assert.fail(), { start: () => assert.fail("it was started") });
  await assert.rejects(serve(app, { ...QUIET, port: 70_000 }), RangeError);
});

tidyTest("serve: a start hook that fails is said to have, with its cause", async () => {
  const cause = new Error("no database");
  const app = application(() => new Reply(""), { start: () => Promise.reject(cause) });
  await assert.rejects(serve(app, QUIET), {
    message: "Cannot start the app: its start hook failed: no database",
    cause,
  });
});

tidyTest("serve: a thread can serve again after a shutdown", async () => {
  for (let round = 0; round < 3; round++) {
    const server = await serve({ fetch: () => new Response(`round ${round}`) }, QUIET);
    const [address] = server.addrs;
    const client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
    const port = address!.transport === "tcp" ? address!.port : 0;
    assert.equal(await (await fetch(`http://127.0.0.1:${port}/`, { client })).text(), `round ${round}`);
    client.close();
    await server.shutdown();
  }
});

Deno.test("serve: inside a worker of a server it throws and names the way out", async () => {
  assert.equal(isWorker(), false);
  markAsWorker();
  try {
    await assert.rejects(serve({ fetch: () => new Response() }, QUIET), (error: Error) => {
      assert.match(error.message, /^Cannot serve inside a worker of a server: .*call serve\(\) in another module/);
      return true;
    });
  } finally {
    delete (globalThis as Record<symbol, unknown>)[Symbol.for("sluice.worker")];
  }
});
