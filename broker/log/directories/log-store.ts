import type { Clock, Timer } from "../../../protocol/base/clock.ts";
import { partitionKey, type TopicId } from "../../../protocol/base/ids.ts";
import { invariant } from "../../../protocol/base/invariant.ts";
import type { Logger } from "../../../protocol/base/logger.ts";
import type { Random } from "../../../protocol/base/random.ts";
import type { TopicSettings } from "../../runtime/config/topic-settings.ts";
import type { FileSystem } from "../../runtime/files.ts";
import { pipelined } from "../../runtime/pipelined.ts";
import { LogCleaner } from "../compaction/log-cleaner.ts";
import { writeOffsets } from "../files/checkpoint-file.ts";
import { markCleanStop, type SegmentSizes } from "../files/clean-stop.ts";
import { type Doubt, noDoubt, type SeenControllerEpoch, writeControllerEpochFile } from "../files/directory-notes.ts";
import { deletedDirectoryName, fileNames } from "../files/file-names.ts";
import { isTopicId, readTopicId, writeTopicId } from "../files/folder-notes.ts";
import type { LogDirectory } from "../files/log-directory.ts";
import { ignoreOffline } from "../files/log-health.ts";
import { type Log, LogOffline } from "../log-contract.ts";
import { openLog } from "../opening/open-log.ts";
import type { CacheBounds, LogCaches } from "../partition-log/log-caches.ts";
import { SegmentedLog } from "../partition-log/segmented-log.ts";
import type { SegmentIo } from "../segment/read-caches.ts";
import { type CleanerConfig, type DirectoryFailure, InconsistentTopicId, type LogStore } from "../store-contract.ts";
import type { DirectoryCheckpoints } from "./directory-checkpoints.ts";
import { FolderRemovals } from "./folder-removals.ts";
import { LogScrub, type ScrubConfig } from "./log-scrub.ts";
import { KeyedTurns, SharedWrite } from "./ordered-work.ts";
import type { FoundLog, PreparedDirectory } from "./prepare-directory.ts";
import { Strays } from "./strays.ts";

export interface LogStoreParts {
  readonly files: FileSystem;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export interface LogStoreOptions extends CacheBounds {
  /** Absolute path; created when missing. Locked by the caller. */
  readonly directory: string;
  /** Logs recovered at the same time after an unclean stop, in each directory. Default 2. */
  readonly recoveriesAtOnce?: number;
  /** How long a new recovery point may wait for its checkpoint (Kafka's log.flush.offset.checkpoint.interval.ms). Default 60 s. */
  readonly checkpointIntervalMs?: number;
  /** Absent: logs are not compacted. */
  readonly cleaner?: CleanerConfig;
  /** Absent: logs are not scrubbed. */
  readonly scrub?: ScrubConfig;
}

/** A stop forces what each log has written to disk, and waits for little else: the disk takes several at a time. */
const logsClosedAtOnce = 16;

/** What the logs of the directory share, among themselves and with those of other directories. */
export interface SharedByLogs {
  readonly directory: LogDirectory;
  readonly io: SegmentIo;
  readonly caches: LogCaches;
  readonly clock: Clock;
  readonly random: Random;
}

export class DirectoryLogStore implements LogStore {
  /** Logs that were set aside. */
  readonly strays: Strays;
  readonly highWatermarks: ReadonlyMap<string, number>;
  /** The doubt that earlier starts hand on. */
  readonly doubt: Doubt;
  readonly #found: Map<string, FoundLog>;
  /** Logs that are as the last stop left them: they were not opened since. */
  readonly #asClosed: Map<string, readonly SegmentSizes[]>;
  readonly #directory: LogDirectory;
  readonly #shared: SharedByLogs;
  readonly #root: string;
  readonly #checkpointIntervalMs: number;
  readonly #checkpoints: DirectoryCheckpoints;
  readonly #checkpointWrites = new SharedWrite(() =>
    this.guarded(async () => {
      for (const [key, log] of this.#logs) this.#checkpoints.note(key, log);
      await this.#checkpoints.write();
    }),
  );
  #cleanerConfig: CleanerConfig | null;
  #cleaner: LogCleaner | null = null;
  readonly #scrub: LogScrub | null = null;
  readonly #logs = new Map<string, SegmentedLog>();
  readonly #rootSyncs = new SharedWrite(() => this.#shared.io.files.syncDirectory(this.#root));
  /** Opening and deleting one log run one after the other. */
  readonly #turns = new KeyedTurns();
  readonly #removals: FolderRemovals;
  #checkpointTimer: Timer | null = null;
  #closed = false;

