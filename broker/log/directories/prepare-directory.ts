import { byTopicAndPartition, type TopicId } from "../../../protocol/base/ids.ts";
import { codeOf, type FileSystem } from "../../runtime/files.ts";
import { pipelined } from "../../runtime/pipelined.ts";
import { readIfThere, readOffsets } from "../files/checkpoint-file.ts";
import { type ClosedLogs, readCleanStop } from "../files/clean-stop.ts";
import { type Doubt, decodeCleanShutdown } from "../files/directory-notes.ts";
import { fileNames, isDeletedDirectory, isLeftover, parsePartitionDirectory } from "../files/file-names.ts";
import { readTopicId } from "../files/folder-notes.ts";
import { recoverLog } from "../opening/recovery.ts";
import type { SegmentIo } from "../segment/read-caches.ts";
import { takeOverJoins } from "../segment/segment-joins.ts";
import { DirectoryCheckpoints } from "./directory-checkpoints.ts";
import { findStrays, type Stray } from "./strays.ts";

export interface FoundLog {
  readonly topic: string;
  readonly partition: number;
  readonly topicId: TopicId | null;
}

/** What a directory holds, recovered and ready for its store. */
export interface PreparedDirectory {
  readonly found: readonly FoundLog[];
  /** Of the logs found; how far compaction got never exceeds their ends. */
  readonly checkpoints: DirectoryCheckpoints;
  /** As of the last checkpoint. */
  readonly highWatermarks: ReadonlyMap<string, number>;
  /** Folders of deleted logs, to be removed. */
  readonly deleted: readonly string[];
  /** Logs that were set aside: they are left as they are, whether the last stop was clean or not. */
  readonly strays: readonly Stray[];
  /** The stop was not clean: all logs were recovered. */
  readonly doubt: Doubt;
  /** Of the logs found, those that the last stop closed. */
  readonly closed: ClosedLogs;
}

/**
 * Makes the directory ready: recovers all logs unless the marker says that they were closed cleanly, and durably removes the marker before
 * anything is written.
 */
export async function prepareDirectory(io: SegmentIo, root: string, recoveriesAtOnce = 2): Promise<PreparedDirectory> {
  const { files, logger } = io;
  await makeDurableDirectory(files, root);
  const names = await files.list(root);
  const { doubt, closedChecksum } = await lastStop(io, root);
  const clean = doubt.kind !== "unregistered";
  const recoveryPoints = await readCheckpoint(io, root, fileNames.recoveryPoints);
  const cleanedOffsets = await readCheckpoint(io, root, fileNames.cleanedOffsets);
  const startOffsets = await readCheckpoint(io, root, fileNames.startOffsets);
  for (const name of names.filter(isLeftover)) await files.remove(`${root}/${name}`);

  const logs: { readonly key: string; readonly topic: string; readonly partition: number }[] = [];
  for (const name of names) {
    const parsed = isDeletedDirectory(name) ? null : parsePartitionDirectory(name);
    if (parsed !== null) logs.push({ key: name, ...parsed });
  }
  // without recovery points it is unknown which gaps compaction left: then all gaps may be from compaction, if there was any
  const denseFrom = recoveryPoints.size === 0 && cleanedOffsets.size > 0 ? { denseFrom: Number.POSITIVE_INFINITY } : {};
  const points = new Map<string, number>();
  if (!clean && logs.length > 0) logger.info({ directory: root, logs: logs.length }, "the last stop was not clean: checking logs");
  const found = await pipelined(logs, recoveriesAtOnce, async ({ key, topic, partition }): Promise<FoundLog> => {
    const known = recoveryPoints.get(key) ?? 0;
    points.set(key, clean ? known : await recoverLog(io, `${root}/${key}`, { recoveryPoint: known, stableEndOffset: known, ...denseFrom }));
    return { topic, partition, topicId: await readTopicId(files, `${root}/${key}`) };
  });
  if (!names.includes(fileNames.segmentsJoin)) {
    const taken = logs.map(({ key }) => ({ folder: `${root}/${key}`, startOffset: startOffsets.get(key) ?? 0 }));
    await takeOverJoins(io, root, taken);
  }
  const closed = (await readCleanStop(files, root, closedChecksum)) ?? new Map();
  for (const name of [fileNames.cleanShutdown, fileNames.cleanStop]) await files.remove(`${root}/${name}`);
  await files.syncDirectory(root);
  found.sort(byTopicAndPartition);
  const deleted = names.filter(isDeletedDirectory).map((name) => `${root}/${name}`);
  // a move interrupted by a crash may have left offsets of a log that never arrived here
  const ofFound = <T>(values: ReadonlyMap<string, T>) => new Map([...values].filter(([key]) => points.has(key)));
  const checkpoints = new DirectoryCheckpoints(files, root, {
    recoveryPoints: points,
    startOffsets: ofFound(startOffsets),
    cleanedOffsets: clean ? ofFound(cleanedOffsets) : within(ofFound(cleanedOffsets), points),
    storedCleanedOffsets: cleanedOffsets,
  });
  const strays = await findStrays(files, root, names);
  const highWatermarks = await readOffsets(files, `${root}/${fileNames.highWatermarks}`);
  return {
    found,
    checkpoints,
    highWatermarks: typeof highWatermarks === "string" ? new Map() : highWatermarks,
    deleted,
    strays,
    doubt,
    closed: ofFound(closed),
  };
}

/** What the marker of the last stop says; without one, that stop was not clean. */
async function lastStop(
  { files, logger }: SegmentIo,
  root: string,
): Promise<{ readonly doubt: Doubt; readonly closedChecksum: number | null }> {
  const unclean = { doubt: { kind: "unregistered" }, closedChecksum: null } as const;
  const path = `${root}/${fileNames.cleanShutdown}`;
  const content = await readIfThere(files, path);
  if (content === null) return unclean;
  const said = decodeCleanShutdown(content);
  if (said === null) logger.warn({ path }, "the marker of a clean stop cannot be read and is ignored");
  return said ?? unclean;
}

/**
 * Where a crash took a log's end, what is appended there is new: (1) the cleaner got to 23; (2) a cut is interrupted, and the log ends at
 * 0; (3) other records are appended; they were never cleaned.
 */
function within(offsets: ReadonlyMap<string, number>, ends: ReadonlyMap<string, number>): Map<string, number> {
  return new Map([...offsets].map(([key, offset]) => [key, Math.min(offset, ends.get(key) ?? 0)]));
}

/**
 * Created with its parents, all of their names durable: also those that existed, as an earlier start may have crashed before it synced
 * them. Folders that are not ours to read are left alone; they were there before us.
 */
async function makeDurableDirectory(files: FileSystem, path: string): Promise<void> {
  await files.makeDirectory(path);
  for (let below = path; below !== ""; below = below.slice(0, below.lastIndexOf("/"))) {
    const parent = below.slice(0, below.lastIndexOf("/")) || "/";
    await files.syncDirectory(parent).catch((error: unknown) => {
      if (codeOf(error) !== "EACCES" && codeOf(error) !== "EPERM") throw error;
    });
  }
}

/** A missing or damaged checkpoint costs time only: logs are checked from their start. */
async function readCheckpoint({ files, logger }: SegmentIo, root: string, name: string): Promise<ReadonlyMap<string, number>> {
  const offsets = await readOffsets(files, `${root}/${name}`);
  if (offsets === "damaged") logger.warn({ path: `${root}/${name}` }, "checkpoint is damaged and ignored");
  return typeof offsets === "string" ? new Map() : offsets;
}
