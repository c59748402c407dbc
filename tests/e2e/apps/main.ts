// What most end-to-end tests ask: a route for each behaviour.
import { App } from "../../../mod.ts";

const MIB = 1024 * 1024;
export const BIG_BYTES = 20 * MIB;

/** Bytes that tell their place: every one depends on its offset, with a period that no buffer size divides. */
export function pattern(length: number, from = 0): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (from + i) % 251;
  return bytes;
}

let big: Uint8Array<ArrayBuffer> | null = null;
/** Bytes that `/endless` has made so far. */
export const produced = { bytes: 0, cancelled: 0 };

const app = new App({ start: ({ worker }) => ({ worker }) });

app.get("/", (c) => c.text("hello\n"));
app.get("/worker", (c) => c.text(`${c.state.worker}`));
app.get("/remote", (c) => c.json(c.req.remoteAddr));
app.get("/slow/:ms", async (c) => {
  await new Promise((resolve) => setTimeout(resolve, Number(c.params.ms)));
  return c.text("slow\n");
});
app.get("/async", async (c) => {
  await Promise.resolve();
  return c.text("async\n");
});
app.get("/headers", async (c) => {
  const before = c.req.header("x-id");
  await new Promise((resolve) => setTimeout(resolve, 5));
  return c.json({ before, after: c.req.header("x-id"), target: c.req.target, all: c.req.headers.get("x-id") });
});
app.all("/echo", async (c) => c.bytes(await c.req.bytes()));
app.post("/count", async (c) => {
  let bytes = 0;
  for await (const chunk of c.req.body ?? []) bytes += chunk.length;
  return c.text(`${bytes}`);
});
app.post("/refuse", (c) => c.text("too much\n", 413));
app.post("/limited", async (c) => c.bytes(await c.req.bytes()));
app.get("/big", (c) => c.bytes(big ??= pattern(BIG_BYTES)));
app.get("/big-stream", (c) => {
  let at = 0;
  return c.body(
    new ReadableStream({
      pull(controller): void {
        const length = Math.min(100_003, BIG_BYTES - at);
        if (length === 0) return controller.close();
        controller.enqueue(pattern(length, at));
        at += length;
      },
    }),
  );
});
app.get("/endless", (c) =>
  c.body(
    new ReadableStream({
      pull(controller): void {
        controller.enqueue(new Uint8Array(64 * 1024));
        produced.bytes += 64 * 1024;
      },
      cancel(): void {
        produced.cancelled++;
      },
    }),
  ));
app.get("/produced", (c) => c.json({ ...produced, resident: Deno.memoryUsage().rss }));
app.get("/page", (c) => c.html(PAGE));

const PAGE = `<!doctype html><title>page</title><body style="background:#0a0"><p id="out">waiting</p><script>
  Promise.all(["/", "/async", "/slow/20", "/big-stream"].map((path) => fetch(path).then((r) => r.arrayBuffer())))
    .then((all) => document.getElementById("out").textContent = "sizes " + all.map((b) => b.byteLength).join(","));
</script></body>`;

export default app;
