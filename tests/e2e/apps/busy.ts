// A handler that computes for 50 µs, and a timer of the user's whose lateness is measured while it is called.
import { App } from "../../../mod.ts";

const HANDLER_MS = 0.05, INTERVAL_MS = 10;
const lateMs: number[] = [];
let burned = false;
let lastMs = performance.now();

const app = new App({
  start: () =>
    void setInterval(() => {
      const nowMs = performance.now();
      if (burned) lateMs.push(Math.max(0, nowMs - lastMs - INTERVAL_MS));
      burned = false;
      lastMs = nowMs;
    }, INTERVAL_MS),
});

app.get("/burn", (c) => {
  burned = true;
  const endMs = performance.now() + HANDLER_MS;
  while (performance.now() < endMs);
  return c.text("ok");
});
app.get("/lateness", (c) => {
  lateMs.sort((a, b) => a - b);
  const at = (share: number) => Number(lateMs[Math.floor((lateMs.length - 1) * share)]!.toFixed(1));
  return c.json({ p50: at(0.5), p99: at(0.99), max: at(1), ticks: lateMs.length });
});

export default app;
