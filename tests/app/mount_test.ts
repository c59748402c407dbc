import assert from "node:assert/strict";
import { App } from "../../app/app.ts";
import { mountFetch } from "../../app/mount.ts";
import { fakeRequest } from "../support/fakes.ts";

const echo = async (request: Request) =>
  new Response(
    `${request.method} ${new URL(request.url).pathname}${new URL(request.url).search} ${await request.text()}`,
    {
      status: 201,
      headers: { "x-seen": request.headers.get("x-sent") ?? "" },
    },
  );

Deno.test("mount hands over everything under a path, without that path", async () => {
  const app = new App().mount("/old", echo).get("/new", (c) => c.text("new"));
  const cases: [string, string][] = [["/old", "/"], ["/old/", "/"], ["/old/a/b?x=1", "/a/b?x=1"], [
    "/old/%41%2f",
    "/%41%2f",
  ]];
  for (const [path, seen] of cases) {
    const response = await app.request(path, { method: "POST", body: "body", headers: { "x-sent": "yes" } });
    assert.deepEqual([response.status, response.headers.get("x-seen")], [201, "yes"]);
    assert.equal(await response.text(), `POST ${seen} body`);
  }
  assert.equal(await (await app.request("/new")).text(), "new");
  assert.equal((await app.request("/older")).status, 404);
});

Deno.test("mount at the root, under a parameter, and of what is no function", async () => {
  assert.equal(await (await new App().mount("/", echo).request("/a/b")).text(), "GET /a/b ");
  assert.equal(await (await new App().mount("/t/:id", echo).request("/t/7/a")).text(), "GET /a ");
  assert.throws(() => mountFetch("/x", {} as unknown as typeof echo), /Cannot mount a object at \/x/);
});

Deno.test("mount refuses a path that means another one as a URL: it would pass by the middleware of that", async () => {
  const app = new App().use("/admin", (c) => c.text("no", 403)).mount("/", echo);
  const ask = async (path: string) => (await app.handle(fakeRequest(path))).status;
  for (const path of ["/x/../admin", "/x/%2e%2E/admin", "/./admin", "/x/..", "/x\\..\\admin", "/admin\\.."]) {
    assert.equal(await ask(path), 400, path);
  }
  assert.equal(await ask("/admin/x"), 403);
  for (const path of ["/..x", "/x../y", "/...", "/a.b"]) assert.equal(await ask(path), 201, path);
});

Deno.test("a group with mounted fetch handlers is refused: they would see the wrong path", () => {
  assert.throws(() => new App().route("/api", new App().mount("/old", echo)), /mount them on this App/);
});
