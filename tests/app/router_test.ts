/**
 * Groups, hosts, prefixes and the table of routes, through an App, as a user meets them.
 */

import assert from "node:assert/strict";
import { App } from "../../app/app.ts";
import type { Middleware } from "../../app/compose.ts";
import { HttpError } from "../../http/errors.ts";

/** A middleware that writes its name around the answer's text. */
const mark = (name: string): Middleware => async (c, next) => {
  await next();
  c.res.headers.set("x-marks", `${name} ${c.res.headers.get("x-marks") ?? ""}`.trim());
};

async function textOf(app: App, path: string, init?: RequestInit & { host?: string }): Promise<string> {
  const headers = init?.host === undefined ? undefined : { host: init.host };
  const url = `http://${init?.host ?? "localhost"}${path}`;
  const response = await app.fetch(new Request(url, { ...init, headers }));
  const marks = response.headers.get("x-marks");
  return `${response.status} ${(await response.text()).trim()}${marks === null ? "" : ` [${marks}]`}`;
}

Deno.test("use with a path covers that path, what is below it, and its 404, and nothing else", async () => {
  const app = new App().use(mark("all")).use("/admin", mark("admin")).use("/:x/deep/*", mark("deep"));
  app.get("/", (c) => c.text("root"));
  app.get("/admin", (c) => c.text("admin"));
  app.get("/admin/deep/a", (c) => c.text("deep"));
  app.get("/administrator", (c) => c.text("other"));
  app.get("/:section/list", (c) => c.text(c.params.section));
  const cases: [string, string][] = [
    ["/", "200 root [all]"],
    ["/admin", "200 admin [all admin]"],
    ["/admin/deep/a", "200 deep [all admin deep]"],
    ["/administrator", "200 other [all]"],
    ["/admin/list", "200 admin [all admin]"],
    ["/%61dmin/list", "200 admin [all admin]"],
    ["/users/list", "200 users [all]"],
    ["/admin/none", "404 404 Not Found [all admin]"],
    ["/none", "404 404 Not Found [all]"],
    ["/x/deep", "404 404 Not Found [all deep]"],
  ];
  for (const [path, expected] of cases) assert.equal(await textOf(app, path), expected, path);
});

Deno.test("use behind a route that it covers, or may cover, throws and names the route and where it is", () => {
  const app = new App().get("/:section/list", (c) => c.text("x"));
  app.use("/other/thing", mark("fine"));
  for (const path of ["/", "/admin", "/:a"]) {
    assert.throws(
      () => app.use(path, mark("late")),
      /behind the route GET \/:section\/list, added at .*router_test\.ts:\d+:\d+, which it covers/,
    );
  }
});

Deno.test("middleware of a route stands inside of all other", async () => {
  const app = new App().use(mark("all"));
  app.get("/a", { use: [mark("one"), mark("two")] }, (c) => c.text("a"));
  assert.equal(await textOf(app, "/a"), "200 a [all one two]");
});

