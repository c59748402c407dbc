import assert from "node:assert/strict";
import { App } from "../../../app/app.ts";
import { type AccessLogEntry, logger, type LoggerOptions } from "../../../app/middleware/logger.ts";
import { requestId } from "../../../app/middleware/request_id.ts";

function make(options: LoggerOptions): { app: App; lines: string[] } {
  const lines: string[] = [];
  const app = new App().use(requestId({ generate: () => "id-1" })).use(
    logger({ write: (line) => lines.push(line), ...options }),
  );
  app.get("/notes/:id", (c) => c.text("x"));
  app.get("/fail", (c) => c.text("x", 503));
  return { app, lines };
}

Deno.test("logger: a line of text for each answer, without the query", async () => {
  const { app, lines } = make({});
  await app.request("/notes/7?token=secret");
  await app.request("/none", { method: "POST" });
  assert.match(lines[0]!, /^\d{4}-\d\d-\d\dT[\d:.]+Z 127\.0\.0\.1 GET \/notes\/7 200 \d+\.\dms id-1$/);
  assert.match(lines[1]!, / POST \/none 404 /);
  assert.equal(lines.length, 2);
});

Deno.test("logger: JSON has the same, as fields", async () => {
  const { app, lines } = make({ format: "json" });
  await app.request("/notes/7");
  const { durationMs, time, ...rest } = JSON.parse(lines[0]!) as AccessLogEntry;
  assert.ok(durationMs >= 0 && !Number.isNaN(Date.parse(time)));
  assert.deepEqual(rest, { method: "GET", path: "/notes/7", status: 200, client: "127.0.0.1", requestId: "id-1" });
});

Deno.test("logger: a sample leaves out answers, but none from 500 on", async () => {
  const { app, lines } = make({ sample: 0 });
  for (let i = 0; i < 20; i++) await app.request("/notes/7");
  await app.request("/fail");
  assert.equal(lines.length, 1);
  assert.match(lines[0]!, / 503 /);
  assert.throws(() => logger({ sample: 2 }), RangeError);
});

Deno.test("logger: nothing that a client sends can forge a line or command a terminal", async () => {
  const lines: string[] = [];
  const app = new App().use(requestId({ generate: () => "x" })).use(logger({ write: (line) => lines.push(line) }));
  const remoteAddr = { transport: "unix", hostname: "a\n\x1b[2J\x9bb" };
  await app.fetch(new Request("http://localhost/%0a%1b[31m"), { remoteAddr });
  // deno-lint-ignore no-control-regex
  assert.ok(!/[\x00-\x1f\x7f-\x9f]/.test(lines[0]!), JSON.stringify(lines[0]));
  assert.match(lines[0]!, /a\\u000a\\u001b\[2J\\u009bb GET \/%0a%1b/);
});
