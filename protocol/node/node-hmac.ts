import { createHmac, timingSafeEqual } from "node:crypto";

/** HMAC-SHA-256, in base64. It depends on its arguments alone, so it is not injected as non-deterministic parts are. */
export function hmacSha256(key: string, text: string): string {
  return createHmac("sha256", key).update(text, "utf8").digest("base64");
}

/** Constant time: the duration does not tell where the two differ. */
export function isSameCode(theirs: string, ours: string): boolean {
  const [a, b] = [Buffer.from(theirs, "utf8"), Buffer.from(ours, "utf8")];
  return a.length === b.length && timingSafeEqual(a, b);
}
