import { fileNames } from "../../../broker/disk-format.ts";

export const checkpointNames = {
  recoveryPoint: fileNames.recoveryPoints,
  highWatermark: fileNames.highWatermarks,
  startOffset: fileNames.startOffsets,
  cleanedTo: "cleaner-offset-checkpoint",
} as const;

export type CheckpointName = keyof typeof checkpointNames;

/** The checkpoint entries of one log; null where there are none. */
export type CheckpointedOffsets = Readonly<Record<CheckpointName, number | null>>;

const consequences: Readonly<Record<CheckpointName, string>> = {
  recoveryPoint: "records that were on the disk are gone",
  highWatermark: "records that were committed are not here",
  startOffset: "the log would begin behind its end",
  cleanedTo: "the cleaner would have been behind the log's end",
};

/** The checkpoint entries that cannot be true of a log with this end. */
export function checkCheckpoints(
  known: CheckpointedOffsets,
  endOffset: number,
): { readonly name: CheckpointName; readonly reason: string }[] {
  return (Object.keys(checkpointNames) as CheckpointName[])
    .filter((name) => (known[name] ?? 0) > endOffset)
    .map((name) => ({ name, reason: `it says ${known[name]}, but the log ends at ${endOffset}: ${consequences[name]}` }));
}
