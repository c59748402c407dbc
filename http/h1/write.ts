/**
 * Answers of HTTP/1.1: status line, fields and framing (RFC 9112 sections 4 and 6), written into a `Writer`.
 *
 * Nearly every answer has the same head but for its length and the date, so heads are kept as templates by status and
 * content type, each patched when the second has changed. The server alone writes Date, Connection, Content-Length
 * and Transfer-Encoding; what a handler set under these names either agrees or is left out.
 *
 * @module
 */

import { utf8 } from "../bytes.ts";
import { DATE_BYTES, httpDate } from "../date.ts";
import { checkFieldName, checkFieldValue, type FieldList, findField, isConnectionField } from "../headers.ts";
import { COPY_BYTES } from "../limits.ts";
import { checkContent, type Reply } from "../message.ts";
import { checkStatus, isBodiless, reasonPhrase } from "../status.ts";
import type { Writer } from "../writer.ts";
import { CHUNK_END, chunkSizeLine, LAST_CHUNK } from "./chunked.ts";
import type { ReplyStream } from "./reply_stream.ts";
import type { H1Request } from "./request.ts";

/** How the end of a body is told. */
export const NO_BODY = -2, UNTIL_CLOSE = -3, BY_CHUNKS = -1;

/** Heads kept per loop; a handler that makes up content types must not fill the memory. */
const TEMPLATES_MAX = 256;

/** Lengths for which heads are kept whole; longer bodies pay for writing a number. */
const WHOLE_HEADS = 1024;

/** Bytes of a head, and the second that its date shows. */
interface Dated {
  readonly bytes: Uint8Array;
  second: number;
}

/** A head as far as status and content type decide it. */
interface Template extends Dated {
  readonly status: number;
  readonly contentType: string | null;
  /** Where the date is. */
  readonly dateAt: number;
  /** The same with Content-Length and the empty line, by the length. */
  readonly whole: (Dated | undefined)[];
}

/** Head templates and the current date; one per loop. */
export class HeadWriter {
  #second = -1;
  #date = "";
  readonly #templates = new Map<string | null, Map<number, Template>>();
  #count = 0;
  /** The template of the last answer; that of the next one is nearly always the same. */
  #lastTemplate: Template | null = null;

