import { parseSegmentFileName } from "../files/file-names.ts";
import { countAborted, replaceAborted } from "../segment/aborted-files.ts";
import { AbortedIndexDamaged } from "../segment/aborted-index.ts";
import type { SegmentIo } from "../segment/read-caches.ts";
import { segmentPath } from "../segment/segment.ts";
import { type LogExtent, readAborted } from "./producer-files.ts";

/** Writes the `.txnindex` files of the segments from `fromBase` on anew, from the log. Durable when this resolves. */
export async function rebuildAborted(io: SegmentIo, folder: string, extent: LogExtent & { readonly fromBase: number }): Promise<void> {
  await readAborted(io, folder, extent, (baseOffset, aborted) => replaceAborted(io, { folder, baseOffset }, aborted));
}

/**
 * How large those of closed segments are, by base offset; written anew where that is not what it was at the last stop. At once, and not
 * when one is read: where a file may be missing nothing but that stop's note tells of its loss, and after a crash there is none.
 * `bytesOf`: what a segment's had, or -1.
 */
export async function restoreLostAborted(
  io: SegmentIo,
  folder: string,
  bases: readonly number[],
  bytesOf: (baseOffset: number) => number,
): Promise<ReadonlyMap<number, number>> {
  const names = (await io.files.list(folder)).map(parseSegmentFileName);
  const there = new Set(names.flatMap((name) => (name?.kind === "txnindex" ? [name.baseOffset] : [])));
  const path = (baseOffset: number) => segmentPath(folder, baseOffset, "txnindex");
  const sizes = new Map<number, number>();
  for (const [i, baseOffset] of bases.slice(0, -1).entries()) {
    const found = there.has(baseOffset) ? await io.files.size(path(baseOffset)) : 0;
    sizes.set(baseOffset, found);
    if (bytesOf(baseOffset) < 0 || bytesOf(baseOffset) === found) continue;
    io.logger.warn({ path: path(baseOffset) }, "index of aborted transactions was changed since the last stop: rebuilding it from the log");
    await rebuildAborted(io, folder, { bases: bases.slice(0, i + 1), fromBase: baseOffset, endOffset: bases[i + 1]! });
    sizes.set(baseOffset, (await io.files.exists(path(baseOffset))) ? await io.files.size(path(baseOffset)) : 0);
  }
  return sizes;
}

/** The same for the last segment, where its file cannot be right. `expectedBytes`: what it must have, or -1. */
export async function settleAborted(io: SegmentIo, folder: string, extent: LogExtent, expectedBytes: number): Promise<void> {
  const baseOffset = extent.bases.at(-1)!;
  try {
    await countAborted(io, { folder, baseOffset }, expectedBytes);
  } catch (error) {
    if (!(error instanceof AbortedIndexDamaged)) throw error;
    io.logger.warn({ folder, baseOffset, damage: error.message }, "index of aborted transactions is damaged: rebuilding it from the log");
    await rebuildAborted(io, folder, { ...extent, fromBase: baseOffset });
  }
}