Deno.test("a group brings its routes, its middleware and its answers to errors, under a path with parameters", async () => {
  const inner = new App<undefined, "/teams/:team/members">().use(mark("inner")).use("/hidden", mark("hidden"));
  inner.get("/", (c) => c.text(`all of ${c.params.team}`));
  inner.get("/:id", (c) => c.text(`${c.params.id} of ${c.params.team}`));
  inner.get("/hidden/:id", (c) => c.text("hidden"));
  const group = new App<undefined, "/teams/:team">().use(mark("group"));
  group.get("/fail", () => {
    throw new HttpError(418);
  });
  group.onError((_error, c) => c.text("handled", 499));
  group.route("/members", inner);
  const app = new App().use(mark("app")).use("/teams/red", mark("red")).route("/teams/:team", group);
  app.get("/fail", () => {
    throw new HttpError(418);
  });
  const cases: [string, string][] = [
    ["/teams/blue/members", "200 all of blue [app group inner]"],
    ["/teams/blue/members/7", "200 7 of blue [app group inner]"],
    ["/teams/red/members/7", "200 7 of red [app red group inner]"],
    ["/teams/blue/members/hidden/7", "200 hidden [app group inner hidden]"],
    ["/teams/blue/members/hidden", "200 hidden of blue [app group inner hidden]"],
    ["/teams/blue/fail", "499 handled [app group]"],
    ["/fail", "418 418 I'm a Teapot [app]"],
    ["/teams/blue/none", "404 404 Not Found [app]"],
  ];
  for (const [path, expected] of cases) {
    assert.equal((await textOf(app, path)).replace(/I'm a teapot/i, "I'm a Teapot"), expected, path);
  }
});

Deno.test("a mounted group is closed, and one with hooks is refused", () => {
  const group = new App().get("/a", (c) => c.text("a"));
  new App().route("/g", group);
  assert.throws(() => group.get("/b", (c) => c.text("b")), /a group that was mounted at .*router_test\.ts/);
  assert.throws(() => group.use(mark("x")), /would be left out/);
  const withState = new App({ start: () => ({ db: 1 }) });
  assert.throws(() => new App().route("/g", withState as unknown as App), /declare them on the App that is served/);
});

Deno.test("hosts: an exact one first, then wildcards, then routes for all; 405 knows of them all", async () => {
  const app = new App();
  app.get("/", (c) => c.text("any"));
  app.get("/", { host: "*.example.com" }, (c) => c.text("wild"));
  app.get("/", { host: "api.example.com" }, (c) => c.text("api"));
  app.post("/only", { host: "api.example.com" }, (c) => c.text("posted"));
  app.route("/g", new App().get("/", (c) => c.text("group")), { host: "g.example.com" });
  const cases: [string, string, string][] = [
    ["api.example.com", "/", "200 api"],
    ["API.example.com", "/", "200 api"],
    ["www.example.com", "/", "200 wild"],
    ["example.com", "/", "200 any"],
    ["api.example.com", "/only", "405 405 Method Not Allowed"],
    ["www.example.com", "/only", "404 404 Not Found"],
    ["g.example.com", "/g", "200 group"],
    ["api.example.com", "/g", "404 404 Not Found"],
  ];
  for (const [host, path, expected] of cases) assert.equal(await textOf(app, path, { host }), expected, host + path);
});

Deno.test("two routes that cannot be told apart are refused, and both places are named", () => {
  const app = new App().get("/u/:id", (c) => c.text("x"));
  assert.throws(
    () => app.get("/u/:name", (c) => c.text("y")),
    /GET \/u\/:name at .*router_test\.ts:\d+:\d+: .* GET \/u\/:id, added at .*router_test\.ts:\d+:\d+$/,
  );
  app.get("/u/:id(\\d+)", (c) => c.text("digits"));
  assert.throws(() => app.on(["PUT", "GET"], "/u/:x(\\d+)", (c) => c.text("z")), /answers the same requests/);
});

Deno.test("on, all and the table of routes", async () => {
  const app = new App().use("/b", mark("b"));
  app.on(["GET", "PURGE"], "/a", (c) => c.text(c.req.method));
  app.all("/b/:id(\\d+)", { host: "h.test" }, (c) => c.text("b"));
  assert.equal(await textOf(app, "/a", { method: "PURGE" }), "200 PURGE");
  assert.deepEqual(app.routes().map(({ method, path, host, middleware }) => [method, path, host, middleware]), [
    ["GET", "/a", null, 0],
    ["PURGE", "/a", null, 0],
    ["*", "/b/:id(\\d+)", "h.test", 1],
  ]);
  assert.match(app.routes()[0]!.place, /router_test\.ts:\d+:\d+$/);
  for (const method of ["", "a b", "*"]) assert.throws(() => app.on([method], "/x", (c) => c.text("")), TypeError);
});

Deno.test("notFound answers for paths without a route, not for methods", async () => {
  const app = new App().notFound((c) => c.json({ nothing: c.req.path }, 404)).get("/a", (c) => c.text("a"));
  assert.equal(await textOf(app, "/b"), '404 {"nothing":"/b"}');
  assert.equal(await textOf(app, "/a", { method: "POST" }), "405 405 Method Not Allowed");
});

Deno.test("a slash at the end of a path that groups, middleware or handlers are for changes nothing", async () => {
  const no: Middleware = (c) => c.text("no", 403);
  const group = new App().use("/secret/", no);
  group.get("/secret", (c) => c.text("secret"));
  const app = new App().use("/private/", no).route("/admin/", group).mount("/old/", () => new Response("old"));
  app.get("/private/x", (c) => c.text("private"));
  assert.equal(await textOf(app, "/admin/secret"), "403 no");
  assert.equal(await textOf(app, "/private/x"), "403 no");
  assert.equal(await textOf(app, "/old/x"), "200 old");
  assert.equal(await textOf(app, "/old"), "200 old");
});
