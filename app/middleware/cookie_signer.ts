/**
 * Cookies that only we can have written: a value with its HMAC behind it.
 *
 * The name is signed with the value, so one cookie cannot be passed off as another. The first key signs, all of them
 * verify: a new key is put in front, and the old one goes when the last cookie signed with it has ended.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createHmac, timingSafeEqual } from "node:crypto";

const KEY_CHARS = 16;

/**
 * Signs and verifies values.
 *
 * ```ts
 * import { App } from "@sluice/http";
 * import { CookieSigner } from "@sluice/http/middleware";
 *
 * const signer = new CookieSigner(["a key of at least 16 characters"]);
 * const app = new App();
 * app.get("/in", (c) => {
 *   c.setCookie("user", signer.sign("user", "ada"));
 *   return c.text("hello");
 * });
 * app.get("/", (c) => c.text(signer.verify("user", c.req.cookie("user")) ?? "nobody"));
 *
 * const cookie = (await app.request("/in")).headers.getSetCookie()[0]!.split(";")[0]!;
 * console.assert((await (await app.request("/", { headers: { cookie } })).text()) === "ada");
 * ```
 */
export class CookieSigner {
  readonly #keys: readonly string[];

  /** Keys, the newest first. Throws a `TypeError` without one, or for one shorter than 16 characters. */
  constructor(keys: readonly string[]) {
    if (keys.length === 0 || keys.some((key) => typeof key !== "string" || key.length < KEY_CHARS)) {
      throw new TypeError(`Cannot sign cookies: expected one or more keys of at least ${KEY_CHARS} characters`);
    }
    this.#keys = [...keys];
  }

  /** The value with its signature, for a cookie of this name. */
  sign(name: string, value: string): string {
    return `${value}.${mac(this.#keys[0]!, name, value).toString("base64url")}`;
  }

  /** The value of what `sign` made for this name; null for anything else. */
  verify(name: string, signed: string | null): string | null {
    const dot = signed?.lastIndexOf(".") ?? -1;
    if (signed === null || dot < 0) return null;
    const value = signed.slice(0, dot);
    const given = Buffer.from(signed.slice(dot + 1), "base64url");
    // Each key is tried, whichever is the right one.
    const isRight = this.#keys.map((key) => {
      const wanted = mac(key, name, value);
      return given.length === wanted.length && timingSafeEqual(given, wanted);
    });
    return isRight.includes(true) ? value : null;
  }
}

/** Name and value are told apart by a character that a name cannot have. */
function mac(key: string, name: string, value: string): Buffer {
  return createHmac("sha256", key).update(`${name}=${value}`).digest();
}
