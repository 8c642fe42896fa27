import {
  type ClosedLogs,
  checksumOfCleanStop,
  clusterNotesName,
  codeOf,
  decodeCleanShutdown,
  decodeCleanStop,
  type FileSystem,
  fileNames,
  findStrays,
  isDeletedDirectory,
  type OffsetsByPartition,
  parsePartitionDirectory,
  parseSegmentFileName,
  parseStrayDirectory,
  type Stray,
} from "../../../broker/disk-format.ts";
import { CommandFailed, explain, UsageError } from "../../output/command-failed.ts";
import { dumpCleanStop, dumpClusterNotes, dumpControllerEpoch, dumpStray } from "../dump/dump-notes.ts";
import { dumpMetaProperties } from "../dump/dump-text.ts";
import { type CheckpointedOffsets, type CheckpointName, checkpointNames } from "./check-checkpoints.ts";
import { type Finding, findingIn } from "./finding.ts";
import { tellOfLeftovers } from "./leftovers.ts";
import { readOffsetsCheckpoint, readSmallFile, tellDamage } from "./small-files.ts";
import type { LogToVerify } from "./verify-log.ts";

export interface FoundDirectory {
  /** The log directory: the given one, or the parent of a partition's folder. */
  readonly root: string;
  readonly logs: readonly LogToVerify[];
}

export interface FindOptions {
  /** Topics that are known to be compacted. */
  readonly compacted: ReadonlySet<string>;
  readonly tell: (finding: Finding) => void;
}

const alwaysCompacted = new Set(["__consumer_offsets", "__transaction_state"]);
const lockName = ".lock";

/** The logs in `path`: a log directory, or one partition's folder in it. Rejects with UsageError when it is neither. */
export async function findLogs(files: FileSystem, path: string, options: FindOptions): Promise<FoundDirectory> {
  const strays = async (root: string, among: readonly string[]) => {
    const found = await findStrays(files, root, among);
    for (const { name, note } of found) await tellStray(files, `${root}/${name}`, note !== null, options.tell);
    return found;
  };
  const names = await files.list(path).catch((error: unknown) => {
    if (codeOf(error) === "ENOTDIR")
      throw new UsageError(`${path} is a file; a log directory or a partition's folder is needed (ottla log dump shows files)`);
    const message = `${path} cannot be read: ${explain(error)}`;
    if (codeOf(error) === "ENOENT") throw new UsageError(message);
    throw new CommandFailed(message, { cause: error });
  });
  if (isPartitionFolder(names)) {
    const [root, name] = [path.slice(0, path.lastIndexOf("/")) || "/", path.slice(path.lastIndexOf("/") + 1)];
    const known = await readDirectory(files, root, await files.list(root), options);
    return { root, logs: [await logOf(files, path, name, { ...known, strays: await strays(root, [name]) }, options)] };
  }
  const setAside = await strays(path, names);
  const folders = names.filter((name) => partitionOf(name) !== null || setAside.some((stray) => stray.name === name));
  if (folders.length === 0 && !isLogDirectory(names)) throw new UsageError(`${path} is neither a log directory nor a partition's folder`);
  const known = await readDirectory(files, path, names, options);
  tellOfLeftovers(path, names, options.tell);
  const logs: LogToVerify[] = [];
  for (const name of folders) logs.push(await logOf(files, `${path}/${name}`, name, { ...known, strays: setAside }, options));
  return { root: path, logs };
}

async function tellStray(files: FileSystem, folder: string, isKnown: boolean, tell: (finding: Finding) => void): Promise<void> {
  const path = `${folder}/${fileNames.stray}`;
  const content = isKnown ? null : await readSmallFile(files, path, tell);
  if (content !== null) tellDamage(path, dumpStray(content), tell);
  tell(
    findingIn(folder, {
      kind: "note",
      reason: "set aside: the cluster did not know it any more; it is taken up when its topic comes back",
    }),
  );
}

/**
 * Locks the directory against brokers while it is read. Resolves with a function that unlocks it; rejects when a broker runs on it and
 * `force` is not given. Nothing is created: a directory without a lock file was never a broker's, or is a copy.
 */
export async function lockDirectory(
  files: FileSystem,
  root: string,
  { force, tell }: { readonly force: boolean; readonly tell: (finding: Finding) => void },
): Promise<() => Promise<void>> {
  const path = `${root}/${lockName}`;
  const free = async () => {};
  if (!(await files.exists(path))) return free;
  try {
    if (await files.lock(path)) return () => files.unlock(path);
  } catch (error) {
    tell(findingIn(path, { kind: "note", reason: `whether a broker runs on the directory cannot be told: ${explain(error)}` }));
    return free;
  }
  if (!force)
    throw new UsageError(
      `a broker runs on ${root}: stop it first (\`ottla down\` stops what \`ottla up\` runs), or look nevertheless with --force, at files that change meanwhile`,
    );
  tell(
    findingIn(path, {
      kind: "note",
      reason: "a broker runs on the directory: what is said of the ends of its logs may be of that moment only",
    }),
  );
  return free;
}

