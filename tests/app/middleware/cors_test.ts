import assert from "node:assert/strict";
import { App } from "../../../app/app.ts";
import { cors, type CorsOptions } from "../../../app/middleware/cors.ts";

async function ask(options: CorsOptions, headers: Record<string, string>, method = "GET"): Promise<Response> {
  const app = new App().use(cors(options)).get("/", (c) => c.text("x")).post("/", () => {
    throw new Error("x");
  });
  return await app.request("/", { method, headers });
}

/** The fields that CORS is made of, `name: value`. */
function corsFields(response: Response): string[] {
  return [...response.headers].filter(([name]) => /^access-control|^vary/.test(name)).map((pair) => pair.join(": "));
}

const PREFLIGHT = { origin: "https://a.test", "access-control-request-method": "PUT" };

Deno.test("cors: everybody by default, and without Origin the answer is the same for all caches", async () => {
  assert.deepEqual(corsFields(await ask({}, { origin: "https://a.test" })), ["access-control-allow-origin: *"]);
  assert.deepEqual(corsFields(await ask({}, {})), []);
});

Deno.test("cors: named origins get their own name, others nothing; both are told apart by caches", async () => {
  for (
    const origin of [
      "https://a.test",
      ["https://b.test", "https://a.test"],
      (given: string) => given.endsWith("a.test"),
    ]
  ) {
    const options = { origin, credentials: true, exposeHeaders: ["x-a", "x-b"] };
    assert.deepEqual(corsFields(await ask(options, { origin: "https://a.test" })), [
      "access-control-allow-credentials: true",
      "access-control-allow-origin: https://a.test",
      "access-control-expose-headers: x-a, x-b",
      "vary: Origin",
    ]);
    assert.deepEqual(corsFields(await ask(options, { origin: "https://evil.test" })), ["vary: Origin"]);
    assert.deepEqual(corsFields(await ask(options, {})), ["vary: Origin"]);
  }
});

Deno.test("cors: a preflight is answered before any route", async () => {
  const response = await ask(
    { maxAgeSeconds: 60 },
    { ...PREFLIGHT, "access-control-request-headers": "x-c" },
    "OPTIONS",
  );
  assert.equal(response.status, 204);
  assert.deepEqual(corsFields(response), [
    "access-control-allow-headers: x-c",
    "access-control-allow-methods: GET, HEAD, PUT, POST, DELETE, PATCH",
    "access-control-allow-origin: *",
    "access-control-max-age: 60",
    "vary: Access-Control-Request-Headers",
  ]);
  const strict = await ask({ origin: "https://b.test", methods: ["GET"], allowHeaders: ["x-d"] }, PREFLIGHT, "OPTIONS");
  assert.deepEqual([strict.status, corsFields(strict)], [204, ["vary: Origin"]]);
  const named = await ask({ methods: ["GET"], allowHeaders: ["x-d"] }, PREFLIGHT, "OPTIONS");
  assert.deepEqual(corsFields(named).slice(0, 2), [
    "access-control-allow-headers: x-d",
    "access-control-allow-methods: GET",
  ]);
});

Deno.test("cors: OPTIONS that is no preflight goes on, errors have the fields too", async () => {
  const options = await ask({}, { origin: "https://a.test" }, "OPTIONS");
  assert.equal(options.headers.get("allow"), "GET, HEAD, OPTIONS, POST");
  const log = console.error;
  console.error = () => {};
  try {
    const failed = await ask({}, { origin: "https://a.test" }, "POST");
    assert.deepEqual([failed.status, corsFields(failed)], [500, ["access-control-allow-origin: *"]]);
  } finally {
    console.error = log;
  }
});

Deno.test("cors: credentials for everybody are refused", () => {
  assert.throws(() => cors({ credentials: true }), TypeError);
});
