import type { BatchInfo } from "../../../protocol/records/batch-header.ts";
import { scanBatches } from "../../../protocol/records/validate-batches.ts";
import { DamagedBatch } from "../log-contract.ts";
import { refuseEpoch } from "../segment/batch-walk.ts";
import type { SegmentIo } from "../segment/read-caches.ts";
import type { Segment } from "../segment/segment.ts";
import { type BelievedGaps, refuseJoin } from "../segment/segment-joins.ts";
import type { Pace } from "./pace.ts";

const windowBytes = 256 * 1024;

/** A log cannot be compacted: where, and why. Appends and reads continue. */
export class CleaningFailed extends Error {
  override readonly name = "CleaningFailed";
}

/** Whole batches of a segment, checked. Their positions are those in `bytes`. */
export interface BatchRun {
  readonly bytes: Buffer;
  readonly batches: readonly BatchInfo[];
}

export interface ReadFrom {
  readonly position: number;
  /** Where the next segment begins: this one must reach up to there. */
  readonly nextBase: number;
  readonly believedGaps: BelievedGaps;
}

/**
 * The batches of a sealed segment from `position` on, a quarter of a mebibyte at a time, more where one batch is larger. Throws
 * DamagedBatch.
 */
export async function* readBatches(
  io: SegmentIo,
  segment: Segment,
  { position: from, nextBase, believedGaps }: ReadFrom,
  pace: Pace,
): AsyncGenerator<BatchRun, void> {
  const { sizeInBytes, logPath } = segment;
  let wantedBytes = windowBytes;
  let nextOffset = segment.baseOffset;
  const damaged = (position: number, reason: string) =>
    new DamagedBatch({ kind: "batch", path: logPath, position, offset: nextOffset, reason });
  for (let at = from; at < sizeInBytes; ) {
    const length = Math.min(wantedBytes, sizeInBytes - at);
    const bytes = Buffer.allocUnsafe(length);
    const position = at;
    const count = await segment.use(io, (file) => file.read(bytes, 0, length, position));
    await pace.transferred(count);
    if (count < length) throw damaged(at + count, `the file ends there, and had ${sizeInBytes} bytes`);
    const { batches, endPosition, tail } = scanBatches(bytes);
    for (const { position, leaderEpoch } of batches) {
      const refused = refuseEpoch(leaderEpoch);
      if (refused !== null) throw damaged(at + position, refused);
    }
    nextOffset = (batches.at(-1)?.lastOffset ?? nextOffset - 1) + 1;
    if (batches.length > 0) yield { bytes, batches };
    at += endPosition;
    if (tail.kind === "corrupt") throw damaged(at, tail.reason);
    wantedBytes = Math.max(windowBytes, tail.kind === "torn" ? tail.neededBytes : 0);
    if (tail.kind === "torn" && at + Math.max(tail.neededBytes, 1) > sizeInBytes) throw damaged(at, "the last batch is not all there");
  }
  // a copy that spans a hole would make it look compacted
  const refused = refuseJoin(nextOffset, nextBase, believedGaps);
  if (refused !== null) throw damaged(sizeInBytes, refused);
}
