import type { Clock } from "../../../protocol/base/clock.ts";
import type { File } from "../../runtime/files.ts";
import { DamagedBatch } from "../log-contract.ts";
import { settleAborted } from "../producers/aborted-files.ts";
import { removeSnapshots, restoreProducers } from "../producers/producer-files.ts";
import { removeIfEmpty } from "../segment/aborted-files.ts";
import { abortedIndexFormat } from "../segment/aborted-index.ts";
import { walkHeaders } from "../segment/batch-walk.ts";
import { type IndexFormat, loadIndex, offsetIndexFormat, timeIndexFormat } from "../segment/index-file.ts";
import type { SegmentIo } from "../segment/read-caches.ts";
import { type Segment, segmentPath } from "../segment/segment.ts";
import { createSegment, removeSegment, restoreSegment } from "../segment/segment-files.ts";
import type { LogFlusher } from "./log-flusher.ts";
import type { LogState } from "./log-state.ts";
import { withProvenIndexes } from "./undisturbed.ts";

interface Cut {
  /** Index in `segments` of the one that will be the last. */
  readonly index: number;
  readonly position: number;
  readonly endOffset: number;
}

/**
 * Cuts the log at the start of the batch that has `offset`. Nothing is queued and no flush runs meanwhile.
 *
 * 1. The offsets move at once: reads that began before notice it by the generation, later ones wait.
 * 2. A lower recovery point is made durable before the files change, and so is a lower start: with one above the end, the next start would
 *    open the log there. Else: (1) new records come where the old ones were; (2) the machine dies before they are synced; (3) recovery
 *    takes them
 *    for synced.
 * 3. The files are cut from the end on and synced, so that a crash leaves the old log, the new one or one between, but never old records
 *    behind new ones.
 */
export async function truncateLog(state: LogState, flusher: LogFlusher, clock: Clock, offset: number): Promise<void> {
  if (offset >= state.writtenEndOffset) {
    // an epoch that began at the end without a record may be what has to be forgotten
    state.epochs.truncateTo(offset);
    await flusher.storeEpochs();
    return;
  }
  for (const segment of state.segments) await segment.settled();
  const cut = await withProvenIndexes(state, () => findCut(state, offset));
  const { io, folder } = state;
  const removed = state.segments.slice(cut.index + 1);
  const target = state.segments[cut.index]!;
  const growing = state.last.writable;
  await growing.offsets.store(io.files, { sync: false });
  await growing.times.store(io.files, { sync: false });
  await growing.aborted.store(io.files, { sync: false });

  if (state.cutTo(cut.endOffset)) await state.directory.checkpoints.write();

  const file = await writableFile(state, flusher, target, growing.file);
  for (const segment of removed.reverse()) await removeSegment(io, folder, segment.baseOffset);
  await file.truncate(cut.position);
  await file.sync();
  await trimIndex(io, offsetIndexFormat, segmentPath(folder, target.baseOffset, "index"), target.baseOffset, cut.endOffset);
  await trimIndex(io, timeIndexFormat, segmentPath(folder, target.baseOffset, "timeindex"), target.baseOffset, cut.endOffset);
  await trimIndex(io, abortedIndexFormat, segmentPath(folder, target.baseOffset, "txnindex"), target.baseOffset, cut.endOffset);
  await removeIfEmpty(io, target);
  await io.files.syncDirectory(folder);

  const bases = state.segments.slice(0, cut.index + 1).map(({ baseOffset }) => baseOffset);
  await settleAborted(io, folder, { bases, endOffset: cut.endOffset }, -1);
  const restored = await restoreSegment({ ...io, clock }, folder, target.baseOffset, file);
  if ("damage" in restored) throw new Error(`${target.logPath} is damaged at ${restored.damage.position}: ${restored.damage.reason}`);
  if (restored.endOffset > cut.endOffset) throw new Error(`${target.logPath} was cut at ${cut.endOffset}, and the disk has more`);
  state.endsWith(cut.index, restored.segment, restored.layout);
  await flusher.storeEpochs();
  const { producers, snapshotOffset } = await restoreProducers(io, state.producers.budget, folder, { bases, endOffset: state.endOffset });
  state.producersRestored(producers, snapshotOffset);
}

