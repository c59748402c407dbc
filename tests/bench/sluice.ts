// Serves app.ts with one worker: usage: deno run -A sluice.ts PORT
import { serve } from "../../mod.ts";

await serve(import.meta.resolve("./app.ts"), { port: Number(Deno.args[0]), hostname: "127.0.0.1", workers: 1 });
