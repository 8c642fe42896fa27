import { partitionKey, type TopicId } from "../../protocol/base/ids.ts";
import type { TopicSettings } from "../runtime/topic-settings.ts";
import { type DirectoryFailure, type Log, LogOffline, type LogStore } from "./log-contract.ts";
import { LogHealth } from "./log-health.ts";
import { type DirectoryLogStore, type LogStoreOptions, type LogStoreParts, logCaches, openLogDirectory } from "./log-store.ts";

export interface LogDirectoriesOptions extends Omit<LogStoreOptions, "directory"> {
  /** Absolute paths, each locked by the caller. */
  readonly directories: readonly string[];
  /** Those that cannot be used from the beginning. */
  readonly offline: readonly OfflineDirectory[];
}

export interface OfflineDirectory {
  readonly directory: string;
  readonly error: LogOffline;
}

/** One partition's log lies in two directories, and nothing says which one is to be used. */
export class DuplicateLog extends Error {
  override readonly name = "DuplicateLog";
}

/** Opens all directories at the same time; those that fail are offline from the beginning. Rejects LogOffline when none is left, DuplicateLog when a log is there twice. */
export async function openLogDirectories(parts: LogStoreParts, options: LogDirectoriesOptions): Promise<LogDirectories> {
  const caches = logCaches(parts.files, options);
  const stores: DirectoryLogStore[] = [];
  const offline = [...options.offline];
  const open = async (directory: string) => {
    try {
      stores.push(await openLogDirectory(parts, caches, { ...options, directory }));
    } catch (error) {
      const failure = new LogHealth(directory).failed(error);
      if (!(failure instanceof LogOffline)) throw failure;
      offline.push({ directory, error: failure });
    }
  };
  await Promise.all(options.directories.map(open));
  const [first] = offline;
  if (stores.length === 0) throw first?.error ?? new Error("no log directory is given");
  stores.sort((a, b) => options.directories.indexOf(a.directory) - options.directories.indexOf(b.directory));
  return new LogDirectories(stores, offline);
}

/** All log directories of a broker as one store. Each fails by itself: its logs are given up, the others go on. */
export class LogDirectories implements LogStore {
  readonly found: LogStore["found"];
  readonly highWatermarks: ReadonlyMap<string, number>;
  /** The last stop was a clean one for all that this broker has: none of its logs can lack anything that was written. */
  readonly wasClean: boolean;
  readonly #stores: readonly DirectoryLogStore[];
  readonly #lost: readonly OfflineDirectory[];
  /** Where each log lies. */
  readonly #places = new Map<string, DirectoryLogStore>();

  constructor(stores: readonly DirectoryLogStore[], lost: readonly OfflineDirectory[]) {
    this.#stores = stores;
    this.#lost = lost;
    this.found = stores.flatMap((store) => store.found);
    this.highWatermarks = new Map(stores.flatMap((store) => [...store.highWatermarks]));
    this.wasClean = lost.length === 0 && stores.every((store) => store.wasClean);
    for (const store of stores) for (const { topic, partition } of store.found) this.#found(partitionKey(topic, partition), store);
  }

  /** Directories that can be used. */
  get onlineCount(): number {
    return this.#online().length;
  }

  async open(topic: string, partition: number, topicId: TopicId, settings: TopicSettings, isNew = false): Promise<Log> {
    const key = partitionKey(topic, partition);
    const place = this.#places.get(key) ?? this.#newPlace(key, isNew);
    this.#places.set(key, place);
    return place.open(topic, partition, topicId, settings);
  }

  async delete(topic: string, partition: number): Promise<void> {
    const key = partitionKey(topic, partition);
    const place = this.#places.get(key);
    if (place === undefined) return;
    await place.delete(topic, partition);
    // made anew, it may go elsewhere
    if (this.#places.get(key) === place) this.#places.delete(key);
  }

  /** Each directory's file has what lies there. Rejects LogOffline when no directory took it: what lies in one that failed is given up anyway. */
  async checkpointHighWatermarks(highWatermarks: ReadonlyMap<string, number>): Promise<void> {
    const byStore = new Map(this.#online().map((store) => [store, new Map<string, number>()]));
    for (const [key, highWatermark] of highWatermarks) {
      const place = this.#places.get(key);
      if (place !== undefined) byStore.get(place)?.set(key, highWatermark);
    }
    const failures = await offlineAmong([...byStore].map(([store, some]) => store.checkpointHighWatermarks(some)));
    if (failures.length === byStore.size) throw failures[0] ?? this.#lost[0]?.error ?? new LogOffline("no log directory is online");
  }

  onOffline(listener: (failure: DirectoryFailure) => void): void {
    for (const store of this.#stores)
      store.onOffline(({ error, directory }) => listener({ error, directory, holds: (key) => this.#places.get(key) === store }));
  }

  async close(brokerEpoch = -1): Promise<void> {
    const [failure] = await offlineAmong(this.#stores.map((store) => store.close(brokerEpoch)));
    if (failure !== undefined) throw failure;
  }

  #online(): DirectoryLogStore[] {
    return this.#stores.filter(({ offline }) => offline === null);
  }

  #found(key: string, store: DirectoryLogStore): void {
    const other = this.#places.get(key);
    if (other !== undefined)
      throw new DuplicateLog(
        `${key} lies both in ${other.directory} and in ${store.directory}: move the folder away that is not up to date (as a rule the one in the directory that failed last), and start again`,
      );
    this.#places.set(key, store);
  }

  /**
   * Where a log that is nowhere goes: the directory with the fewest. But a log that is not known to be new may lie in a directory that is offline now: an empty one in its place would be taken
   * for the same replica, with all it had acknowledged.
   */
  #newPlace(key: string, isNew: boolean): DirectoryLogStore {
    const online = this.#online();
    const offline = [
      ...this.#lost.map(({ directory }) => directory),
      ...this.#stores.filter((store) => store.offline !== null).map(({ directory }) => directory),
    ];
    if (offline.length > 0 && !isNew) throw new LogOffline(`the log of ${key} may lie in ${offline.join(" or ")}, which is offline`);
    const counts = Map.groupBy(this.#places.values(), (store) => store);
    const load = (store: DirectoryLogStore) => counts.get(store)?.length ?? 0;
    const [first, ...others] = online;
    if (first === undefined) throw new LogOffline("all log directories are offline");
    return others.reduce((best, store) => (load(store) < load(best) ? store : best), first);
  }
}

/** Waits for all; the directories' failures among the outcomes. Whatever else went wrong is thrown. */
async function offlineAmong(works: readonly Promise<void>[]): Promise<LogOffline[]> {
  const outcomes = await Promise.allSettled(works);
  return outcomes.flatMap((outcome) => {
    if (outcome.status === "fulfilled") return [];
    if (!(outcome.reason instanceof LogOffline)) throw outcome.reason;
    return [outcome.reason];
  });
}