  constructor(shared: SharedByLogs, options: LogStoreOptions, prepared: PreparedDirectory) {
    this.#shared = shared;
    this.#directory = shared.directory;
    this.#root = options.directory;
    this.#removals = new FolderRemovals(shared.io);
    this.#checkpointIntervalMs = options.checkpointIntervalMs ?? 60_000;
    this.#found = new Map(prepared.found.map((found) => [partitionKey(found.topic, found.partition), found]));
    this.#asClosed = new Map(prepared.closed);
    this.strays = new Strays(prepared.strays, this, shared);
    this.highWatermarks = prepared.highWatermarks;
    this.doubt = prepared.doubt;
    this.#checkpoints = prepared.checkpoints;
    this.#cleanerConfig = options.cleaner ?? null;
    if (options.scrub === undefined) return;
    const { clock, random, io } = shared;
    this.#scrub = new LogScrub({ clock, random, logger: io.logger, config: options.scrub, logs: () => this.#logs.values() });
    this.#scrub.start();
  }

  open(topic: string, partition: number, topicId: TopicId, settings: TopicSettings): Promise<Log> {
    const key = partitionKey(topic, partition);
    return this.#inTurn(key, async () => {
      const known = this.#logs.get(key);
      if (known !== undefined && !known.isClosing) {
        known.updateSettings(settings);
        return known;
      }
      await known?.close();
      if (known?.closedSizes) this.#asClosed.set(key, known.closedSizes);
      const log = await this.#openFolder(key, topicId, settings);
      this.#logs.set(key, log);
      return log;
    });
  }

  delete(topic: string, partition: number, topicId: TopicId): Promise<boolean> {
    const key = partitionKey(topic, partition);
    return this.#inTurn(key, async () => {
      if (!(await this.#isOf(key, topicId))) return false;
      await this.#discard(key);
      return true;
    });
  }

  /** The log is another directory's. */
  discard(key: string): Promise<void> {
    return this.#inTurn(key, () => this.#discard(key));
  }

  async #discard(key: string): Promise<void> {
    const { random, io } = this.#shared;
    const { files } = io;
    await this.#logs.get(key)?.abandon();
    this.#logs.delete(key);
    const folder = `${this.#root}/${key}`;
    if (!(await files.exists(folder))) return this.#forget(key);
    const renamed = `${this.#root}/${deletedDirectoryName(key, random.bytes(16).toString("hex"))}`;
    await this.rename(folder, renamed);
    // not before: a folder that has its name after a crash is not to be recovered without what the checkpoints say of it
    this.#forget(key);
    await this.writeCheckpoints();
    this.removeInBackground([renamed]);
  }

  /** What was written is on disk, and the folder has its new name, before the checkpoints drop the old one. */
  setAside(topic: string, partition: number, { topicId, highWatermark }: Parameters<LogStore["setAside"]>[2]): Promise<boolean> {
    const key = partitionKey(topic, partition);
    return this.#inTurn(key, async () => {
      if (topicId !== null && !(await this.#isOf(key, topicId))) return false;
      const log = this.#logs.get(key);
      await log?.close();
      if (log !== undefined) this.#checkpoints.note(key, log);
      const offsets = this.#checkpoints.of(key);
      if (log?.closedSizes) this.#asClosed.set(key, log.closedSizes);
      await this.strays.add(key, { topic, partition, topicId, ...offsets, highWatermark }, this.#asClosed.get(key) ?? null);
      this.#forget(key);
      await this.writeCheckpoints();
      return true;
    });
  }

  async takeUp(topic: string, partition: number, topicId: TopicId, restored: (highWatermark: number) => Promise<void>): Promise<void> {
    const key = partitionKey(topic, partition);
    const taken = await this.#inTurn(key, async () => {
      if (this.#logs.has(key) || (await this.#shared.io.files.exists(`${this.#root}/${key}`))) return null;
      return this.strays.takeUp(key, topicId, async (offsets) => {
        this.#checkpoints.set(key, offsets);
        await this.writeCheckpoints();
      });
    });
    if (taken === null) return;
    if (taken.closed !== null) this.#asClosed.set(key, taken.closed);
    await restored(taken.stray.note?.highWatermark ?? 0);
    await this.guarded(() => this.strays.forgetNotes(key));
  }

  deleteStrays(topicIds: ReadonlySet<TopicId>): Promise<void> {
    return this.guarded(() => this.strays.deleteTopics(topicIds));
  }

  expireStrays(retentionMs: number): Promise<void> {
    return this.guarded(() => this.strays.expire(retentionMs));
  }

  #forget(key: string): void {
    this.#found.delete(key);
    this.#logs.delete(key);
    this.#asClosed.delete(key);
    this.#checkpoints.forget(key);
  }

  async #isOf(key: string, topicId: TopicId): Promise<boolean> {
    const stored = await readTopicId(this.#shared.io.files, `${this.#root}/${key}`);
    return stored === null ? this.#logs.has(key) : isTopicId(stored, topicId);
  }

  async checkpointHighWatermarks(highWatermarks: ReadonlyMap<string, number>): Promise<void> {
    await this.guarded(() => writeOffsets(this.#shared.io.files, `${this.#root}/${fileNames.highWatermarks}`, highWatermarks));
  }

  async noteControllerEpoch(seen: SeenControllerEpoch): Promise<void> {
    if (this.#closed) throw new LogOffline("this broker is stopping");
    await this.#inTurn(fileNames.controllerEpoch, () => writeControllerEpochFile(this.#shared.io.files, this.#root, seen));
  }

  startCleaning(highWatermark: (key: string) => number | null): void {
    if (this.#cleanerConfig === null || this.#closed || this.#cleaner !== null) return;
    const { clock, random, io } = this.#shared;
    this.#cleaner = new LogCleaner({
      clock,
      random,
      logger: io.logger,
      config: this.#cleanerConfig,
      logs: () => this.#logs,
      highWatermark,
    });
    this.#cleaner.start();
  }

  reconfigureCleaning(config: CleanerConfig): void {
    // whether there is a cleaner at all is decided at the start
    if (this.#cleanerConfig === null) return;
    this.#cleanerConfig = config;
    this.#cleaner?.reconfigure(config);
  }

  /** What lay here at the start, without what was discarded since. */
  get found(): readonly FoundLog[] {
    return [...this.#found.values()];
  }

  get directory(): string {
    return this.#root;
  }

  /** Why nothing here can be used any more; null: the directory is usable. */
  get offline(): LogOffline | null {
    return this.#directory.health.offline;
  }

  get mayLieOffline(): boolean {
    return this.offline !== null;
  }

  onOffline(listener: (failure: DirectoryFailure) => void): void {
    this.#directory.health.onOffline((error) => listener({ directory: this.#root, error, holds: () => true }));
  }

  /** The last stop was clean: no log needs recovery. */
  get wasClean(): boolean {
    return this.doubt.kind !== "unregistered";
  }

  /** Logs that are not closed, nor about to be. */
  get unclosedCount(): number {
    let count = 0;
    for (const log of this.#logs.values()) if (!log.isClosing) count++;
    return count;
  }

  /**
   * Rejects LogOffline when the directory failed: then there is no marker. `brokerEpoch` goes into the marker, where Kafka's own brokers
   * look for it, and so does the doubt that is handed on; a doubt that cannot be expressed yet leaves no marker.
   */
  async close(brokerEpoch = -1, doubt: Doubt = noDoubt): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#checkpointTimer?.cancel();
    await this.#cleaner?.stop();
    await this.#scrub?.stop();
    await this.#turns.ended();
    const { health, removedFiles } = this.#directory;
    await pipelined([...this.#logs.values()], logsClosedAtOnce, async (log) => {
      if (health.offline === null) await log.close().catch(ignoreOffline);
      if (health.offline !== null) await log.abandon();
    });
    await Promise.all([this.#removals.ended(), removedFiles.removeAll()]);
    await this.#shared.io.openFiles.closeAll();
    await this.writeCheckpoints();
    if (doubt.kind === "unregistered") return;
    for (const [key, { closedSizes }] of this.#logs) if (closedSizes !== null) this.#asClosed.set(key, closedSizes);
    await this.guarded(() => markCleanStop(this.#shared.io.files, this.#root, { brokerEpoch, doubt, closed: this.#asClosed }));
  }

  writeCheckpoints(): Promise<void> {
    return this.#checkpointWrites.run();
  }

  checkpointsDue(): void {
    if (this.#closed || this.#checkpointTimer !== null) return;
    this.#checkpointTimer = this.#shared.clock.schedule(this.#checkpointIntervalMs, () => {
      this.#checkpointTimer = null;
      // a failure took the directory offline, and its listeners were notified
      if (!this.#closed) this.writeCheckpoints().catch(ignoreOffline);
    });
  }

  removeInBackground(folders: readonly string[]): void {
    this.#removals.add(folders);
  }

  // For moves between directories (`LogMover`)

  get files(): FileSystem {
    return this.#shared.io.files;
  }

  get logDirectory(): LogDirectory {
    return this.#directory;
  }

  openLog(key: string): SegmentedLog | undefined {
    return this.#logs.get(key);
  }

  openLogs(): ReadonlyMap<string, SegmentedLog> {
    return this.#logs;
  }

  makeFolder(folder: string): Promise<void> {
    return this.guarded(async () => {
      await this.#shared.io.files.makeDirectory(folder);
      await this.#rootSyncs.run();
    });
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#shared.io.files.rename(from, to);
    await this.#rootSyncs.run();
  }

  /**
   * Its checkpoint entries are durable here before the log is moved in: all of it is synced. Without a recovery point the next start after
   * a crash would recover all of it, and take the first gap left by compaction for lost records.
   */
  async expect(key: string, log: SegmentedLog): Promise<void> {
    this.#checkpoints.note(key, log, log.writtenEndOffset);
    await this.writeCheckpoints();
  }

  /** The log is in another directory now. */
  release(key: string): void {
    this.#logs.delete(key);
    this.#checkpoints.forget(key);
  }

  adopt(key: string, log: SegmentedLog): void {
    this.#logs.set(key, log);
    this.checkpointsDue();
  }

  async #openFolder(key: string, topicId: TopicId, settings: TopicSettings): Promise<SegmentedLog> {
    const { files } = this.#shared.io;
    const folder = `${this.#root}/${key}`;
    if (!(await files.exists(folder))) {
      await files.makeDirectory(folder);
      await this.#rootSyncs.run();
    }
    const known = await readTopicId(files, folder);
    if (known !== null && !isTopicId(known, topicId))
      throw new InconsistentTopicId(`${folder} belongs to topic id ${known}, not ${topicId}`);
    if (known !== topicId) await writeTopicId(files, folder, topicId);
    const checkpointed = this.#checkpoints.of(key);
    const { directory, io, caches, clock, random } = this.#shared;
    const { tails, lookups, producers } = caches;
    const closed = this.#asClosed.get(key) ?? null;
    this.#asClosed.delete(key);
    const opened = await openLog({ ...io, clock, producers }, folder, checkpointed, closed);
    return new SegmentedLog({ directory, io, tails, lookups, clock, random }, opened, settings, checkpointed.cleanedEndOffset);
  }

  #inTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
    invariant(!this.#closed, "a closed store opens and deletes nothing");
    return this.#turns.run(key, () => this.guarded(work));
  }

  /** Runs work on files: a failure takes the directory offline. */
  async guarded<T>(work: () => Promise<T>): Promise<T> {
    const { health } = this.#directory;
    health.assertOnline();
    try {
      return await work();
    } catch (error) {
      if (error instanceof InconsistentTopicId) throw error;
      throw health.failed(error);
    }
  }
}
