import type { BatchInfo } from "../../../protocol/records/batch-header.ts";
import { type FileSystem, replaceFile } from "../../runtime/files.ts";
import { readIfThere } from "../files/checkpoint-file.ts";
import { fileNames } from "../files/file-names.ts";
import { LeaderEpochs } from "../partition-log/leader-epochs.ts";
import { walkHeaders } from "../segment/batch-walk.ts";
import type { SegmentIo } from "../segment/read-caches.ts";
import { type Segment, segmentPath } from "../segment/segment.ts";

/** The newest epochs are compared with the batches at a start; older ones no longer decide anything. */
const comparedMax = 16;

export interface Compared {
  /** Of the segments, ascending. */
  readonly bases: readonly number[];
  readonly segmentAt: (baseOffset: number) => Segment | Promise<Segment>;
  /** The batches end there. */
  readonly endOffset: number;
}

/**
 * Whether the leader epochs read from their file match the batches: a changed digit in the file looks like any other epoch or offset, and a
 * follower truncates its log by them. Checks the batches on both sides of each epoch's start, and at the end.
 */
export async function epochsFit(io: SegmentIo, epochs: LeaderEpochs, { bases, segmentAt, endOffset }: Compared): Promise<boolean> {
  const starts = epochs.entries.slice(-comparedMax).map(({ startOffset }) => startOffset);
  // the end, too: the last epoch may be noted too far, or not at all
  for (const startOffset of [...starts, endOffset - 1]) {
    const base = bases.findLast((baseOffset) => baseOffset <= startOffset);
    if (base === undefined || startOffset >= endOffset) continue;
    const segment = await segmentAt(base);
    const from = await segment.floorPosition(Math.max(startOffset - 1, segment.baseOffset), io);
    let fits = true;
    await segment.use(io, (file) =>
      walkHeaders(file, from, segment.sizeInBytes, (batch) => {
        if (batch.lastOffset < startOffset - 1) return "on";
        fits &&= isKnownAs(batch, epochs);
        return batch.lastOffset >= startOffset ? "stop" : "on";
      }),
    );
    if (!fits) return false;
  }
  return true;
}

function isKnownAs({ baseOffset, lastOffset, leaderEpoch }: BatchInfo, epochs: LeaderEpochs): boolean {
  return leaderEpoch < 0 || [baseOffset, lastOffset].every((offset) => (epochs.epochAt(offset) ?? leaderEpoch) === leaderEpoch);
}

/** The leader epochs according to the headers of these segments' batches. */
export async function epochsFromBatches(io: SegmentIo, folder: string, bases: readonly number[]): Promise<LeaderEpochs> {
  const epochs = new LeaderEpochs();
  for (const base of bases) {
    await io.openFiles.use(segmentPath(folder, base, "log"), async (file) => {
      await walkHeaders(file, 0, await file.size(), (batch) => {
        if (batch.leaderEpoch > epochs.latest) epochs.begin(batch.leaderEpoch, batch.baseOffset);
        return "on";
      });
    });
  }
  return epochs;
}

/**
 * The folder has these epochs in their file, or no file where there are none. Written only where it says something else: with thousands of
 * logs, two waits for the disk each are most of what a start costs. What is there was synced before it got its name; the caller syncs the
 * folder.
 */
export async function keepEpochs(files: FileSystem, folder: string, epochs: LeaderEpochs): Promise<void> {
  const path = `${folder}/${fileNames.leaderEpochs}`;
  const content = await readIfThere(files, path);
  const isThere = content === null ? epochs.entries.length === 0 : content.equals(epochs.encode());
  if (!isThere) await replaceFile(files, path, epochs.encode());
}
