import { invariant } from "../../protocol/base/invariant.ts";
import type { Random } from "../../protocol/base/random.ts";
import type { KafkaError } from "../../protocol/errors/kafka-errors.ts";
import { Reader } from "../../protocol/wire/reader.ts";
import { ClassicGroups } from "./classic/classic-groups.ts";
import { ConsumerGroups } from "./consumer/consumer-groups.ts";
import type { PatternTurns } from "./consumer/pattern-watch.ts";
import {
  answered,
  type Decision,
  type Group,
  type GroupBook,
  type GroupKind,
  type GroupTimers,
  type Now,
  type TopicSource,
} from "./contract.ts";
import { offsetKeyVersions } from "./group-records.ts";
import type { MachineConfig } from "./machine-config.ts";
import { MemberMemory } from "./member-memory.ts";
import { type CommittedOffset, type GroupOffsets, OffsetBook } from "./offset-book.ts";
import {
  type CommitRequest,
  commitOffsets,
  deleteGroup,
  deleteOffsets,
  expiredRecords,
  type FetchedTopic,
  fetchOffsets,
  offsetTombstones,
  type TopicErrors,
  type WantedTopic,
} from "./offset-requests.ts";

export interface MachineParts {
  readonly timers: GroupTimers;
  readonly topics: TopicSource;
  readonly random: Random;
  readonly config: MachineConfig;
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
/** Groups looked at in one turn of the loop. */
const groupsPerTurnMax = 200;

/** Everything a shard knows, and what each request means for it. No I/O: requests and time in, decisions out; records in, state changed. */
export class GroupMachine {
  readonly classic: ClassicGroups;
  readonly consumer: ConsumerGroups;
  readonly offsets = new OffsetBook();
  readonly #groups = new Groups();
  readonly #parts: MachineParts;
  readonly #kinds: ReadonlyMap<number, GroupKind>;
  readonly #allKinds: readonly GroupKind[];
  /** Offsets of topics that were deleted, until their tombstones are appended. What is committed since under the same name is not among them. */
  readonly #ofDeletedTopics = new Set<CommittedOffset>();
  #isLoaded = false;

