/**
 * The README: its example is served by workers and answers, and it is as short as it says.
 */

import assert from "node:assert/strict";
import { portOf, start } from "./support/server.ts";

const ROOT = new URL("../", import.meta.url);
const readme = Deno.readTextFileSync(new URL("README.md", ROOT));
const [, example] = /```ts\n([^]*?)```/.exec(readme)!;

Deno.test("README: the example is served in workers and does what it says", async () => {
  assert.ok(example!.trimEnd().split("\n").length <= 15);
  const file = Deno.makeTempFileSync({ suffix: ".ts" });
  try {
    Deno.writeTextFileSync(file, example!.replace("@sluice/http", new URL("mod.ts", ROOT).href));
    await using server = await start(new URL(`file://${file}`), { workers: 1 });
    const at = (path: string) => `http://127.0.0.1:${portOf(server)}${path}`;
    assert.equal(await (await fetch(at("/"))).text(), "Hello, world\n");
    const missing = await fetch(at("/notes/1"));
    assert.deepEqual([missing.status, await missing.text()], [404, "404 Not Found: No such note\n"]);
    const put = await fetch(at("/notes/1"), { method: "PUT", body: '{"milk":1}' });
    assert.equal(put.status, 204);
    assert.deepEqual(await (await fetch(at("/notes/1"))).json(), { milk: 1 });
    const broken = await fetch(at("/notes/2"), { method: "PUT", body: "{" });
    assert.deepEqual([broken.status, await broken.text()], [
      400,
      "400 Bad Request: The request body is not valid JSON\n",
    ]);
  } finally {
    Deno.removeSync(file);
  }
});

Deno.test("README: the commands that it names exist", () => {
  const { tasks } = JSON.parse(Deno.readTextFileSync(new URL("deno.json", ROOT)));
  const named = new Set([...readme.matchAll(/deno task (\w+)/g)].map(([, task]) => task!));
  assert.ok(named.size >= 2);
  for (const task of named) assert.ok(task in tasks, task);
  for (const [, path] of readme.matchAll(/\]\(([^)#]+)\)/g)) assert.ok(Deno.statSync(new URL(path!, ROOT)), path);
});
