import assert from "node:assert/strict";
import { callSite } from "../../app/call_site.ts";

Deno.test("callSite is where the given function was called", () => {
  const outer = () => inner();
  const inner = () => callSite(outer);
  const place = outer();
  assert.match(place, /call_site_test\.ts:7:17$/);
  assert.equal(callSite(() => {}), "an unknown place"); // nobody called that
});
