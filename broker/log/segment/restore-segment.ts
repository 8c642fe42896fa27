import { batchHeaderBytes, noTimestamp, readBatchInfo } from "../../../protocol/records/batch-header.ts";
import type { File } from "../../runtime/files.ts";
import type { LogDirectory } from "../log-directory.ts";
import { walkHeaders } from "./batch-walk.ts";
import { indexEnd } from "./index-end.ts";
import { offsetIndexFormat, relativeOffsetMax, timeIndexFormat } from "./index-format.ts";
import { rebuildIndexes, type SegmentDamage } from "./rebuild-indexes.ts";
import { type Segment, segmentPath } from "./segment.ts";
import { growingSegment } from "./segment-files.ts";
import { emptyLayout, type LayoutState, place } from "./segment-layout.ts";

export interface Restored {
  readonly segment: Segment;
  readonly layout: LayoutState;
  readonly endOffset: number;
}

/**
 * Makes a segment the log's last, ready to be written: reads the ends of its indexes, then the headers of the batches behind the last
 * entry.
 * Indexes that cannot be right are built anew. The reason instead when the batches are damaged.
 */
export async function restoreSegment(
  directory: LogDirectory,
  folder: string,
  baseOffset: number,
  file: File,
): Promise<Restored | { readonly damage: SegmentDamage }> {
  const logPath = segmentPath(folder, baseOffset, "log");
  const sizeInBytes = await file.size();
  const first = await restoreFromIndexes(directory, folder, baseOffset, file, sizeInBytes);
  if (first !== "indexes are damaged") return first;
  directory.logger.warn({ path: logPath }, "indexes are missing or damaged: building them anew from their segment");
  const damage = await rebuildIndexes(directory, { folder, logPath, baseOffset, sizeInBytes });
  if (damage !== null) return { damage };
  const second = await restoreFromIndexes(directory, folder, baseOffset, file, sizeInBytes);
  return second === "indexes are damaged" ? { damage: { position: 0, reason: "its indexes cannot be rebuilt" } } : second;
}

async function restoreFromIndexes(
  directory: LogDirectory,
  folder: string,
  baseOffset: number,
  file: File,
  sizeInBytes: number,
): Promise<Restored | { readonly damage: SegmentDamage } | "indexes are damaged"> {
  const offsets = await indexEnd(directory.files, offsetIndexFormat, segmentPath(folder, baseOffset, "index"), baseOffset);
  const times = await indexEnd(directory.files, timeIndexFormat, segmentPath(folder, baseOffset, "timeindex"), baseOffset);
  if (offsets === null || times === null) return "indexes are damaged";
  if (offsets.last !== null && (offsets.last.position <= 0 || offsets.last.position >= sizeInBytes)) return "indexes are damaged";

  const from = offsets.last?.position ?? 0;
  let layout: LayoutState = {
    ...emptyLayout(baseOffset, directory.clock.nowMs()),
    sizeInBytes: from,
    lastIndexedPosition: from,
    offsetEntries: offsets.entries,
    timeEntries: times.entries,
    lastTimeEntryMs: times.last?.timestampMs ?? noTimestamp,
    maxTimestampMs: times.last?.timestampMs ?? noTimestamp,
    offsetOfMaxTimestamp: times.last?.offset ?? baseOffset,
    firstTimestampMs: from === 0 ? noTimestamp : await firstTimestamp(file),
  };
  let endOffset = baseOffset;
  let indexFits = true;
  const walked = await walkHeaders(file, from, sizeInBytes, (batch) => {
    if (batch.position === from && offsets.last !== null && batch.lastOffset !== offsets.last.offset) indexFits = false;
    const isNewest = times.last !== null && batch.baseOffset <= times.last.offset && times.last.offset <= batch.lastOffset;
    if (isNewest && batch.maxTimestampMs !== times.last.timestampMs) indexFits = false;
    // a header's base offset is not covered by the CRC
    if (batch.baseOffset < endOffset || batch.lastOffset < batch.baseOffset || batch.lastOffset - baseOffset > relativeOffsetMax)
      return { refuse: `offsets ${batch.baseOffset} to ${batch.lastOffset} where ${endOffset} comes next` };
    layout = place(layout, batch, Number.POSITIVE_INFINITY).state;
    endOffset = batch.lastOffset + 1;
    return "on";
  });
  // a wrong position shows as a wrong batch, or as none
  if (!indexFits || (walked.damage !== null && offsets.last !== null && walked.endPosition === from)) return "indexes are damaged";
  if (walked.damage !== null) return { damage: { position: walked.endPosition, reason: walked.damage } };
  if (times.last !== null && times.last.offset >= endOffset) return "indexes are damaged";
  return { segment: growingSegment(folder, file, layout, { indexesSynced: true }), layout, endOffset };
}

async function firstTimestamp(file: File): Promise<number> {
  const header = Buffer.alloc(batchHeaderBytes);
  await file.read(header, 0, header.length, 0);
  return readBatchInfo(header, 0)?.maxTimestampMs ?? noTimestamp;
}
