import assert from "node:assert/strict";
import { checkSegmentRegex, REGEX_SEGMENT_CHARS } from "../../app/segment_regex.ts";

Deno.test("expressions that a segment may have", () => {
  const fine = [
    ...["\\d+", "[a-z0-9-]+", "\\d{4}-\\d{2}-\\d{2}", "en|de|fr", "(?:en|de)(?:-[a-z]{2})?", ".*", "[^.]+\\.json"],
    ...["v\\d+", "\\p{L}+", "[\\]\\[]", "a{3}", "\\(x\\)", "(?:ab){2}", "\\d+\\.\\d+\\.\\d+"],
  ];
  for (const source of fine) assert.equal(checkSegmentRegex(source), null, source);
});

Deno.test("what can be slow, or is for more than a segment, is refused by name", () => {
  const refused: [string, RegExp][] = [
    ["", /empty/],
    ["a/b", /slash/],
    ["é", /ASCII/],
    ["[", /does not compile/],
    ["a)(?:b", /parentheses/],
    ["(a)", /group that is not/],
    ["(?=a)", /group that is not/],
    ["(?<name>a)", /group that is not/],
    ["(?:a+)+", /repeats a group/],
    ["(?:a|aa)+", /repeats a group/],
    ["(?:(?:a+))*", /repeats a group/],
    ["(?:a{1,3}){5}", /repeats a group/],
    ["(?:x(?:a|b)){2,}", /repeats a group/],
    ["(?:a?a?)*b", /repeats a group/],
    ["(?:a?){40}b", /repeats a group/],
    [`${"a?".repeat(9)}b`, /more than 8 choices/],
    [`${"(?:a|a)".repeat(9)}b`, /more than 8 choices/],
    ["[[]?(?:a+)+b", /repeats a group/],
    ["a*a*a*a*", /more than 3 repetitions/],
    ["a{0,9}b{0,9}c{0,9}d{0,9}", /more than 3 repetitions/],
  ];
  for (const [source, problem] of refused) assert.match(checkSegmentRegex(source) ?? "(fine)", problem, source);
  for (const source of ["\\1", "(?:a)\\1", "\\k<a>"]) assert.notEqual(checkSegmentRegex(source), null, source);
});

Deno.test("the worst that is let through takes few steps on the longest segment", () => {
  const text = "a".repeat(REGEX_SEGMENT_CHARS - 1) + "!";
  for (const source of ["a*a*a*b", "[a-z]*[a-y]*[a-x]*-", ".*.*.*x"]) {
    assert.equal(checkSegmentRegex(source), null);
    const regex = new RegExp(`^(?:${source})$`, "u");
    assert.equal(regex.test(text), false); // with a segment of 8 KiB this line would not end
  }
});
