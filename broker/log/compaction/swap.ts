import { codeOf, type FileSystem } from "../../runtime/files.ts";
import { deletedFilePath, parseSegmentFileName, segmentFileKinds, segmentFileName } from "../files/file-names.ts";
import type { LogFlusher } from "../partition-log/log-flusher.ts";
import type { LogState } from "../partition-log/log-state.ts";
import { removeSnapshots } from "../producers/producer-files.ts";
import { replaceAborted } from "../segment/aborted-files.ts";
import { walkHeaders } from "../segment/batch-walk.ts";
import type { SegmentIo } from "../segment/read-caches.ts";
import { Segment, segmentPath } from "../segment/segment.ts";

/** The segment's log is renamed last: once it has the new name, all of them are complete. */
const logLast = ["index", "timeindex", "txnindex", "log"] as const;

export interface Replacement {
  /** Adjacent segments, oldest first, none of them the active one. */
  readonly group: readonly Segment[];
  /** Bytes of the cleaned segment that takes their place, and their first's name. */
  readonly sizeInBytes: number;
  /** Of its `.txnindex`; an empty one is removed at last. */
  readonly abortedBytes: number;
  /** False: the log was cut, deleted or closed meanwhile, and nothing may be replaced. */
  readonly isStillWanted: () => boolean;
  /** Called in the turn in which the new segment is in place. */
  readonly replaced: () => void;
}

/**
 * Replaces the old segments by the cleaned one made from them. Its files are complete and synced, under `.cleaned` names. Kafka's protocol;
 * a crash after any step leaves the old segments or the new one once `completeSwaps` has run:
 *
 * 1. `.cleaned` becomes `.swap`, the log last, and the folder is synced. A crash before: there is no `.log.swap`, the copy is thrown away.
 *    After: the copy counts, and its range is that of
 *    its batches, since its last batch ends where the last of the old segments did.
 * 2. The log has the new segment instead of the old ones, in one turn. Until 5 no read may open files by name: reads that began before are
 *    repeated, those from the tail continue, others wait.
 * 3. The old segments' files become `.deleted`, and the folder is synced: none of them can come back once the next step was taken.
 * 4. `.swap` gets the segment's name, the log last: while `.log.swap` is there, a start does all of this again.
 * 5. What is cached of the old files (open ones, indexes) is dropped, and reads continue.
 * 6. The producer snapshots at base offsets that no longer exist are removed, and the folder is synced; the `.deleted` files are removed
 *    later.
 *
 * All of it in the gate, so no truncation, deletion of segments or closing is under way, and the segments checked before 1 are there until
 * 2. Step 1 is in the gate, too: (a) a copy is complete;
 * (b) the log is cut below it; (c) the machine dies: the copy must not bring back what was cut.
 */
export async function swapSegments(state: LogState, flusher: LogFlusher, replacement: Replacement): Promise<boolean> {
  const { io, directory, folder } = state;
  const { files } = io;
  const { group, sizeInBytes, abortedBytes, isStillWanted, replaced } = replacement;
  let isDone = false;
  await flusher.exclusive(async () => {
    if (!isStillWanted()) return;
    for (const segment of group) await segment.settled();
    const base = group[0]!.baseOffset;
    await renameAll(files, folder, base, { from: ".cleaned", to: ".swap" });
    await files.syncDirectory(folder);
    const at = state.segments.indexOf(group[0]!);
    const endOffset = state.segments[at + group.length]!.baseOffset;
    const reopen = state.holdReads();
    try {
      const cleaned = new Segment(folder, base, sizeInBytes);
      cleaned.expectIndexBytes({ index: -1, timeindex: -1, txnindex: abortedBytes });
      state.replaceSegments(at, group.length, [cleaned]);
      state.tail.forgetBefore(endOffset);
      // a read may have begun to build an index of one meanwhile; from now on none does
      for (const segment of group) await segment.settled();
      const deleted = await renameDeleted(files, folder, group);
      await files.syncDirectory(folder);
      await renameAll(files, folder, base, { from: ".swap", to: "" });
      forgetFiles(io, folder, group);
      replaced();
      directory.removedFiles.removeLater(deleted, state.settings.fileDeleteDelayMs);
      isDone = true;
    } finally {
      reopen();
    }
    // not before: while there is a `.log.swap`, a start would find the old segment's and keep it
    if (abortedBytes === 0) await replaceAborted(io, { folder, baseOffset: group[0]!.baseOffset }, []);
    const gone = new Set(group.slice(1).map(({ baseOffset }) => baseOffset));
    await removeSnapshots(files, folder, (offset) => gone.has(offset) && offset !== state.snapshotOffset);
    await files.syncDirectory(folder);
    state.removalsSynced();
  });
  return isDone;
}

