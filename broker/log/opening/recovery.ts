import type { Logger } from "../../../protocol/base/logger.ts";
import type { BatchInfo } from "../../../protocol/records/batch-header.ts";
import type { File } from "../../runtime/files.ts";
import { completeSwaps } from "../compaction/swap.ts";
import { readIfThere } from "../files/checkpoint-file.ts";
import { fileNames, isLeftover, parseSegmentFileName } from "../files/file-names.ts";
import { noteDamage, readDamage } from "../files/folder-notes.ts";
import type { EpochStart, LogDamage } from "../log-contract.ts";
import { LeaderEpochs } from "../partition-log/leader-epochs.ts";
import { rebuildAborted } from "../producers/aborted-files.ts";
import { replaceAborted } from "../segment/aborted-files.ts";
import { walkBatches } from "../segment/batch-walk.ts";
import { relativeOffsetMax } from "../segment/index-file.ts";
import type { SegmentIo } from "../segment/read-caches.ts";
import { IndexBuilder, replaceIndexes } from "../segment/rebuild-indexes.ts";
import { Segment, segmentPath } from "../segment/segment.ts";
import { removeSegment } from "../segment/segment-files.ts";
import { epochsFit, epochsFromBatches, keepEpochs } from "./restore-epochs.ts";

/**
 * Recovers a log after an unclean stop, so that it can be opened as after a clean one. Everything from the segment with the recovery point
 * on is read and checked; the first batch that is torn, damaged or out of order ends the log. Before that segment everything was synced and
 * is trusted.
 *
 * The CRC does not cover a batch's leader epoch, and one that was changed shows only in the next batch, whose epoch is lower: (1) a flipped
 * bit turns a batch's epoch 0 into 1; (2) the log would end after it, with an epoch that never existed; (3) its leader, which does not know
 * that epoch, demands a cut below what is committed here. So an epoch that only a single batch has, and that the next one contradicts, ends
 * the log before that batch.
 *
 * Returns the log's end, which is on disk then: the new recovery point.
 */
export async function recoverLog(io: SegmentIo, folder: string, recovery: Recovery): Promise<number> {
  const { endOffset, contradictedFrom } = await recoverUpTo(io, folder, recovery, Number.POSITIVE_INFINITY);
  if (contradictedFrom === null) return endOffset;
  return (await recoverUpTo(io, folder, recovery, contradictedFrom)).endOffset;
}

interface Recovered {
  readonly endOffset: number;
  /** Not null: the batch there has an epoch that the one after it contradicts. */
  readonly contradictedFrom: number | null;
}

/** `refusedFrom`: batches that begin there or above are refused. */
async function recoverUpTo(
  io: SegmentIo,
  folder: string,
  { recoveryPoint, stableEndOffset, denseFrom = recoveryPoint }: Recovery,
  refusedFrom: number,
): Promise<Recovered> {
  const { files, logger } = io;
  await completeSwaps(io, folder);
  const bases = await clearLeftovers(io, folder);
  if (bases.length === 0) return { endOffset: 0, contradictedFrom: null };
  const from = Math.max(
    bases.findLastIndex((base) => base <= recoveryPoint),
    0,
  );
  const expectedFrom = bases[from]!;
  const noted = await notedEpochs(io, folder);
  const epochs = await epochsBefore(io, folder, noted, { all: bases, offset: expectedFrom });
  const progress: Progress = {
    expectedOffset: expectedFrom,
    endPosition: 0,
    denseFrom,
    epochs,
    refusedFrom,
    noted: noted?.entries ?? [],
    latestBatches: 0,
    contradictedFrom: null,
    hasControl: false,
  };
  let kept = from;
  for (; kept < bases.length; kept++) {
    // a segment that does not start where the last one ended: what was between them is lost
    if (bases[kept] !== progress.expectedOffset && !isFarGap(progress, bases[kept]!)) break;
    progress.expectedOffset = bases[kept]!;
    const whole = await recoverSegment(io, folder, bases[kept]!, progress);
    if (!whole) {
      kept++;
      break;
    }
  }
  if (progress.contradictedFrom !== null) return { endOffset: progress.expectedOffset, contradictedFrom: progress.contradictedFrom };
  for (const base of bases.slice(kept).reverse()) {
    logger.warn({ folder, baseOffset: base }, "segment behind the end of the log is removed");
    await removeSegment(io, folder, base);
  }
  const { expectedOffset: endOffset, endPosition: position } = progress;
  const left = bases.slice(0, kept);
  if (progress.hasControl) await rebuildAborted(io, folder, { bases: left, fromBase: expectedFrom, endOffset });
  else for (const baseOffset of left.slice(from)) await replaceAborted(io, { folder, baseOffset }, []);
  await damageAtEnd(io, folder, stableEndOffset, { endOffset, position });
  await keepEpochs(files, folder, epochs);
  await files.syncDirectory(folder);
  return { endOffset, contradictedFrom: null };
}

