// The app that the bench measures: no route, path or header in it is known to the server.
import { App } from "../../mod.ts";

const app = new App();
app.get("/", (c) => c.text("Hello, world\n"));
app.get("/users/:id", (c) => c.text(`user ${c.params.id}\n`));
export default app;
