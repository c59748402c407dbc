/**
 * Bodies checked by a schema, of any library that speaks Standard Schema (zod, valibot, arktype and others).
 *
 * @module
 */

import { HttpError } from "../http/errors.ts";

/** What is asked of a schema: the interface of https://standardschema.dev, version 1. */
export interface StandardSchema<Output = unknown> {
  /** The interface. */
  readonly "~standard": {
    /** 1. */
    readonly version: 1;
    /** Checks a value. */
    validate(value: unknown): SchemaResult<Output> | Promise<SchemaResult<Output>>;
    /** What the types of input and output are; not there when the program runs. */
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined;
  };
}

/** What a schema says of a value. */
export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

/** Something that a schema does not like. */
export interface SchemaIssue {
  /** What it is. */
  readonly message: string;
  /** Where it is. */
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** Issues that an answer lists: a client that got a thousand things wrong needs no list of them. */
const ISSUES_MAX = 20;

/** The value as the schema gives it. Rejects with an `HttpError` 422 that lists what is wrong. */
export async function checkBySchema<Output>(schema: StandardSchema<Output>, value: unknown): Promise<Output> {
  const result = await schema["~standard"].validate(value);
  if (result.issues === undefined) return result.value;
  const listed = result.issues.slice(0, ISSUES_MAX).map(({ message, path = [] }) => {
    const place = path.map((part) => String(typeof part === "object" ? part.key : part)).join(".");
    return place === "" ? message : `${place}: ${message}`;
  });
  const more = result.issues.length - listed.length;
  if (more > 0) listed.push(`and ${more} more`);
  throw new HttpError(422, listed.join("; "));
}
