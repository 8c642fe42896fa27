import { decodeCleanStop, type FileSystem, fileNames, fromStart, segmentFileKinds, segmentPath } from "../../../broker/disk-format.ts";
import { type Finding, findingIn } from "./finding.ts";
import { readSmallFile } from "./small-files.ts";

/**
 * Compares the segments' files with their sizes as the broker noted them when it closed the log: otherwise a file that was truncated since,
 * at a batch or an entry, looks whole.
 */
export async function verifyCleanStop(
  files: FileSystem,
  folder: string,
  startOffset: number,
  tell: (finding: Finding) => void,
): Promise<void> {
  const path = `${folder}/${fileNames.cleanStop}`;
  const content = await readSmallFile(files, path, tell);
  if (content === null) return;
  const noted = decodeCleanStop(content);
  if (noted === null) return tell(findingIn(path, { reason: "the sizes in it cannot be read" }));
  for (const sizes of fromStart(noted, startOffset)) {
    for (const kind of segmentFileKinds) {
      if (sizes[kind] < 0) continue;
      const segmentFile = segmentPath(folder, sizes.baseOffset, kind);
      const size = (await files.exists(segmentFile)) ? await files.size(segmentFile) : null;
      if (size === sizes[kind]) continue;
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
