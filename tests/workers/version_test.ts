/**
 * The version is said in two places, which have to agree.
 */

import assert from "node:assert/strict";
import { VERSION } from "../../workers/version.ts";

Deno.test("version: the one of deno.json", () => {
  const { version } = JSON.parse(Deno.readTextFileSync(new URL("../../deno.json", import.meta.url)));
  assert.equal(VERSION, version);
});
