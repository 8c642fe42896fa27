import type { TopicId } from "../../protocol/base/ids.ts";
import { invariant } from "../../protocol/base/invariant.ts";
import type { Random } from "../../protocol/base/random.ts";
import type { KafkaError } from "../../protocol/errors/kafka-errors.ts";
import { readControlRecord } from "../../protocol/records/decode-batch.ts";
import { Reader } from "../../protocol/wire/reader.ts";
import { answered, type Decision, type Now, type ReplayedBatch, type ShardTimers, type StateMachine } from "../state-machine/contract.ts";
import { StateMemory } from "../state-machine/state-memory.ts";
import { sweep } from "../state-machine/sweep.ts";
import { type ClassicConfig, ClassicGroups } from "./classic/classic-groups.ts";
import { ConsumerGroups, type ConsumerGroupsConfig } from "./consumer/consumer-groups.ts";
import type { PatternTurns } from "./consumer/pattern-watch.ts";
import type { Group, GroupBook, GroupKind, GroupRecord, TopicSource } from "./contract.ts";
import { offsetKeyVersions, offsetTombstone } from "./group-records.ts";
import { type CommittedOffset, OffsetBook, type OffsetPlace, offsetPlaces, placeBytes, readOffset } from "./offset-book.ts";
import {
  type CommitRequest,
  commitInTransaction,
  commitOffsets,
  deleteGroup,
  deleteOffsets,
  type FetchedTopic,
  fetchOffsets,
  isExpired,
  type TopicErrors,
  type TransactionalCommitRequest,
  type WantedTopic,
} from "./offset-requests.ts";
import { PendingOffsets } from "./pending-offsets.ts";

/** The settings that a shard's state machine needs. */
export interface GroupMachineConfig extends ClassicConfig {
  /** Of groups with the new protocol. */
  readonly consumer: ConsumerGroupsConfig;
  /** `offset.metadata.max.bytes`, per committed offset. */
  readonly offsetMetadataMaxBytes: number;
  /** `offsets.retention.minutes`, in milliseconds. */
  readonly offsetsRetentionMs: number;
  /** `offsets.retention.check.interval.ms` */
  readonly offsetsRetentionCheckIntervalMs: number;
}

export interface GroupMachineParts {
  readonly timers: ShardTimers;
  readonly topics: TopicSource;
  readonly random: Random;
  readonly config: GroupMachineConfig;
  /** Of members, and of what is pending in transactions. Shared with the other shards of the broker; absent: without a bound. */
  readonly memory?: { readonly members: StateMemory; readonly pending: StateMemory };
  /** Shared as well. */
  readonly patternTurns?: PatternTurns;
}

export interface ListedGroup {
  readonly groupId: string;
  readonly protocolType: string;
  readonly groupState: string;
  readonly groupType: string;
}

const expiryTimer = "expire offsets";
const deletedTopicsTimer = "offsets of deleted topics";

/**
 * Everything a shard knows of its groups, and how each request is handled. No I/O: requests and time in, decisions out; records in, state
 * changed.
 */
export class GroupMachine implements StateMachine {
  readonly classic: ClassicGroups;
  readonly consumer: ConsumerGroups;
  readonly offsets = new OffsetBook();
  /** Of transactions that are still open. */
  readonly pending: PendingOffsets;
  readonly #groups = new Groups();
  readonly #parts: GroupMachineParts;
  readonly #pendingMemory: StateMemory;
  readonly #kinds: ReadonlyMap<number, GroupKind>;
  readonly #allKinds: readonly GroupKind[];
  /** Deleted topics with positions that do not name the topic's id, until those positions are removed. */
  readonly #namesGone = new Set<string>();
  /** Names of deleted topics whose positions have not been searched for yet. */
  readonly #namesToForget = new Set<string>();
  #isForgetting = false;
  #isLoaded = false;

