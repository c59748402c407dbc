import assert from "node:assert/strict";
import * as v from "npm:valibot@1.5.0";
import { z } from "npm:zod@4.6.7";
import { App } from "../../app/app.ts";
import { checkBySchema, type StandardSchema } from "../../app/schema.ts";

const zod = z.object({ name: z.string().min(1), age: z.coerce.number().int(), tags: z.array(z.string()).default([]) });
const valibot = v.object({
  name: v.pipe(v.string(), v.minLength(1)),
  age: v.pipe(v.unknown(), v.transform(Number), v.integer()),
  tags: v.optional(v.array(v.string()), []),
});

for (const [library, schema] of [["zod", zod], ["valibot", valibot]] as const) {
  Deno.test(`json(schema) with ${library}: typed and converted, or 422 with what is wrong`, async () => {
    const app = new App().post("/", async (c) => {
      const user = await c.req.json(schema);
      const name: string = user.name, age: number = user.age, tags: string[] = user.tags;
      return c.json({ name, age, tags }, 201);
    });
    const send = async (body: string) => {
      const response = await app.request("/", { method: "POST", body, headers: { accept: "application/json" } });
      return [response.status, await response.json()];
    };
    assert.deepEqual(await send('{"name":"ada","age":"36"}'), [201, { name: "ada", age: 36, tags: [] }]);
    const [status, { error }] = await send('{"name":"","age":1.5,"tags":[1]}') as [
      number,
      { error: { message: string } },
    ];
    assert.equal(status, 422);
    for (const place of ["name: ", "age: ", "tags.0: "]) assert.ok(error.message.includes(place), error.message);
    assert.equal((await send("{"))[0], 400);
  });
}

Deno.test("checkBySchema: schemas may be slow, and a long list is cut", async () => {
  const many: StandardSchema<string> = {
    "~standard": {
      version: 1,
      validate: () => Promise.resolve({ issues: Array.from({ length: 25 }, (_, i) => ({ message: `no ${i}` })) }),
    },
  };
  await assert.rejects(checkBySchema(many, 1), {
    name: "HttpError",
    status: 422,
    message: /^no 0; .*no 19; and 5 more$/,
  });
  const keyed: StandardSchema = {
    "~standard": {
      version: 1,
      validate: () => ({ issues: [{ message: "bad", path: [{ key: "a" }, 0, Symbol.iterator] }] }),
    },
  };
  await assert.rejects(checkBySchema(keyed, 1), { message: "a.0.Symbol(Symbol.iterator): bad" });
});
