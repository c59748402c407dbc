import assert from "node:assert/strict";
import { App } from "../../../app/app.ts";
import { csrf } from "../../../app/middleware/csrf.ts";

Deno.test("csrf: who may change things", async () => {
  const app = new App().use(csrf({ trustedOrigins: ["https://friend.test"] })).all("/", (c) => c.text("done"));
  const cases: [string, Record<string, string>, number][] = [
    ["POST", {}, 200],
    ["POST", { "sec-fetch-site": "same-origin" }, 200],
    ["POST", { "sec-fetch-site": "none" }, 200],
    ["POST", { "sec-fetch-site": "cross-site", origin: "http://localhost" }, 403],
    ["POST", { "sec-fetch-site": "same-site", origin: "http://other.localhost" }, 403],
    ["POST", { "sec-fetch-site": "cross-site" }, 403],
    ["POST", { "sec-fetch-site": "cross-site", origin: "https://friend.test" }, 200],
    ["PUT", { origin: "http://localhost" }, 200],
    ["PUT", { origin: "http://localhost:81" }, 403],
    ["DELETE", { origin: "https://evil.test" }, 403],
    ["PATCH", { origin: "null" }, 403],
    ["POST", { origin: "https://friend.test" }, 200],
    ["GET", { "sec-fetch-site": "cross-site", origin: "https://evil.test" }, 200],
    ["HEAD", { "sec-fetch-site": "cross-site" }, 200],
    ["OPTIONS", { origin: "https://evil.test" }, 200],
  ];
  for (const [method, headers, status] of cases) {
    const request = new Request("http://localhost/", { method, headers });
    assert.equal((await app.fetch(request)).status, status, `${method} ${JSON.stringify(headers)}`);
  }
});

Deno.test("csrf: a trusted origin has to be one", () => {
  for (const origin of ["friend.test", "https://friend.test/", "*"]) {
    assert.throws(() => csrf({ trustedOrigins: [origin] }), TypeError);
  }
});
