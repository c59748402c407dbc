/** Covers http/fetch_request.ts: a received request as the web's `Request`. */

import assert from "node:assert/strict";
import { requestUrl, toFetchRequest } from "../../http/fetch_request.ts";
import { Reply, type ServerRequest } from "../../http/message.ts";
import { Harness } from "../support/h1_harness.ts";

/** Runs `look` inside of a handler that is given this request. */
async function within<T>(wire: string, look: (request: ServerRequest) => T | Promise<T>): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const harness = new Harness(async (request) => {
    await Promise.resolve(request).then(look).then(resolve, reject);
    return new Reply("ok");
  }, { turns: 60 });
  await harness.send(wire);
  return await promise;
}

const URLS: readonly [string, string, string][] = [
  ["GET / HTTP/1.1", "Host: h\r\n", "http://h/"],
  ["GET /a/%20b?c=d&e HTTP/1.1", "Host: example.com:8080\r\n", "http://example.com:8080/a/%20b?c=d&e"],
  ["GET //evil.example/x HTTP/1.1", "Host: h\r\n", "http://h//evil.example/x"],
  ["GET http://other/x?y HTTP/1.1", "Host: h\r\n", "http://other/x?y"],
  ["GET http://other?y HTTP/1.1", "Host: h\r\n", "http://other/?y"],
  ["OPTIONS * HTTP/1.1", "Host: h\r\n", "http://h/"],
  ["GET /x HTTP/1.0", "", "http://localhost/x"],
  ["GET /x HTTP/1.1", "Host: [::1]:80\r\n", "http://[::1]:80/x"],
];

Deno.test("requestUrl: scheme, authority, target", async () => {
  for (const [line, fields, url] of URLS) {
    assert.equal(await within(`${line}\r\n${fields}\r\n`, (request) => requestUrl(request)), url);
    const secure = await within(`${line}\r\n${fields}\r\n`, (request) => requestUrl(request, "https"));
    assert.equal(secure, url.replace("http:", "https:"));
  }
});

Deno.test("toFetchRequest: method, URL, fields, no body for GET and HEAD", async () => {
  for (const method of ["GET", "HEAD", "DELETE"]) {
    const wire = `${method} /a?b HTTP/1.1\r\nHost: h\r\nX: 1\r\nx: caf\xe9\r\n\r\n`;
    const seen = await within(wire, (request) => {
      const made = toFetchRequest(request);
      return [made.method, made.url, made.headers.get("x"), made.headers.get("host"), made.body];
    });
    assert.deepEqual(seen, [method, "http://h/a?b", "1, caf\xe9", "h", null]);
  }
  const get = "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi";
  assert.equal(await within(get, (request) => toFetchRequest(request).body), null);
});

Deno.test("toFetchRequest: the body is the received one, by length and by chunks", async () => {
  const bodies = [
    "Content-Length: 5\r\n\r\nhello",
    "Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
  ];
  for (const body of bodies) {
    const wire = `POST / HTTP/1.1\r\nHost: h\r\n${body}`;
    const seen = await within(wire, async (request) => [await toFetchRequest(request).text(), request.body.used]);
    assert.deepEqual(seen, ["hello", true]);
  }
});

Deno.test("toFetchRequest: the signal is the request's", async () => {
  const { promise, resolve } = Promise.withResolvers<Request>();
  const harness = new Harness((request) => {
    resolve(toFetchRequest(request));
    return new Promise<Reply>(() => {});
  });
  await harness.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  const { signal } = await promise;
  assert.ok(!signal.aborted);
  harness.conn.abort(new Error("gone"));
  assert.ok(signal.aborted);
});
