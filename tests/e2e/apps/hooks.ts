// An app that tells on standard error when each worker starts, answers and stops.
import { App } from "../../../mod.ts";

interface State {
  readonly worker: number;
  stopping: boolean;
}

const app = new App<State>({
  start({ worker, signal }): State {
    console.error(`start ${worker}`);
    const state = { worker, stopping: false };
    signal.addEventListener("abort", () => state.stopping = true);
    return state;
  },
  stop({ worker }): void {
    console.error(`stop ${worker}`);
  },
});

app.get("/slow", async (c) => {
  console.error(`begin ${c.state.worker}`);
  await new Promise((resolve) => setTimeout(resolve, 500));
  console.error(`answer ${c.state.worker} stopping ${c.state.stopping}`);
  return c.text("done\n");
});
app.get("/hang", async (c) => {
  console.error("hanging");
  await new Promise(() => {});
  return c.text("never\n");
});
app.get("/", (c) => c.text("hello\n"));

export default app;
