import type { Clock } from "../../../protocol/base/clock.ts";
import { replaceFile } from "../../runtime/files.ts";
import { completeSwaps } from "../compaction/swap.ts";
import { readIfThere } from "../files/checkpoint-file.ts";
import { fromStart, type SegmentSizes } from "../files/clean-stop.ts";
import { fileNames, isLeftover, parseSegmentFileName } from "../files/file-names.ts";
import { noteDamage } from "../files/folder-notes.ts";
import type { LogDamage } from "../log-contract.ts";
import { LeaderEpochs } from "../partition-log/leader-epochs.ts";
import type { OpenedLog } from "../partition-log/opened-log.ts";
import { restoreLostAborted, settleAborted } from "../producers/aborted-files.ts";
import { removeSnapshots, restoreProducers } from "../producers/producer-files.ts";
import { type ProducerBudget, ProducerStates } from "../producers/producer-states.ts";
import type { SegmentIo } from "../segment/read-caches.ts";
import type { SegmentDamage } from "../segment/rebuild-indexes.ts";
import { Segment, segmentPath } from "../segment/segment.ts";
import { createSegment, type Restored, removeSegment, restoreSegment } from "../segment/segment-files.ts";
import { brokenJoins, readBelievedGaps } from "../segment/segment-joins.ts";
import { emptyLayout } from "../segment/segment-layout.ts";
import { damageAtEnd, recoverLog } from "./recovery.ts";
import { epochsFit, epochsFromBatches, keepEpochs } from "./restore-epochs.ts";

/** File sizes queried at the same time. */
const sizesAtOnce = 32;

/** What a log is opened with. */
export interface LogOpening extends SegmentIo {
  readonly clock: Clock;
  readonly producers: ProducerBudget;
}

/** The directory's checkpoint entries of a log. */
export interface Checkpointed {
  readonly recoveryPoint: number;
  readonly startOffset: number;
}

/**
 * Opens a log that was closed cleanly or recovered; a folder without segments becomes an empty log. Reads names, sizes and the last
 * segment's end; if that turns out to be damaged after all, the log is recovered first. `closed`: as the last stop left it, when that is
 * known.
 */
export async function openLog(
  io: LogOpening,
  folder: string,
  checkpointed: Checkpointed,
  closed: readonly SegmentSizes[] | null = null,
): Promise<OpenedLog> {
  const found = await tidied(io, folder, checkpointed.startOffset);
  if (found.length === 0) return createLog(io, folder, checkpointed);
  const expected = new Map(fromStart(closed ?? [], checkpointed.startOffset).map((sizes) => [sizes.baseOffset, sizes]));
  const bases = await withLostSegments(io, folder, found, expected);
  const last = expected.get(bases.at(-1)!);
  await dropOtherIndexes(io, folder, last);
  await settleAborted(io, folder, { bases, endOffset: Number.MAX_SAFE_INTEGER }, last?.txnindex ?? -1);
  const restored = await restoreLast(io, folder, bases.at(-1)!);
  const isAsClosed = closed !== null && bases.length === found.length;
  if (!("damage" in restored)) return assemble(io, folder, { bases, last: restored }, checkpointed, expected, isAsClosed);
  const { recoveryPoint } = checkpointed;
  await recoverLog(io, folder, { recoveryPoint: bases.at(-1)!, stableEndOffset: recoveryPoint, denseFrom: recoveryPoint });
  const recovered = baseOffsetsIn(await io.files.list(folder));
  const again = await restoreLast(io, folder, recovered.at(-1)!);
  if ("damage" in again) throw new Error(`${folder} is damaged and cannot be recovered`);
  return assemble(io, folder, { bases: recovered, last: again }, checkpointed, expected, false);
}

