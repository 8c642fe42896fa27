import type { Clock } from "../../protocol/base/clock.ts";
import { type BrokerId, partitionKey, type TopicId, type TopicPartition } from "../../protocol/base/ids.ts";
import { InvariantViolation } from "../../protocol/base/invariant.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import type { Random } from "../../protocol/base/random.ts";
import { LogOffline } from "../log/log-contract.ts";
import { type DirectoryFailure, type LogStore, TooManyLogs } from "../log/store-contract.ts";
import type { TopicSettings } from "../runtime/config/topic-settings.ts";
import { pipelined } from "../runtime/pipelined.ts";
import { Admissions, type AdmissionsParts } from "./admissions.ts";
import { Assignments } from "./assignments.ts";
import type { ClientPartitions, NoLeader, ReadingLeader } from "./client-contract.ts";
import type { AssignedReplica, ClusterView, IsrStore, ReplicaHealthReporter, RoleSink, WithdrawnReplica } from "./cluster-contract.ts";
import { Deadlines } from "./deadlines.ts";
import type { PartitionConfig, PartitionEnvironment, ReplicaIdentity } from "./environment.ts";
import { FollowerReaders } from "./follower-readers.ts";
import { FollowingNews } from "./following-news.ts";
import { FutureTimestamps } from "./future-timestamps.ts";
import { HighWatermarkCheckpoint } from "./high-watermark-checkpoint.ts";
import type { Leadership } from "./leadership.ts";
import { Partition } from "./partition.ts";
import { isRemoved, ReplicaLogs } from "./replica-logs.ts";
import type { FollowedPartition, FollowingChange, FollowingSource, ReplicaLeaders } from "./replication-contract.ts";
import { RoleCheck } from "./role-check.ts";
import { FollowerLooks, startUpkeep } from "./upkeep.ts";
import { ChangeWaiters } from "./waiters.ts";

export interface PartitionTableParts {
  readonly config: PartitionConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly logs: LogStore;
  readonly cluster: ClusterView;
  readonly isrStore: IsrStore;
  readonly health: ReplicaHealthReporter;
  /** What works on other threads. */
  readonly codecs: AdmissionsParts["codecs"];
}

/** Long polls at one broker; beyond, a poll lasts until its deadline. */
const changeWaitersMax = 100_000;

/** Deleted or set aside at the same time: each costs little but two durable writes, which they share. */
const logsWithdrawnAtOnce = 256;

/**
 * All replicas on this broker, how they change with the broker's part in the cluster, and where they are found: API handlers and followers
 * get a partition's leadership, the fetchers what is followed here.
 */
