import { partitionKey, type TopicId } from "../../../protocol/base/ids.ts";
import { invariant } from "../../../protocol/base/invariant.ts";
import type { Logger } from "../../../protocol/base/logger.ts";
import type { TopicSettings } from "../../runtime/config/topic-settings.ts";
import { type Doubt, doubtOnceRegistered, joinedDoubt, type SeenControllerEpoch } from "../files/directory-notes.ts";
import { canBeMoved, parsePartitionDirectory } from "../files/file-names.ts";
import { type Log, LogOffline } from "../log-contract.ts";
import type { LogCaches } from "../partition-log/log-caches.ts";
import {
  type CleanerConfig,
  type DescribedDirectory,
  type DescribedLog,
  type DirectoryFailure,
  type DirectorySpace,
  type LogDirectoryService,
  type LogStore,
  type MoveVerdict,
  TooManyLogs,
} from "../store-contract.ts";
import { LogMover } from "./log-mover.ts";
import type { DirectoryLogStore, LogStoreParts } from "./log-store.ts";
import { SharedWrite } from "./ordered-work.ts";
import { isBetter, type Stray } from "./strays.ts";

/** How many logs are remembered, at most, that are wanted in some directory but that this broker does not have. */
const wishesMax = 100_000;

export interface OfflineDirectory {
  readonly directory: string;
  readonly error: LogOffline;
}

export interface SettledMoves {
  /** Logs that were on their way there: the copy starts over. */
  readonly wishes: ReadonlyMap<string, DirectoryLogStore>;
  /** Logs that may have been written further in a directory that is missing now. */
  readonly elsewhere: ReadonlyMap<string, string>;
}

/** One partition's log is in two directories, and nothing says which one is to be used. */
export class DuplicateLog extends Error {
  override readonly name = "DuplicateLog";
}

/** All log directories of a broker as one store. Each fails on its own: its logs go offline, the others continue. */
export class LogDirectories implements LogStore, LogDirectoryService {
  readonly found: LogStore["found"];
  readonly highWatermarks: ReadonlyMap<string, number>;
  readonly caches: Pick<LogCaches, "tails" | "indexes">;
  readonly #stores: readonly DirectoryLogStore[];
  readonly #lost: readonly OfflineDirectory[];
  /** The directory of each log. */
  readonly #places = new Map<string, DirectoryLogStore>();
  /** The wanted directory of logs that are not open yet. */
  readonly #wishes: Map<string, DirectoryLogStore>;
  readonly #elsewhere: ReadonlyMap<string, string>;
  readonly #mover: LogMover;
  #moveBytesPerSecondMax = () => Number.POSITIVE_INFINITY;
  readonly #logger: Logger;
  readonly #logsMax: number;
  #saidTooMany = false;
  /** Logs that are being deleted or set aside: no move of them may begin. */
  readonly #deleting = new Set<string>();
  #doubt: Doubt;
  #seenEpoch: SeenControllerEpoch | null = null;
  /** Of `#seenEpoch`: one that takes long delays only those after it in the same directory. */
  readonly #epochWrites: ReadonlyMap<DirectoryLogStore, SharedWrite>;