async function assemble(
  io: LogOpening,
  folder: string,
  { bases, last }: { readonly bases: readonly number[]; readonly last: Restored },
  checkpointed: Checkpointed,
  expected: Expected,
  isAsClosed: boolean,
): Promise<OpenedLog> {
  const segments: Segment[] = [];
  const txnindexes = await restoreLostAborted(io, folder, bases, (base) => expected.get(base)?.txnindex ?? -1);
  let cut: LogDamage | null = null;
  const sealed = bases.slice(0, -1);
  for (let i = 0; i < sealed.length; i += sizesAtOnce) {
    const some = sealed.slice(i, i + sizesAtOnce);
    const sizes = await Promise.all(some.map((base) => io.files.size(segmentPath(folder, base, "log"))));
    some.forEach((base, j) => {
      const segment = sealedSegment(folder, base, sizes[j]!, expected.get(base));
      segment.expectIndexBytes({ index: -1, timeindex: -1, ...segment.indexBytes, txnindex: txnindexes.get(base) ?? -1 });
      segments.push(segment);
      if (sizes[j]! < segment.sizeInBytes) cut ??= shorterThanClosed(segment, sizes[j]!);
    });
  }
  segments.push(last.segment);
  const { endOffset, layout } = last;
  const believedGaps = await readBelievedGaps(io, folder);
  // sizes suffice after a clean stop
  if (expected.size === 0) cut ??= (await brokenJoins(io, segments, believedGaps))[0]?.damage ?? null;
  if (endOffset < checkpointed.startOffset) return startOver(io, segments, checkpointed, endOffset);
  const startOffset = Math.max(checkpointed.startOffset, bases[0]!);
  const epochs = await openEpochs(io, folder, segments, { startOffset, endOffset });
  const recoveryPoint = Math.min(checkpointed.recoveryPoint, endOffset);
  const atEnd = await damageAtEnd(io, folder, checkpointed.recoveryPoint, { endOffset, position: layout.sizeInBytes });
  const damage = atEnd ?? (await noted(io, folder, cut));
  const restored = await restoreProducers(io, io.producers, folder, { bases, endOffset });
  return {
    folder,
    segments,
    layout,
    epochs,
    restored,
    startOffset,
    endOffset,
    recoveryPoint,
    damage,
    believedGaps,
    namesSynced: isAsClosed,
  };
}

type Expected = ReadonlyMap<number, SegmentSizes>;

/** A closed segment. It has the size it had then: reads of missing bytes find it damaged, and bytes added since are not ours. */
function sealedSegment(folder: string, baseOffset: number, foundBytes: number, closed: SegmentSizes | undefined): Segment {
  const segment = new Segment(folder, baseOffset, closed?.log ?? foundBytes);
  if (closed !== undefined && closed.index >= 0) segment.expectIndexBytes(closed);
  return segment;
}

function shorterThanClosed({ logPath, baseOffset, sizeInBytes }: Segment, position: number): LogDamage {
  return {
    kind: "batch",
    path: logPath,
    position,
    offset: baseOffset,
    reason: `the file had ${sizeInBytes} bytes when it was closed, and has ${position}`,
  };
}

async function noted({ files, logger }: SegmentIo, folder: string, damage: LogDamage | null): Promise<LogDamage | null> {
  if (damage === null) return null;
  logger.error(
    { ...damage },
    "a segment was cut, damaged or lost while this broker was stopped. Where another replica is in sync, this one is copied from it again",
  );
  await noteDamage(files, folder, damage);
  return damage;
}

/**
 * The base offsets, including those of segments missing at the front or in the middle: empty files take their places, so that no read skips
 * the hole.
 */
async function withLostSegments(io: SegmentIo, folder: string, found: readonly number[], expected: Expected): Promise<number[]> {
  const known = new Set(found);
  const lost = [...expected.keys()].filter((base) => !known.has(base) && base < found.at(-1)!);
  for (const base of lost) await (await io.files.open(segmentPath(folder, base, "log"), "readwrite")).close();
  return lost.length === 0 ? [...found] : [...found, ...lost].sort((a, b) => a - b);
}

/** Checks the last segment's indexes: when they are not as they were at the close, they are rebuilt. */
async function dropOtherIndexes({ files }: SegmentIo, folder: string, closed: SegmentSizes | undefined): Promise<void> {
  if (closed === undefined || closed.index < 0) return;
  for (const kind of ["index", "timeindex"] as const) {
    const path = segmentPath(folder, closed.baseOffset, kind);
    if ((await files.exists(path)) && (await files.size(path)) !== closed[kind]) await files.remove(path);
  }
}

/**
 * Everything left after a crash is below the start: (1) records up to the end were deleted by request, which is durable; (2) the last of
 * them were not on disk yet. Appending at the end of what is left would assign their offsets a second time.
 */
