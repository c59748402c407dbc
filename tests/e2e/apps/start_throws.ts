// An app whose start hook fails.
import { App } from "../../../mod.ts";

export default new App({
  start(): void {
    throw new Error("the database is not there");
  },
});
