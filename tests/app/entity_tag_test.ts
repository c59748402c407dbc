import assert from "node:assert/strict";
import { codedTag, namesTag } from "../../app/entity_tag.ts";

Deno.test("namesTag: compared weakly, in a list, or a star", () => {
  const cases: [string | null, string, boolean][] = [
    [null, '"a"', false],
    ["", '"a"', false],
    ['"a"', '"a"', true],
    ['W/"a"', '"a"', true],
    ['"a"', 'W/"a"', true],
    ['"b" , "a"', '"a"', true],
    ['"b"', '"a"', false],
    ["*", '"a"', true],
    ["a", '"a"', false],
  ];
  for (const [header, tag, expected] of cases) assert.equal(namesTag(header, tag), expected, `${header} ${tag}`);
});

Deno.test("codedTag is another tag, weak if the first was", () => {
  assert.equal(codedTag('"a"', "gzip"), '"a-gzip"');
  assert.equal(codedTag('W/"a"', "br"), 'W/"a-br"');
});