  constructor(
    { clock, random, log: logger }: Pick<LogStoreParts, "clock" | "random" | "log">,
    stores: readonly DirectoryLogStore[],
    lost: readonly OfflineDirectory[],
    { wishes, elsewhere }: SettledMoves,
    caches: Pick<LogCaches, "tails" | "indexes">,
    logsMax = Number.POSITIVE_INFINITY,
  ) {
    this.caches = caches;
    this.#logger = logger;
    this.#logsMax = logsMax;
    this.#stores = stores;
    this.#lost = lost;
    this.#wishes = new Map(wishes);
    this.#elsewhere = elsewhere;
    this.#mover = new LogMover({
      clock,
      random,
      logger,
      placeOf: (key) => this.#places.get(key),
      bytesPerSecondMax: () => this.#moveBytesPerSecondMax(),
      moved: (key, to) => this.#places.set(key, to),
    });
    const epochWrite = (store: DirectoryLogStore) => async () => {
      if (this.#seenEpoch !== null) await store.noteControllerEpoch(this.#seenEpoch);
    };
    this.#epochWrites = new Map(stores.map((store) => [store, new SharedWrite(epochWrite(store))]));
    this.found = stores.flatMap((store) => store.found);
    // those of the log's directory: another may still have one from before a move
    this.highWatermarks = new Map(stores.flatMap(highWatermarksOf));
    // it is unknown how an unusable directory was left
    this.#doubt = joinedDoubt([...stores.map((store) => store.doubt), ...lost.map((): Doubt => ({ kind: "unregistered" }))]);
    for (const store of stores) for (const { topic, partition } of store.found) this.#found(partitionKey(topic, partition), store);
  }

  /** What this broker may lack, for its registration and for the starts after this one. */
  get doubt(): Doubt {
    return this.#doubt;
  }

  /** This broker is registered under this epoch. To be called for each registration before anything else is done under it. */
  registered(brokerEpoch: number): void {
    this.#doubt = doubtOnceRegistered(this.#doubt, brokerEpoch);
  }

  /** How fast a log is copied that moves from one directory to another; asked again and again. */
  limitMoves(bytesPerSecondMax: () => number): void {
    this.#moveBytesPerSecondMax = bytesPerSecondMax;
  }

  /** Directories that can be used. */
  get onlineCount(): number {
    return this.#online().length;
  }

  /** For how long a disk has taken nothing of what appends wait for; of several directories the longest. 0: none holds anything up. */
  get stuckForMs(): number {
    return Math.max(0, ...this.#online().map(({ logDirectory }) => logDirectory.pace.stuckForMs));
  }

  /** Paths of those. */
  get onlineDirectories(): readonly string[] {
    return this.#online().map(({ directory }) => directory);
  }

  async open(topic: string, partition: number, topicId: TopicId, settings: TopicSettings, isNew = false): Promise<Log> {
    const key = partitionKey(topic, partition);
    const moved = this.#elsewhere.get(key);
    if (moved !== undefined)
      throw new LogOffline(`the log of ${key} was being moved to ${moved}, which is not here: it may have gone on there`);
    // a log that is set aside was not restored, since a directory is offline: an empty one would be taken for the same replica
    const isNowhere = isNew && !this.#stores.some(({ strays }) => strays.best(key, topicId) !== null);
    if (!this.#places.has(key) && this.#places.size >= this.#logsMax) throw this.#tooMany();
    const place = this.#places.get(key) ?? this.#newPlace(key, isNowhere);
    this.#places.set(key, place);
    const log = await place.open(topic, partition, topicId, settings);
    const wish = this.#wishes.get(key);
    this.#wishes.delete(key);
    if (wish !== undefined && wish !== this.#places.get(key)) this.#mover.want(key, wish);
    return log;
  }

  #tooMany(): TooManyLogs {
    const error = new TooManyLogs(this.#logsMax);
    if (!this.#saidTooMany) this.#logger.error({ logs: this.#logsMax }, `a log is not opened, and others will not be: ${error.message}`);
    this.#saidTooMany = true;
    return error;
  }

  move(topic: string, partition: number, directory: string): MoveVerdict {
    const key = partitionKey(topic, partition);
    if (this.#lost.some((lost) => lost.directory === directory)) return "KAFKA_STORAGE_ERROR";
    const to = this.#stores.find((store) => store.directory === directory);
    if (to === undefined) return "LOG_DIR_NOT_FOUND";
    const place = this.#places.get(key);
    if (to.offline !== null || (place?.offline ?? null) !== null || this.#elsewhere.has(key)) return "KAFKA_STORAGE_ERROR";
    if (this.#deleting.has(key)) return "REPLICA_NOT_AVAILABLE";
    const log = place?.openLog(key);
    if (place === undefined || log === undefined) {
      if (this.#wishes.size >= wishesMax && !this.#wishes.has(key)) return "KAFKA_STORAGE_ERROR";
      this.#wishes.set(key, to);
      return "REPLICA_NOT_AVAILABLE";
    }
    if (log.damage !== null || !canBeMoved(key)) return "KAFKA_STORAGE_ERROR";
    if (place === to) void this.#mover.cancel(key);
    else this.#mover.want(key, to);
    return "NONE";
  }

  async describe(): Promise<readonly DescribedDirectory[]> {
    const online = await Promise.all(
      this.#stores.map(async (store) => ({ ...(await spaceOf(store)), logs: store.offline === null ? this.#logsIn(store) : [] })),
    );
    return [...online, ...this.#lost.map((lost) => ({ ...unusable(lost), logs: [] }))];
  }

  /** The same without the logs, of which there may be many. */
  async spaces(): Promise<readonly DirectorySpace[]> {
    return [...(await Promise.all(this.#stores.map(spaceOf))), ...this.#lost.map(unusable)];
  }

  #logsIn(store: DirectoryLogStore): DescribedLog[] {
    const described = (key: string, log: { readonly sizeInBytes: number }, endOffset: number, copyOf: DescribedLog["copyOf"]) => {
      const name = parsePartitionDirectory(key);
      invariant(name !== null, "a log's key is its folder's name", () => ({ key }));
      return { ...name, sizeInBytes: log.sizeInBytes, endOffset, copyOf };
    };
    const logs = [...store.openLogs()].map(([key, log]) => described(key, log, log.writtenEndOffset, null));
    const copies = this.#mover.copiesIn(store).map(({ key, copy }) => {
      const original = this.#places.get(key)?.openLog(key);
      return described(key, copy, copy.endOffset, { endOffset: original?.writtenEndOffset ?? copy.endOffset });
    });
    return [...logs, ...copies];
  }

  delete(topic: string, partition: number, topicId: TopicId): Promise<boolean> {
    return this.#takeAway(partitionKey(topic, partition), (place) => place.delete(topic, partition, topicId));
  }

  setAside(topic: string, partition: number, stray: Parameters<LogStore["setAside"]>[2]): Promise<boolean> {
    return this.#takeAway(partitionKey(topic, partition), (place) => place.setAside(topic, partition, stray));
  }

  /** `work` false: it stays where it is. */
  async #takeAway(key: string, work: (place: DirectoryLogStore) => Promise<boolean>): Promise<boolean> {
    this.#wishes.delete(key);
    this.#deleting.add(key);
    try {
      await this.#mover.cancel(key);
      const place = this.#places.get(key);
      if (place === undefined || !(await work(place))) return false;
      // re-created, it may go elsewhere
      if (this.#places.get(key) === place) this.#places.delete(key);
      return true;
    } finally {
      this.#deleting.delete(key);
    }
  }

  async takeUp(topic: string, partition: number, topicId: TopicId, restored: (highWatermark: number) => Promise<void>): Promise<void> {
    const key = partitionKey(topic, partition);
    // an offline directory may hold the log itself, or a stray that knows more
    if (this.#places.has(key) || this.#elsewhere.has(key) || this.mayLieOffline) return;
    let best: { readonly store: DirectoryLogStore; readonly stray: Stray } | null = null;
    for (const store of this.#online()) {
      const stray = store.strays.best(key, topicId);
      if (stray !== null && (best === null || isBetter(stray, best.stray))) best = { store, stray };
    }
    if (best === null) return;
    const { store } = best;
    await store.takeUp(topic, partition, topicId, async (highWatermark) => {
      this.#places.set(key, store);
      await restored(highWatermark);
    });
  }

  async deleteStrays(topicIds: ReadonlySet<TopicId>): Promise<void> {
    await offlineAmong(this.#online().map((store) => store.deleteStrays(topicIds)));
  }

  async expireStrays(retentionMs: number): Promise<void> {
    await offlineAmong(this.#online().map((store) => store.expireStrays(retentionMs)));
  }

  get mayLieOffline(): boolean {
    return this.#lost.length > 0 || this.#stores.some(({ offline }) => offline !== null);
  }

  /**
   * Each directory's file covers the logs in it. Rejects LogOffline when no directory could write it: logs in a failed one are offline
   * anyway.
   */
  async checkpointHighWatermarks(highWatermarks: ReadonlyMap<string, number>): Promise<void> {
    const byStore = new Map(this.#online().map((store) => [store, new Map<string, number>()]));
    for (const [key, highWatermark] of highWatermarks) {
      const place = this.#places.get(key);
      if (place !== undefined) byStore.get(place)?.set(key, highWatermark);
    }
    const failures = await offlineAmong([...byStore].map(([store, some]) => store.checkpointHighWatermarks(some)));
    if (failures.length === byStore.size) throw failures[0] ?? this.#lost[0]?.error ?? new LogOffline("no log directory is online");
  }

  /**
   * In every directory. Resolves as soon as it is durable in one of them: a disk that stalls does not delay the others. One that failed is
   * offline anyway, and has an older epoch when it is back.
   * Rejects LogOffline when all failed. Epochs come in rising order, each when the one before it was settled.
   */
  async noteControllerEpoch(seen: SeenControllerEpoch): Promise<void> {
    this.#seenEpoch = seen;
    const writes = this.#online().flatMap((store) => this.#epochWrites.get(store)?.run() ?? []);
    // also for those that end after the first: a bug in one of them must not be swallowed
    const failed = offlineAmong(writes);
    const isDurable = await Promise.any(writes).then(
      () => true,
      () => false,
    );
    if (!isDurable) throw (await failed)[0] ?? new LogOffline("no log directory is online");
  }

  onOffline(listener: (failure: DirectoryFailure) => void): void {
    for (const store of this.#stores)
      store.onOffline(({ error, directory }) => listener({ error, directory, holds: (key) => this.#places.get(key) === store }));
  }

  startCleaning(highWatermark: (key: string) => number | null): void {
    for (const store of this.#online()) store.startCleaning(highWatermark);
  }

  reconfigureCleaning(config: CleanerConfig): void {
    for (const store of this.#stores) store.reconfigureCleaning(config);
  }

  async close(brokerEpoch = -1): Promise<void> {
    await this.#mover.close();
    const [failure] = await offlineAmong(this.#stores.map((store) => store.close(brokerEpoch, this.#doubt)));
    if (failure !== undefined) throw failure;
  }

  /** Logs that are not closed, nor about to be. */
  get unclosedCount(): number {
    return this.#stores.reduce((sum, store) => sum + store.unclosedCount, 0);
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
   * Where a log that does not exist yet is created: the directory with the fewest. But a log that is not known to be new may be in a
   * directory that is offline now: an empty log in its place would be taken for the same replica, with all it had acknowledged.
   */
  #newPlace(key: string, isNew: boolean): DirectoryLogStore {
    const online = this.#online();
    const wish = this.#wishes.get(key);
    const offline = [
      ...this.#lost.map(({ directory }) => directory),
      ...this.#stores.filter((store) => store.offline !== null).map(({ directory }) => directory),
    ];
    if (offline.length > 0 && !isNew) throw new LogOffline(`the log of ${key} may lie in ${offline.join(" or ")}, which is offline`);
    if (wish !== undefined && wish.offline === null) return wish;
    const counts = Map.groupBy(this.#places.values(), (store) => store);
    const load = (store: DirectoryLogStore) => counts.get(store)?.length ?? 0;
    const [first, ...others] = online;
    if (first === undefined) throw new LogOffline("all log directories are offline");
    return others.reduce((best, store) => (load(store) < load(best) ? store : best), first);
  }
}

async function spaceOf({ directory, files, offline }: DirectoryLogStore): Promise<DirectorySpace> {
  if (offline !== null) return unusable({ directory });
  // a failing query of the file system says nothing about its logs
  return { directory, isOnline: true, space: await files.space(directory).catch(() => null) };
}

function unusable({ directory }: { readonly directory: string }): DirectorySpace {
  return { directory, isOnline: false, space: null };
}

function highWatermarksOf({ found, highWatermarks }: DirectoryLogStore): [key: string, highWatermark: number][] {
  return found.flatMap(({ topic, partition }) => {
    const key = partitionKey(topic, partition);
    const highWatermark = highWatermarks.get(key);
    return highWatermark === undefined ? [] : [[key, highWatermark]];
  });
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
