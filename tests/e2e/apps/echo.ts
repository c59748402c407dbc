// Answers every request with 200 and the body it came with; one that cannot be read ends in its own error (400).
import { App } from "../../../mod.ts";

const app = new App();
app.all("/*", async (c) => c.bytes(await c.req.bytes()));

export default app;
