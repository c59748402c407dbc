/**
 * Entity tags and the requests that name them (RFC 9110 sections 8.8.3 and 13.1.2).
 *
 * @module
 */

/** Whether an If-None-Match field names the tag, compared weakly: then the client has the content already. */
export function namesTag(ifNoneMatch: string | null, etag: string): boolean {
  if (ifNoneMatch === null) return false;
  const bare = (tag: string) => tag.trim().replace(/^W\//, "");
  return ifNoneMatch.trim() === "*" || ifNoneMatch.split(",").some((tag) => bare(tag) === bare(etag));
}

/** The tag of a form of the content that is coded: another one, for its bytes are others. */
export function codedTag(etag: string, coding: string): string {
  return etag.replace(/"$/, `-${coding}"`);
}
