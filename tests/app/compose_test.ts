import assert from "node:assert/strict";
import { HttpError } from "../../http/errors.ts";
import { Reply } from "../../http/message.ts";
import { compose, type Middleware, type Recovery } from "../../app/compose.ts";
import { Context } from "../../app/context.ts";
import { asReply, fakeRequest, logOf, statusAndText } from "../support/fakes.ts";

type C = Context<undefined>;
const context = () => new Context(fakeRequest("/"), undefined);
const tick = () => new Promise<void>((resolve) => setTimeout(resolve, 0));

Deno.test("compose() runs middleware from the outside in and back", async () => {
  const order: string[] = [];
  const layer = (name: string): Middleware => async (_c, next) => {
    order.push(`${name}(`);
    await next();
    order.push(`)${name}`);
  };
  const run = compose([layer("a"), layer("b"), layer("c")], async (c) => {
    await null;
    order.push("handler");
    return c.text("x");
  });
  assert.deepEqual(await statusAndText(run(context())), [200, "x"]);
  assert.deepEqual(order, ["a(", "b(", "c(", "handler", ")c", ")b", ")a"]);
});

Deno.test("compose() gives no promise where no function returned one", () => {
  const run = compose([(_c, next) => next(), (_c, next) => void next()], (c) => c.text("x"));
  assert.equal(asReply(run(context())).content, "x");
  const bare = compose([], (c: C) => c.text("x"));
  assert.equal(asReply(bare(context())).content, "x");
});

Deno.test("compose() returns the very answer of the handler when nothing is added to it", () => {
  const reply = new Reply("x"), response = new Response("x");
  assert.equal(compose([], () => reply)(context()), reply);
  assert.equal(compose([], () => response)(context()), response);
});

Deno.test("a middleware that returns an answer without next() keeps the rest from running", async () => {
  let ran = false;
  const run = compose([(c) => c.text("no", 401)], (c) => {
    ran = true;
    return c.text("x");
  });
  assert.deepEqual(await statusAndText(run(context())), [401, "no"]);
  assert.equal(ran, false);
});

Deno.test("a middleware may return, or set as c.res, an answer in place of the inner one", async () => {
  const returns: Middleware = async (c, next) => {
    await next();
    return c.text(`<${c.res.content}>`);
  };
  const sets: Middleware = async (c, next) => {
    await next();
    c.res = c.text(`[${c.res.content}]`);
  };
  const run = compose([returns, sets, returns], (c) => c.text("x"));
  assert.deepEqual(await statusAndText(run(context())), [200, "<[<x>]>"]);
});

Deno.test("a middleware that does not await next() still gets the inner answer", async () => {
  const run = compose([(_c, next) => void next()], async (c) => {
    await tick();
    return c.text("late");
  });
  assert.deepEqual(await statusAndText(run(context())), [200, "late"]);
});

Deno.test("next() never rejects or throws for the rest: the error is c.error, its answer c.res", async () => {
  const boom = new HttpError(418, "short and stout");
  const throwers = [
    () => {
      throw boom;
    },
    async () => {
      await null;
      throw boom;
    },
  ];
  for (const thrower of throwers) {
    let seen: unknown;
    const run = compose([async (c, next) => {
      await next();
      seen = [c.error, c.res.status];
      c.header("x-seen", "yes");
    }], thrower);
    const reply = asReply(await run(context()));
    assert.deepEqual(seen, [boom, 418]);
    assert.deepEqual(reply.fields, ["x-seen", "yes"]);
    assert.equal(reply.status, 418);
  }
});

Deno.test("a middleware may turn an error into an answer of its own", async () => {
  const run = compose([async (c, next) => {
    await next();
    if (c.error !== undefined) return c.json({ failed: true }, 503);
  }], () => {
    throw new HttpError(404);
  });
  assert.deepEqual(await statusAndText(run(context())), [503, '{"failed":true}']);
});

Deno.test("an error in a middleware becomes an answer for those outside of it", async () => {
  const entries = await logOf(async () => {
    const run = compose([async (c, next) => {
      await next();
      c.header("x-status", String(c.res.status));
    }, async (_c, next) => {
      await next();
      throw new Error("behind");
    }], (c) => c.text("x"));
    const reply = asReply(await run(context()));
    assert.equal(reply.status, 500);
    assert.deepEqual(reply.fields, ["x-status", "500"]);
  });
  assert.equal(entries.length, 1);
  assert.match(entries[0]!, /^GET \/: Error: behind\n {4}at /);
});

Deno.test("next() twice is a 500 and one entry in the log, and the handler runs once", async () => {
  for (const twice of [(n: () => unknown) => (n(), n()), async (n: () => unknown) => (await n(), await n())]) {
    let runs = 0;
    const entries = await logOf(async () => {
      const run = compose([(_c, next) => twice(next) as Promise<void>], (c) => {
        runs++;
        return c.text("x");
      });
      assert.equal(asReply(await run(context())).status, 500);
    });
    assert.equal(runs, 1);
    assert.equal(entries.length, 1);
    assert.match(entries[0]!, /Cannot call next\(\) twice/);
  }
});

Deno.test("next() behind the end of its middleware does nothing", async () => {
  let late: (() => unknown) | undefined;
  let ran = false;
  const run = compose([(c, next) => {
    late = next;
    return c.text("early");
  }], (c) => {
    ran = true;
    return c.text("x");
  });
  assert.deepEqual(await statusAndText(run(context())), [200, "early"]);
  assert.equal(late!(), undefined);
  assert.equal(ran, false);
});

