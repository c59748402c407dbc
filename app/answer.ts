/**
 * The fields that `c.header()` adds to an answer on its way out.
 *
 * An answer that a handler returned is never changed, it may be kept and returned again: one with further fields is a
 * copy. Fields that were set take the place of those of the answer, appended ones go behind them.
 *
 * @module
 */

import {
  appendField,
  checkFieldName,
  checkFieldValue,
  deleteField,
  type FieldList,
  setField,
} from "../http/headers.ts";
import { type Answer, Reply } from "../http/message.ts";

/** Fields that describe the content, and are wrong for the error that is sent in its place (RFC 9110 section 8). */
const CONTENT_FIELDS: readonly string[] = [
  "content-disposition",
  "content-encoding",
  "content-language",
  "content-length",
  "content-location",
  "content-range",
  "etag",
  "last-modified",
];

/** Fields for an answer that need not be there yet. */
export class AddedFields {
  readonly #list: FieldList = [];
  /** Lower-case names whose fields in the answer make way. */
  readonly #replaced: Set<string> = new Set();
  #contentType: string | null = null;

  /** Sets a field, in place of all under its name. Throws a `TypeError` for a name or value that cannot be sent. */
  set(name: string, value: string): void {
    const lower = checkFieldName(name).toLowerCase();
    if (lower === "content-type") {
      this.#contentType = checkFieldValue(name, value);
      return;
    }
    setField(this.#list, name, value);
    this.#replaced.add(lower);
  }

  /** Adds a field, behind those under its name. Throws a `TypeError` as `set` does, and for Content-Type. */
  append(name: string, value: string): void {
    if (checkFieldName(name).toLowerCase() === "content-type") {
      throw new TypeError(`Cannot append to header ${name}: an answer has one content type, set it instead`);
    }
    appendField(this.#list, name, value);
  }

  /** Forgets what describes a content that will not be sent. */
  dropContentFields(): void {
    this.#contentType = null;
    for (const name of CONTENT_FIELDS) {
      deleteField(this.#list, name);
      this.#replaced.delete(name);
    }
  }

  /** A copy of the answer with the fields. Throws a `TypeError` or `RangeError` for a `Response` that is no use. */
  onto(answer: Answer): Answer {
    if (answer instanceof Reply) {
      const contentType = this.#contentType ?? answer.contentType;
      return new Reply(answer.content, answer.status, contentType, this.#merged(answer.fields));
    }
    if (answer.bodyUsed) throw new TypeError("Cannot send this Response: its body has been used already");
    const copy = new Response(answer.body, answer);
    for (const name of this.#replaced) copy.headers.delete(name);
    for (let i = 0; i < this.#list.length; i += 2) copy.headers.append(this.#list[i]!, this.#list[i + 1]!);
    if (this.#contentType !== null) copy.headers.set("content-type", this.#contentType);
    return copy;
  }

  #merged(fields: FieldList | null): FieldList {
    const merged: FieldList = [];
    for (let i = 0; fields !== null && i < fields.length; i += 2) {
      if (!this.#replaced.has(fields[i]!.toLowerCase())) merged.push(fields[i]!, fields[i + 1]!);
    }
    for (const text of this.#list) merged.push(text);
    return merged;
  }
}