export interface Recovery {
  /** Segments that end at or below are not checked. */
  readonly recoveryPoint: number;
  /** What was on disk ended there, or above. */
  readonly stableEndOffset: number;
  /** Compaction may have left gaps below. As a rule, the recovery point; above it, where that is not known. */
  readonly denseFrom?: number;
}

/**
 * What is known to be damaged in a log that ends at `endOffset`: noted before a restart, or now, when records that were on disk are gone.
 */
export async function damageAtEnd(
  { files, logger }: SegmentIo,
  folder: string,
  stableEndOffset: number,
  { endOffset, position }: { readonly endOffset: number; readonly position: number },
): Promise<LogDamage | null> {
  const known = await readDamage(files, folder);
  if (known !== null || endOffset >= stableEndOffset) return known;
  const reason = `offsets ${endOffset} to ${stableEndOffset - 1} were on the disk, and are damaged or gone`;
  const damage = { kind: "end-lost", path: folder, position, offset: endOffset, reason } as const;
  logger.error(
    { ...damage },
    "records that were on the disk are damaged or gone. Where another replica is in sync, this one is copied from it again",
  );
  await noteDamage(files, folder, damage);
  return damage;
}

/** No segment spans such a distance, so a lost end of the last one cannot have filled it. */
function isFarGap({ expectedOffset, denseFrom }: Progress, nextBase: number): boolean {
  return expectedOffset < denseFrom && nextBase - expectedOffset > relativeOffsetMax;
}

interface Progress {
  expectedOffset: number;
  /** Of the last segment that was checked. */
  endPosition: number;
  /** From this offset on no batch may be missing; below it, compaction may have removed some. */
  readonly denseFrom: number;
  readonly epochs: LeaderEpochs;
  readonly refusedFrom: number;
  /** In `leader-epoch-checkpoint`. */
  readonly noted: readonly EpochStart[];
  /** Visited, of the latest epoch. */
  latestBatches: number;
  contradictedFrom: number | null;
  /** Transactions may have ended in what was checked. */
  hasControl: boolean;
}

/** Checks one segment, cuts it at the first bad byte, builds its indexes. False when the log ends in it. */
async function recoverSegment(io: SegmentIo, folder: string, baseOffset: number, progress: Progress): Promise<boolean> {
  const path = segmentPath(folder, baseOffset, "log");
  const file = await io.files.open(path, "readwrite");
  try {
    const sizeInBytes = await file.size();
    const { indexes, endPosition, damage } = await check(file, baseOffset, sizeInBytes, progress);
    progress.endPosition = endPosition;
    // the next pass ends the log before it: if it were cut here and the process died, nothing would contradict that batch any more
    if (progress.contradictedFrom !== null) return false;
    if (damage !== null) {
      reportCut(io.logger, path, { endPosition, sizeInBytes, damage, endOffset: progress.expectedOffset });
      await file.truncate(endPosition);
    }
    await file.sync();
    await replaceIndexes(io, folder, baseOffset, indexes);
    return damage === null;
  } finally {
    await file.close();
  }
}

async function check(file: File, baseOffset: number, sizeInBytes: number, progress: Progress) {
  const builder = new IndexBuilder(baseOffset);
  const walked = await walkBatches(file, 0, sizeInBytes, (batch) => {
    const refuse = outOfOrder(batch, baseOffset, progress) ?? contradiction(batch, progress);
    if (refuse !== null) return { refuse };
    progress.latestBatches = batch.leaderEpoch === progress.epochs.latest ? progress.latestBatches + 1 : 1;
    noteEpoch(batch, progress);
    progress.expectedOffset = batch.lastOffset + 1;
    progress.hasControl ||= batch.isControl;
    builder.add(batch);
    return "on";
  });
  return { indexes: builder.finish(), ...walked };
}

