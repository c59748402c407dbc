// Routes: parameters, expressions, rests, groups, hosts and a mounted fetch handler.
import { App, HttpError, type Middleware } from "@sluice/http";

const timing: Middleware<unknown> = async (c, next) => {
  const start = performance.now();
  await next();
  c.res.headers.append("server-timing", `app;dur=${(performance.now() - start).toFixed(1)}`);
};

const onlyStaff: Middleware<unknown> = (c, next) => {
  if (c.req.header("x-role") !== "staff") throw new HttpError(403, "Staff only", { headers: { vary: "x-role" } });
  return next();
};

const members = new App<undefined, "/teams/:team">();
members.get("/members", (c) => c.text(`all of ${c.params.team}\n`));
members.get("/members/:id(\\d+)", (c) => c.text(`${c.params.id} of ${c.params.team}\n`));

const app = new App().use(timing).use("/admin", onlyStaff);
app.get("/", (c) => c.text("Hello\n"));
app.get("/admin/stats", (c) => c.json(app.routes().length));
app.get("/docs/:page*", (c) => c.text(`page ${c.params.page || "index"}\n`));
app.get("/files/*", (c) => c.text(`file ${c.params["*"]}\n`));
app.on(["PUT", "PATCH"], "/notes/:id", { use: [onlyStaff] }, (c) => c.text(`changed ${c.params.id}\n`));
app.get("/", { host: "api.example.com" }, (c) => c.json({ version: 1 }));
app.route("/teams/:team", members);
app.mount("/legacy", (request) => new Response(`legacy ${new URL(request.url).pathname}\n`));
app.notFound((c) => c.text(`there is no ${c.req.path}\n`, 404));
export default app;
