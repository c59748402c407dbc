/**
 * From a module's URL to an application, and the sentence when there is none.
 */

import assert from "node:assert/strict";
import { loadApplication } from "../../workers/load_app.ts";

/** The URL of a module with this text. */
function module(text: string): string {
  return `data:text/javascript,${encodeURIComponent(text)}`;
}

Deno.test("load_app: an App, or what looks like one, is taken as it is", async () => {
  const url = module("export default { async start() {}, async stop() {}, handle() { return 'mine'; } };");
  const application = await loadApplication(url);
  assert.equal((application.handle as () => unknown)(), "mine");
  assert.equal(application, (await import(url)).default);
});

Deno.test("load_app: an object with a fetch function becomes one", async () => {
  const application = await loadApplication(module("export default { fetch: () => new Response('hi') };"));
  assert.deepEqual(["start", "stop", "handle"].map((name) => typeof application[name as "start"]), [
    "function",
    "function",
    "function",
  ]);
});

Deno.test("load_app: a module that throws, or is not there, is named with its reason", async () => {
  const throwing = module("throw new Error('out of luck')");
  await assert.rejects(loadApplication(throwing), (error: Error) => {
    assert.equal(error.message, `Cannot load the app ${throwing}: out of luck`);
    assert.equal((error.cause as Error).message, "out of luck");
    return true;
  });
  await assert.rejects(
    loadApplication("file:///no/such/app.ts"),
    /^Error: Cannot load the app file:\/\/\/no\/such\/app\.ts: /,
  );
});

Deno.test("load_app: without a default export, and with a wrong one, it says what to do", async () => {
  await assert.rejects(loadApplication(module("export const app = 1;")), {
    name: "TypeError",
    message: /it has no default export, add `export default app`$/,
  });
  for (const value of ["null", "1", "'text'", "{}", "{ fetch: 1 }", "() => new Response()"]) {
    await assert.rejects(loadApplication(module(`export default ${value};`)), {
      name: "TypeError",
      message: /its default export is neither an App nor an object with a fetch function$/,
    }, value);
  }
});
