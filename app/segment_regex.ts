/**
 * Which regular expressions a segment of a path may have.
 *
 * A client chooses what they are run on, and the engine cannot bound how long that takes. So the ways in which an
 * expression becomes slow are refused when the route is added: a repetition of what repeats or has alternatives
 * (exponential), back references and look-around, and more than three repetitions of no fixed count (polynomial). Segments
 * longer than `REGEX_SEGMENT_CHARS` match none, which leaves a few million steps for the worst of the rest.
 *
 * @module
 */

/** Segments beyond this match no regular expression: file names end there too, and identifiers long before. */
export const REGEX_SEGMENT_CHARS = 255;

const REPETITIONS_MAX = 3;

/** Each choice may double the ways to try: 256 of them at most. */
const CHOICES_MAX = 8;

/** What is wrong with the expression between the parentheses of `:name(…)`, or null. */
export function checkSegmentRegex(source: string): string | null {
  if (source === "") return "is empty";
  if (/[^\x20-\x7e]/.test(source)) return "has characters that are not ASCII, which paths do not have either";
  if (source.includes("/")) return "has a slash, but it is for one segment";
  try {
    new RegExp(`^(?:${source})$`, "u");
  } catch (error) {
    return `does not compile: ${(error as Error).message}`;
  }
  return new Scanner(source).problem();
}

/** What has been seen of a group. */
interface Group {
  /** It repeats something, or has alternatives: repeating it again is exponential. */
  isComplex: boolean;
}

/** Goes through an expression that compiles. */
class Scanner {
  readonly #source: string;
  #at = 0;
  #repetitions = 0;
  #choices = 0;
  readonly #groups: Group[] = [{ isComplex: false }];

  constructor(source: string) {
    this.#source = source;
  }

  problem(): string | null {
    while (this.#at < this.#source.length) {
      const problem = this.#item();
      if (problem !== null) return problem;
    }
    if (this.#groups.length > 1 || this.#groups.length === 0) return "has parentheses that do not match";
    if (this.#repetitions > REPETITIONS_MAX) return `has more than ${REPETITIONS_MAX} repetitions`;
    if (this.#choices > CHOICES_MAX) return `has more than ${CHOICES_MAX} choices ("?" and "|")`;
    return null;
  }

  /** One atom with its quantifier, one parenthesis or one bar. */
  #item(): string | null {
    const rest = this.#source.slice(this.#at);
    const top = this.#groups.at(-1);
    if (top === undefined) return "has parentheses that do not match";
    if (rest.startsWith("(")) {
      if (!rest.startsWith("(?:")) return 'has a group that is not "(?:…)"';
      this.#at += 3;
      this.#groups.push({ isComplex: false });
      return null;
    }
    if (rest.startsWith("|")) {
      this.#at++;
      top.isComplex = true;
      this.#choices++;
      return null;
    }
    if (/^\\(?:[1-9]|k)/.test(rest)) return "has a back reference";
    if (rest.startsWith(")")) {
      this.#at++;
      this.#groups.pop();
      const problem = this.#quantifier(top.isComplex);
      const outer = this.#groups.at(-1);
      if (outer !== undefined && top.isComplex) outer.isComplex = true;
      return problem;
    }
    this.#at += this.#atomLength(rest);
    return this.#quantifier(false);
  }

  #atomLength(rest: string): number {
    if (rest.startsWith("\\")) return /^\\(?:[pP]\{[^}]*\}|u\{[^}]*\}|.)/s.exec(rest)![0].length;
    if (!rest.startsWith("[")) return 1;
    for (let i = 1; i < rest.length; i++) {
      if (rest[i] === "\\") i++;
      else if (rest[i] === "]") return i + 1;
    }
    return rest.length;
  }

  /** The quantifier behind an atom or a group, if there is one. */
  #quantifier(isComplex: boolean): string | null {
    const found = /^(?:[*+?]|\{\d+(?:,\d*)?\})\??/.exec(this.#source.slice(this.#at))?.[0];
    if (found === undefined) return null;
    this.#at += found.length;
    if (found.startsWith("?")) {
      this.#choices++;
      const top = this.#groups.at(-1);
      if (top !== undefined) top.isComplex = true;
      return null;
    }
    if (isComplex) return "repeats a group that has a repetition or alternatives in it";
    const top = this.#groups.at(-1);
    if (top !== undefined) top.isComplex = true;
    if (/^(?:[*+]|\{\d+,)/.test(found)) this.#repetitions++;
    return null;
  }
}