  constructor(parts: GroupMachineParts) {
    this.#parts = parts;
    this.#pendingMemory = parts.memory?.pending ?? new StateMemory();
    const environment = { ...parts, groups: this.#groups };
    const memberMemory = parts.memory?.members ?? new StateMemory();
    this.pending = new PendingOffsets(this.#pendingMemory);
    this.classic = new ClassicGroups({
      ...environment,
      hasOffsets: (groupId) => this.#hasOffsets(groupId),
      memberMemory,
    });
    this.consumer = new ConsumerGroups({ ...environment, config: parts.config.consumer }, parts.patternTurns, memberMemory);
    this.#allKinds = [this.classic, this.consumer];
    this.#kinds = new Map(this.#allKinds.flatMap((kind) => kind.keyVersions.map((version) => [version, kind] as const)));
  }

  get groups(): GroupBook {
    return this.#groups;
  }

  /**
   * Applies a record of the log, or one that was just appended. Throws MalformedFrame. Unknown kinds of records are ignored.
   *
   * A position that is committed in a transaction is kept aside under its producer's id and shown to no client, until a control batch of
   * that producer applies it (commit) or drops it (abort). That marker is not an offset, although its key begins like that of one.
   */
  replay(record: GroupRecord, batch: ReplayedBatch): void {
    if (batch.isControl) return this.#endTransaction(batch.producerId, record);
    const reader = new Reader(record.key);
    const version = reader.int16();
    if (offsetKeyVersions.includes(version)) this.#replayOffset(version, reader, record.value, batch);
    else this.#kinds.get(version)?.replay(version, reader, record.value);
  }

  #replayOffset(version: number, key: Reader, value: Buffer | null, { baseOffset, isTransactional, producerId }: ReplayedBatch): void {
    const idOf = this.#isLoaded ? this.#idOf : () => null;
    const { place, committed } = readOffset(version, key, { value, loggedAt: baseOffset }, idOf);
    if (committed === null) {
      this.offsets.remove(place);
      this.pending.forget(place);
      return;
    }
    if (isTransactional) this.pending.add({ ...place, producerId, committed });
    else this.offsets.set(place, committed);
    if (this.#isLoaded) this.classic.keepOffsetsOf(place.groupId);
  }

  /**
   * What was committed at the same place since is later in the log, and stays, whichever transaction ends first. So a log that compaction
   * has left only the last of them in gives the same positions.
   */
  #endTransaction(producerId: number, marker: GroupRecord): void {
    const { kind } = readControlRecord(marker);
    if (kind === "other") return;
    for (const { committed, ...place } of this.pending.end(producerId)) {
      const known = this.offsets.find(place.groupId, place.topic, place.partition);
      if (kind === "commit" && (known === undefined || known.loggedAt < committed.loggedAt)) this.offsets.set(place, committed);
    }
  }

  /** The whole log was replayed: members get their timers, and this machine starts to serve. */
  loaded(now: Now): void {
    invariant(!this.#isLoaded, "a log is loaded once");
    this.#isLoaded = true;
    for (const book of [this.offsets, this.pending]) for (const groupId of book.groupIds()) this.classic.keepOffsetsOf(groupId);
    for (const kind of this.#allKinds) kind.loaded(now);
    this.#scheduleExpiry(now);
    for (const topic of this.#goneTopics()) this.#namesGone.add(topic);
    this.#forgetGone(this.#parts.topics.current.deletedTopics.values(), now);
  }

  ended(): void {
    this.classic.ended();
    this.consumer.ended();
    this.pending.clear();
  }

  commitOffsets(groupId: string, request: CommitRequest, now: Now): Decision<readonly TopicErrors[]> {
    const rules = { metadataMaxBytes: this.#parts.config.offsetMetadataMaxBytes, idOf: this.#idOf };
    return commitOffsets(groupId, this.#find(groupId), request, rules, now);
  }

  /** The producer's transaction was found to be open, with this group in it: see `Shards.guard`. */
  commitInTransaction(groupId: string, request: TransactionalCommitRequest, now: Now): Decision<readonly TopicErrors[]> {
    const metadataMaxBytes = this.#parts.config.offsetMetadataMaxBytes;
    const rules = { metadataMaxBytes, idOf: this.#idOf, memory: this.#pendingMemory };
    return commitInTransaction(groupId, this.#find(groupId), request, rules, now);
  }

  /** `requireStable`: not what a transaction that is still open may change. */
  fetchOffsets(
    groupId: string,
    by: { readonly memberId: string | null; readonly memberEpoch: number },
    wanted: readonly WantedTopic[] | null,
    requireStable = false,
  ): Decision<{ readonly error: KafkaError | null; readonly topics: readonly FetchedTopic[] }> {
    const refusal = this.#find(groupId)?.admitOffsetFetch(by) ?? null;
    if (refusal !== null) return answered({ error: refusal, topics: [] });
    const isPending = (topic: string, partition: number) =>
      [...this.pending.at({ groupId, topic, partition })].some(({ committed }) => this.#isMeant(topic, committed));
    const rules = { isMeant: this.#isMeant, isUnstable: requireStable ? isPending : () => false };
    return answered({ error: null, topics: fetchOffsets(this.offsets.of(groupId), wanted, rules) });
  }

  deleteOffsets(groupId: string, topics: Parameters<typeof deleteOffsets>[3]): ReturnType<typeof deleteOffsets> {
    const hasPending = (topic: string, partition: number) => this.pending.hasAt({ groupId, topic, partition });
    return deleteOffsets(this.#find(groupId), this.offsets.of(groupId), hasPending, topics);
  }

  deleteGroup(groupId: string, offsetsMax = Number.POSITIVE_INFINITY): ReturnType<typeof deleteGroup> {
    return deleteGroup(this.#find(groupId), this.offsets.of(groupId), this.pending.of(groupId), offsetsMax);
  }

  listGroups(): ListedGroup[] {
    return [...this.#groups.values()].map(({ groupId, protocolType, stateName, type }) => ({
      groupId,
      protocolType,
      groupState: stateName,
      groupType: type,
    }));
  }

  /**
   * Something about the topics changed; `deleted` are gone, or re-created under the same names, and what was committed for them has no
   * meaning any more.
   */
  topicsChanged(deleted: ReadonlySet<string>, now: Now): readonly Decision<null>[] {
    for (const topic of deleted) this.#namesGone.add(topic);
    this.#forgetGone(deleted, now);
    return this.#allKinds.flatMap((kind) => kind.topicsChanged(now));
  }

  readonly #idOf = (topic: string): TopicId | null => this.#parts.topics.current.topics.get(topic)?.id ?? null;

  /**
   * Whether a client that asks by the topic's name gets the position. Race: (1) a position in a topic is committed; (2) the coordinator
   * dies; (3) the topic is deleted and re-created; (4) another broker coordinates, and sees nothing but a topic of that name, and a
   * position, below which all records of the new topic so far may be. So each position says which topic it is in.
   */
  readonly #isMeant = (topic: string, committed: CommittedOffset): boolean => {
    const id = this.#idOf(topic);
    return (id === null || committed.topicId === null || committed.topicId === id) && !this.#isGone(topic, committed);
  };

  /** The topic's deletion is on record. */
  #isGone(topic: string, { topicId }: CommittedOffset): boolean {
    if (topicId === null) return this.#namesGone.has(topic);
    return this.#parts.topics.current.deletedTopics.has(topicId) && this.#idOf(topic) !== topicId;
  }

  /** Tombstones for positions in deleted topics. Until they are appended, those positions are not shown to clients. */
  #forgetGone(deleted: Iterable<string>, now: Now): void {
    for (const topic of deleted) this.#namesToForget.add(topic);
    if (this.#isForgetting || this.#namesToForget.size === 0) return;
    this.#isForgetting = true;
    const names = new Set(this.#namesToForget);
    this.#namesToForget.clear();
    const groupIds = () => [...this.offsets.groupIds()];
    const steps = offsetPlaces(this.offsets, groupIds, (topic) => names.has(topic));
    const whenOver = (then: Now) => {
      this.#isForgetting = false;
      for (const topic of names) if (!this.#namesToForget.has(topic)) this.#namesGone.delete(topic);
      this.#forgetGone([], then);
    };
    const recordsOf = (place: OffsetPlace) => this.#tombstoneIf(place, (committed) => this.#isGone(place.topic, committed));
    const order = { timers: this.#parts.timers, key: deletedTopicsTimer, steps, bytesOf: placeBytes, recordsOf, whenOver };
    sweep(order, now.monotonicMs);
  }

  /**
   * Not while something is pending there, which the tombstone would take along: (1) a topic is deleted, and re-created; (2) a transaction
   * commits a position in the new one; (3) the position in the old one is removed. What is left then is removed some time after.
   */
  #tombstoneIf(place: OffsetPlace, isToGo: (committed: CommittedOffset) => boolean) {
    const { groupId, topic, partition } = place;
    const committed = this.offsets.find(groupId, topic, partition);
    const isRemoved = committed !== undefined && isToGo(committed) && !this.pending.hasAt(place);
    return isRemoved ? [offsetTombstone(groupId, topic, partition)] : [];
  }

  /**
   * Topics that were deleted while no coordinator was active, as far as that is on record. An unknown topic proves nothing: a ZooKeeper
   * restored to an earlier state does not know it either, and dropped positions would not come back with it.
   */
  *#goneTopics(): Generator<string> {
    const { topics, deletedTopics } = this.#parts.topics.current;
    for (const topic of new Set(deletedTopics.values())) if (!topics.has(topic)) yield topic;
  }

  #hasOffsets(groupId: string): boolean {
    return this.offsets.has(groupId) || this.pending.has(groupId);
  }

  #find(groupId: string): Group | null {
    return this.#groups.get(groupId) ?? null;
  }

  /** First the offsets that have expired, then the groups that have neither offsets nor members. */
  #scheduleExpiry(now: Now): void {
    const { timers, config } = this.#parts;
    const everyGroup = () => [...this.#groups.values()].map(({ groupId }) => groupId);
    const offsetsGone = (then: Now) => {
      const recordsOf = (groupId: string) => this.#tombstonesIfUnused(groupId);
      const whenOver = (over: Now) => this.#scheduleExpiry(over);
      const steps = everyGroup()[Symbol.iterator]();
      const bytesOf = (groupId: string) => groupId.length;
      sweep({ timers, key: expiryTimer, steps, bytesOf, recordsOf, whenOver }, then.monotonicMs);
    };
    const recordsOf = (place: OffsetPlace, then: Now) => {
      const group = this.#find(place.groupId);
      if (group === null) return [];
      const isToGo = (committed: CommittedOffset) =>
        isExpired(group, place.topic, committed, config.offsetsRetentionMs, then) || this.#isGone(place.topic, committed);
      return this.#tombstoneIf(place, isToGo);
    };
    const steps = offsetPlaces(this.offsets, everyGroup);
    const atMs = now.monotonicMs + config.offsetsRetentionCheckIntervalMs;
    sweep({ timers, key: expiryTimer, steps, bytesOf: placeBytes, recordsOf, whenOver: offsetsGone }, atMs);
  }

  #tombstonesIfUnused(groupId: string): readonly GroupRecord[] {
    const group = this.#find(groupId);
    return group?.isEmpty === true && !this.#hasOffsets(groupId) ? group.tombstones() : [];
  }
}

class Groups implements GroupBook {
  readonly #byId = new Map<string, Group>();

  get size(): number {
    return this.#byId.size;
  }

  get(groupId: string): Group | undefined {
    return this.#byId.get(groupId);
  }

  set(group: Group): void {
    this.#byId.set(group.groupId, group);
  }

  delete(group: Group): void {
    if (this.#byId.get(group.groupId) === group) this.#byId.delete(group.groupId);
  }

  values(): Iterable<Group> {
    return this.#byId.values();
  }
}
