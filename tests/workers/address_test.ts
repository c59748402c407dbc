/**
 * Addresses: text to bytes and back, and what is no address.
 */

import assert from "node:assert/strict";
import { formatAddress, formatHostPort, parseAddress, resolveHost } from "../../workers/address.ts";
import { Prng } from "../support/prng.ts";

const IPV6: readonly (readonly [string, string])[] = [
  ["::", "::"],
  ["::1", "::1"],
  ["1::", "1::"],
  ["0:0:0:0:0:0:0:1", "::1"],
  ["2001:DB8::A", "2001:db8::a"],
  ["2001:0db8:0000:0000:0001:0000:0000:0001", "2001:db8::1:0:0:1"],
  ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
  ["1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"],
  ["ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
  ["::ffff:1.2.3.4", "::ffff:102:304"],
  ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
  ["[::1]", "::1"],
  ["fe80::1", "fe80::1"],
];

for (const [text, canonical] of IPV6) {
  Deno.test(`address: ${text} is ${canonical}`, () => {
    const bytes = parseAddress(text)!;
    assert.equal(bytes.length, 16);
    assert.equal(formatAddress(bytes), canonical);
    assert.deepEqual(parseAddress(canonical), bytes);
  });
}

Deno.test("address: IPv6 bytes are in network order", () => {
  assert.deepEqual([...parseAddress("1:203::fe")!], [0, 1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfe]);
});

Deno.test("address: IPv4 literals", () => {
  assert.deepEqual(parseAddress("127.0.0.1"), Uint8Array.of(127, 0, 0, 1));
  assert.deepEqual(parseAddress("255.255.255.255"), Uint8Array.of(255, 255, 255, 255));
  assert.deepEqual(parseAddress("0.0.0.0"), new Uint8Array(4));
  assert.equal(formatAddress(Uint8Array.of(192, 0, 2, 255)), "192.0.2.255");
});

Deno.test("address: random bytes come back through their text", () => {
  const prng = new Prng();
  for (let run = 0; run < 5000; run++) {
    // Zeros are frequent, for `::` is where mistakes are.
    const bytes = Uint8Array.from({ length: run % 2 ? 16 : 4 }, () => prng.oneIn(2) ? 0 : prng.below(256));
    assert.deepEqual(parseAddress(formatAddress(bytes)), bytes, formatAddress(bytes));
  }
});

const NOT_ADDRESSES = [
  ...["", "localhost", "example.org", "1", "1.2.3", "1.2.3.4.5", "256.0.0.1", "1.2.3.999", "1.2.3.-4", "0x7f.0.0.1"],
  ...[" 1.2.3.4", "1.2.3.4 ", "1.2.3.4\n", ":", ":::", "1:2", "1::2::3", "12345::", "g::", "1:2:3:4:5:6:7:8:9"],
  ...["[::1", "::1]", "[]", "[1.2.3.4]", "[::1]:80", "::1%lo", "fe80::1%25eth0", "::1.2.3", "http://[::1]/"],
];

for (const text of NOT_ADDRESSES) {
  Deno.test(`address: ${JSON.stringify(text)} is none`, () => assert.equal(parseAddress(text), null));
}

// A URL is what takes an IPv6 literal apart: what ends the literal early or is stripped must not get through.
Deno.test("address: text that merely makes a URL with an IPv6 host is none", () => {
  const texts = ["::1]/", "::1]?", "::1]#", "x]@[::1", "::\t1", "::1\n", "\r::1"];
  assert.deepEqual(texts.filter((text) => parseAddress(text) !== null), []);
});

Deno.test("address: resolveHost gives literals as they are and looks names up", async () => {
  assert.deepEqual(await resolveHost("192.0.2.7"), Uint8Array.of(192, 0, 2, 7));
  assert.deepEqual(await resolveHost("[::1]"), parseAddress("::1"));
  const local = formatAddress((await resolveHost("localhost"))!);
  assert.ok(local === "127.0.0.1" || local === "::1", local);
});

Deno.test("address: resolveHost gives null for a name that does not exist", async () => {
  assert.equal(await resolveHost("no-such-host.invalid"), null);
});

Deno.test("address: host and port as in a URL", () => {
  assert.equal(formatHostPort("127.0.0.1", 80), "127.0.0.1:80");
  assert.equal(formatHostPort("::1", 8000), "[::1]:8000");
  assert.equal(formatHostPort("example.org", 0), "example.org:0");
});
