/** The list of fuzzers: what `deno task fuzz` runs, in this order. */

import { chunked } from "./chunked.ts";
import { connection } from "./connection.ts";
import type { Fuzzer } from "./fuzzer.ts";
import { h1 } from "./h1.ts";
import { shim } from "./shim.ts";

export const FUZZERS: readonly Fuzzer[] = [h1, chunked, connection, shim];