Deno.test("an inner answer that comes too late is dropped and its stream ended", async () => {
  let cancelled = false;
  const stream = new ReadableStream<Uint8Array>({
    cancel() {
      cancelled = true;
    },
  });
  const c = context();
  const run = compose([(c, next) => {
    next();
    return c.text("early");
  }], async (c) => {
    await tick();
    return c.body(stream);
  });
  assert.deepEqual(await statusAndText(run(c)), [200, "early"]);
  await tick();
  await tick();
  assert.equal(cancelled, true);
  assert.throws(() => c.res, /Cannot read c\.res/);
});

Deno.test("an answer whose middleware fails is dropped and its stream ended", async () => {
  let cancelled = false;
  await logOf(async () => {
    const run = compose([async (_c, next) => {
      await next();
      throw new Error("x");
    }], (c) =>
      c.body(
        new ReadableStream({
          cancel() {
            cancelled = true;
          },
        }),
      ));
    assert.equal(asReply(await run(context())).status, 500);
  });
  assert.equal(cancelled, true);
});

Deno.test("what is no answer is a 500, and the log says what it was", async () => {
  const cases: [unknown, RegExp][] = [
    [undefined, /the handler returned undefined, expected a Response, or what c\.text\(\)/],
    [null, /the handler returned null/],
    ["text", /the handler returned a string/],
    [{ a: 1 }, /the handler returned an object of class Object/],
    [Object.create(null), /the handler returned an object,/],
  ];
  for (const [value, message] of cases) {
    for (const handler of [() => value, () => Promise.resolve(value)]) {
      const entries = await logOf(async () => {
        assert.deepEqual(await statusAndText(compose([], handler as () => Reply)(context())), [
          500,
          "500 Internal Server Error\n",
        ]);
      });
      assert.equal(entries.length, 1);
      assert.match(entries[0]!, message);
      assert(!entries[0]!.includes("\n"), "no stack of ours");
    }
  }
});

Deno.test("a middleware that does nothing, or returns no answer, is a 500", async () => {
  const cases: [Middleware, RegExp][] = [
    [() => {}, /a middleware that did not call next\(\) returned undefined/],
    [async () => {}, /a middleware that did not call next\(\) returned undefined/],
    [((_c: C, next: () => unknown) => (next(), 42)) as unknown as Middleware, /a middleware returned a number/],
    [(c) => void (c.res = "x" as unknown as Reply), /Cannot set c\.res to a value of type string/],
  ];
  for (const [middleware, message] of cases) {
    const entries = await logOf(async () => {
      const run = compose([middleware], (c) => c.text("x"));
      assert.equal(asReply(await run(context())).status, 500);
    });
    assert.equal(entries.length, 1);
    assert.match(entries[0]!, message);
  }
});

Deno.test("a thenable that is no Promise is waited for, one that throws is a 500", async () => {
  const reply = new Reply("x");
  const good = { then: (resolve: (value: unknown) => void) => resolve(reply) };
  const answer = compose([], () => good as unknown as Promise<Reply>)(context());
  assert(answer instanceof Promise);
  assert.equal(await answer, reply);
  const bad = {
    then() {
      throw new Error("x");
    },
  };
  await logOf(async () => {
    assert.equal(asReply(await compose([], () => bad as unknown as Promise<Reply>)(context())).status, 500);
  });
});

Deno.test("throwing undefined is an error all the same", async () => {
  const c = context();
  const entries = await logOf(async () => {
    assert.equal(asReply(await compose([], () => Promise.reject(undefined))(c)).status, 500);
  });
  assert(c.error instanceof Error);
  assert.equal(entries.length, 1);
});

Deno.test("onError answers for what was thrown, may be slow, and may itself fail", async () => {
  const boom = new HttpError(418, "boom");
  const thrower = () => {
    throw boom;
  };
  const seen: unknown[] = [];
  const outer: Middleware = async (c, next) => {
    await next();
    seen.push(c.error, c.res.status);
  };
  const cases: [Recovery<undefined>, number][] = [
    [(error, c) => c.text(`${error === boom}`, 499), 499],
    [(_error, c) => Promise.resolve(c.text("late", 498)), 498],
    [() => null, 418],
  ];
  for (const [recovery, status] of cases) {
    assert.equal(asReply(await compose([outer], thrower, recovery)(context())).status, status);
    assert.deepEqual(seen.splice(0), [boom, status]);
  }
  for (const bad of [thrower, () => Promise.reject(new Error("x")), () => "text" as unknown as Reply]) {
    const entries = await logOf(async () => {
      const reply = asReply(await compose([outer], () => Promise.reject(new Error("first")), bad)(context()));
      assert.equal(reply.status, bad === thrower ? 418 : 500);
    });
    assert.equal(entries.length, bad === thrower ? 0 : 1);
    seen.length = 0;
  }
});

Deno.test("a value whose properties throw is no answer, and stops nobody", async () => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  const odd = [
    {
      get then() {
        throw new Error("t");
      },
    },
    proxy,
  ];
  for (const value of odd) {
    await logOf(async () => {
      assert.equal(asReply(await compose([], () => value as unknown as Reply)(context())).status, 500);
      assert.equal(
        asReply(await compose([() => value as unknown as Reply], () => new Reply(""))(context())).status,
        500,
      );
    });
  }
});
