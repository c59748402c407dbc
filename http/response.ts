/**
 * A web-standard `Response` as a `Reply`.
 *
 * The Fetch API does not tell a response made of one string from one made of a live stream, so the body is read: if
 * its first chunk is also its last, which shows at once, the reply has a known length; else it goes on as a stream.
 *
 * @module
 */

import type { FieldList } from "./headers.ts";
import { Reply } from "./message.ts";

/** Turns of the microtask queue in which a stream that has ended says so. */
const SETTLE_TURNS = 6;

/**
 * The reply that a response means; at once if it has no body. Throws a `TypeError` if its body was used already, a
 * `RangeError` for a status that cannot be sent (`Response.error()`); the promise rejects if the body fails at once.
 * `onReading` gets a function that stops the producer while the promise is pending.
 */
export function replyOf(
  response: Response,
  onReading: (cancel: (reason: unknown) => void) => void = () => {},
): Reply | Promise<Reply> {
  if (response.bodyUsed) throw new TypeError("Cannot send this Response: its body has been used already");
  let contentType: string | null = null;
  let fields: FieldList | null = null;
  for (const [name, value] of response.headers) {
    if (name === "content-type" && contentType === null) contentType = value;
    else (fields ??= []).push(name, value);
  }
  const reply = new Reply(null, response.status, contentType, fields);
  if (response.body === null) return reply;
  const reader = response.body.getReader();
  onReading((reason) => void reader.cancel(reason).catch(() => {}));
  return fill(reply, reader);
}

async function fill(reply: Reply, reader: ReadableStreamDefaultReader<Uint8Array>): Promise<Reply> {
  const first = await reader.read();
  if (first.done) {
    reply.content = "";
    return reply;
  }
  if (!(first.value instanceof Uint8Array)) {
    const error = new TypeError(`Cannot send a chunk of type ${typeof first.value}: a stream has to give Uint8Array`);
    reader.cancel(error).catch(() => {});
    throw error;
  }
  let last = false;
  const second = reader.read();
  second.then(({ done }) => last = done, () => {});
  for (let turn = 0; turn < SETTLE_TURNS && !last; turn++) await null;
  reply.content = last ? first.value : rejoin(reader, first.value, second);
  return reply;
}

/** The stream again, of which one chunk was taken and another asked for. */
function rejoin(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  first: Uint8Array,
  second: Promise<ReadableStreamReadResult<Uint8Array>>,
): ReadableStream<Uint8Array> {
  let next: Promise<ReadableStreamReadResult<Uint8Array>> | null = second;
  return new ReadableStream({
    start(controller): void {
      controller.enqueue(first);
    },
    async pull(controller): Promise<void> {
      const { done, value } = await (next ?? reader.read());
      next = null;
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel(reason): Promise<void> {
      return reader.cancel(reason);
    },
  }, { highWaterMark: 0 });
}
