// An app that ends its worker while it serves.
import { App } from "../../../mod.ts";

const app = new App();
app.get("/", (c) => c.text("hello\n"));
app.get("/exit", (c) => {
  setTimeout(() => Deno.exit(0), 20);
  return c.text("leaving\n");
});
app.get("/close", (c) => {
  setTimeout(() => self.close(), 20);
  return c.text("leaving\n");
});
app.get("/wrong", (c) => c.text(JSON.parse("5")));

export default app;
