// A module that starts a server while it is imported by one's worker.
import { App, serve } from "../../../mod.ts";

await serve(import.meta.url, { port: 0 });

export default new App();
