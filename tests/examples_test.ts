/**
 * The examples: each is short, is served, and answers as its first lines say.
 */

import assert from "node:assert/strict";
import { portOf, start } from "./support/server.ts";

const EXAMPLES = new URL("../examples/", import.meta.url);
const LINES_MAX = 40;

/** What each example is asked, and what it answers. An example without a row fails. */
const ASKED: Readonly<Record<string, readonly (readonly [path: string, text: string])[]>> = {
  "01_hello.ts": [["/", "Hello, world\n"], ["/hello/you", "Hello, you\n"], ["/none", "404 Not Found\n"]],
  "03_middleware.ts": [
    ["/", "<h1>Hello</h1>\n"],
    ["/api/id", '{"hasId":true}'],
    ["/admin", "401 Unauthorized\n"],
  ],
  "04_cookies.ts": [["/", "visit 1\n"], ["/login/ada", "welcome\n"], ["/me", "nobody\n"], ["/logout", "goodbye\n"]],
  "05_validation.ts": [["/notes/1", "404 Not Found: No such note\n"], ["/notes/x", "404 Not Found\n"]],
  "02_routing.ts": [
    ["/", "Hello\n"],
    ["/admin/stats", "403 Forbidden: Staff only\n"],
    ["/docs", "page index\n"],
    ["/docs/a/b", "page a/b\n"],
    ["/files/", "file \n"],
    ["/files/a/b", "file a/b\n"],
    ["/teams/red/members", "all of red\n"],
    ["/teams/red/members/7", "7 of red\n"],
    ["/teams/red/members/x", "there is no /teams/red/members/x\n"],
    ["/legacy/x/y", "legacy /x/y\n"],
  ],
};

for (const { name } of Deno.readDirSync(EXAMPLES)) {
  Deno.test(`examples: ${name}`, async () => {
    const file = new URL(name, EXAMPLES);
    assert.ok(Deno.readTextFileSync(file).split("\n").length <= LINES_MAX);
    assert.ok(name in ASKED, "it has no row in ASKED");
    await using server = await start(file, { workers: 1 });
    for (const [path, text] of ASKED[name]!) {
      assert.equal(await (await fetch(`http://127.0.0.1:${portOf(server)}${path}`)).text(), text);
    }
  });
}
