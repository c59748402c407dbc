/**
 * Random numbers that can be had again: the same seed gives the same numbers, on every machine.
 *
 * A test prints its seed; `SLUICE_SEED=7 deno test …` runs it with another one.
 *
 * @module
 */

/** The seed of this run: `SLUICE_SEED`, or 1. */
export const SEED: number = Number(Deno.env.get("SLUICE_SEED") ?? 1) >>> 0;

/** Seeded generator (mulberry32): fast, good enough for test data, of no use for secrets. */
export class Prng {
  #state: number;

  constructor(readonly seed: number = SEED) {
    this.#state = seed >>> 0;
  }

  /** An integer from 0 to 2^32 - 1. */
  uint32(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ mixed >>> 15, mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ mixed >>> 7, mixed | 61);
    return (mixed ^ mixed >>> 14) >>> 0;
  }

  /** An integer from 0 to `count` - 1. */
  below(count: number): number {
    return Math.floor(this.uint32() / 2 ** 32 * count);
  }

  /** An integer from `least` to `most`, both included. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  /** True once in `count` times. */
  oneIn(count: number): boolean {
    return this.below(count) === 0;
  }

  /** One of the items. */
  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }

  /** That many random bytes. */
  bytes(count: number): Uint8Array<ArrayBuffer> {
    return Uint8Array.from({ length: count }, () => this.below(256));
  }

  /** That many characters out of an alphabet. */
  text(count: number, alphabet: string): string {
    return Array.from({ length: count }, () => alphabet[this.below(alphabet.length)]).join("");
  }
}
