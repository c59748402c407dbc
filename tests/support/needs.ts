/**
 * Tests that need something from outside: a program, or data beside the repository.
 *
 * Without it the test is skipped and says how to get it. Where CI is set nobody reads that, so there a test fails when
 * what it needs could have been installed; data that cannot be installed is skipped there too.
 *
 * ```ts
 * const wrk = needs({ programs: ["wrk"], debian: "wrk" });
 * Deno.test({ name: "load", fn: measure, ...unless(wrk) }); // `unless` last: in CI it takes the place of `fn`
 * ```
 *
 * @module
 */

import { delimiter } from "node:path";

export interface Needed {
  /** Names of programs that have to be on PATH. */
  readonly programs?: readonly string[];
  /** Files or folders, relative to the repository. */
  readonly paths?: readonly string[];
  /** The Debian packages (separated by blanks) that bring the programs. */
  readonly debian?: string;
  /** The package registries; people without a network set SLUICE_OFFLINE. */
  readonly registries?: boolean;
}

/** What `needs` found out. */
export interface Need {
  /** Why the test cannot run, in one sentence; undefined when everything is there. */
  readonly missing: string | undefined;
  readonly installable: boolean;
}

/** What becomes of the test. */
export interface Fate {
  readonly ignore?: boolean;
  readonly fn?: () => void;
}

const ROOT = new URL("../../", import.meta.url);

/** Looks whether all of it is there, and says so once when it is not. */
export function needs({ programs = [], paths = [], debian, registries = false }: Needed): Need {
  const path = paths.find((path) => !exists(new URL(path, ROOT)));
  const program = programs.find((program) => !isOnPath(program));
  const offline = registries && (Deno.env.get("SLUICE_OFFLINE") ?? "") !== "";
  const installable = !offline && path === undefined && program !== undefined && debian !== undefined;
  let missing: string | undefined;
  if (offline) missing = "it needs the package registries, and SLUICE_OFFLINE is set";
  else if (path !== undefined) missing = `${path} is not there: it is optional data beside the repository`;
  else if (installable) missing = `${program} is not installed: apt-get install ${debian}`;
  else if (program !== undefined) missing = `${program} is not on PATH`;
  if (missing !== undefined) console.log(`${installable && inCi() ? "missing" : "skipped"}: ${missing}`);
  return { missing, installable };
}

/** Spread it last into the definition of a test. */
export function unless({ missing, installable }: Need): Fate {
  if (missing === undefined) return {};
  if (!installable || !inCi()) return { ignore: true };
  return {
    fn: () => {
      throw new Error(missing);
    },
  };
}

function inCi(): boolean {
  return !["", "0", "false"].includes(Deno.env.get("CI") ?? "");
}

function isOnPath(program: string): boolean {
  const folders = (Deno.env.get("PATH") ?? "").split(delimiter);
  return folders.some((folder) => folder !== "" && exists(`${folder}/${program}`));
}

function exists(path: string | URL): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}
