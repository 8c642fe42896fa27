import { partitionKey } from "../../../protocol/base/ids.ts";
import type { Logger } from "../../../protocol/base/logger.ts";
import { DiskPace, unwatchedPace } from "../files/disk-pace.ts";
import { parseFutureDirectory, parseMoveNoteName } from "../files/file-names.ts";
import { isTopicId, readTopicId } from "../files/folder-notes.ts";
import { type LogDirectory, RemovedFiles } from "../files/log-directory.ts";
import { LogHealth, remedyFor } from "../files/log-health.ts";
import { LogOffline } from "../log-contract.ts";
import { type LogCaches, logCaches } from "../partition-log/log-caches.ts";
import { LogDirectories, type OfflineDirectory, type SettledMoves } from "./log-directories.ts";
import { type MoveNote, readMoveNote } from "./log-mover.ts";
import { DirectoryLogStore, type LogStoreOptions, type LogStoreParts } from "./log-store.ts";
import { prepareDirectory } from "./prepare-directory.ts";

const checkedRememberMsByDefault = 3_600_000;

/** A store over one directory that shares nothing with others. */
export const openLogStore = (parts: LogStoreParts, options: LogStoreOptions) =>
  openLogDirectory(parts, logCaches(parts.files, options), options);

/** Opens a log directory: recovers its logs after an unclean stop, finishes deletions. Rejects when it cannot be read or written. */
export async function openLogDirectory(
  parts: LogStoreParts,
  caches: LogCaches,
  options: LogStoreOptions,
  pace: LogDirectory["pace"] = unwatchedPace,
): Promise<DirectoryLogStore> {
  const { files, clock, random, log } = parts;
  const checkpoints = { write: () => store.writeCheckpoints(), due: () => store.checkpointsDue() };
  const health = new LogHealth(options.directory);
  const remembering = { clock, rememberMs: options.checkedRememberMs ?? checkedRememberMsByDefault };
  const removedFiles = new RemovedFiles({ files, clock, logger: log });
  const directory: LogDirectory = { health, checkpoints, removedFiles, remembering, pace };
  const io = { files, openFiles: caches.openFiles, indexes: caches.indexes, logger: log };
  const prepared = await prepareDirectory(io, options.directory, options.recoveriesAtOnce);
  const store = new DirectoryLogStore({ directory, io, caches, clock, random }, options, prepared);
  if (!store.wasClean) await store.writeCheckpoints();
  store.removeInBackground(prepared.deleted);
  return store;
}

export interface LogDirectoriesOptions extends Omit<LogStoreOptions, "directory"> {
  /** Absolute paths, each locked by the caller. */
  readonly directories: readonly string[];
  /** Those that cannot be used from the beginning. */
  readonly offline: readonly OfflineDirectory[];
  /** Absent: as many as there are. */
  readonly logsMax?: number;
}

/**
 * Opens all directories at the same time; those that fail are offline from the beginning. Rejects LogOffline when none is left,
 * DuplicateLog when a log is there twice.
 */
export async function openLogDirectories(parts: LogStoreParts, options: LogDirectoriesOptions): Promise<LogDirectories> {
  const caches = logCaches(parts.files, options);
  const stores: DirectoryLogStore[] = [];
  const offline = [...options.offline];
  const open = async (directory: string) => {
    try {
      const pace = new DiskPace({ clock: parts.clock, logger: parts.log, directory });
      stores.push(await openLogDirectory(parts, caches, { ...options, directory }, pace));
    } catch (error) {
      const failure = new LogHealth(directory).failed(error);
      if (!(failure instanceof LogOffline)) throw failure;
      offline.push({ directory, error: failure });
      parts.log.error(
        { err: failure, directory },
        `${failure.message}. To use it again, ${remedyFor(failure.cause)}; then restart this broker`,
      );
    }
  };
  await Promise.all(options.directories.map(open));
  const [first] = offline;
  if (stores.length === 0) throw first?.error ?? new Error("no log directory is given");
  stores.sort((a, b) => options.directories.indexOf(a.directory) - options.directories.indexOf(b.directory));
  const moves = await settleMoves(stores, parts.log);
  if (offline.length === 0) await settleNamesakes(stores, parts.log);
  return new LogDirectories(parts, stores, offline, moves, caches, options.logsMax);
}

