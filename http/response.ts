/**
 * A web-standard `Response` as a `Reply`.
 *
 * The Fetch API does not tell a response made of one string from one made of a live stream, so the body is read: if
 * its first chunk is there and is also its last, which shows at once, the reply has a known length; else it goes on as
 * a stream.
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
  const first = watch(reader.read());
  await settle(first);
  // A live stream whose first chunk is still to come: the head need not wait for it.
  if (!first.settled) {
    reply.content = rejoin(reader, [first.promise]);
    return reply;
  }
  const { done, value } = await first.promise;
  if (done) {
    reply.content = "";
    return reply;
  }
  if (!(value instanceof Uint8Array)) {
    const error = new TypeError(`Cannot send a chunk of type ${typeof value}: a stream has to give Uint8Array`);
    reader.cancel(error).catch(() => {});
    throw error;
  }
  const second = watch(reader.read());
  await settle(second);
  const isLast = second.settled && await second.promise.then(({ done }) => done, () => false);
  reply.content = isLast ? value : rejoin(reader, [first.promise, second.promise]);
  return reply;
}

/** A read, and whether it has come to an end. */
interface Watched {
  readonly promise: Promise<ReadableStreamReadResult<Uint8Array>>;
  settled: boolean;
}

function watch(promise: Promise<ReadableStreamReadResult<Uint8Array>>): Watched {
  const watched = { promise, settled: false };
  const note = () => watched.settled = true;
  promise.then(note, note);
  return watched;
}

/** Lets microtasks run until the read has come to an end, a few times at most. */
async function settle(read: Watched): Promise<void> {
  for (let turn = 0; turn < SETTLE_TURNS && !read.settled; turn++) await null;
}

/** The stream again, of which some reads were begun. */
function rejoin(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  begun: Promise<ReadableStreamReadResult<Uint8Array>>[],
): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async pull(controller): Promise<void> {
      const { done, value } = await (begun.shift() ?? reader.read());
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel(reason): Promise<void> {
      return reader.cancel(reason);
    },
  }, { highWaterMark: 0 });
}
