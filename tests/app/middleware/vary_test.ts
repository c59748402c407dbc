import assert from "node:assert/strict";
import { AnswerView } from "../../../app/answer_view.ts";
import { addVary } from "../../../app/middleware/vary.ts";
import { Reply } from "../../../http/message.ts";

Deno.test("addVary names a field once, and adds nothing to a star", () => {
  const cases: [string | null, string][] = [
    [null, "Origin"],
    ["accept", "accept, Origin"],
    ["accept, ORIGIN", "accept, ORIGIN"],
    ["*", "*"],
    ["", "Origin"],
  ];
  for (const [before, after] of cases) {
    const { headers } = new AnswerView(new Reply("x", 200, null, before === null ? null : ["vary", before]));
    addVary(headers, "Origin");
    addVary(headers, "origin");
    assert.equal(headers.get("vary"), after);
  }
});
