import { invariant } from "../../../protocol/base/invariant.ts";

/** Names of files and folders in a log directory: Kafka's own. */
export const fileNames = {
  leaderEpochs: "leader-epoch-checkpoint",
  partitionMetadata: "partition.metadata",
  recoveryPoints: "recovery-point-offset-checkpoint",
  highWatermarks: "replication-offset-checkpoint",
  startOffsets: "log-start-offset-checkpoint",
  /** Ours: what is known to be damaged in a log. */
  damage: "ottla-damage",
  /** How far compaction got, by partition. */
  cleanedOffsets: "cleaner-offset-checkpoint",
  /** Ours, in a directory: the segments of its logs when they were closed. */
  cleanStop: "ottla-clean-stop",
  /** Ours, in a directory: segments are contiguous in all of its logs, but for the gaps noted with them. */
  segmentsJoin: "ottla-segments-join",
  /** Ours, in a log that was Kafka's: where segments were not contiguous when it was opened for the first time. */
  gaps: "ottla-gaps",
  /** Ours, in a directory: which cluster this is, and the newest controller epoch that its broker has seen. */
  controllerEpoch: "ottla-controller-epoch",
  /** Ours, in a log that was set aside: whose it is, and what the directory's checkpoints said of it. */
  stray: "ottla-stray",
  cleanShutdown: ".kafka_cleanshutdown",
} as const;

/**
 * The files of a segment; the last one only where a transaction was aborted. Its log is removed first: an index without a log is a
 * leftover that recovery removes.
 */
export const segmentFileKinds = ["log", "index", "timeindex", "txnindex"] as const;
export type SegmentFileKind = (typeof segmentFileKinds)[number];

/** `00000000000000000042.log`: a segment's files are named after its base offset, so that sorted names are sorted offsets. */
export function segmentFileName(baseOffset: number, kind: SegmentFileKind): string {
  invariant(Number.isSafeInteger(baseOffset) && baseOffset >= 0, "a segment starts at an offset", () => ({ baseOffset }));
  return `${String(baseOffset).padStart(20, "0")}.${kind}`;
}

export function parseSegmentFileName(name: string): { readonly baseOffset: number; readonly kind: SegmentFileKind } | null {
  const match = /^(\d{20})\.(log|index|timeindex|txnindex)$/.exec(name);
  if (match === null) return null;
  const baseOffset = Number(match[1]);
  return Number.isSafeInteger(baseOffset) ? { baseOffset, kind: match[2] as SegmentFileKind } : null;
}

/** The log's producers as of `offset`: `00000000000000000042.snapshot`. */
export function snapshotPath(folder: string, offset: number): string {
  invariant(Number.isSafeInteger(offset) && offset >= 0, "a snapshot is of an offset", () => ({ offset }));
  return `${folder}/${String(offset).padStart(20, "0")}.snapshot`;
}

export function parseSnapshotFileName(name: string): number | null {
  const offset = /^\d{20}\.snapshot$/.test(name) ? Number.parseInt(name, 10) : Number.NaN;
  return Number.isSafeInteger(offset) ? offset : null;
}

const deletedSuffix = ".deleted";

/** What a file that is no longer part of a log is called until it is removed. */
export function deletedFilePath(path: string): string {
  return `${path}${deletedSuffix}`;
}

/** What an interrupted replacement, deletion or cleaning leaves behind. */
export function isLeftover(name: string): boolean {
  return /\.(tmp|swap|cleaned|deleted)$/.test(name);
}

/** `topic-3`. Topics may contain "-": the last one counts. Null for any other folder. */
export function parsePartitionDirectory(name: string): { readonly topic: string; readonly partition: number } | null {
  const match = /^([a-zA-Z0-9._-]{1,249})-(0|[1-9]\d{0,9})$/.exec(name);
  if (match === null) return null;
  const partition = Number(match[2]);
  return partition < 2 ** 31 ? { topic: match[1] as string, partition } : null;
}

const deletedDirectory = /^.+\.[0-9a-f]{32}-delete$/;
const nameLengthMax = 255;

/**
 * `topic-3.<32 hex digits>-delete`: what a log's folder is called from its deletion until it is gone. A long topic name is cut, as file
 * systems take 255 bytes.
 */
export function deletedDirectoryName(partitionDirectory: string, uniqueHex: string): string {
  const name = withSuffix(partitionDirectory, `.${uniqueHex}-delete`);
  invariant(isDeletedDirectory(name), "a deleted folder is known by its name", () => ({ name }));
  return name;
}

export function isDeletedDirectory(name: string): boolean {
  return deletedDirectory.test(name);
}

function withSuffix(partitionDirectory: string, suffix: string): string {
  return partitionDirectory.slice(0, nameLengthMax - suffix.length) + suffix;
}

const strayDirectory = /^(.+)\.[0-9a-f]{32}-stray$/;

/** Kafka's name of the folder of a log that the cluster does not know. A long topic name is cut. */
export function strayDirectoryName(partitionDirectory: string, uniqueHex: string): string {
  return withSuffix(partitionDirectory, `.${uniqueHex}-stray`);
}

/**
 * The log that it was, unless its name was too long; null for any other folder. A folder renamed from a stray, for deletion say, is not
 * one.
 */
export function parseStrayDirectory(name: string): string | null {
  return strayDirectory.exec(name)?.[1] ?? null;
}

const futureDirectory = /^(.+)\.[0-9a-f]{32}-future$/;
const moveNote = /^(.+)\.[0-9a-f]{32}-moving$/;

/** Kafka's name of the folder of a log that is being copied from another directory. */
export function futureDirectoryName(partitionDirectory: string, uniqueHex: string): string {
  return `${partitionDirectory}.${uniqueHex}-future`;
}

/** The log that it is a copy of; null for any other folder. */
export function parseFutureDirectory(name: string): string | null {
  return futureDirectory.exec(name)?.[1] ?? null;
}

/** Ours: a file next to the folder of a log that is being moved to another directory. */
export function moveNoteName(partitionDirectory: string, uniqueHex: string): string {
  return `${partitionDirectory}.${uniqueHex}-moving`;
}

export function parseMoveNoteName(name: string): string | null {
  return moveNote.exec(name)?.[1] ?? null;
}

/** Whether file systems accept the name, with what is appended to it during a move. */
export function canBeMoved(partitionDirectory: string): boolean {
  return moveNoteName(partitionDirectory, "0".repeat(32)).length <= nameLengthMax;
}
