import type { LogDirectoryDescription } from "../../client/index.ts";

/** The share of a directory's disk that cannot be written any more, from 0 to 1; null: the broker does not say, or cannot use it. */
export function diskUsed({ error, totalBytes, usableBytes }: LogDirectoryDescription): number | null {
  return error !== null || totalBytes <= 0 || usableBytes < 0 ? null : 1 - Math.min(1, usableBytes / totalBytes);
}
