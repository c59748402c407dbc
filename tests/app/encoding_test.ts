import assert from "node:assert/strict";
import { isCompressible, preferredCoding } from "../../app/encoding.ts";

Deno.test("preferredCoding: what the client likes best, and of equals our first", () => {
  const cases: [string | null, string][] = [
    [null, "identity"],
    ["", "identity"],
    ["gzip", "gzip"],
    ["x-gzip", "gzip"],
    ["gzip, deflate, br, zstd", "br"],
    ["gzip;q=1.0, br;q=0.5", "gzip"],
    ["br;q=0, gzip;q=0.1", "gzip"],
    ["*", "br"],
    ["*;q=0.1, br;q=0", "gzip"],
    ["identity", "identity"],
    ["identity;q=1, gzip;q=0.5", "identity"],
    ["identity;q=0.5, gzip;q=0.5", "gzip"],
    ["deflate", "identity"],
    ["*;q=0", "identity"],
    ["GZIP;Q=0.8", "gzip"],
    ["gzip;q=x", "gzip"],
  ];
  for (const [accept, coding] of cases) assert.equal(preferredCoding(accept, ["br", "gzip"]), coding, `${accept}`);
});

Deno.test("isCompressible: text and its relatives, not what is compressed already", () => {
  const yes = ["text/html;charset=UTF-8", "application/json", "application/problem+json", "image/svg+xml", "TEXT/CSS"];
  const no = [null, "", "image/png", "video/mp4", "application/zip", "application/octet-stream", "font/woff2"];
  for (const type of yes) assert.equal(isCompressible(type), true, type);
  for (const type of no) assert.equal(isCompressible(type), false, `${type}`);
});
