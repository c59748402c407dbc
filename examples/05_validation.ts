// A body checked by a schema: typed for the handler, 422 with the list of what is wrong for the client.
import { App, HttpError } from "@sluice/http";
import { z } from "npm:zod@4.6.7";

const Note = z.object({ title: z.string().min(1).max(80), tags: z.array(z.string()).default([]) });
type Note = z.infer<typeof Note>;

const notes = new Map<number, Note>();
const app = new App();

app.post("/notes", async (c) => {
  const note = await c.req.json(Note);
  const id = notes.size + 1;
  notes.set(id, note);
  c.header("location", `/notes/${id}`);
  return c.json({ id, ...note }, 201);
});
app.get("/notes/:id(\\d+)", (c) => {
  const note = notes.get(Number(c.params.id));
  if (note === undefined) throw new HttpError(404, "No such note");
  return c.json(note);
});
export default app;
