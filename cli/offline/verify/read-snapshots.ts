import { decodeSnapshot, type FileSystem, type ProducerRow, parseSnapshotFileName, snapshotPath } from "../../../broker/disk-format.ts";
import { type Finding, findingIn } from "./finding.ts";
import { readSmallFile } from "./small-files.ts";

/** As many as are compared at a time: a log has one for each segment, and 10,000 of them with many producers would not fit into memory. */
const rowsMax = 2_000_000;

/** The snapshots of a log, by offset; why one cannot be read is reported. */
export async function readSnapshots(
  files: FileSystem,
  folder: string,
  names: readonly string[],
  tell: (finding: Finding) => void,
): Promise<Map<number, readonly ProducerRow[]>> {
  const snapshots = new Map<number, readonly ProducerRow[]>();
  const left: string[] = [];
  let rowsCount = 0;
  for (const offset of names.map(parseSnapshotFileName).filter((offset) => offset !== null)) {
    const path = snapshotPath(folder, offset);
    const content = await readSmallFile(files, path, tell);
    if (content === null) continue;
    const rows = decodeSnapshot(content);
    if (typeof rows === "string") tell(findingIn(path, { position: 0, offset, reason: rows }));
    else if (rowsCount + rows.length > rowsMax) left.push(path);
    else {
      rowsCount += rows.length;
      snapshots.set(offset, rows);
    }
  }
  if (left.length > 0)
    tell(
      findingIn(folder, {
        kind: "note",
        reason: `${left.length} snapshots, from ${left[0]} on, are sound but too many to be compared with the log`,
      }),
    );
  return snapshots;
}
