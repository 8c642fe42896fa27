import type { TopicId } from "../../protocol/base/ids.ts";
import { invariant } from "../../protocol/base/invariant.ts";
import type { Random } from "../../protocol/base/random.ts";
import type { KafkaError } from "../../protocol/errors/kafka-errors.ts";
import { Reader } from "../../protocol/wire/reader.ts";
import { answered, type Decision, type Now, type ReplayedBatch, type ShardTimers, type StateMachine } from "../state-machine/contract.ts";
import { sweep } from "../state-machine/sweep.ts";
import { type ClassicConfig, ClassicGroups } from "./classic/classic-groups.ts";
import { ConsumerGroups, type ConsumerGroupsConfig } from "./consumer/consumer-groups.ts";
import type { PatternTurns } from "./consumer/pattern-watch.ts";
import type { Group, GroupBook, GroupKind, GroupRecord, TopicSource } from "./contract.ts";
import { offsetKeyVersions, offsetTombstone } from "./group-records.ts";
import { MemberMemory } from "./member-memory.ts";
import { type CommittedOffset, OffsetBook, type OffsetPlace, offsetPlaces, placeBytes } from "./offset-book.ts";
import {
  type CommitRequest,
  commitOffsets,
  deleteGroup,
  deleteOffsets,
  type FetchedTopic,
  fetchOffsets,
  isExpired,
  type TopicErrors,
  type WantedTopic,
} from "./offset-requests.ts";

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
  /** Shared with the other shards of the broker; absent: without a bound. */
  readonly memberMemory?: MemberMemory;
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
  readonly #groups = new Groups();
  readonly #parts: GroupMachineParts;
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
    const environment = { ...parts, groups: this.#groups };
    const memberMemory = parts.memberMemory ?? new MemberMemory();
    this.classic = new ClassicGroups({
      ...environment,
      hasOffsets: (groupId) => this.offsets.has(groupId),
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
   * A transaction's offset commits (`batch.isTransactional`) are applied as all others: no producer can begin a transaction here yet. Once
   * one can, such a record is kept aside under its producer's id and shown to no client, until a control batch of that producer applies
   * what was kept (commit) or drops it (abort). That marker itself is not an offset, although its key begins like that of an offset.
   */
  replay({ key, value }: GroupRecord, batch: ReplayedBatch): void {
    if (batch.isControl) return;
    const reader = new Reader(key);
    const version = reader.int16();
    if (offsetKeyVersions.includes(version)) {
      const groupId = this.offsets.replay(version, reader, value, this.#isLoaded ? this.#idOf : () => null);
      if (this.#isLoaded && value !== null) this.classic.keepOffsetsOf(groupId);
      return;
    }
    this.#kinds.get(version)?.replay(version, reader, value);
  }

  /** The whole log was replayed: members get their timers, and this machine starts to serve. */
  loaded(now: Now): void {
    invariant(!this.#isLoaded, "a log is loaded once");
    this.#isLoaded = true;
    for (const groupId of this.offsets.groupIds()) this.classic.keepOffsetsOf(groupId);
    for (const kind of this.#allKinds) kind.loaded(now);
    this.#scheduleExpiry(now);
    for (const topic of this.#goneTopics()) this.#namesGone.add(topic);
    this.#forgetGone(this.#parts.topics.current.deletedTopics.values(), now);
  }

  ended(): void {
    this.classic.ended();
    this.consumer.ended();
  }

  commitOffsets(groupId: string, request: CommitRequest, now: Now): Decision<readonly TopicErrors[]> {
    const rules = { metadataMaxBytes: this.#parts.config.offsetMetadataMaxBytes, idOf: this.#idOf };
    return commitOffsets(groupId, this.#find(groupId), request, rules, now);
  }

  fetchOffsets(
    groupId: string,
    by: { readonly memberId: string | null; readonly memberEpoch: number },
    wanted: readonly WantedTopic[] | null,
  ): Decision<{ readonly error: KafkaError | null; readonly topics: readonly FetchedTopic[] }> {
    const refusal = this.#find(groupId)?.admitOffsetFetch(by) ?? null;
    return answered({ error: refusal, topics: refusal === null ? fetchOffsets(this.offsets.of(groupId), wanted, this.#isMeant) : [] });
  }

  deleteOffsets(groupId: string, topics: Parameters<typeof deleteOffsets>[2]): ReturnType<typeof deleteOffsets> {
    return deleteOffsets(this.#find(groupId), this.offsets.of(groupId), topics);
  }

  deleteGroup(groupId: string, offsetsMax = Number.POSITIVE_INFINITY): ReturnType<typeof deleteGroup> {
    return deleteGroup(this.#find(groupId), this.offsets.of(groupId), offsetsMax);
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

  #tombstoneIf({ groupId, topic, partition }: OffsetPlace, isToGo: (committed: CommittedOffset) => boolean) {
    const committed = this.offsets.find(groupId, topic, partition);
    return committed !== undefined && isToGo(committed) ? [offsetTombstone(groupId, topic, partition)] : [];
  }

  /**
   * Topics that were deleted while no coordinator was active, as far as that is on record. An unknown topic proves nothing: a ZooKeeper
   * restored to an earlier state does not know it either, and dropped positions would not come back with it.
   */
  *#goneTopics(): Generator<string> {
    const { topics, deletedTopics } = this.#parts.topics.current;
    for (const topic of new Set(deletedTopics.values())) if (!topics.has(topic)) yield topic;
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
      return this.#tombstoneIf(place, (committed) => isExpired(group, place.topic, committed, config.offsetsRetentionMs, then));
    };
    const steps = offsetPlaces(this.offsets, everyGroup);
    const atMs = now.monotonicMs + config.offsetsRetentionCheckIntervalMs;
    sweep({ timers, key: expiryTimer, steps, bytesOf: placeBytes, recordsOf, whenOver: offsetsGone }, atMs);
  }

  #tombstonesIfUnused(groupId: string): readonly GroupRecord[] {
    const group = this.#find(groupId);
    return group?.isEmpty === true && !this.offsets.has(groupId) ? group.tombstones() : [];
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
