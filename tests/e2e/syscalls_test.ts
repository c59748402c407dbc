/**
 * What leaves in one system call, counted by strace: the answers to requests that were read together.
 *
 * @module
 */

import assert from "node:assert/strict";
import { needs, unless } from "../support/needs.ts";
import { RawClient } from "../support/raw_client.ts";
import { Child, startCli } from "../support/server.ts";

const strace = needs({ programs: ["strace"], debian: "strace" });
const DEPTH = 16;

/** System calls that sent answers: every one of them, or a part of one, has these bytes. */
function sends(trace: string): string[] {
  return trace.split("\n").filter((line) => /(sendto|sendmsg|writev|write)\(/.test(line) && line.includes("HTTP/1.1"));
}

for (const [path, kind] of [["/", "synchronous"], ["/async", "asynchronous"]] as const) {
  Deno.test({
    name: `${DEPTH} pipelined requests with ${kind} handlers leave in one send`,
    async fn() {
      await using server = await startCli("main", 1);
      using client = await RawClient.connect({ port: server.port });
      const request = `GET ${path} HTTP/1.1\r\nHost: h\r\n\r\n`;
      await client.request(request); // compiled, and the connection is known
      const args = ["-f", "-s", "64", "-e", "trace=sendto,sendmsg,writev,write", "-p", `${server.pid}`];
      await using tracer = new Child({ command: "strace", args });
      await tracer.said(/attached/);
      await client.send(request.repeat(DEPTH));
      const answers = await client.responses(DEPTH);
      assert.ok(answers.every(({ status }) => status === 200));
      const { stderr } = await tracer.stop("SIGINT");
      assert.equal(sends(stderr).length, 1, sends(stderr).join("\n"));
      assert.equal((await server.stop()).code, 0);
    },
    ...unless(strace),
  });
}
