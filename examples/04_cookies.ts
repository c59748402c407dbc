// Cookies: plain ones, and signed ones that a client cannot forge.
import { App } from "@sluice/http";
import { CookieSigner } from "@sluice/http/middleware";

// The first key signs, all of them verify: put a new one in front to change keys.
const signer = new CookieSigner([Deno.env.get("COOKIE_KEY") ?? "not a secret: set COOKIE_KEY"]);
const app = new App();

app.get("/", (c) => {
  const visits = Number(c.req.cookie("visits") ?? 0) + 1;
  c.setCookie("visits", String(visits), { maxAgeSeconds: 3600 });
  return c.text(`visit ${visits}\n`);
});
app.get("/login/:user", (c) => {
  c.setCookie("user", signer.sign("user", c.params.user), { sameSite: "Strict" });
  return c.text("welcome\n");
});
app.get("/me", (c) => c.text(`${signer.verify("user", c.req.cookie("user")) ?? "nobody"}\n`));
app.get("/logout", (c) => {
  c.deleteCookie("user");
  return c.text("goodbye\n");
});
export default app;
