/**
 * Header fields that a handler sends: a flat list of alternating names and values, checked when they are set.
 *
 * Checking at the call, not at the write, means that a header injection is an exception in the handler that tried it
 * (and so a 500), before a byte has gone out (RFC 9112 section 11.1).
 *
 * @module
 */

import { IS_FIELD_VALUE, IS_TOKEN } from "./bytes.ts";

/** Alternating names and values: `["content-language", "de", "vary", "accept"]`. */
export type FieldList = string[];

/** Fields that belong to the connection: the server writes them itself, whatever a handler says. */
const CONNECTION_FIELDS: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Whether the (lower-case) name is of a field that the server alone writes (RFC 9110 section 7.6.1). */
export function isConnectionField(lowerName: string): boolean {
  return CONNECTION_FIELDS.has(lowerName);
}

/** Throws a `TypeError` unless `name` is a token (RFC 9110 section 5.1). */
export function checkFieldName(name: string): string {
  let ok = typeof name === "string" && name.length > 0;
  for (let i = 0; ok && i < name.length; i++) {
    const code = name.charCodeAt(i);
    ok = code < 0x80 && IS_TOKEN[code] === 1;
  }
  if (!ok) throw new TypeError(`Cannot set a header named ${JSON.stringify(name)}: expected a token like "x-name"`);
  return name;
}

/**
 * The value without white space around it. Throws a `TypeError` if it holds a control character or a character beyond
 * Latin-1, neither of which fits into a field (RFC 9110 section 5.5).
 */
export function checkFieldValue(name: string, value: string): string {
  if (typeof value !== "string") {
    throw new TypeError(`Cannot set header ${name}: expected a string, got ${typeof value}`);
  }
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    if (code > 0xff || IS_FIELD_VALUE[code] !== 1) {
      throw new TypeError(
        `Cannot set header ${name} to ${JSON.stringify(value)}: character ${i} is not allowed in a header value`,
      );
    }
  }
  return value.trim();
}

/** The first value of a (lower-case) name in a list, or null. */
export function findField(fields: FieldList, lowerName: string): string | null {
  for (let i = 0; i < fields.length; i += 2) {
    if (fields[i]!.toLowerCase() === lowerName) return fields[i + 1]!;
  }
  return null;
}

/** Sets a field in a list, in place of all that it had under that name. Checks both. */
export function setField(fields: FieldList, name: string, value: string): void {
  checkFieldName(name);
  const checked = checkFieldValue(name, value);
  deleteField(fields, name);
  fields.push(name, checked);
}

/** Adds a field to a list, behind what it has under that name. Checks both. */
export function appendField(fields: FieldList, name: string, value: string): void {
  checkFieldName(name);
  fields.push(name, checkFieldValue(name, value));
}

/** Takes every field of that name out of a list. */
export function deleteField(fields: FieldList, name: string): void {
  const lower = name.toLowerCase();
  for (let i = fields.length - 2; i >= 0; i -= 2) {
    if (fields[i]!.toLowerCase() === lower) fields.splice(i, 2);
  }
}

/** Throws a `TypeError` if a field of the list cannot be sent; returns the list. */
export function checkFields(fields: FieldList): FieldList {
  for (let i = 0; i < fields.length; i += 2) checkFieldValue(checkFieldName(fields[i]!), fields[i + 1]!);
  return fields;
}

/** Content types that were checked before: there are few, and each is used again and again. */
const checkedTypes = new Set<string>();
const CHECKED_TYPES_MAX = 64;
let lastChecked = "";

/** Throws a `TypeError` if it is no field value; returns it. */
export function checkContentType(contentType: string): string {
  if (contentType === lastChecked) return contentType;
  if (!checkedTypes.has(contentType)) {
    checkFieldValue("Content-Type", contentType);
    if (checkedTypes.size < CHECKED_TYPES_MAX) checkedTypes.add(contentType);
  }
  lastChecked = contentType;
  return contentType;
}
