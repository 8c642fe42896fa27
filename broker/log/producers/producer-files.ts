import { invariant } from "../../../protocol/base/invariant.ts";
import type { BatchInfo } from "../../../protocol/records/batch-header.ts";
import type { EndMarker } from "../../../protocol/records/end-marker.ts";
import { type FileSystem, replaceFile } from "../../runtime/files.ts";
import { parseSnapshotFileName, snapshotPath } from "../files/file-names.ts";
import type { AbortedTransaction } from "../segment/aborted-index.ts";
import { walkMarkers } from "../segment/batch-walk.ts";
import type { SegmentIo } from "../segment/read-caches.ts";
import { segmentPath } from "../segment/segment.ts";
import { decodeSnapshot } from "./producer-snapshot.ts";
import { ProducerBudget, ProducerStates } from "./producer-states.ts";

/** As of `offset`; durable when this resolves. */
export async function storeSnapshot(files: FileSystem, folder: string, offset: number, content: Buffer): Promise<void> {
  await replaceFile(files, snapshotPath(folder, offset), content);
}

/**
 * Removes the snapshots at these offsets; durable when this resolves. Otherwise: (1) the log is cut below one; (2) other batches are
 * appended there; (3) after a crash the snapshot reappears, and describes the old ones.
 */
export async function removeSnapshots(files: FileSystem, folder: string, isGone: (offset: number) => boolean): Promise<void> {
  const gone = (await snapshotOffsets(files, folder)).filter(isGone);
  for (const offset of gone) await files.remove(snapshotPath(folder, offset));
  if (gone.length > 0) await files.syncDirectory(folder);
}

export interface LogExtent {
  /** The segments' base offsets, ascending. */
  readonly bases: readonly number[];
  readonly endOffset: number;
}

export interface RestoredProducers {
  readonly producers: ProducerStates;
  /** Of the snapshot that it began with; null: it began with the first segment. */
  readonly snapshotOffset: number | null;
}

/**
 * What the log knows of its producers: the newest sound snapshot, and of the batches after it the headers, and the ends of
 * transactions. After a clean stop there are none, so no segment is read.
 *
 * Snapshots that no longer belong to the log are removed: those above its end, those that are damaged, those of removed segments. One below
 * the first segment would be worse than none: it knows nothing of the batches between, and would refuse what continues them.
 */
export async function restoreProducers(
  io: SegmentIo,
  budget: ProducerBudget,
  folder: string,
  extent: LogExtent,
): Promise<RestoredProducers> {
  const { bases, endOffset } = extent;
  const { producers, snapshotOffset, damaged } = await newestSnapshot(io, budget, folder, extent);
  const kept = new Set([...bases, ...(snapshotOffset === null ? [] : [snapshotOffset])]);
  await removeSnapshots(io.files, folder, (offset) => offset > endOffset || damaged.has(offset) || !kept.has(offset));
  await replay(io, folder, producers, snapshotOffset ?? bases[0]!, extent);
  return { producers, snapshotOffset };
}

/**
 * The transactions that markers in the segments from `fromBase` on aborted, by segment, as they are read from the log. `visit` gets each
 * segment's, in order. Changes nothing.
 */
export async function readAborted(
  io: SegmentIo,
  folder: string,
  { bases, fromBase, endOffset }: LogExtent & { readonly fromBase: number },
  visit: (base: number, aborted: readonly AbortedTransaction[]) => Promise<void>,
): Promise<void> {
  const before = { bases: bases.filter((base) => base < fromBase), endOffset: fromBase };
  const budget = new ProducerBudget();
  // those at the first segment's base, too
  const { producers, snapshotOffset } = await newestSnapshot(io, budget, folder, { bases, endOffset: fromBase });
  const isWhole = before.bases.length === 0 || snapshotOffset === fromBase;
  if (!isWhole) await replay(io, folder, producers, snapshotOffset ?? bases[0]!, before);
  let nextOffset = fromBase;
  for (const base of bases.filter((each) => each >= fromBase)) {
    const aborted: AbortedTransaction[] = [];
    const end = Math.min(bases.find((each) => each > base) ?? endOffset, endOffset);
    nextOffset = await replaySegment(io, folder, producers, { base, nextOffset, endOffset: end }, (one) => aborted.push(one));
    await visit(base, aborted);
  }
}

