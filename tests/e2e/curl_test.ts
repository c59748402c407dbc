/**
 * curl and nc get right answers: methods, uploads, versions, reuse of connections, 100 (Continue).
 *
 * @module
 */

import assert from "node:assert/strict";
import { needs, unless } from "../support/needs.ts";
import { portOf, run, start } from "../support/server.ts";
import app, { BIG_BYTES, pattern } from "./apps/main.ts";

const curlNeed = needs({ programs: ["curl"], debian: "curl" });
const ncNeed = needs({ programs: ["nc", "sh"], debian: "netcat-openbsd" });

function withServer(name: string, need: typeof curlNeed, test: (port: number, url: string) => Promise<void>): void {
  async function fn(): Promise<void> {
    await using server = await start(app);
    const port = portOf(server);
    await test(port, `http://127.0.0.1:${port}`);
  }
  Deno.test({ name, fn, ...unless(need) });
}

async function curl(...args: string[]): Promise<string> {
  return (await run("curl", ["--silent", "--show-error", "--fail", "--max-time", "20", ...args])).stdout;
}

/** A file of `length` patterned bytes, removed when `use` is done. */
async function withFile(length: number, use: (path: string, bytes: Uint8Array) => Promise<void>): Promise<void> {
  const path = await Deno.makeTempFile({ prefix: "sluice-curl." });
  try {
    const bytes = pattern(length);
    await Deno.writeFile(path, bytes);
    await use(path, bytes);
  } finally {
    await Deno.remove(path);
  }
}

withServer("curl: GET, HEAD, POST", curlNeed, async (_, url) => {
  const got = await curl("--include", `${url}/`);
  assert.match(got, /^HTTP\/1\.1 200 OK\r\n/);
  assert.match(got, /\r\ncontent-length: 6\r\n/i);
  assert.ok(got.endsWith("\r\n\r\nhello\n"));
  const head = await curl("--head", `${url}/`);
  assert.match(head, /^HTTP\/1\.1 200 OK\r\n/);
  assert.match(head, /\r\ncontent-length: 6\r\n/i);
  assert.ok(head.endsWith("\r\n\r\n"));
  assert.equal(await curl("--data", "a=1&b=2", `${url}/echo`), "a=1&b=2");
  const missing = await run("curl", ["-s", "-o", "/dev/null", "-w", "%{http_code}", `${url}/nowhere`]);
  assert.equal(missing.stdout, "404");
});

withServer("curl: a chunked upload (-T -) and --compressed", curlNeed, async (_, url) => {
  await withFile(300_000, async (path, bytes) => {
    const upload = `curl -sS --fail -T - -X POST ${url}/count < ${path}`;
    assert.equal((await run("sh", ["-c", upload])).stdout, `${bytes.length}`);
    const out = `${path}.out`;
    try {
      await run("sh", ["-c", `curl -sS --fail -T - ${url}/echo < ${path} > ${out}`]);
      assert.deepEqual(await Deno.readFile(out), bytes);
    } finally {
      await Deno.remove(out);
    }
  });
  assert.equal(await curl("--compressed", `${url}/`), "hello\n");
});

withServer("curl: --http1.0 is answered and closed, keep-alive reuses one connection", curlNeed, async (_, url) => {
  const old = await curl("--http1.0", "--include", `${url}/big-stream`, "--output", "/dev/null", "--dump-header", "-");
  assert.match(old, /\r\nconnection: close\r\n/i);
  assert.doesNotMatch(old, /transfer-encoding/i);
  assert.equal(await curl("--http1.0", `${url}/`), "hello\n");
  const counted = ["--write-out", "%{num_connects} ", "--output", "/dev/null"];
  const urls = ["/", "/async", "/slow/5", "/"].flatMap((path) => [...counted, `${url}${path}`]);
  assert.equal(await curl(...urls), "1 0 0 0 ");
});

withServer("curl: Expect: 100-continue with a 2 MB body", curlNeed, async (_, url) => {
  await withFile(2_000_000, async (path) => {
    const args = ["-H", "Expect: 100-continue", "--data-binary", `@${path}`, "--verbose", "--max-time", "20", "-s"];
    const { stdout, stderr } = await run("curl", [...args, `${url}/count`]);
    assert.equal(stdout, "2000000");
    assert.match(stderr, /< HTTP\/1\.1 100 Continue/);
    // A handler that refuses does so before the body has been sent.
    const refused = await run("curl", [...args, `${url}/refuse`]);
    assert.equal(refused.stdout, "too much\n");
    assert.doesNotMatch(refused.stderr, /< HTTP\/1\.1 100/);
  });
});

withServer("curl: 20 MB of bytes and of a stream arrive whole", curlNeed, async (_, url) => {
  const expected = pattern(BIG_BYTES);
  for (const path of ["/big", "/big-stream"]) {
    await withFile(0, async (file) => {
      await curl("--output", file, `${url}${path}`);
      const got = await Deno.readFile(file);
      assert.equal(got.length, expected.length);
      assert.ok(got.every((byte, at) => byte === expected[at]), `${path} differs`);
    });
  }
});

withServer("nc: a request typed by hand is answered, -N half-closes", ncNeed, async (port) => {
  const request = String.raw`GET /slow/50 HTTP/1.1\r\nHost: h\r\n\r\n`;
  const typed = await run("sh", ["-c", `printf '${request}' | nc -N -w 5 127.0.0.1 ${port}`]);
  assert.match(typed.stdout, /^HTTP\/1\.1 200 OK\r\n/);
  assert.ok(typed.stdout.endsWith("\r\n\r\nslow\n"));
});
