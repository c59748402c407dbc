import assert from "node:assert/strict";
import { weights } from "../../http/accept.ts";

Deno.test("weights: members in order, in lower case, 1 without a weight or with one that is no number", () => {
  const cases: [string, [string, number][]][] = [
    ["gzip", [["gzip", 1]]],
    ["GZIP;Q=0.8 , br; q=0", [["gzip", 0.8], ["br", 0]]],
    ["text/html;level=1;q=0.3, */*;q=x", [["text/html", 0.3], ["*/*", 1]]],
    ["", [["", 1]]],
  ];
  for (const [header, expected] of cases) assert.deepEqual(weights(header), expected, header);
});
