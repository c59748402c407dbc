import assert from "node:assert/strict";
import { App } from "../../../app/app.ts";
import { securityHeaders } from "../../../app/middleware/security_headers.ts";

Deno.test("securityHeaders: on every answer, but what a handler set stays", async () => {
  const app = new App().use(securityHeaders({ contentSecurityPolicy: "default-src 'self'", referrerPolicy: false }));
  app.get("/", (c) => c.text("x"));
  app.get("/own", (c) => {
    c.header("x-frame-options", "DENY");
    return new Response("x", { headers: { "x-content-type-options": "own" } });
  });
  const fields = async (path: string) => {
    const { headers } = await app.request(path);
    return ["x-content-type-options", "x-frame-options", "referrer-policy", "content-security-policy"].map((name) =>
      headers.get(name)
    );
  };
  for (const path of ["/", "/none"]) {
    assert.deepEqual(await fields(path), ["nosniff", "SAMEORIGIN", null, "default-src 'self'"]);
  }
  assert.deepEqual(await fields("/own"), ["own", "DENY", null, "default-src 'self'"]);
});

Deno.test("securityHeaders: nothing that outlives the server or depends on the page by default", async () => {
  const { headers } = await new App().use(securityHeaders()).request("/");
  const names = [...headers.keys()].filter((name) => name !== "content-type" && name !== "content-length");
  assert.deepEqual(names, [
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "referrer-policy",
    "x-content-type-options",
    "x-frame-options",
  ]);
});