/**
 * Settles moves that a crash interrupted. A move makes its copy under a name of its own (`….-future`), writes a note next to the log about
 * where it goes, and then gives the copy the log's name. So:
 * - a copy with its own name was not complete: it is removed and copied again, if the log that it is a copy of is here; otherwise it is
 *   left until that log is back;
 * - a note, and a log in the other directory: that one is the log (or, if the note says `cancelled`, this one), and the other is removed;
 * - a note, and no log there: the move did not get that far, and this one is the log. But when that directory is missing, it is unknown:
 *   the log is not used until it is back.
 */
async function settleMoves(stores: readonly DirectoryLogStore[], logger: Logger): Promise<SettledMoves> {
  const wishes = new Map<string, DirectoryLogStore>();
  const elsewhere = new Map<string, string>();
  const notes: { readonly key: string; readonly store: DirectoryLogStore; readonly path: string; readonly note: MoveNote | null }[] = [];
  for (const store of stores) {
    for (const name of await store.guarded(() => store.files.list(store.directory))) {
      const path = `${store.directory}/${name}`;
      const copied = parseFutureDirectory(name);
      if (copied !== null && !stores.some((each) => has(each, copied)))
        logger.warn({ folder: path }, "an unfinished copy of a log that is not here: it is left as it is");
      else if (copied !== null) {
        wishes.set(copied, store);
        await store.guarded(() => store.files.remove(path));
      }
      const key = parseMoveNoteName(name);
      if (key !== null) notes.push({ key, store, path, note: await store.guarded(() => readMoveNote(store.files, path)) });
    }
  }
  for (const { key, store, path, note } of notes) {
    const other = stores.find(({ directory }) => directory === note?.to);
    const isHere = has(store, key);
    if (note !== null && other === undefined && isHere) {
      if (note.state === "moving") elsewhere.set(key, note.to);
      continue; // the note stays: it will be needed when that directory is back
    }
    if (note !== null && other !== undefined && isHere && has(other, key)) {
      const outdated = note.state === "moving" ? store : other;
      logger.info(
        { partition: key, outdated: outdated.directory },
        "a move of this log was interrupted: removing the one that is out of date",
      );
      await outdated.discard(key);
    }
    await store.guarded(() => store.files.remove(path));
  }
  return { wishes, elsewhere };
}

function has(store: DirectoryLogStore, key: string): boolean {
  return store.found.some(({ topic, partition }) => partitionKey(topic, partition) === key);
}

/**
 * Logs of one name in two directories that are two topics'. Race: (1) a directory fails; (2) the topic in it is deleted, and one of the
 * same name is created, whose log goes to another directory;
 * (3) the directory is back. One at most is the present topic's, and until the coordinator is read it is unknown which: one is set aside.
 * If it was the wrong one, the other is set aside once the topic's id is known, and this one is restored as it was.
 *
 * With a directory missing nothing can be restored, so nothing is set aside. Two of the same id, or without one, stay as well: no id says
 * which is to be used.
 */
async function settleNamesakes(stores: readonly DirectoryLogStore[], logger: Logger): Promise<void> {
  const places = new Map<string, DirectoryLogStore>();
  for (const store of stores) {
    for (const { topic, partition } of store.found) {
      const key = partitionKey(topic, partition);
      const other = places.get(key);
      places.set(key, store);
      if (other === undefined || !(await areOfTwoTopics(key, other, store))) continue;
      logger.warn(
        { partition: key, directories: [other.directory, store.directory] },
        "the logs of two topics of one name: a directory was away while its topic was deleted and re-created. One is set aside until it is known which is the present one's",
      );
      const highWatermark = other.highWatermarks.get(key) ?? 0;
      await other.setAside(topic, partition, { topicId: null, highWatermark });
    }
  }
}

async function areOfTwoTopics(key: string, one: DirectoryLogStore, other: DirectoryLogStore): Promise<boolean> {
  const [a, b] = await Promise.all([one, other].map((store) => store.guarded(() => readTopicId(store.files, `${store.directory}/${key}`))));
  return a != null && b != null && !isTopicId(a, b);
}
