import {
  type ClusterNotes,
  clusterNotesName,
  decodeSnapshot,
  type FileSystem,
  fileNames,
  isDeletedDirectory,
  LeaderEpochs,
  metaPropertiesPath,
  parseMetaProperties,
  parsePartitionDirectory,
  parseSegmentFileName,
  parseSnapshotFileName,
  readClusterNotes,
  readControllerEpochFile,
  readDamage,
  readIfThere,
  readTopicId,
  segmentPath,
  snapshotPath,
} from "../../broker/disk-format.ts";
import type { BrokerId, TopicId } from "../../protocol/base/ids.ts";
import { CommandFailed } from "../output/command-failed.ts";
import { scanSegment } from "./scan-segment.ts";

/**
 * What one log directory says about the cluster it was part of. Plain values: it may be sent as JSON from the machine where the directory
 * is.
 */
export interface DirectoryInventory {
  readonly directory: string;
  readonly clusterId: string;
  readonly brokerId: BrokerId;
  /** -1: it does not say. */
  readonly controllerEpoch: number;
  readonly notes: ClusterNotes | null;
  readonly logs: readonly InventoriedLog[];
  /** Folders that were set aside, or wait to be removed: not read. */
  readonly leftAside: readonly string[];
  /** What could not be read, human-readable. */
  readonly doubts: readonly string[];
}

export interface InventoriedLog {
  readonly topic: string;
  readonly partition: number;
  readonly topicId: TopicId;
  /** Of the last sound batch, or of the last one that existed; -1: there never was one. */
  readonly lastEpoch: number;
  /** The end of the last sound batch. */
  readonly endOffset: number;
  /** The highest that the log or its `leader-epoch-checkpoint` names: an epoch may have begun without a record. */
  readonly epochMax: number;
  /** A broker has noted that it is damaged. */
  readonly isDamaged: boolean;
  /** The highest in the last segment and in the snapshots; -1: none. */
  readonly producerIdMax: number;
}

/** Reads a log directory and changes nothing. Of each log only its last segments, so it is quick even with years of data. */
export async function inventoryOf(files: FileSystem, directory: string, advanced: (log: string) => void): Promise<DirectoryInventory> {
  const metaPath = metaPropertiesPath(directory);
  if (!(await files.exists(metaPath)))
    throw new CommandFailed(`${directory} is no broker's log directory: it has no meta.properties. Name what is in log.dirs`);
  const { clusterId, brokerId } = parseMetaProperties(await files.readFile(metaPath), metaPath);
  const doubts: string[] = [];
  const seen = await readControllerEpochFile(files, directory);
  if (seen === "damaged") doubts.push(`${directory}/${fileNames.controllerEpoch} is damaged`);
  const notes = await readClusterNotes(files, directory);
  if (notes === "damaged") doubts.push(`${directory}/${clusterNotesName} is damaged`);
  const logs: InventoriedLog[] = [];
  const leftAside: string[] = [];
  for (const name of await files.list(directory)) {
    const place = isDeletedDirectory(name) ? null : parsePartitionDirectory(name);
    const folder = `${directory}/${name}`;
    if (place === null) {
      if (/\.[0-9a-f]{32}-(stray|delete|future)$/.test(name)) leftAside.push(folder);
      continue;
    }
    const topicId = await readTopicId(files, folder);
    if (topicId === null) doubts.push(`${folder} does not say which topic it is of (partition.metadata): it is passed over`);
    else logs.push({ ...place, topicId, ...(await read(files, folder)) });
    advanced(folder);
  }
  const known = typeof notes === "string" ? null : notes;
  return {
    directory,
    clusterId,
    brokerId,
    controllerEpoch: typeof seen === "string" ? -1 : seen.controllerEpoch,
    notes: known,
    logs,
    leftAside,
    doubts,
  };
}

async function read(files: FileSystem, folder: string): Promise<Omit<InventoriedLog, "topic" | "partition" | "topicId">> {
  const end = await endOf(files, folder);
  const content = await readIfThere(files, `${folder}/${fileNames.leaderEpochs}`);
  const epochs = content === null ? null : LeaderEpochs.decode(content);
  // a log emptied by retention still counts up to its end: its last records were of the epoch in force there
  const lastEpoch = end.lastEpoch < 0 && end.endOffset > 0 ? (epochs?.epochAt(end.endOffset) ?? -1) : end.lastEpoch;
  const epochMax = Math.max(lastEpoch, epochs?.latest ?? -1);
  return { ...end, lastEpoch, epochMax, isDamaged: (await readDamage(files, folder)) !== null };
}

type LogEnd = Pick<InventoriedLog, "lastEpoch" | "endOffset" | "producerIdMax">;

/** Segments from the last one back, until one has a batch: the end as the next start would find it. */
async function endOf(files: FileSystem, folder: string): Promise<LogEnd> {
  const names = await files.list(folder);
  const bases = names.map(parseSegmentFileName).flatMap((segment) => (segment?.kind === "log" ? [segment.baseOffset] : []));
  let producerIdMax = await snapshotsProducerIdMax(files, folder, names);
  for (const base of bases.sort((a, b) => b - a)) {
    const end = await segmentEnd(files, segmentPath(folder, base, "log"));
    producerIdMax = Math.max(producerIdMax, end?.producerIdMax ?? -1);
    if (end !== null) return { lastEpoch: end.lastEpoch, endOffset: end.endOffset, producerIdMax };
  }
  return { lastEpoch: -1, endOffset: Math.max(0, ...bases), producerIdMax };
}

/** Null: there is no sound batch in it. */
async function segmentEnd(files: FileSystem, path: string): Promise<LogEnd | null> {
  let found: LogEnd | null = null;
  let producerIdMax = -1;
  const file = await files.open(path, "read");
  try {
    for await (const { batches } of scanSegment(file, await file.size())) {
      for (const { info, crcValid } of batches) {
        if (!crcValid) return found;
        producerIdMax = Math.max(producerIdMax, info.producerId);
        found = { lastEpoch: info.leaderEpoch, endOffset: info.lastOffset + 1, producerIdMax };
      }
    }
  } finally {
    await file.close();
  }
  return found;
}

async function snapshotsProducerIdMax(files: FileSystem, folder: string, names: readonly string[]): Promise<number> {
  let highest = -1;
  for (const offset of names.map(parseSnapshotFileName)) {
    if (offset === null) continue;
    const rows = decodeSnapshot(await files.readFile(snapshotPath(folder, offset)));
    if (typeof rows !== "string") for (const { producerId } of rows) highest = Math.max(highest, producerId);
  }
  return highest;
}
