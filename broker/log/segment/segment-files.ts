import type { File } from "../../runtime/files.ts";
import { segmentFileKinds } from "../file-names.ts";
import type { LogDirectory } from "../log-directory.ts";
import { GrowingIndex } from "./growing-index.ts";
import { offsetIndexFormat, timeIndexFormat } from "./index-format.ts";
import { Segment, segmentPath } from "./segment.ts";
import { emptyLayout, type LayoutState } from "./segment-layout.ts";

/** A new, empty segment to write to. Whatever an earlier life left under its names is emptied. */
export async function createSegment(directory: LogDirectory, folder: string, baseOffset: number): Promise<Segment> {
  const { files, indexes, openFiles } = directory;
  for (const kind of ["index", "timeindex"] as const) {
    const path = segmentPath(folder, baseOffset, kind);
    const file = await files.open(path, "readwrite");
    await file.truncate(0).finally(() => file.close());
    indexes.forget(path);
    await openFiles.forget(path);
  }
  const path = segmentPath(folder, baseOffset, "log");
  const file = await files.open(path, "readwrite");
  await file.truncate(0);
  // Race: (1) a segment is to be removed, its files are forgotten; (2) a read that began before opens one of them; (3) it is removed, and
  // this one takes its name.
  await openFiles.forget(path);
  return growingSegment(folder, file, emptyLayout(baseOffset, 0), { indexesSynced: false });
}

/** The last segment, its indexes complete in their files. */
export function growingSegment(
  folder: string,
  file: File,
  layout: LayoutState,
  { indexesSynced: synced }: { readonly indexesSynced: boolean },
): Segment {
  const { baseOffset, sizeInBytes, offsetEntries, timeEntries, maxTimestampMs, offsetOfMaxTimestamp } = layout;
  const offsetsPath = segmentPath(folder, baseOffset, "index");
  const timesPath = segmentPath(folder, baseOffset, "timeindex");
  return new Segment(folder, baseOffset, sizeInBytes, {
    file,
    offsets: new GrowingIndex(offsetIndexFormat, offsetsPath, baseOffset, { entries: offsetEntries, synced }),
    times: new GrowingIndex(timeIndexFormat, timesPath, baseOffset, { entries: timeEntries, synced }),
    maxTimestampMs,
    offsetOfMaxTimestamp,
  });
}

/** Removes the segment's files, now. */
export async function removeSegment({ files, indexes, openFiles }: LogDirectory, folder: string, baseOffset: number): Promise<void> {
  for (const kind of segmentFileKinds) {
    const path = segmentPath(folder, baseOffset, kind);
    indexes.forget(path);
    await openFiles.forget(path);
    await files.remove(path);
  }
}
