import { type FileSystem, type SegmentSizes, segmentFileKinds, segmentPath } from "../../../broker/disk-format.ts";
import { type Finding, findingIn } from "./finding.ts";

/**
 * Compares the segments' files with their sizes as the broker noted them when it closed the log: otherwise a file that was truncated since,
 * at a batch or an entry, looks whole.
 */
export async function verifyCleanStop(
  files: FileSystem,
  folder: string,
  closed: readonly SegmentSizes[],
  tell: (finding: Finding) => void,
): Promise<void> {
  for (const sizes of closed) {
    for (const kind of segmentFileKinds) {
      if (sizes[kind] < 0) continue;
      const segmentFile = segmentPath(folder, sizes.baseOffset, kind);
      const size = (await files.exists(segmentFile)) ? await files.size(segmentFile) : null;
      // no transaction was aborted in it: there is no such file
      if (size === sizes[kind] || (kind === "txnindex" && size === null && sizes[kind] === 0)) continue;
      const now = size === null ? "it is not there" : `it has ${size} bytes`;
      tell(
        findingIn(segmentFile, {
          position: Math.min(size ?? 0, sizes[kind]),
          reason: `${now}; when the broker was stopped it had ${sizes[kind]}`,
        }),
      );
    }
  }
}
