// Middleware: an access log, ids, security headers, CORS for one part, passwords for another.
import { App } from "@sluice/http";
import {
  basicAuth,
  cors,
  csrf,
  logger,
  requestId,
  requestIdOf,
  securityHeaders,
  userOf,
} from "@sluice/http/middleware";

const app = new App();
app.use(requestId());
app.use(logger({ format: "json" }));
app.use(securityHeaders({ contentSecurityPolicy: "default-src 'self'" }));
app.use(csrf());
app.use("/api", cors({ origin: ["https://example.com"], maxAgeSeconds: 600 }));
app.use("/admin", basicAuth({ users: { ada: "change me" }, realm: "admin" }));

app.get("/", (c) => c.html("<h1>Hello</h1>\n"));
app.get("/api/id", (c) => c.json({ hasId: requestIdOf(c) !== undefined }));
app.get("/admin", (c) => c.text(`hello ${userOf(c)}\n`));
export default app;
