import { expect } from "vitest";
import { ConsumerGroups, type ConsumerGroupsConfig } from "../../../../broker/group/consumer/consumer-groups.ts";
import type { Group, GroupRecord, TopicsView } from "../../../../broker/group/contract.ts";
import type { Decision, Now, ShardTimers } from "../../../../broker/state-machine/contract.ts";
import { Ticket } from "../../../../broker/state-machine/ticket.ts";
import type { Random } from "../../../../protocol/base/random.ts";
import type {
  ConsumerGroupHeartbeatRequest,
  ConsumerGroupHeartbeatResponse,
} from "../../../../protocol/messages/consumer-group-heartbeat.ts";
import { Reader } from "../../../../protocol/wire/reader.ts";

export const groupId = "readers";

export const config: ConsumerGroupsConfig = {
  enabled: true,
  sessionTimeoutMs: 45_000,
  heartbeatIntervalMs: 5_000,
  membersMax: 100,
  assignors: ["uniform", "range"],
};

/** A topic's id is its name, filled up (the last of 22 characters holds two bits only). */
export const idOf = (topic: string): string => `${topic.padEnd(21, "_")}A`;

export function topicsView(topics: Readonly<Record<string, number>>, ids: Readonly<Record<string, string>> = {}): TopicsView {
  const known = Object.entries(topics).map(([name, count]) => ({
    name,
    id: ids[name] ?? idOf(name),
    partitions: Array.from({ length: count }, (_, partition) => ({ partition, replicas: [1] })),
  }));
  return {
    topics: new Map(known.map((topic) => [topic.name, topic])),
    topicNames: new Map(known.map((topic) => [topic.id, topic.name])),
    deletedTopics: new Map(),
    brokers: new Map(),
  };
}

/** A shard without a log that could fail: every decision is appended and replayed at once. The timers' time is moved by hand. */
export class TestShard {
  readonly book = new Map<string, Group>();
  readonly records: GroupRecord[] = [];
  readonly topics: { current: TopicsView };
  groups: ConsumerGroups;
  nowMs = 0;
  /** Whether the log takes what a timer decided no more; it is called again a second later. */
  refuses: (records: readonly GroupRecord[]) => boolean = () => false;
  readonly #config: ConsumerGroupsConfig;
  #timers = new Map<string, { deadlineMs: number; expired: (now: Now) => Decision<null> }>();
  #ids = 0;

  constructor(topics: Readonly<Record<string, number>>, overrides: Partial<ConsumerGroupsConfig> = {}) {
    this.#config = { ...config, ...overrides };
    this.topics = { current: topicsView(topics) };
    this.groups = this.#make();
  }

  get timerKeys(): string[] {
    return [...this.#timers.keys()];
  }

  now(): Now {
    return { monotonicMs: this.nowMs, wallMs: this.nowMs + 1_000_000 };
  }

  heartbeat(request: Partial<ConsumerGroupHeartbeatRequest>, apiVersion = 0): ConsumerGroupHeartbeatResponse {
    const from = { clientId: "client", clientHost: "/127.0.0.1", apiVersion };
    return this.apply(this.groups.heartbeat({ ...silent, groupId, ...request }, from, this.now()));
  }

  describe(id = groupId) {
    return this.apply(this.groups.describe(id));
  }

  /** What a member would see that joins with the given topics. */
  join(memberId: string, subscribedTopicNames: readonly string[], more: Partial<ConsumerGroupHeartbeatRequest> = {}) {
    return this.heartbeat({ memberId, memberEpoch: 0, rebalanceTimeoutMs: 60_000, subscribedTopicNames, topicPartitions: [], ...more });
  }

  apply<T>({ records, answer, accepted }: Decision<T>): T {
    this.records.push(...records);
    for (const record of records) replay(this.groups, record);
    accepted?.();
    if (answer instanceof Ticket) throw new Error("a consumer group answers at once");
    return answer;
  }

  changeTopics(topics: TopicsView): void {
    this.topics.current = topics;
    for (const decision of this.groups.topicsChanged()) this.apply(decision);
  }

  /** Timers that come due on the way fire in their order. */
  advance(ms: number): void {
    const end = this.nowMs + ms;
    for (;;) {
      const due = [...this.#timers]
        .filter(([, { deadlineMs }]) => deadlineMs <= end)
        .sort(([, a], [, b]) => a.deadlineMs - b.deadlineMs)[0];
      if (due === undefined) break;
      const [key, { deadlineMs, expired }] = due;
      this.#timers.delete(key);
      this.nowMs = Math.max(this.nowMs, deadlineMs);
      const decision = expired(this.now());
      if (this.refuses(decision.records)) this.#timers.set(key, { deadlineMs: this.nowMs + 1_000, expired });
      else this.apply(decision);
    }
    this.nowMs = end;
  }

  /** Another broker takes over: everything comes from the log, `log` by default as it is. */
  reload(log: readonly GroupRecord[] = this.records): void {
    this.book.clear();
    this.#timers = new Map();
    this.groups = this.#make();
    for (const record of log) replay(this.groups, record);
    this.groups.loaded(this.now());
  }

  #make(): ConsumerGroups {
    const timers: ShardTimers = {
      set: (key, deadlineMs, expired) => void this.#timers.set(key, { deadlineMs, expired }),
      cancel: (key) => void this.#timers.delete(key),
    };
    const random: Random = {
      next: () => 0.5,
      bytes: (count) => Buffer.alloc(count, ++this.#ids),
    };
    const { book } = this;
    const groups = {
      get size() {
        return book.size;
      },
      get: (id: string) => this.book.get(id),
      set: (group: Group) => void this.book.set(group.groupId, group),
      delete: (group: Group) => void (this.book.get(group.groupId) === group && this.book.delete(group.groupId)),
      values: () => this.book.values(),
    };
    return new ConsumerGroups({ groups, timers, topics: this.topics, random, config: this.#config });
  }
}

function replay(groups: ConsumerGroups, { key, value }: GroupRecord): void {
  const reader = new Reader(key);
  const version = reader.int16();
  expect(groups.keyVersions).toContain(version);
  groups.replay(version, reader, value);
}

/** A heartbeat that says nothing new. */
export const silent: ConsumerGroupHeartbeatRequest = {
  groupId,
  memberId: "",
  memberEpoch: 0,
  instanceId: null,
  rackId: null,
  rebalanceTimeoutMs: -1,
  subscribedTopicNames: null,
  subscribedTopicRegex: null,
  serverAssignor: null,
  topicPartitions: null,
};

/** The last record of every key, in the order of the log: what compaction leaves. */
export function compacted(log: readonly GroupRecord[], tombstones: "kept" | "dropped"): GroupRecord[] {
  const last = new Map(log.map((record, at) => [record.key.toString("latin1"), at]));
  return log.filter((record, at) => {
    if (last.get(record.key.toString("latin1")) !== at) return false;
    return tombstones === "kept" || record.value !== null;
  });
}

/** `{ apples: [0, 1] }` for what an answer or a description lists. */
export function byTopic(assignment: { readonly topicPartitions: readonly { topicId: string; partitions: readonly number[] }[] } | null) {
  if (assignment === null) return null;
  return Object.fromEntries(assignment.topicPartitions.map(({ topicId, partitions }) => [topicId.replace(/_+A$/, ""), [...partitions]]));
}

export const owned = (partitions: Readonly<Record<string, readonly number[]>>) =>
  Object.entries(partitions).map(([topic, numbers]) => ({ topicId: idOf(topic), partitions: numbers }));
