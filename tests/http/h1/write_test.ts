/**
 * Covers http/h1/write.ts: heads byte for byte, the fields that are the server's, the framing of each kind of answer,
 * and that nothing a handler gives can add a line to a head. Streams on a connection are in conn_stream_test.ts.
 */

import assert from "node:assert/strict";
import type { H1Request } from "../../../http/h1/request.ts";
import { BY_CHUNKS, HeadWriter, NO_BODY, UNTIL_CLOSE, writeWhole } from "../../../http/h1/write.ts";
import type { FieldList } from "../../../http/headers.ts";
import { Reply } from "../../../http/message.ts";
import { Writer } from "../../../http/writer.ts";
import { fieldOf, Harness, NOW, NOW_TEXT, parseAnswers } from "../../support/h1_harness.ts";
import { latin1Bytes, latin1Text } from "../../support/wire_cases.ts";

function head(
  status: number,
  contentType: string | null,
  fields: FieldList | null,
  length: number,
  connection: string,
): string {
  const heads = new HeadWriter();
  heads.setTime(NOW);
  const writer = new Writer(16);
  heads.write(writer, status, contentType, fields, length, connection);
  return latin1Text(writer.bytes.subarray(0, writer.length));
}

Deno.test("head: byte for byte", () => {
  const date = `Date: ${NOW_TEXT}\r\n`;
  assert.equal(head(200, null, null, 0, ""), `HTTP/1.1 200 OK\r\n${date}Content-Length: 0\r\n\r\n`);
  assert.equal(
    head(404, "text/plain", ["X-A", "b", "vary", "c"], 12, "close"),
    `HTTP/1.1 404 Not Found\r\n${date}Content-Type: text/plain\r\nConnection: close\r\nX-A: b\r\nvary: c\r\n` +
      "Content-Length: 12\r\n\r\n",
  );
  assert.equal(head(299, null, null, NO_BODY, ""), `HTTP/1.1 299 \r\n${date}\r\n`);
  assert.equal(head(200, null, null, UNTIL_CLOSE, "close"), `HTTP/1.1 200 OK\r\n${date}Connection: close\r\n\r\n`);
  assert.equal(head(200, null, null, BY_CHUNKS, ""), `HTTP/1.1 200 OK\r\n${date}Transfer-Encoding: chunked\r\n\r\n`);
});

Deno.test("head: values are sent as Latin-1, a byte a character", () => {
  assert.ok(head(200, null, ["x", "\t\x20~\x80\xff"], 0, "").includes("\r\nx: \t\x20~\x80\xff\r\n"));
});

Deno.test("head: the date follows the clock, in templates that were made before too", () => {
  const heads = new HeadWriter();
  const dates = (status: number): string => {
    const writer = new Writer(16);
    heads.write(writer, status, "a/b", null, 0, "");
    return /\r\nDate: (.*)\r\n/.exec(latin1Text(writer.bytes.subarray(0, writer.length)))![1]!;
  };
  heads.setTime(NOW);
  assert.equal(dates(200), NOW_TEXT);
  heads.setTime(NOW + 999);
  assert.equal(dates(200), NOW_TEXT);
  heads.setTime(NOW + 1000);
  assert.equal(dates(200), "Sun, 06 Nov 1994 08:49:38 GMT");
  assert.equal(dates(404), "Sun, 06 Nov 1994 08:49:38 GMT");
  heads.setTime(NOW);
  assert.equal(dates(200), NOW_TEXT, "a clock that is set back");
});

Deno.test("head: more content types than there are templates are written right all the same", () => {
  const heads = new HeadWriter();
  heads.setTime(NOW);
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < 600; i++) {
      const writer = new Writer(16);
      heads.write(writer, 200 + i % 3, `a/${i}`, null, i, "");
      const text = latin1Text(writer.bytes.subarray(0, writer.length));
      assert.match(text, new RegExp(`^HTTP/1.1 ${200 + i % 3} [A-Za-z ]+\r\nDate: ${NOW_TEXT}\r\n`));
      assert.ok(text.endsWith(`Content-Type: a/${i}\r\nContent-Length: ${i}\r\n\r\n`));
    }
  }
});

Deno.test("head: the server's fields are not a handler's, in any case", async () => {
  const fields: FieldList = [];
  const names = ["Content-Length", "Transfer-Encoding", "Connection", "Date", "Keep-Alive", "TE", "Trailer", "Upgrade"];
  for (const name of [...names, "Proxy-Connection"]) fields.push(name, "7", name.toUpperCase(), "chunked");
  const contents = ["hello", latin1Bytes("hello"), ReadableStream.from([latin1Bytes("hello")])];
  for (const content of contents) {
    const harness = new Harness(() => new Reply(content, 200, "a/b", [...fields, "X-Own", "1"]));
    await harness.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    const [answer] = parseAnswers(harness.output, ["GET"]);
    const seen = answer!.fields.map(([name]) => name).sort();
    const framing = content instanceof ReadableStream ? "7" : "5";
    assert.deepEqual(seen, ["content-length", "content-type", "date", "x-own"], String(content));
    assert.equal(fieldOf(answer!.fields, "content-length"), framing);
    assert.equal(fieldOf(answer!.fields, "date"), NOW_TEXT);
  }
});

