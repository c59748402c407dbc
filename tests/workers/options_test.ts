/**
 * Options of `serve()`: the defaults, and that whatever makes no sense is refused by name, with its value and with
 * what was expected instead.
 */

import assert from "node:assert/strict";
import { DEFAULT_LIMITS } from "../../http/limits.ts";
import { checkOptions, type ServeOptions } from "../../workers/options.ts";

Deno.test("options: defaults", () => {
  const checked = checkOptions({});
  assert.deepEqual(checked.addresses, [{ port: 8000, hostname: undefined }]);
  assert.equal(checked.workers, navigator.hardwareConcurrency);
  assert.deepEqual(checked.checkedLimits, DEFAULT_LIMITS);
  assert.equal(checked.handleSignals, true);
  assert.equal(checked.wake, undefined);
});

Deno.test("options: an option that is undefined is not there", () => {
  const given = { port: undefined, hostname: undefined, path: undefined, workers: undefined, wake: undefined };
  const checked = checkOptions({ ...given, limits: undefined, handleSignals: undefined, listeners: undefined });
  assert.deepEqual(checked.addresses, [{ port: 8000, hostname: undefined }]);
  assert.equal(checked.handleSignals, true);
});

Deno.test("options: what is given is kept", () => {
  const { signal } = new AbortController();
  const checked = checkOptions({ port: 0, hostname: "::1", workers: 3, wake: "poll", handleSignals: false, signal });
  assert.deepEqual(checked.addresses, [{ port: 0, hostname: "::1" }]);
  assert.equal(checked.workers, 3);
  assert.equal(checked.wake, "poll");
  assert.equal(checked.handleSignals, false);
  assert.equal(checked.signal, signal);
  assert.deepEqual(checkOptions({ path: "/run/app.sock" }).addresses, [{ path: "/run/app.sock" }]);
});

Deno.test("options: the ends of the ranges are allowed", () => {
  for (const port of [0, 65535]) assert.deepEqual(checkOptions({ port }).addresses, [{ port, hostname: undefined }]);
  for (const workers of [1, 512]) assert.equal(checkOptions({ workers }).workers, workers);
  for (const headBytes of [1, 0x7fffffff]) {
    assert.equal(checkOptions({ limits: { headBytes } }).checkedLimits.headBytes, headBytes);
  }
});

Deno.test("options: listeners may be of both kinds, each with the default port", () => {
  const listeners = [{ hostname: "127.0.0.1" }, { port: 0 }, { path: "/run/app.sock" }];
  assert.deepEqual(checkOptions({ listeners }).addresses, [
    { port: 8000, hostname: "127.0.0.1" },
    { port: 0, hostname: undefined },
    { path: "/run/app.sock" },
  ]);
});

Deno.test("options: limits lie over the defaults, which stay as they are", () => {
  const { checkedLimits } = checkOptions({ limits: { bodyBytes: 5 } });
  assert.deepEqual(checkedLimits, { ...DEFAULT_LIMITS, bodyBytes: 5 });
  assert.notEqual(DEFAULT_LIMITS.bodyBytes, 5);
});

type Refused = readonly [options: Record<string, unknown>, type: typeof TypeError | typeof RangeError, says: RegExp];

const REFUSED: readonly Refused[] = [
  [{ prot: 80 }, TypeError, /option "prot": expected one of .*\bport\b/],
  [{ "a\nb": 1 }, TypeError, /option "a\\nb": expected/],
  ...[-1, 65536, 1.5, NaN, Infinity, "80"].map((port): Refused => [
    { port },
    RangeError,
    new RegExp(`port ${port}: expected an integer from 0 to 65535`),
  ]),
  [{ listeners: [{ port: 0 }, { port: 70000 }] }, RangeError, /port 70000: expected an integer from 0 to 65535/],
  ...[0, -1, 513, 2.5, NaN, "2", null].map((workers): Refused => [
    { workers },
    RangeError,
    new RegExp(`workers ${workers}: expected an integer from 1 to 512`),
  ]),
  [{ wake: "epoll" }, TypeError, /wake "epoll": expected "aio" or "poll"/],
  [{ wake: null }, TypeError, /wake null: expected "aio" or "poll"/],
  [{ listeners: [] }, TypeError, /listeners: expected at least one/],
  [{ listeners: [{}], port: 1 }, TypeError, /listeners and port, hostname or path/],
  [{ listeners: [{}], hostname: "::" }, TypeError, /listeners and port, hostname or path/],
  [{ listeners: [{}], path: "/x" }, TypeError, /listeners and port, hostname or path/],
  [{ path: "/x", port: 1 }, TypeError, /path and port or hostname: use listeners/],
  [{ path: "/x", hostname: "::" }, TypeError, /path and port or hostname: use listeners/],
  [{ limits: { headByte: 1 } }, TypeError, /limits\.headByte: expected one of .*\bheadBytes\b/],
  ...Object.keys(DEFAULT_LIMITS).flatMap((name) =>
    [0, -1, 1.5, NaN, 2 ** 31, "9"].map((value): Refused => [
      { limits: { [name]: value } },
      RangeError,
      new RegExp(`limits\\.${name} ${value}: expected an integer from 1 to 2147483647`),
    ])
  ),
];

Deno.test(`options: ${REFUSED.length} that make no sense are refused by name`, async (t) => {
  for (const [options, type, says] of REFUSED) {
    await t.step(Deno.inspect(options), () => refuses(options, type, says));
  }
});

function refuses(options: Record<string, unknown>, type: typeof TypeError | typeof RangeError, says: RegExp): void {
  assert.throws(() => checkOptions(options as ServeOptions), (error: Error) => {
    assert.equal(error.name, type.name);
    assert.match(error.message, /^Cannot serve with /);
    assert.match(error.message, says);
    return true;
  });
}

// A wrong type is found here, not deep in the start: `checked before anything is opened`, says options.ts.
const WRONG_TYPES: readonly (readonly [Record<string, unknown>, RegExp])[] = [
  [{ hostname: 127 }, /hostname 127: expected/],
  [{ path: 7 }, /path 7: expected/],
  [{ path: "" }, /path "": expected/],
  [{ listeners: [{ prot: 80 }] }, /"prot": expected/],
  [{ listeners: [{ path: "/x", port: 80 }] }, /path and port/],
  [{ limits: { toString: 1 } }, /limits\.toString: expected/],
  [{ handleSignals: "no" }, /handleSignals "no": expected/],
  [{ onListen: "print" }, /onListen "print": expected/],
  [{ signal: "SIGINT" }, /signal "SIGINT": expected/],
];

for (const [options, says] of WRONG_TYPES) {
  Deno.test(`options: ${Deno.inspect(options, { compact: true })} is refused by name`, () => {
    refuses(options, TypeError, says);
  });
}
