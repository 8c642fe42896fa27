import { codeOf } from "../runtime/files.ts";
import { deletedFilePath, segmentFileKinds, snapshotPath } from "./file-names.ts";
import type { LogState } from "./log-state.ts";
import { type Segment, segmentPath } from "./segment/segment.ts";

/**
 * The files of segments that `state.replaceSegments` took out: renamed at once, so that no later life takes them for the log's, and removed
 * after `file.delete.delay.ms`. Readers under way finish with the files that they have open. By the gate only, and oldest first: whatever a
 * crash leaves has no gap.
 */
export async function removeSegmentsLater(state: LogState, segments: readonly Segment[]): Promise<void> {
  const { directory, folder, settings } = state;
  const { files, indexes, openFiles, removedFiles } = directory;
  const removed: string[] = [];
  for (const segment of segments) {
    await segment.settled();
    const paths = segmentFileKinds.map((kind) => segmentPath(folder, segment.baseOffset, kind));
    for (const path of [...paths, snapshotPath(folder, segment.baseOffset)]) {
      indexes.forget(path);
      await openFiles.forget(path);
      const deleted = deletedFilePath(path);
      await files.rename(path, deleted).catch(ignoreMissing);
      removed.push(deleted);
    }
  }
  await files.syncDirectory(folder);
  state.removalsUnsynced = false;
  removedFiles.removeLater(removed, settings.fileDeleteDelayMs);
}

/** An index may be missing: it is built when it is needed. So may a snapshot: the log was read without. */
function ignoreMissing(error: unknown): void {
  if (codeOf(error) !== "ENOENT") throw error;
}