const REQUEST = " / HTTP/1.1\r\nHost: h\r\n\r\n";

/** Content, its bytes, and what the head says about them. */
const CONTENTS: readonly [string | Uint8Array | null, string][] = [
  [null, ""],
  ["", ""],
  ["hello", "hello"],
  ["ü", "\xc3\xbc"],
  ["a世🎉", "a\xe4\xb8\x96\xf0\x9f\x8e\x89"],
  ["\ud800", "\xef\xbf\xbd"],
  ["ü".repeat(70), "\xc3\xbc".repeat(70)],
  ["x".repeat(9) + "ü", `${"x".repeat(9)}\xc3\xbc`], // 10 characters, 11 bytes
  ["x".repeat(99) + "ü", `${"x".repeat(99)}\xc3\xbc`],
  [`${"x".repeat(16384)}ü`, `${"x".repeat(16384)}\xc3\xbc`],
  ["ü".repeat(16384), "\xc3\xbc".repeat(16384)],
  [Uint8Array.of(0, 255, 13, 10), "\0\xff\r\n"],
  [new Uint8Array(0), ""],
];

Deno.test("content: Content-Length is its length in bytes, for GET and HEAD", async () => {
  for (const [content, bytes] of CONTENTS) {
    const harness = new Harness(() => new Reply(content));
    await harness.send(`GET${REQUEST}HEAD${REQUEST}GET${REQUEST}`);
    const answers = parseAnswers(harness.output, ["GET", "HEAD", "GET"]);
    assert.deepEqual(answers.map(({ body, complete }) => [body, complete]), [[bytes, true], ["", true], [bytes, true]]);
    for (const { fields } of answers) assert.equal(fieldOf(fields, "content-length"), String(bytes.length));
  }
});

Deno.test("content: 204 and 304 have no body and no framing, whatever the handler gives", async () => {
  const contents = [null, "", "text", Uint8Array.of(1), "ü".repeat(20_000), new Uint8Array(20_000)];
  for (const status of [204, 304]) {
    for (const content of contents) {
      for (const method of ["GET", "HEAD", "POST"]) {
        const harness = new Harness(() => new Reply(content, status, null, ["content-length", "9", "etag", '"a"']));
        await harness.send(`${method}${REQUEST}GET${REQUEST}`);
        const answers = parseAnswers(harness.output, [method, "GET"]);
        for (const answer of answers) {
          assert.deepEqual([answer.status, answer.body], [status, ""]);
          assert.deepEqual(answer.fields, [["date", NOW_TEXT], ["etag", '"a"']]);
        }
      }
    }
  }
});

Deno.test("content: an answer to HEAD without content may declare the length that GET would have", async () => {
  const answer = async (method: string, fields: FieldList | null): Promise<string | null> => {
    const harness = new Harness(() => new Reply(null, 200, null, fields));
    await harness.send(`${method}${REQUEST}`);
    return fieldOf(parseAnswers(harness.output, [method])[0]!.fields, "content-length");
  };
  assert.equal(await answer("HEAD", ["Content-Length", "123"]), "123");
  assert.equal(await answer("HEAD", null), "0");
  assert.equal(await answer("HEAD", ["Content-Length", "12x"]), "0");
  assert.equal(await answer("GET", ["Content-Length", "123"]), "0");
});

Deno.test("response splitting: a content type is checked like any other value", () => {
  for (const contentType of ["text/html\r\nX: y", "a\nb", "a\rb", "a\0b", "a\u010d\u010ab"]) {
    let written = "";
    try {
      const reply = new Reply("x", 200, contentType);
      written = head(reply.status, reply.contentType, reply.fields, 1, "");
    } catch (error) {
      assert.ok(error instanceof TypeError, String(error));
      continue;
    }
    assert.fail(`${JSON.stringify(contentType)} was written as ${JSON.stringify(written)}`);
  }
});

Deno.test("response splitting: a reply that was changed after it was made is a failure, not an exception", async () => {
  for (const make of [() => "text", () => ReadableStream.from([latin1Bytes("text")])]) {
    for (const later of [false, true]) {
      const harness = new Harness(({ path }) => {
        const reply = new Reply(path === "/" ? make() : "next");
        if (path === "/") reply.contentType = "a\r\nX: y";
        return later ? Promise.resolve(reply) : reply;
      });
      await harness.send(`GET${REQUEST}GET /next HTTP/1.1\r\nHost: h\r\n\r\n`);
      assert.equal(harness.result, "500,200");
      assert.equal(harness.failures.length, 1);
    }
  }
});

Deno.test("a reply whose status or content was changed to what cannot be sent is a failure, not a crash", () => {
  for (const change of [{ status: 99 }, { content: 42 }, { content: new Uint16Array(3) }]) {
    const reply = Object.assign(new Reply("text"), change) as Reply;
    const request = { method: "GET", minor: 1 } as H1Request;
    assert.throws(() => writeWhole(new HeadWriter(), request, reply, "", new Writer(1024)), Deno.inspect(change));
  }
});
