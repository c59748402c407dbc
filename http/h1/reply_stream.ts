/**
 * A reply whose content is a stream: chunks wait here between the producer and the connection.
 *
 * The pump reads the stream only while less than `waitBytes` wait and the connection is not congested, so a slow
 * reader slows the producer down instead of filling memory.
 *
 * @module
 */

/** Chunks on their way out. */
export class ReplyStream {
  /** Chunks to write, in order. */
  readonly chunks: Uint8Array[] = [];
  /** Their bytes. */
  waiting = 0;
  /** The producer has closed. */
  ended = false;
  /** The producer has failed: it threw, gave something that is no bytes, or not as many as it had announced. */
  failed: unknown = undefined;

  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #total = 0;
  #resume: (() => void) | null = null;
  #cancelled = false;

  constructor(
    stream: ReadableStream<Uint8Array>,
    /** How its end is told: see write.ts. */
    readonly framing: number,
    readonly waitBytes: number,
    readonly onProgress: () => void,
  ) {
    this.#reader = stream.getReader();
  }

  /** Whether nothing more will come: everything is in `chunks`, or it has failed. */
  get settled(): boolean {
    return this.ended || this.failed !== undefined;
  }

  /** Whether there is something to write, or its end to see. */
  get hasNews(): boolean {
    return this.chunks.length > 0 || this.settled;
  }

  /** Reads until the end, a failure or `cancel`. Never rejects. */
  async pump(): Promise<void> {
    try {
      while (!this.#cancelled) {
        const { done, value } = await this.#reader.read();
        if (this.#cancelled) return;
        if (done) break;
        if (!(value instanceof Uint8Array)) {
          throw new TypeError(`Cannot send a chunk of type ${typeof value}: a response stream has to give Uint8Array`);
        }
        this.#total += value.length;
        if (this.framing >= 0 && this.#total > this.framing) {
          throw new RangeError(`response stream gave more than its Content-Length of ${this.framing} bytes`);
        }
        this.chunks.push(value);
        this.waiting += value.length;
        this.onProgress();
        if (this.waiting >= this.waitBytes) await new Promise<void>((resolve) => this.#resume = resolve);
      }
      if (this.#cancelled) return;
      if (this.#total < this.framing) {
        const length = `its Content-Length of ${this.framing} bytes`;
        throw new RangeError(`response stream ended after ${this.#total} of ${length}`);
      }
      this.ended = true;
    } catch (error) {
      this.failed = error ?? new Error("the stream failed without a reason");
      this.#reader.cancel(error).catch(() => {});
    }
    this.onProgress();
  }

  /** The connection has taken the chunks and can take more. */
  taken(): void {
    this.chunks.length = 0;
    this.waiting = 0;
  }

  /** Lets the producer go on. */
  resume(): void {
    const resume = this.#resume;
    this.#resume = null;
    resume?.();
  }

  /** The client is gone: stops the producer. */
  cancel(reason: unknown): void {
    if (this.#cancelled || this.settled) return;
    this.#cancelled = true;
    this.chunks.length = 0;
    this.#reader.cancel(reason).catch(() => {});
    this.resume();
  }
}
