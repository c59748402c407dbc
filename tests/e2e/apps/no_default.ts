// A module that forgot `export default app`.
import { App } from "../../../mod.ts";

export const app = new App();