interface KnownOfDirectory {
  readonly offsets: Readonly<Record<CheckpointName, OffsetsByPartition | null>>;
  readonly isClean: boolean;
  readonly closed: ClosedLogs;
  readonly segmentsJoin: boolean;
}

async function readDirectory(files: FileSystem, root: string, names: readonly string[], { tell }: FindOptions): Promise<KnownOfDirectory> {
  const read = (name: CheckpointName) => readOffsetsCheckpoint(files, `${root}/${checkpointNames[name]}`, tell);
  const metaPath = `${root}/meta.properties`;
  const meta = await readSmallFile(files, metaPath, tell);
  if (meta !== null) tellDamage(metaPath, dumpMetaProperties(meta, metaPath), tell);
  const epochPath = `${root}/${fileNames.controllerEpoch}`;
  const epoch = await readSmallFile(files, epochPath, tell);
  if (epoch !== null) tellDamage(epochPath, dumpControllerEpoch(epoch), tell);
  const notesPath = `${root}/${clusterNotesName}`;
  const notes = await readSmallFile(files, notesPath, tell);
  if (notes !== null) tellDamage(notesPath, dumpClusterNotes(notes), tell);
  const marker = await readSmallFile(files, `${root}/${fileNames.cleanShutdown}`, tell);
  return {
    offsets: {
      recoveryPoint: await read("recoveryPoint"),
      highWatermark: await read("highWatermark"),
      startOffset: await read("startOffset"),
      cleanedTo: await read("cleanedTo"),
    },
    isClean: names.includes(fileNames.cleanShutdown),
    closed: marker === null ? new Map() : await readClosed(files, root, marker, tell),
    segmentsJoin: names.includes(fileNames.segmentsJoin),
  };
}

/** `marker`: of the clean stop that the note must be of; null in the folder of a log that was set aside. */
async function readClosed(files: FileSystem, folder: string, marker: Buffer | null, tell: (finding: Finding) => void): Promise<ClosedLogs> {
  const path = `${folder}/${fileNames.cleanStop}`;
  const content = await readSmallFile(files, path, tell);
  if (content === null || !tellDamage(path, dumpCleanStop(content), tell)) return new Map();
  const isOfThisStop = marker === null || decodeCleanShutdown(marker)?.closedChecksum === checksumOfCleanStop(content);
  return (isOfThisStop ? decodeCleanStop(content) : null) ?? new Map();
}

async function logOf(
  files: FileSystem,
  folder: string,
  name: string,
  { offsets, isClean, closed, segmentsJoin, strays }: KnownOfDirectory & { readonly strays: readonly Stray[] },
  { compacted, tell }: FindOptions,
): Promise<LogToVerify> {
  const stray = strays.find((each) => each.name === name);
  const topic = (stray?.note ?? partitionOf(name))?.topic ?? "";
  const said = (which: CheckpointName) => offsets[which]?.get(name) ?? null;
  const checkpointed: CheckpointedOffsets = stray === undefined ? fromCheckpoints(said) : fromNote(stray);
  const isCompacted = checkpointed.cleanedTo !== null || compacted.has(topic) || alwaysCompacted.has(topic);
  const known = stray?.note ? await readClosed(files, folder, null, tell) : closed;
  return { folder, checkpointed, isCompacted, lastStop: { isClean, closed: known.get(stray?.key ?? name) ?? [] }, segmentsJoin };
}

function fromCheckpoints(said: (which: CheckpointName) => number | null): CheckpointedOffsets {
  return {
    recoveryPoint: said("recoveryPoint"),
    highWatermark: said("highWatermark"),
    startOffset: said("startOffset"),
    cleanedTo: said("cleanedTo"),
  };
}

/** The directory's checkpoints drop a log that was set aside; its own note has their entries. */
function fromNote({ note }: Stray): CheckpointedOffsets {
  if (note === null) return { recoveryPoint: null, highWatermark: null, startOffset: null, cleanedTo: null };
  const { recoveryPoint, highWatermark, startOffset, cleanedEndOffset } = note;
  return { recoveryPoint, highWatermark, startOffset, cleanedTo: cleanedEndOffset > 0 ? cleanedEndOffset : null };
}

function partitionOf(name: string): { readonly topic: string; readonly partition: number } | null {
  return isDeletedDirectory(name) ? null : parsePartitionDirectory(parseStrayDirectory(name) ?? name);
}

function isPartitionFolder(names: readonly string[]): boolean {
  return names.some(
    (name) => parseSegmentFileName(name) !== null || name === fileNames.leaderEpochs || name === fileNames.partitionMetadata,
  );
}

function isLogDirectory(names: readonly string[]): boolean {
  const own = [lockName, "meta.properties", fileNames.cleanShutdown, ...Object.values(checkpointNames)];
  return names.some((name) => own.includes(name) || isDeletedDirectory(name));
}
