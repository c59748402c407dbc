/**
 * `c.res`: the answer so far, as middleware sees it behind `next()`.
 *
 * A `Reply` and a `Response` look the same here, and both can be changed, although the headers of a `Response` may be
 * immutable and a `Reply` may be kept by whoever made it: what is changed is a copy, made at the first change. An answer
 * that nobody looked into is passed on as it is.
 *
 * @module
 */

import { checkFieldName, checkFieldValue, deleteField, type FieldList } from "../http/headers.ts";
import { type Answer, type Content, isStream, Reply } from "../http/message.ts";
import { checkStatus } from "../http/status.ts";

/**
 * The header fields of an answer, names in any case. Content-Type is one of them; what the server writes itself (Date,
 * Content-Length and the connection's fields) is not.
 */
export class AnswerHeaders {
  readonly #fields: FieldList;
  readonly #onChange: () => void;

  /**
   * Takes a list over. `onChange` is called before each change.
   *
   * @internal
   */
  constructor(fields: FieldList, onChange: () => void) {
    this.#fields = fields;
    this.#onChange = onChange;
  }

  /** The value of a field, several joined by `", "`, or null. */
  get(name: string): string | null {
    const lower = name.toLowerCase();
    let found: string | null = null;
    for (let i = 0; i < this.#fields.length; i += 2) {
      if (this.#fields[i]!.toLowerCase() !== lower) continue;
      found = found === null ? this.#fields[i + 1]! : `${found}, ${this.#fields[i + 1]}`;
    }
    return found;
  }

  /** The values of all Set-Cookie fields. */
  getSetCookie(): string[] {
    return [...this].filter(([name]) => name === "set-cookie").map(([, value]) => value);
  }

  /** Whether there is such a field. */
  has(name: string): boolean {
    return this.get(name) !== null;
  }

  /** Sets a field, in place of all under its name. Throws a `TypeError` for a name or value that cannot be sent. */
  set(name: string, value: string): void {
    const checked = checkFieldValue(checkFieldName(name), value);
    this.#onChange();
    deleteField(this.#fields, name);
    this.#fields.push(name, checked);
  }

  /**
   * Adds a field behind those under its name; an answer has one Content-Type, which is replaced. Throws a `TypeError` as
   * `set` does.
   */
  append(name: string, value: string): void {
    if (name.toLowerCase() === "content-type") return this.set(name, value);
    const checked = checkFieldValue(checkFieldName(name), value);
    this.#onChange();
    this.#fields.push(name, checked);
  }

  /** Takes out every field of that name. */
  delete(name: string): void {
    this.#onChange();
    deleteField(this.#fields, name);
  }

  /** Names, in lower case, and values, in the order they are sent. */
  *[Symbol.iterator](): IterableIterator<[string, string]> {
    for (let i = 0; i < this.#fields.length; i += 2) yield [this.#fields[i]!.toLowerCase(), this.#fields[i + 1]!];
  }
}

/** An answer, to look into and to change. */
export class AnswerView {
  #answer: Answer;
  #status: number;
  /** All fields, once somebody has asked for them. */
  #fields: FieldList | null = null;
  #headers: AnswerHeaders | null = null;
  #changed = false;

  /**
   * A view of an answer, which is not changed itself.
   *
   * @internal
   */
  constructor(answer: Answer) {
    this.#answer = answer;
    this.#status = answer.status;
  }

  /** The status. Throws a `RangeError` when it is set to what is no integer from 200 to 599. */
  get status(): number {
    return this.#status;
  }
  set status(status: number) {
    this.#status = checkStatus(status);
    this.#changed = true;
  }

  /** The header fields that the handler set, and those that were set here since. */
  get headers(): AnswerHeaders {
    return this.#headers ??= new AnswerHeaders(this.#ownFields(), () => this.#changed = true);
  }

  /** What is sent behind the head. What was text or bytes is text or bytes here; a `Response` has a stream, or null. */
  get content(): Content {
    return this.#answer instanceof Reply ? this.#answer.content : this.#answer.body;
  }

  /** Puts other content in place of what is there: whoever takes the old one out of here has to read or cancel it. */
  set content(content: Content) {
    const fields = this.#ownFields();
    deleteField(fields, "content-length");
    this.#answer = new Reply(content);
    this.#changed = true;
  }

  /** Whether the content comes by and by. */
  get isStream(): boolean {
    return isStream(this.content);
  }

  #ownFields(): FieldList {
    return this.#fields ??= allFields(this.#answer);
  }

  /**
   * What is to be sent: the answer itself if nothing was changed. Throws a `TypeError` for a `Response` whose body was
   * used.
   *
   * @internal
   */
  answer(): Answer {
    if (!this.#changed) return this.#answer;
    const answer = this.#answer;
    if (answer instanceof Reply) {
      if (this.#fields === null) return new Reply(answer.content, this.#status, answer.contentType, answer.fields);
      const { fields, contentType } = splitContentType(this.#fields);
      return new Reply(answer.content, this.#status, contentType, fields);
    }
    if (answer.bodyUsed) throw new TypeError("Cannot send this Response: its body has been used already");
    const headers = this.#fields === null ? answer.headers : pairs(this.#fields);
    return new Response(answer.body, { status: this.#status, headers });
  }
}

function allFields(answer: Answer): FieldList {
  const fields: FieldList = [];
  if (!(answer instanceof Reply)) {
    for (const [name, value] of answer.headers) fields.push(name, value);
    return fields;
  }
  if (answer.contentType !== null) fields.push("content-type", answer.contentType);
  if (answer.fields !== null) { for (const text of answer.fields) fields.push(text); }
  return fields;
}

function splitContentType(all: FieldList): { fields: FieldList | null; contentType: string | null } {
  let contentType: string | null = null;
  const fields: FieldList = [];
  for (let i = 0; i < all.length; i += 2) {
    if (all[i]!.toLowerCase() === "content-type") contentType = all[i + 1]!;
    else fields.push(all[i]!, all[i + 1]!);
  }
  return { fields: fields.length === 0 ? null : fields, contentType };
}

function pairs(fields: FieldList): [string, string][] {
  return Array.from({ length: fields.length / 2 }, (_, i) => [fields[2 * i]!, fields[2 * i + 1]!]);
}
