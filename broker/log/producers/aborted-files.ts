import { countAborted, replaceAborted } from "../segment/aborted-files.ts";
import { AbortedIndexDamaged } from "../segment/aborted-index.ts";
import type { SegmentIo } from "../segment/read-caches.ts";
import { type LogExtent, readAborted } from "./producer-files.ts";

/** Writes the `.txnindex` files of the segments from `fromBase` on anew, from the log. Durable when this resolves. */
export async function rebuildAborted(io: SegmentIo, folder: string, extent: LogExtent & { readonly fromBase: number }): Promise<void> {
  await readAborted(io, folder, extent, (baseOffset, aborted) => replaceAborted(io, { folder, baseOffset }, aborted));
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
