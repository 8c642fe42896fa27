import type { Clock } from "../../../protocol/base/clock.ts";
import { batchHeaderBytes, noTimestamp, readBatchInfo } from "../../../protocol/records/batch-header.ts";
import type { File } from "../../runtime/files.ts";
import { segmentFileKinds } from "../files/file-names.ts";
import { countAborted, replaceAborted } from "./aborted-files.ts";
import { abortedIndexFormat } from "./aborted-index.ts";
import { walkHeaders } from "./batch-walk.ts";
import { GrowingIndex, indexEnd, offsetIndexFormat, relativeOffsetMax, timeIndexFormat } from "./index-file.ts";
import { forgetFile, type SegmentIo } from "./read-caches.ts";
import { rebuildIndexes, type SegmentDamage } from "./rebuild-indexes.ts";
import { Segment, segmentPath } from "./segment.ts";
import { emptyLayout, type LayoutState, place } from "./segment-layout.ts";

/** A new, empty segment to write to. Whatever an earlier run left under its names is emptied. */
export async function createSegment(io: SegmentIo, folder: string, baseOffset: number): Promise<Segment> {
  const { files, openFiles } = io;
  for (const kind of ["index", "timeindex"] as const) {
    const path = segmentPath(folder, baseOffset, kind);
    const file = await files.open(path, "readwrite");
    await file.truncate(0).finally(() => file.close());
    await forgetFile(io, path);
  }
  await replaceAborted(io, { folder, baseOffset }, []);
  const path = segmentPath(folder, baseOffset, "log");
  const file = await files.open(path, "readwrite");
  await file.truncate(0);
  // Race: (1) a segment is to be removed, its cached files are dropped; (2) a read that began before opens one of them; (3) it is removed,
  // and this one takes its name.
  await openFiles.forget(path);
  return growingSegment(folder, file, emptyLayout(baseOffset, 0), { indexesSynced: false, abortedEntries: 0 });
}

/** The last segment, its indexes complete in their files. */
export function growingSegment(
  folder: string,
  file: File,
  layout: LayoutState,
  { indexesSynced: synced, abortedEntries }: { readonly indexesSynced: boolean; readonly abortedEntries: number },
): Segment {
  const { baseOffset, sizeInBytes, offsetEntries, timeEntries, maxTimestampMs, offsetOfMaxTimestamp } = layout;
  const offsetsPath = segmentPath(folder, baseOffset, "index");
  const timesPath = segmentPath(folder, baseOffset, "timeindex");
  const abortedPath = segmentPath(folder, baseOffset, "txnindex");
  return new Segment(folder, baseOffset, sizeInBytes, {
    file,
    offsets: new GrowingIndex(offsetIndexFormat, offsetsPath, baseOffset, { entries: offsetEntries, synced }),
    times: new GrowingIndex(timeIndexFormat, timesPath, baseOffset, { entries: timeEntries, synced }),
    // without entries there is no file to be synced
    aborted: new GrowingIndex(abortedIndexFormat, abortedPath, baseOffset, { entries: abortedEntries, synced: true }),
    maxTimestampMs,
    offsetOfMaxTimestamp,
  });
}

/** The segment's files are closed, or others take their names. */
export async function forgetSegment(io: SegmentIo, folder: string, baseOffset: number): Promise<void> {
  for (const kind of segmentFileKinds) await forgetFile(io, segmentPath(folder, baseOffset, kind));
}

/** Removes the segment's files, now. */
export async function removeSegment(io: SegmentIo, folder: string, baseOffset: number): Promise<void> {
  for (const kind of segmentFileKinds) {
    const path = segmentPath(folder, baseOffset, kind);
    await forgetFile(io, path);
    await io.files.remove(path);
  }
}

export interface Restored {
  readonly segment: Segment;
  readonly layout: LayoutState;
  readonly endOffset: number;
}

/**
 * Makes a segment the log's last, ready to be written: reads the ends of its indexes, then the headers of the batches after the last entry.
 * Indexes that cannot be right are rebuilt, but for the `.txnindex`, which must be sound. The reason instead when the batches are damaged.
 */
export async function restoreSegment(
  io: SegmentIo & { readonly clock: Clock },
  folder: string,
  baseOffset: number,
  file: File,
): Promise<Restored | { readonly damage: SegmentDamage }> {
  const logPath = segmentPath(folder, baseOffset, "log");
  const sizeInBytes = await file.size();
  const first = await restoreFromIndexes(io, folder, baseOffset, file, sizeInBytes);
  if (first !== "indexes are damaged") return first;
  io.logger.warn({ path: logPath }, "indexes are missing or damaged: rebuilding them from their segment");
  const damage = await rebuildIndexes(io, { folder, logPath, baseOffset, sizeInBytes });
  if (damage !== null) return { damage };
  const second = await restoreFromIndexes(io, folder, baseOffset, file, sizeInBytes);
  return second === "indexes are damaged" ? { damage: { position: 0, reason: "its indexes cannot be rebuilt" } } : second;
}

async function restoreFromIndexes(
  io: SegmentIo & { readonly clock: Clock },
  folder: string,
  baseOffset: number,
  file: File,
  sizeInBytes: number,
): Promise<Restored | { readonly damage: SegmentDamage } | "indexes are damaged"> {
  const offsets = await indexEnd(io.files, offsetIndexFormat, segmentPath(folder, baseOffset, "index"), baseOffset);
  const times = await indexEnd(io.files, timeIndexFormat, segmentPath(folder, baseOffset, "timeindex"), baseOffset);
  if (offsets === null || times === null) return "indexes are damaged";
  if (offsets.last !== null && (offsets.last.position <= 0 || offsets.last.position >= sizeInBytes)) return "indexes are damaged";

  const from = offsets.last?.position ?? 0;
  let layout: LayoutState = {
    ...emptyLayout(baseOffset, io.clock.nowMs()),
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
  // a wrong position shows as a wrong batch, or as no batch
  if (!indexFits || (walked.damage !== null && offsets.last !== null && walked.endPosition === from)) return "indexes are damaged";
  if (walked.damage !== null) return { damage: { position: walked.endPosition, reason: walked.damage } };
  if (times.last !== null && times.last.offset >= endOffset) return "indexes are damaged";
  const abortedEntries = await countAborted(io, { folder, baseOffset }, -1);
  return { segment: growingSegment(folder, file, layout, { indexesSynced: true, abortedEntries }), layout, endOffset };
}

async function firstTimestamp(file: File): Promise<number> {
  const header = Buffer.alloc(batchHeaderBytes);
  await file.read(header, 0, header.length, 0);
  return readBatchInfo(header, 0)?.maxTimestampMs ?? noTimestamp;
}