async function startOver(io: LogOpening, segments: readonly Segment[], checkpointed: Checkpointed, endOffset: number): Promise<OpenedLog> {
  const { folder } = segments[0]!;
  io.logger.warn({ folder, startOffset: checkpointed.startOffset, endOffset }, "the log ends below its start: it starts over there");
  await segments.at(-1)!.writable.file.close();
  for (const { baseOffset } of segments.toReversed()) await removeSegment(io, folder, baseOffset);
  await io.files.syncDirectory(folder);
  return createLog(io, folder, checkpointed);
}

async function createLog(io: LogOpening, folder: string, { startOffset, recoveryPoint: lost }: Checkpointed): Promise<OpenedLog> {
  const damage = await damageAtEnd(io, folder, lost, { endOffset: startOffset, position: 0 });
  const segment = await createSegment(io, folder, startOffset);
  const epochs = new LeaderEpochs();
  await keepEpochs(io.files, folder, epochs);
  const layout = emptyLayout(startOffset, io.clock.nowMs());
  await removeSnapshots(io.files, folder, () => true);
  // its name is all that says where the log begins, once the checkpoint leaves that out
  if (startOffset > 0) await io.files.syncDirectory(folder);
  return {
    folder,
    segments: [segment],
    layout,
    epochs,
    restored: { producers: new ProducerStates(io.producers), snapshotOffset: null },
    startOffset,
    endOffset: startOffset,
    recoveryPoint: startOffset,
    damage,
    believedGaps: new Set(),
    namesSynced: false,
  };
}

async function restoreLast(io: LogOpening, folder: string, baseOffset: number): Promise<Restored | { readonly damage: SegmentDamage }> {
  const path = segmentPath(folder, baseOffset, "log");
  const file = await io.files.open(path, "readwrite");
  const restored = await restoreSegment(io, folder, baseOffset, file);
  if (!("damage" in restored)) return restored;
  await file.close();
  io.logger.error({ path, ...restored.damage }, "log is damaged though it was closed cleanly: recovering it");
  return restored;
}

async function openEpochs(
  io: SegmentIo,
  folder: string,
  segments: readonly Segment[],
  { startOffset, endOffset }: Pick<OpenedLog, "startOffset" | "endOffset">,
): Promise<LeaderEpochs> {
  const path = `${folder}/${fileNames.leaderEpochs}`;
  const content = await readIfThere(io.files, path);
  let epochs = content === null ? null : LeaderEpochs.decode(content);
  const bases = segments.map(({ baseOffset }) => baseOffset);
  const segmentAt = (base: number) => segments[bases.indexOf(base)]!;
  // never written: nothing was ever appended
  if (content === null && bases.length === 1 && endOffset === bases[0]) return new LeaderEpochs();
  if (epochs === null || !(await epochsFit(io, epochs, { bases, segmentAt, endOffset }))) {
    io.logger.warn({ path }, "leader epochs are missing or damaged: reading them from the batches");
    epochs = await epochsFromBatches(io, folder, bases);
    await replaceFile(io.files, path, epochs.encode());
  }
  // an epoch may have begun at the very end, without a record yet
  epochs.truncateTo(endOffset + 1);
  epochs.startAt(startOffset);
  return epochs;
}

/**
 * The segments' base offsets, after removing what a crash or a failed disk left: abandoned files, and segments below the start that
 * reappeared.
 */
async function tidied(io: SegmentIo, folder: string, startOffset: number): Promise<number[]> {
  const { files } = io;
  await completeSwaps(io, folder);
  const names = await files.list(folder);
  // the note of a log that was set aside, and was taken up again
  for (const name of names) if (isLeftover(name) || name === fileNames.cleanStop) await files.remove(`${folder}/${name}`);
  const bases = baseOffsetsIn(names);
  const kept = Math.max(
    bases.findLastIndex((base) => base <= startOffset),
    0,
  );
  for (const base of bases.slice(0, kept)) await removeSegment(io, folder, base);
  // before any checkpoint relies on the files alone for the start offset
  if (kept > 0) await files.syncDirectory(folder);
  return bases.slice(kept);
}

function baseOffsetsIn(names: readonly string[]): number[] {
  return names
    .map(parseSegmentFileName)
    .filter((parsed) => parsed?.kind === "log")
    .map((parsed) => parsed!.baseOffset);
}