  /** Sets the time that Date fields show; cheap when the second has not changed. */
  setTime(epochMs: number): void {
    const second = Math.floor(epochMs / 1000);
    if (second === this.#second) return;
    this.#second = second;
    this.#date = httpDate(epochMs);
  }

  /**
   * Writes a head. `length` is the body's length in bytes, or `BY_CHUNKS`, `UNTIL_CLOSE` or `NO_BODY`; `connection` is
   * the value of the Connection field, empty for none.
   */
  write(
    writer: Writer,
    status: number,
    contentType: string | null,
    fields: FieldList | null,
    length: number,
    connection: string,
  ): void {
    const template = this.#template(status, contentType);
    if (fields === null && connection === "" && length >= 0 && length < WHOLE_HEADS) {
      const whole = template.whole[length] ??= wholeHead(template, length);
      if (whole.second !== this.#second) this.#setDate(whole, template.dateAt);
      writer.append(whole.bytes);
      return;
    }
    if (template.second !== this.#second) this.#setDate(template, template.dateAt);
    writer.append(template.bytes);
    if (connection !== "") writer.latin1(`Connection: ${connection}\r\n`);
    if (fields !== null) writeFields(writer, fields);
    if (length >= 0) {
      writer.latin1("Content-Length: ");
      writer.decimal(length);
      writer.latin1("\r\n\r\n");
    } else {
      writer.latin1(length === BY_CHUNKS ? "Transfer-Encoding: chunked\r\n\r\n" : "\r\n");
    }
  }

  #template(status: number, contentType: string | null): Template {
    const last = this.#lastTemplate;
    if (last !== null && last.status === status && last.contentType === contentType) return last;
    return this.#lastTemplate = this.#findTemplate(status, contentType);
  }

  #findTemplate(status: number, contentType: string | null): Template {
    let byStatus = this.#templates.get(contentType);
    if (byStatus === undefined) {
      byStatus = new Map();
      if (this.#count < TEMPLATES_MAX) this.#templates.set(contentType, byStatus);
    }
    let template = byStatus.get(status);
    if (template === undefined) {
      template = makeTemplate(status, contentType);
      if (this.#count < TEMPLATES_MAX) {
        this.#count++;
        byStatus.set(status, template);
      }
    }
    return template;
  }

  #setDate(head: Dated, dateAt: number): void {
    head.second = this.#second;
    for (let i = 0; i < DATE_BYTES; i++) head.bytes[dateAt + i] = this.#date.charCodeAt(i);
  }
}

function wholeHead({ bytes }: Template, length: number): Dated {
  const end = `Content-Length: ${length}\r\n\r\n`;
  const whole = new Uint8Array(bytes.length + end.length);
  whole.set(bytes);
  for (let i = 0; i < end.length; i++) whole[bytes.length + i] = end.charCodeAt(i);
  return { bytes: whole, second: -1 };
}

function makeTemplate(status: number, contentType: string | null): Template {
  const before = `HTTP/1.1 ${status} ${reasonPhrase(status)}\r\nDate: `;
  checkStatus(status);
  if (contentType !== null) checkFieldValue("Content-Type", contentType);
  const after = contentType === null ? "\r\n" : `\r\nContent-Type: ${contentType}\r\n`;
  const text = before + " ".repeat(DATE_BYTES) + after;
  return {
    status,
    contentType,
    bytes: Uint8Array.from(text, (character) => character.charCodeAt(0)),
    dateAt: before.length,
    second: -1,
    whole: [],
  };
}

/** The fields of a handler, without those that are the server's. */
function writeFields(writer: Writer, fields: FieldList): void {
  for (let i = 0; i < fields.length; i += 2) {
    const lower = fields[i]!.toLowerCase();
    if (isConnectionField(lower) || lower === "content-length" || lower === "date") continue;
    // Checked when it was set; a list that was changed since must not split the answer.
    checkFieldValue(checkFieldName(fields[i]!), fields[i + 1]!);
    writer.latin1(`${fields[i]}: ${fields[i + 1]}\r\n`);
  }
}

/**
 * The framing of an answer whose body has `length` bytes, -1 if that is not known yet. The answer to HEAD has the
 * fields of the answer to GET but no body; 204 and 304 have neither (RFC 9112 section 6.3, steps 1 and 2).
 */
function answerFraming(status: number, length: number, minor: number): number {
  if (isBodiless(status)) return NO_BODY;
  if (length >= 0) return length;
  return minor === 0 ? UNTIL_CLOSE : BY_CHUNKS;
}

/** The Content-Length that a handler set on a reply whose content has none of its own, -1 if it set none. */
function declaredLength(reply: Reply): number {
  const value = reply.fields === null ? null : findField(reply.fields, "content-length");
  return value !== null && /^\d{1,15}$/.test(value) ? Number(value) : -1;
}

/** Writes head and body of an answer whose content is at hand. `connection`: see `HeadWriter.write`. */
export function writeWhole(
  heads: HeadWriter,
  request: H1Request,
  reply: Reply,
  connection: string,
  writer: Writer,
): void {
  const { status, contentType, fields } = reply;
  const content = checkContent(reply.content);
  const isHead = request.method === "HEAD";
  if (typeof content === "string" && content.length <= COPY_BYTES && !isHead) {
    // In UTF-8 only ASCII has as many bytes as characters: try that length first, it nearly always holds.
    const start = writer.length;
    const framing = answerFraming(status, content.length, request.minor);
    heads.write(writer, status, contentType, fields, framing, connection);
    if (framing === NO_BODY) return;
    const bytes = writer.utf8(content);
    if (bytes === content.length) return;
    writer.truncate(start);
    heads.write(writer, status, contentType, fields, bytes, connection);
    writer.utf8(content);
    return;
  }
  const bytes = typeof content === "string" ? utf8(content) : content as Uint8Array | null;
  const length = bytes !== null ? bytes.length : isHead ? Math.max(0, declaredLength(reply)) : 0;
  const framing = answerFraming(status, length, request.minor);
  heads.write(writer, status, contentType, fields, framing, connection);
  if (bytes === null || isHead || framing === NO_BODY) return;
  if (bytes.length <= COPY_BYTES) writer.append(bytes);
  else writer.gather(bytes);
}

/** How the end of a streamed answer is told. */
export function streamFraming(request: H1Request, reply: Reply): number {
  return answerFraming(reply.status, declaredLength(reply), request.minor);
}

/** Writes the head of a streamed answer. */
export function writeStreamHead(
  heads: HeadWriter,
  reply: Reply,
  framing: number,
  connection: string,
  writer: Writer,
): void {
  const { status, contentType, fields } = reply;
  heads.write(writer, status, contentType, fields, framing, connection);
}

/** Writes the chunks that wait and, if the stream has ended, what ends the body. */
export function writeChunks(stream: ReplyStream, writer: Writer): void {
  const { framing } = stream;
  for (const chunk of stream.chunks) {
    if (chunk.length === 0) continue;
    if (framing === BY_CHUNKS) writer.latin1(chunkSizeLine(chunk.length));
    if (chunk.length <= COPY_BYTES) writer.append(chunk);
    else writer.gather(chunk);
    if (framing === BY_CHUNKS) writer.append(CHUNK_END);
  }
  stream.taken();
  if (stream.ended && framing === BY_CHUNKS) writer.append(LAST_CHUNK);
}