/**
 * Finishes what a crash interrupted, before a log is opened: a complete copy replaces the segments in its range; an incomplete one is
 * deleted. May itself be interrupted at any step. Other leftovers stay.
 */
export async function completeSwaps(io: SegmentIo, folder: string): Promise<void> {
  const { files, logger } = io;
  const names = await files.list(folder);
  for (const name of names.filter((name) => name.endsWith(".log.swap"))) {
    const base = parseSegmentFileName(name.slice(0, -".swap".length))?.baseOffset;
    if (base === undefined) continue;
    const endOffset = await endOfSwap(io, folder, base);
    // none that we write is empty or damaged; while the old log exists, it is the better one
    if (endOffset === null && names.includes(segmentFileName(base, "log"))) continue;
    logger.info({ folder, baseOffset: base, endOffset }, "completing a compaction that was interrupted");
    for (const other of names.map(parseSegmentFileName)) {
      if (other === null || other.baseOffset <= base || other.baseOffset >= (endOffset ?? base)) continue;
      await files.remove(segmentPath(folder, other.baseOffset, other.kind));
    }
    await files.syncDirectory(folder);
    await renameAll(files, folder, base, { from: ".swap", to: "" });
  }
  const left = (await files.list(folder)).filter((name) => /\.(swap|cleaned)$/.test(name));
  for (const name of left) await files.remove(`${folder}/${name}`);
  if (left.length > 0 || names.some((name) => name.endsWith(".swap"))) await files.syncDirectory(folder);
}

/** The end of the last batch of a `.log.swap`; null: the file has no valid batches. */
async function endOfSwap({ files, logger }: SegmentIo, folder: string, baseOffset: number): Promise<number | null> {
  const path = `${segmentPath(folder, baseOffset, "log")}.swap`;
  const file = await files.open(path, "read");
  try {
    let endOffset = baseOffset;
    const walked = await walkHeaders(file, 0, await file.size(), (batch) => {
      endOffset = batch.lastOffset + 1;
      return "on";
    });
    if (walked.damage === null && endOffset > baseOffset) return endOffset;
    logger.error({ path, position: walked.endPosition, damage: walked.damage }, "a compacted segment is damaged");
    return null;
  } finally {
    await file.close();
  }
}

async function renameAll(files: FileSystem, folder: string, baseOffset: number, names: { readonly from: string; readonly to: string }) {
  for (const kind of logLast) {
    const path = segmentPath(folder, baseOffset, kind);
    // a missing index was renamed before a crash
    await files.rename(path + names.from, path + names.to).catch(kind === "log" ? undefined : ignoreMissing);
  }
}

async function renameDeleted(files: FileSystem, folder: string, group: readonly Segment[]): Promise<readonly string[]> {
  const deleted: string[] = [];
  for (const { baseOffset } of group) {
    for (const kind of segmentFileKinds) {
      const path = segmentPath(folder, baseOffset, kind);
      await files.rename(path, deletedFilePath(path)).catch(ignoreMissing);
      deleted.push(deletedFilePath(path));
    }
  }
  return deleted;
}

function forgetFiles({ indexes, openFiles }: SegmentIo, folder: string, group: readonly Segment[]): void {
  for (const { baseOffset } of group) {
    for (const kind of segmentFileKinds) {
      const path = segmentPath(folder, baseOffset, kind);
      indexes.forget(path);
      // it cannot be found any more from this turn on; its readers close it
      void openFiles.forget(path);
    }
  }
}

function ignoreMissing(error: unknown): void {
  if (codeOf(error) !== "ENOENT") throw error;
}
