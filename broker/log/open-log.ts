import { replaceFile } from "../runtime/files.ts";
import { readIfThere } from "./checkpoint-file.ts";
import { completeSwaps } from "./compaction/swap.ts";
import { fileNames, isLeftover, parseSegmentFileName } from "./file-names.ts";
import { LeaderEpochs } from "./leader-epochs.ts";
import type { LogDirectory } from "./log-directory.ts";
import type { OpenedLog } from "./log-state.ts";
import { removeSnapshots, restoreProducers } from "./producer-files.ts";
import { ProducerStates } from "./producer-states.ts";
import type { SegmentDamage } from "./rebuild-indexes.ts";
import { damageAtEnd, epochsFromBatches, recoverLog } from "./recovery.ts";
import { type Restored, restoreSegment } from "./restore-segment.ts";
import { Segment, segmentPath } from "./segment.ts";
import { createSegment, removeSegment } from "./segment-files.ts";
import { emptyLayout } from "./segment-layout.ts";

/** File sizes asked for at the same time. */
const sizesAtOnce = 32;

/** What the directory's checkpoints say of a log. */
export interface Checkpointed {
  readonly recoveryPoint: number;
  readonly startOffset: number;
}

/**
 * Opens a log that was closed cleanly or recovered; a folder without segments becomes an empty log. Reads names, sizes and the last segment's end;
 * should that turn out damaged after all, the log is recovered first.
 */
export async function openLog(directory: LogDirectory, folder: string, checkpointed: Checkpointed): Promise<OpenedLog> {
  const bases = await tidied(directory, folder, checkpointed.startOffset);
  if (bases.length === 0) return createLog(directory, folder, checkpointed);
  const restored = await restoreLast(directory, folder, bases.at(-1)!);
  if (!("damage" in restored)) return assemble(directory, folder, bases, restored, checkpointed);
  await recoverLog(directory, folder, { recoveryPoint: bases.at(-1)!, stableEndOffset: checkpointed.recoveryPoint });
  const recovered = baseOffsetsIn(await directory.files.list(folder));
  const again = await restoreLast(directory, folder, recovered.at(-1)!);
  if ("damage" in again) throw new Error(`${folder} is damaged and cannot be recovered`);
  return assemble(directory, folder, recovered, again, checkpointed);
}

async function assemble(
  directory: LogDirectory,
  folder: string,
  bases: readonly number[],
  last: Restored,
  checkpointed: Checkpointed,
): Promise<OpenedLog> {
  const segments: Segment[] = [];
  const sealed = bases.slice(0, -1);
  for (let i = 0; i < sealed.length; i += sizesAtOnce) {
    const some = sealed.slice(i, i + sizesAtOnce);
    const sizes = await Promise.all(some.map((base) => directory.files.size(segmentPath(folder, base, "log"))));
    some.forEach((base, j) => {
      segments.push(new Segment(folder, base, sizes[j]!));
    });
  }
  segments.push(last.segment);
  const { endOffset, layout } = last;
  if (endOffset < checkpointed.startOffset) return beginAnew(directory, segments, checkpointed, endOffset);
  const startOffset = Math.max(checkpointed.startOffset, bases[0]!);
  const epochs = await openEpochs(directory, folder, bases, { startOffset, endOffset });
  const recoveryPoint = Math.min(checkpointed.recoveryPoint, endOffset);
  const damage = await damageAtEnd(directory, folder, checkpointed.recoveryPoint, { endOffset, position: layout.sizeInBytes });
  const { producers, snapshotOffset } = await restoreProducers(directory, folder, { bases, endOffset });
  return { folder, segments, layout, epochs, producers, snapshotOffset, startOffset, endOffset, recoveryPoint, damage };
}

/**
 * All that a crash left is below the start: (1) records up to the end were deleted by request, which is durable; (2) the last of them were on no disk. Appending where they end would give
 * their offsets a second time.
 */
async function beginAnew(
  directory: LogDirectory,
  segments: readonly Segment[],
  checkpointed: Checkpointed,
  endOffset: number,
): Promise<OpenedLog> {
  const { folder } = segments[0]!;
  directory.logger.warn({ folder, startOffset: checkpointed.startOffset, endOffset }, "the log ends below its start: it begins anew there");
  await segments.at(-1)!.writable.file.close();
  for (const { baseOffset } of segments.toReversed()) await removeSegment(directory, folder, baseOffset);
  await directory.files.syncDirectory(folder);
  return createLog(directory, folder, checkpointed);
}

async function createLog(directory: LogDirectory, folder: string, { startOffset, recoveryPoint: lost }: Checkpointed): Promise<OpenedLog> {
  const damage = await damageAtEnd(directory, folder, lost, { endOffset: startOffset, position: 0 });
  const segment = await createSegment(directory, folder, startOffset);
  const epochs = new LeaderEpochs();
  await replaceFile(directory.files, `${folder}/${fileNames.leaderEpochs}`, epochs.encode());
  const layout = emptyLayout(startOffset, directory.clock.nowMs());
  await removeSnapshots(directory, folder, () => true);
  return {
    folder,
    segments: [segment],
    layout,
    epochs,
    producers: new ProducerStates(),
    snapshotOffset: null,
    startOffset,
    endOffset: startOffset,
    recoveryPoint: startOffset,
    damage,
  };
}

async function restoreLast(
  directory: LogDirectory,
  folder: string,
  baseOffset: number,
): Promise<Restored | { readonly damage: SegmentDamage }> {
  const path = segmentPath(folder, baseOffset, "log");
  const file = await directory.files.open(path, "readwrite");
  const restored = await restoreSegment(directory, folder, baseOffset, file);
  if (!("damage" in restored)) return restored;
  await file.close();
  directory.logger.error({ path, ...restored.damage }, "log is damaged though it was closed cleanly: recovering it");
  return restored;
}

async function openEpochs(
  directory: LogDirectory,
  folder: string,
  bases: readonly number[],
  { startOffset, endOffset }: Pick<OpenedLog, "startOffset" | "endOffset">,
): Promise<LeaderEpochs> {
  const path = `${folder}/${fileNames.leaderEpochs}`;
  const content = await readIfThere(directory.files, path);
  let epochs = content === null ? null : LeaderEpochs.decode(content);
  if (epochs === null) {
    directory.logger.warn({ path }, "leader epochs are missing or damaged: reading them from the batches");
    epochs = await epochsFromBatches(directory, folder, bases);
    await replaceFile(directory.files, path, epochs.encode());
  }
  // an epoch may have begun at the very end, without a record yet
  epochs.truncateTo(endOffset + 1);
  epochs.startAt(startOffset);
  return epochs;
}

/** The segments' base offsets, after what a crash or a disk that failed left was removed: files that were given up, and segments below the start that are back. */
async function tidied(directory: LogDirectory, folder: string, startOffset: number): Promise<number[]> {
  const { files } = directory;
  await completeSwaps(directory, folder);
  const names = await files.list(folder);
  for (const name of names.filter(isLeftover)) await files.remove(`${folder}/${name}`);
  const bases = baseOffsetsIn(names);
  const kept = Math.max(
    bases.findLastIndex((base) => base <= startOffset),
    0,
  );
  for (const base of bases.slice(0, kept)) await removeSegment(directory, folder, base);
  // before any checkpoint relies on the files alone to tell the start
  if (kept > 0) await files.syncDirectory(folder);
  return bases.slice(kept);
}

function baseOffsetsIn(names: readonly string[]): number[] {
  return names
    .map(parseSegmentFileName)
    .filter((parsed) => parsed?.kind === "log")
    .map((parsed) => parsed!.baseOffset);
}