/** A whole batch may still be an old one, left where a truncated or deleted file's bytes were. */
function outOfOrder(batch: BatchInfo, baseOffset: number, { expectedOffset, denseFrom }: Progress): string | null {
  if (batch.baseOffset < expectedOffset) return `offset ${batch.baseOffset} where ${expectedOffset} comes next`;
  if (batch.baseOffset > expectedOffset && expectedOffset >= denseFrom)
    return `offset ${batch.baseOffset} where ${expectedOffset} comes next`;
  if (batch.lastOffset - baseOffset > relativeOffsetMax) return `offset ${batch.lastOffset} in a segment from ${baseOffset}`;
  return null;
}

/** Where compaction left a gap, the file knows of epochs that began in it. */
function noteEpoch(
  { leaderEpoch: epoch, baseOffset: firstOffset }: BatchInfo,
  { epochs, noted, expectedOffset: endOffset }: Progress,
): void {
  if (epoch < 0) return;
  if (firstOffset > endOffset) epochs.learn(noted, { epoch, firstOffset, endOffset });
  epochs.begin(epoch, firstOffset);
}

/** Leader epochs only rise. */
function contradiction({ baseOffset, leaderEpoch }: BatchInfo, progress: Progress): string | null {
  const { epochs, refusedFrom, noted, latestBatches } = progress;
  if (baseOffset >= refusedFrom) return `leader epoch ${leaderEpoch}, which the batch behind it contradicts`;
  if (leaderEpoch < 0 || leaderEpoch >= epochs.latest) return null;
  const latest = epochs.entries.at(-1)!;
  const isNoted = noted.some(({ epoch, startOffset }) => epoch === latest.epoch && startOffset === latest.startOffset);
  if (latestBatches === 1 && !isNoted) progress.contradictedFrom = latest.startOffset;
  return `leader epoch ${leaderEpoch} after ${latest.epoch}`;
}

function reportCut(logger: Logger, path: string, cut: object): void {
  logger.warn({ path, ...cut }, "segment is cut at its first bad byte");
}

/** Removes what interrupted work left, and indexes without their log. Returns the segments' base offsets, ascending. */
async function clearLeftovers(io: SegmentIo, folder: string): Promise<number[]> {
  const names = await io.files.list(folder);
  const segmentFiles = names.map(parseSegmentFileName).filter((parsed) => parsed !== null);
  const bases = segmentFiles.filter(({ kind }) => kind === "log").map(({ baseOffset }) => baseOffset);
  for (const name of names.filter(isLeftover)) await io.files.remove(`${folder}/${name}`);
  for (const { baseOffset, kind } of segmentFiles)
    if (!bases.includes(baseOffset)) await io.files.remove(segmentPath(folder, baseOffset, kind));
  return bases.sort((a, b) => a - b);
}

/** Null: the file is missing or damaged. */
async function notedEpochs({ files }: SegmentIo, folder: string): Promise<LeaderEpochs | null> {
  const content = await readIfThere(files, `${folder}/${fileNames.leaderEpochs}`);
  return content === null ? null : LeaderEpochs.decode(content);
}

/**
 * The epochs that began before `offset`: from their file or, when that is missing, damaged or contradicted by the batches, from the
 * batches. Later epochs are found while checking.
 */
async function epochsBefore(
  io: SegmentIo,
  folder: string,
  noted: LeaderEpochs | null,
  { all, offset }: { readonly all: readonly number[]; readonly offset: number },
): Promise<LeaderEpochs> {
  const bases = all.filter((base) => base < offset);
  const epochs = noted?.before(offset) ?? null;
  const segmentAt = async (base: number) => new Segment(folder, base, await io.files.size(segmentPath(folder, base, "log")));
  if (epochs !== null && (await epochsFit(io, epochs, { bases, segmentAt, endOffset: offset }))) return epochs;
  return epochsFromBatches(io, folder, bases);
}