interface FoundSnapshot extends RestoredProducers {
  /** Offsets of newer ones that could not be read. */
  readonly damaged: ReadonlySet<number>;
}

async function newestSnapshot(
  io: SegmentIo,
  budget: ProducerBudget,
  folder: string,
  { bases, endOffset }: LogExtent,
): Promise<FoundSnapshot> {
  const usable = (await snapshotOffsets(io.files, folder)).filter((offset) => offset <= endOffset && offset >= bases[0]!);
  const damaged = new Set<number>();
  for (const offset of usable.toReversed()) {
    const producers = await readSnapshot(io, budget, folder, offset);
    if (producers !== null) return { producers, snapshotOffset: offset, damaged };
    damaged.add(offset);
  }
  return { producers: new ProducerStates(budget), snapshotOffset: null, damaged };
}

async function readSnapshot(
  { files, logger }: SegmentIo,
  budget: ProducerBudget,
  folder: string,
  offset: number,
): Promise<ProducerStates | null> {
  const path = snapshotPath(folder, offset);
  const rows = decodeSnapshot(await files.readFile(path));
  const states = typeof rows === "string" ? rows : ProducerStates.from(rows, offset, budget);
  if (typeof states !== "string") return states;
  logger.warn({ path, damage: states }, "snapshot of the producers is damaged and removed: an older one is taken, or the log is read");
  return null;
}

async function replay(
  io: SegmentIo,
  folder: string,
  producers: ProducerStates,
  fromOffset: number,
  { bases, endOffset }: LogExtent,
): Promise<void> {
  const first = bases.findLastIndex((base) => base <= fromOffset);
  invariant(first >= 0 && fromOffset <= endOffset, "a log's producers are restored from within it", () => ({
    folder,
    fromOffset,
    endOffset,
  }));
  if (fromOffset === endOffset) return;
  let nextOffset = fromOffset;
  for (const base of bases.slice(first)) nextOffset = await replaySegment(io, folder, producers, { base, nextOffset, endOffset });
}

/** The segment's batches from `nextOffset` on, below `endOffset`. Returns the offset after the last of them. */
async function replaySegment(
  { openFiles, logger }: SegmentIo,
  folder: string,
  producers: ProducerStates,
  { base, nextOffset: fromOffset, endOffset }: { readonly base: number; readonly nextOffset: number; readonly endOffset: number },
  onAborted: (aborted: AbortedTransaction) => void = () => undefined,
): Promise<number> {
  let nextOffset = fromOffset;
  const note = (batch: BatchInfo, marker: EndMarker | null) => {
    if (batch.lastOffset < nextOffset) return "on";
    if (batch.baseOffset < nextOffset || batch.lastOffset >= endOffset)
      return { refuse: `offsets ${batch.baseOffset} to ${batch.lastOffset}` };
    const aborted = producers.note(batch, marker);
    if (aborted !== null) onAborted(aborted);
    nextOffset = batch.lastOffset + 1;
    return "on";
  };
  const path = segmentPath(folder, base, "log");
  const { damage, endPosition } = await openFiles.use(path, async (file) => walkMarkers(file, 0, await file.size(), note));
  if (damage !== null)
    logger.warn({ path, position: endPosition, damage }, "producers of the batches behind it in this segment are not known");
  return nextOffset;
}

async function snapshotOffsets(files: FileSystem, folder: string): Promise<number[]> {
  return (await files.list(folder)).map(parseSnapshotFileName).filter((offset) => offset !== null);
}