  constructor(parts: MachineParts) {
    this.#parts = parts;
    const environment = { ...parts, groups: this.#groups };
    const memberMemory = parts.memberMemory ?? new MemberMemory();
    this.classic = new ClassicGroups({
      ...environment,
      hasOffsets: (groupId) => this.offsets.has(groupId),
      groupCount: () => this.#groups.size,
      memberMemory,
    });
    this.consumer = new ConsumerGroups({ ...environment, config: parts.config.consumer }, parts.patternTurns, memberMemory);
    this.#allKinds = [this.classic, this.consumer];
    this.#kinds = new Map(this.#allKinds.flatMap((kind) => kind.keyVersions.map((version) => [version, kind] as const)));
  }

  get groups(): GroupBook & { readonly size: number } {
    return this.#groups;
  }

  /** Applies a record of the log, or one that was just appended. Throws MalformedFrame. A kind of record that we do not know is left alone. */
  replay(key: Buffer, value: Buffer | null): void {
    const reader = new Reader(key);
    const version = reader.int16();
    if (offsetKeyVersions.includes(version)) {
      const groupId = this.offsets.replay(version, reader, value);
      if (this.#isLoaded && value !== null) this.classic.keepOffsetsOf(groupId);
      return;
    }
    this.#kinds.get(version)?.replay(version, reader, value);
  }

  /** The whole log was replayed: members get their timers, and this machine serves from now on. */
  loaded(now: Now): void {
    invariant(!this.#isLoaded, "a log is loaded once");
    this.#isLoaded = true;
    for (const groupId of this.offsets.groupIds()) this.classic.keepOffsetsOf(groupId);
    for (const kind of this.#allKinds) kind.loaded(now);
    this.#scheduleExpiry(now);
    this.#forgetTopics(new Set(this.#goneTopics()), now);
  }

  ended(): void {
    this.classic.ended();
    this.consumer.ended();
  }

  commitOffsets(groupId: string, request: CommitRequest, now: Now): Decision<readonly TopicErrors[]> {
    return commitOffsets(groupId, this.#find(groupId), request, this.#parts.config.offsetMetadataMaxBytes, now);
  }

  fetchOffsets(
    groupId: string,
    by: { readonly memberId: string | null; readonly memberEpoch: number },
    wanted: readonly WantedTopic[] | null,
  ): Decision<{ readonly error: KafkaError | null; readonly topics: readonly FetchedTopic[] }> {
    const refusal = this.#find(groupId)?.admitOffsetFetch(by) ?? null;
    return answered({ error: refusal, topics: refusal === null ? fetchOffsets(this.#offsetsOf(groupId), wanted) : [] });
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

  /** Something about the topics changed; `deleted` are gone, and what was committed for them means nothing any more. */
  topicsChanged(deleted: ReadonlySet<string>, now: Now): readonly Decision<null>[] {
    this.#forgetTopics(deleted, now);
    return this.#allKinds.flatMap((kind) => kind.topicsChanged(now));
  }

  /**
   * By a timer, which tries again when the records are refused. Race: (1) a topic is deleted, (2) it is made anew, (3) a position in it is committed, (4) the timer comes. So what is
   * there in this turn is remembered, and told to nobody from now on.
   */
  #forgetTopics(deleted: ReadonlySet<string>, now: Now): void {
    if (deleted.size === 0) return;
    for (const groupId of this.offsets.groupIds())
      for (const topic of deleted)
        for (const committed of this.offsets.of(groupId).get(topic)?.values() ?? []) this.#ofDeletedTopics.add(committed);
    if (this.#ofDeletedTopics.size > 0) this.#parts.timers.set(deletedTopicsTimer, now.monotonicMs, () => this.#withoutDeletedTopics());
  }

  #withoutDeletedTopics(): Decision<null> {
    const records = [...this.offsets.groupIds()].flatMap((groupId) =>
      offsetTombstones(
        groupId,
        select(this.offsets.of(groupId), (committed) => this.#ofDeletedTopics.has(committed)),
      ),
    );
    const accepted = () => {
      this.#ofDeletedTopics.clear();
      return [];
    };
    return { records, answer: null, divisible: true, accepted };
  }

  #offsetsOf(groupId: string): GroupOffsets {
    const all = this.offsets.of(groupId);
    return this.#ofDeletedTopics.size === 0 ? all : select(all, (committed) => !this.#ofDeletedTopics.has(committed));
  }

  /**
   * Topics that were deleted while no coordinator looked, as far as that is on record. That a topic is not known says nothing: a coordinator that went back in time does not know it either, and
   * positions that are dropped do not come back with it.
   */
  *#goneTopics(): Generator<string> {
    const { topics, deletedTopics } = this.#parts.topics.current;
    for (const topic of new Set(deletedTopics.values())) if (!topics.has(topic)) yield topic;
  }

  #find(groupId: string): Group | null {
    return this.#groups.get(groupId) ?? null;
  }

  #scheduleExpiry(now: Now): void {
    const atMs = now.monotonicMs + this.#parts.config.offsetsRetentionCheckIntervalMs;
    this.#parts.timers.set(expiryTimer, atMs, (then) =>
      this.#expire(
        [...this.#groups.values()].map(({ groupId }) => groupId),
        then,
      ),
    );
  }

  /** Looks at some groups, and at the others in later turns. */
  #expire(groupIds: readonly string[], now: Now): Decision<null> {
    const rest = groupIds.slice(groupsPerTurnMax);
    if (rest.length === 0) this.#scheduleExpiry(now);
    else this.#parts.timers.set(expiryTimer, now.monotonicMs, (then) => this.#expire(rest, then));
    const records = groupIds.slice(0, groupsPerTurnMax).flatMap((groupId) => {
      const group = this.#find(groupId);
      return group === null ? [] : expiredRecords(group, this.offsets, this.#parts.config.offsetsRetentionMs, now);
    });
    return { records, answer: null, divisible: true };
  }
}

/** Topics without any are left out. */
function select(offsets: GroupOffsets, isWanted: (committed: CommittedOffset) => boolean): GroupOffsets {
  const selected = [...offsets].map(
    ([topic, partitions]) => [topic, new Map([...partitions].filter(([, each]) => isWanted(each)))] as const,
  );
  return new Map(selected.filter(([, partitions]) => partitions.size > 0));
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
