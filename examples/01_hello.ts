// The smallest app: one module whose default export is the app. `deno task serve` serves it on port 8000.
import { App } from "../mod.ts";

const app = new App();

app.get("/", (c) => c.text("Hello, world\n"));
app.get("/hello/:name", (c) => c.text(`Hello, ${c.params.name}\n`));

export default app;