export class PartitionTable implements RoleSink, FollowingSource, ClientPartitions, ReplicaLeaders {
  /** Woken when a high watermark or a leadership moves. */
  readonly #commits: ChangeWaiters;
  /** Long polls that wait for that. */
  readonly waitingReads: { readonly size: number };
  readonly #parts: PartitionTableParts;
  readonly #environment: PartitionEnvironment;
  readonly #checkpoint: HighWatermarkCheckpoint;
  readonly #byKey = new Map<string, Partition>();
  readonly #byId = new Map<string, Partition>();
  readonly #listeners = {
    written: new Set<(identity: ReplicaIdentity) => void>(),
    leads: new Set<(ref: TopicPartition, leaderEpoch: number | null) => void>(),
  };
  readonly #following: FollowingNews;
  readonly #readers: FollowerReaders;
  /** Led here, and not at rest: see `leaderMoved`. */
  readonly #restless = new Set<ReplicaIdentity>();
  readonly #roleCheck: RoleCheck;
  /** Replicas that were reported here because no open partition could report itself, by id. */
  readonly #unopened = new Set<string>();
  readonly #closing = new AbortController();
  readonly #replicaLogs: ReplicaLogs;
  readonly #followerLooks: FollowerLooks;
  readonly #assignments: Assignments;
  /** Counts the calls of `standDown`: an assignment begun before one must not continue. */
  #standDowns = 0;

  constructor(parts: PartitionTableParts) {
    const { config, clock, random, logger, cluster, isrStore, health, logs, codecs } = parts;
    const deadlines = new Deadlines(clock);
    this.#parts = parts;
    this.#commits = new ChangeWaiters(deadlines, changeWaitersMax);
    this.waitingReads = this.#commits;
    this.#checkpoint = new HighWatermarkCheckpoint(logs);
    this.#replicaLogs = new ReplicaLogs(parts, this.#checkpoint, this.#closing.signal);
    const followed = ({ topicId, partition }: ReplicaIdentity) => this.findById(topicId, partition)?.followership() ?? null;
    this.#readers = new FollowerReaders(clock);
    this.#following = new FollowingNews(followed, config.reassignedAtOnceMax);
    const news = {
      committed: (key: string) => this.#commits.notify(key),
      written: (identity: ReplicaIdentity) => callEach(this.#listeners.written, identity),
      leaderMoved: (identity: ReplicaIdentity) => this.#restless.add(identity),
      follows: (identity: ReplicaIdentity) => this.#following.changed(identity),
      readHere: (leader: BrokerId) => this.#readers.note(leader),
      leads: (ref: ReplicaIdentity, epoch: number | null) => callEach(this.#listeners.leads, ref, epoch),
    };
    const admissions = new Admissions({ clock, codecs, plainBytesMax: config.batchUnpackedBytesMax });
    const futureTimestamps = new FutureTimestamps({ clock, logger });
    this.#environment = {
      config,
      clock,
      random,
      logger,
      cluster,
      isrStore,
      health,
      deadlines,
      news,
      admissions,
      futureTimestamps,
      lowerHighWatermark: (key, highWatermark) => this.#lowerHighWatermark(key, highWatermark),
    };
    this.#roleCheck = new RoleCheck({
      clock,
      logger,
      isAccountedFor: (topicId, partition) => {
        const key = partitionKey(topicId, partition);
        return this.#byId.get(key)?.isAccountedFor ?? this.#unopened.has(key);
      },
      giveUp: (replica, reason) => {
        const partition = this.findById(replica.topicId, replica.state.partition);
        if (partition === null) this.#reportUnopened(replica, reason);
        else partition.giveUp(reason);
      },
    });
    this.#assignments = new Assignments({
      clock,
      stallTimeoutMs: config.diskStallTimeoutMs,
      isOpen: (replica) => this.#openOf(replica) !== null,
      apply: (replica, isCurrent) => this.#assign(replica, isCurrent),
      applied: () => this.#following.tell(),
    });
    this.#followerLooks = new FollowerLooks(clock, config.suspectLagMs, () => {
      for (const partition of this.#byKey.values()) partition.tick();
    });
    logs.onOffline((failure) => this.#goOffline(failure));
  }

  #lowerHighWatermark(key: string, highWatermark: number): Promise<void> {
    this.#checkpoint.set(key, highWatermark);
    const partition = this.#byKey.get(key);
    if (partition !== undefined) partition.checkpointedHighWatermark = null;
    return this.#checkpoint.write();
  }

  /** Starts the periodic work: see `upkeep.ts`. Ends with `close`. */
  start(): void {
    const sweep = () => {
      this.#lookAtRestless();
      this.#roleCheck.look();
    };
    this.#parts.logs.startCleaning((key) => this.#byKey.get(key)?.highWatermark ?? null);
    const upkept = { partitions: () => this.#byKey.values(), sweep, writeCheckpoint: () => this.#writeCheckpoint() };
    startUpkeep(this.#parts, upkept, this.#closing.signal);
  }

  lookAtFollowers(): void {
    this.#followerLooks.look();
  }

  /** The cost grows with what moves, not with what is led. */
  #lookAtRestless(): void {
    for (const identity of this.#restless) {
      const partition = this.#byKey.get(identity.key);
      if (partition?.identity !== identity || !partition.tick()) this.#restless.delete(identity);
    }
  }

  /** Stops everything here, then closes the logs. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#followerLooks.end();
    this.#standDowns++;
    await Promise.all([...this.#byKey.values()].map((partition) => partition.close()));
    this.#following.tell();
    try {
      await this.#writeCheckpoint();
    } catch (error) {
      this.#parts.logger.warn({ err: error }, "the last high watermarks were not written; the followers will make it good");
    }
    try {
      await this.#parts.logs.close(this.#parts.cluster.ownEpoch);
    } catch (error) {
      if (!(error instanceof LogOffline)) throw error;
      this.#parts.logger.warn({ err: error }, "the logs were not closed properly: they are checked at the next start");
    }
  }

  find({ topic, partition }: TopicPartition): Partition | null {
    return this.#byKey.get(partitionKey(topic, partition)) ?? null;
  }

  findById(topicId: TopicId, partition: number): Partition | null {
    return this.#byId.get(partitionKey(topicId, partition)) ?? null;
  }

  leader(ref: TopicPartition): Leadership | NoLeader {
    return this.find(ref)?.leader() ?? "NOT_LEADER_OR_FOLLOWER";
  }

  leaderOf(topicId: TopicId, partition: number): Leadership | NoLeader | "UNKNOWN_TOPIC_ID" {
    return this.findById(topicId, partition)?.leader() ?? "UNKNOWN_TOPIC_ID";
  }

  follower(ref: TopicPartition): ReadingLeader | null {
    return this.find(ref)?.follower() ?? null;
  }

  changed(refs: readonly TopicPartition[], deadlineMs: number, signal?: AbortSignal): Promise<void> {
    const keys = refs.map(({ topic, partition }) => partitionKey(topic, partition));
    return this.#commits.wait(keys, deadlineMs, signal);
  }

  all(): Iterable<Partition> {
    return this.#byKey.values();
  }

  /** Called when we begin to lead a partition (or continue in a higher epoch), and with null when we no longer lead it. */
  onLeadershipChanged(listener: (ref: TopicPartition, leaderEpoch: number | null) => void): () => void {
    this.#listeners.leads.add(listener);
    return () => this.#listeners.leads.delete(listener);
  }

  onWritten(listener: (identity: ReplicaIdentity) => void): () => void {
    this.#listeners.written.add(listener);
    return () => this.#listeners.written.delete(listener);
  }

  onFollowingChanged(listener: (changes: readonly FollowingChange[]) => void): () => void {
    return this.#following.onTold(listener);
  }

  isReadHere(leader: BrokerId): boolean {
    return this.#readers.areOf(leader);
  }

  following(): readonly FollowedPartition[] {
    const all = [...this.#byKey.values()].map((partition) => partition.followership());
    return all.filter((followership) => followership !== null && this.#following.isFetched(followership)) as FollowedPartition[];
  }

  async assign(replicas: readonly AssignedReplica[]): Promise<void> {
    // Race: (1) this broker stops, its logs are closed; (2) an update that the controller sent before it knew arrives. No role is started
    // any more.
    if (this.#closing.signal.aborted) return;
    const standDowns = this.#standDowns;
    // Race: (1) a long list is being applied; (2) the session is lost, everything stands down; (3) the next of the list is opened.
    await this.#assignments.run(replicas, () => standDowns === this.#standDowns);
  }

  async #assign(replica: AssignedReplica, isCurrent: () => boolean): Promise<void> {
    if (!isCurrent()) return;
    const partition = this.#openOf(replica) ?? (await this.#open(replica));
    if (!isCurrent()) return;
    await partition?.assign(replica.state);
    // Race: (1) its disk hangs, so that its new role waits; (2) it is withdrawn, and closed; (3) the disk goes on. No role is to
    // be expected.
    if (isCurrent() && this.#openOf(replica) === partition) this.#roleCheck.assigned(replica);
  }

  /** Those of different names many at a time: their writes of checkpoints, and syncs of the directory, become few. */
  async withdraw(replicas: readonly WithdrawnReplica[]): Promise<void> {
    const byName = [...Map.groupBy(replicas, ({ ref }) => partitionKey(ref.topic, ref.partition)).values()];
    await pipelined(byName, logsWithdrawnAtOnce, async (ofOneName) => {
      for (const replica of ofOneName) await this.#withdraw(replica);
    });
    this.#following.tell();
  }

  async #withdraw(replica: WithdrawnReplica): Promise<void> {
    const { ref, topicId } = replica;
    await this.#assignments.end(ref, topicId);
    this.#noMoreHere(topicId, ref.partition);
    try {
      await this.#takeAway(replica);
    } catch (error) {
      if (error instanceof InvariantViolation) throw error;
      // whatever the disk says: an update that failed for it would be sent again, and fail again, and with it all later ones
      this.#parts.logger[error instanceof LogOffline ? "warn" : "error"](
        { err: error, partition: partitionKey(ref.topic, ref.partition) },
        "a log that is not ours any more stays where it is",
      );
    }
  }

  #noMoreHere(topicId: TopicId, partition: number): void {
    this.#parts.health.report({ topicId, partition }, { kind: "usable" });
    this.#unopened.delete(partitionKey(topicId, partition));
    this.#roleCheck.withdrawn(topicId, partition);
  }

  async #takeAway(replica: WithdrawnReplica): Promise<void> {
    const { ref, topicId, isDeleted } = replica;
    const partition = this.findById(topicId, ref.partition);
    const highWatermark = partition?.highWatermark ?? this.#checkpoint.restored(partitionKey(ref.topic, ref.partition));
    // under that name another topic's replica is active
    if (partition === null && this.#byKey.has(partitionKey(ref.topic, ref.partition))) return;
    if (partition !== null) await this.#close(partition);
    // closed: no role here appends to it any more
    if (isDeleted || isRemoved(replica, partition?.log ?? null)) await this.#replicaLogs.delete(ref, topicId);
    else await this.#replicaLogs.setAside(ref, topicId, highWatermark);
  }

  async forget(topicIds: ReadonlySet<TopicId>): Promise<readonly TopicId[]> {
    const { logs } = this.#parts;
    if (this.#closing.signal.aborted) return [...topicIds];
    await logs.deleteStrays(topicIds);
    return logs.mayLieOffline ? [...topicIds] : [];
  }

  updateSettings(topic: string, settings: TopicSettings): void {
    for (const partition of this.#byKey.values()) if (partition.identity.topic === topic) partition.updateSettings(settings);
  }

  standDown(): void {
    this.#standDowns++;
    this.#roleCheck.stoodDown();
    for (const partition of this.#byKey.values()) partition.standDown();
    this.#following.tell();
  }

  /** Null: its log cannot be opened, whatever the reason. One bad log must not keep the others from being served. */
  async #open(replica: AssignedReplica): Promise<Partition | null> {
    const { topic, topicId, state, settings } = replica;
    const key = partitionKey(topic, state.partition);
    const known = this.#byKey.get(key);
    try {
      // a topic of this name was re-created, and we have not learned of the old one's deletion: its log is not this topic's
      if (known !== undefined) {
        const { highWatermark } = known;
        await this.#close(known);
        await this.#replicaLogs.setAside({ topic, partition: state.partition }, known.identity.topicId, highWatermark);
      }
      // the state as the controller creates it: before a broker that re-registers with a log of it is assigned again, the state has changed
      const isNew = state.leaderEpoch === 0 && state.stateVersion === 0;
      const log = await this.#replicaLogs.open(topic, state.partition, topicId, settings, isNew);
      const identity = { topic, topicId, partition: state.partition, key };
      const partition = new Partition(identity, { log, settings }, this.#environment, this.#checkpoint.restored(key));
      this.#byKey.set(key, partition);
      this.#byId.set(partitionKey(topicId, state.partition), partition);
      if (this.#unopened.delete(partitionKey(topicId, state.partition)))
        this.#parts.health.report({ topicId, partition: state.partition }, { kind: "usable" });
      return partition;
    } catch (error) {
      if (error instanceof InvariantViolation) throw error;
      this.#parts.logger[error instanceof TooManyLogs ? "info" : "error"]({ err: error, partition: key }, "the log cannot be opened");
      this.#reportUnopened(replica, error instanceof Error ? error.message : String(error));
      return null;
    }
  }

  #openOf({ topic, topicId, state }: AssignedReplica): Partition | null {
    const known = this.find({ topic, partition: state.partition });
    return known?.identity.topicId === topicId ? known : null;
  }

  #reportUnopened({ topicId, state }: AssignedReplica, reason: string): void {
    this.#unopened.add(partitionKey(topicId, state.partition));
    this.#parts.health.report({ topicId, partition: state.partition }, { kind: "offline", reason });
  }

  async #close(partition: Partition): Promise<void> {
    const { topicId, partition: number, key } = partition.identity;
    await partition.close();
    this.#byKey.delete(key);
    this.#byId.delete(partitionKey(topicId, number));
    // once more: it may have waited for its disk, and what was assigned before, or the disk itself, may have come first
    this.#noMoreHere(topicId, number);
    this.#commits.notify(key);
    callEach(this.#listeners.written, partition.identity);
  }

  #goOffline({ error, holds }: DirectoryFailure): void {
    for (const partition of this.#byKey.values()) if (holds(partition.identity.key)) partition.goOffline(error);
    this.#following.tell();
  }

  async #writeCheckpoint(): Promise<void> {
    this.#checkpoint.setAll(this.#byKey.values());
    await this.#checkpoint.write();
  }
}

function callEach<A extends unknown[]>(listeners: Iterable<(...values: A) => void>, ...values: A): void {
  for (const listener of listeners) listener(...values);
}