/**
 * Empties the log: its only segment starts at `offset`.
 *
 * 1. The recovery point, the epochs and the producer snapshots are reset first, so that recovery after a crash trusts none; a start above
 *    too, or the next start would open the log there.
 * 2. The new segment is created, and its name durable, before the last of the old ones is removed; those are removed from the end on. So a
 *    crash leaves a prefix of the old log (recovery removes what does not continue it) or the new one, and never a log that begins at an
 *    offset that neither had.
 * 3. What was known to be damaged is forgotten last: until then a start finds the note, and empties the log again.
 */
export async function restartLog(state: LogState, flusher: LogFlusher, clock: Clock, offset: number): Promise<void> {
  const { io, folder, directory } = state;
  for (const segment of state.segments) await segment.settled();
  state.restarting(offset);
  await directory.checkpoints.write();
  await flusher.storeEpochs();

  await removeSnapshots(io.files, folder, () => true);
  await flusher.takeSealedFrom(-1);
  await state.last.writable.file.close();
  const fromTheEnd = state.segments.map(({ baseOffset }) => baseOffset).reverse();
  // where an old segment has the new one's name, creating the new one empties it: the segments after it must be gone by then
  const firstGone = fromTheEnd.includes(offset) ? fromTheEnd.filter((base) => base > offset) : [];
  await removeSegments(state, firstGone);
  const only = await createSegment(io, folder, offset);
  await only.writable.file.sync();
  await io.files.syncDirectory(folder);
  await removeSegments(
    state,
    fromTheEnd.filter((base) => base !== offset && !firstGone.includes(base)),
  );
  state.restartedIn(only, clock.nowMs());
  await directory.checkpoints.write();
  await state.damage.forget();
}

async function removeSegments({ io, folder }: LogState, bases: readonly number[]): Promise<void> {
  for (const base of bases) await removeSegment(io, folder, base);
  await io.files.syncDirectory(folder);
}

/**
 * Where the first batch starts that ends at or above `offset`, and where the last one before it ends: there the log ends, though compaction
 * may have left a gap up to `offset`. A log's end is a batch's end, and so is the next segment's base.
 */
async function findCut(state: LogState, offset: number): Promise<Cut> {
  const index = Math.max(state.segmentIndex(offset), 0);
  const segment = state.segments[index]!;
  const from = await segment.floorPosition(offset - 1, state.io);
  let endOffset = segment.baseOffset;
  let isFound = false;
  const walked = await segment.use(state.io, (file) =>
    walkHeaders(file, from, segment.sizeInBytes, (batch) => {
      isFound = batch.lastOffset >= offset;
      if (isFound) return { refuse: "the cut is before it" };
      endOffset = batch.lastOffset + 1;
      return "on";
    }),
  );
  if (!isFound && walked.damage !== null)
    throw new DamagedBatch({ kind: "batch", path: segment.logPath, position: walked.endPosition, offset, reason: walked.damage });
  return { index, position: walked.endPosition, endOffset };
}

/** The file of the segment that will be the last; those of the segments after it are closed. */
async function writableFile(state: LogState, flusher: LogFlusher, target: Segment, lastFile: File): Promise<File> {
  const unsynced = await flusher.takeSealedFrom(target.baseOffset);
  if (target.growing !== null) return lastFile;
  await lastFile.close();
  return unsynced ?? (await state.io.files.open(target.logPath, "readwrite"));
}

/** Drops the entries from `endOffset` on. A damaged index is left for a rebuild. */
async function trimIndex<Entry extends { readonly offset: number }>(
  io: SegmentIo,
  format: IndexFormat<Entry>,
  path: string,
  baseOffset: number,
  endOffset: number,
): Promise<void> {
  const { files, indexes, openFiles } = io;
  indexes.forget(path);
  const content = await loadIndex(io, format, path, { baseOffset, entries: null });
  if (content === null) return;
  const kept = countBelow(format, content, baseOffset, endOffset);
  await openFiles.forget(path);
  const file = await files.open(path, "readwrite");
  try {
    await file.truncate(kept * format.entryBytes);
    await file.sync();
  } finally {
    await file.close();
    // last: a read that began before the cut may have loaded it once more
    indexes.forget(path);
  }
}

/** Number of entries whose offset is below `endOffset`; in each index offsets rise. */
function countBelow<Entry extends { readonly offset: number }>(
  format: IndexFormat<Entry>,
  content: Buffer,
  baseOffset: number,
  endOffset: number,
): number {
  let count = content.length / format.entryBytes;
  while (count > 0 && format.read(content, (count - 1) * format.entryBytes, baseOffset).offset >= endOffset) count--;
  return count;
}
