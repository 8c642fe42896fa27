import type { Clock } from "../../protocol/base/clock.ts";
import type { TopicId, TopicPartition } from "../../protocol/base/ids.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import type { Random } from "../../protocol/base/random.ts";
import type { KafkaError } from "../../protocol/errors/kafka-errors.ts";
import { Deadlines } from "../partition/deadlines.ts";
import type { StatePartitions } from "../partition/state-partitions.ts";
import { PatternTurns } from "./consumer/pattern-watch.ts";
import type { Decision, GroupOperations, Now, TopicSource, TopicsView } from "./contract.ts";
import { GroupMachine, type ListedGroup } from "./group-machine.ts";
import { offsetsTopic, partitionOfGroup } from "./group-partition.ts";
import type { MachineConfig } from "./machine-config.ts";
import { MemberMemory } from "./member-memory.ts";
import { Shard, type ShardConfig } from "./shard.ts";
import type { Ran } from "./ticket.ts";

export interface GroupCoordinatorConfig {
  readonly machine: MachineConfig;
  readonly shard: ShardConfig;
  /** For members, over all groups here: see `MemberMemory`. */
  readonly memberBytesMax: number;
}

export interface GroupCoordinatorParts {
  readonly partitions: StatePartitions;
  /** `PartitionTable.onLeadershipChanged`. */
  readonly onLeadershipChanged: (listener: (ref: TopicPartition, leaderEpoch: number | null) => void) => () => void;
  readonly topics: TopicSource & { onChange(listener: (topics: TopicsView) => void): () => void };
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly config: GroupCoordinatorConfig;
}

export interface ListedGroups {
  /** NONE-like null, or why the list is not complete. */
  readonly error: KafkaError | null;
  readonly groups: readonly ListedGroup[];
}

/** The groups that this broker coordinates: one shard for each partition of `__consumer_offsets` that it leads. */
export class GroupCoordinator implements GroupOperations<GroupMachine> {
  readonly #parts: GroupCoordinatorParts;
  readonly #deadlines: Deadlines;
  readonly #shards = new Map<number, Shard<GroupMachine>>();
  readonly #memberMemory: MemberMemory;
  readonly #patternTurns = new PatternTurns();
  #topics: TopicsView["topics"];
  #deletedTopics: TopicsView["deletedTopics"];

  constructor(parts: GroupCoordinatorParts) {
    this.#parts = parts;
    this.#memberMemory = new MemberMemory(parts.config.memberBytesMax);
    this.#deadlines = new Deadlines(parts.clock);
    this.#topics = parts.topics.current.topics;
    this.#deletedTopics = parts.topics.current.deletedTopics;
    parts.onLeadershipChanged((ref, leaderEpoch) => {
      if (ref.topic !== offsetsTopic) return;
      if (leaderEpoch === null) this.#end(ref.partition);
      else this.#begin(ref);
    });
    parts.topics.onChange((view) => this.#onTopics(view));
  }

  run<T>(groupId: string, operation: (machine: GroupMachine, now: Now) => Decision<T>): Promise<Ran<T>> {
    if (groupId === "") return Promise.resolve({ error: "INVALID_GROUP_ID" });
    return this.runEvenUnnamed(groupId, operation);
  }

  /**
   * For offsets, and for who wants to see or delete them: Kafka lets them be kept under an empty group id, by someone who is no member of
   * anything.
   */
  runEvenUnnamed<T>(groupId: string, operation: (machine: GroupMachine, now: Now) => Decision<T>): Promise<Ran<T>> {
    const partitions = this.#parts.topics.current.topics.get(offsetsTopic)?.partitions.length ?? 0;
    const shard = partitions === 0 ? undefined : this.#shards.get(partitionOfGroup(groupId, partitions));
    return shard === undefined ? Promise.resolve({ error: "NOT_COORDINATOR" }) : shard.run(operation);
  }

  /** Of every shard here; while one of them is loading, the list is not complete and says so. */
  async listGroups(): Promise<ListedGroups> {
    const listed = await Promise.all(
      [...this.#shards.values()].map((shard) =>
        shard.run<readonly ListedGroup[]>((machine) => ({ records: [], answer: machine.listGroups() })),
      ),
    );
    const error = listed.find((ran) => ran.error !== null && ran.error !== "NOT_COORDINATOR")?.error ?? null;
    return { error, groups: listed.flatMap((ran) => (ran.error === null ? ran.value : [])) };
  }

  /** Partitions coordinated here and loaded. */
  get servingCount(): number {
    return [...this.#shards.values()].filter(({ isServing }) => isServing).length;
  }

  close(): void {
    for (const partition of [...this.#shards.keys()]) this.#end(partition);
  }

  /** A higher epoch of a leadership that goes on changes nothing: the log is the same, and so is what we made of it. */
  #begin(ref: TopicPartition): void {
    if (this.#shards.has(ref.partition)) return;
    const { partitions, clock, random, log, config, topics } = this.#parts;
    const shard = new Shard<GroupMachine>({
      ref: { topic: ref.topic, partition: ref.partition },
      partitions,
      clock,
      deadlines: this.#deadlines,
      log,
      config: config.shard,
      makeMachine: (timers) =>
        new GroupMachine({
          timers,
          topics,
          random,
          config: config.machine,
          memberMemory: this.#memberMemory,
          patternTurns: this.#patternTurns,
        }),
    });
    this.#shards.set(ref.partition, shard);
    void shard.load(); // rejects with a bug only, which ends the process
  }

  #end(partition: number): void {
    const shard = this.#shards.get(partition);
    if (shard === undefined) return;
    this.#shards.delete(partition);
    shard.end();
  }

  #onTopics({ topics, deletedTopics }: TopicsView): void {
    const before = this.#topics;
    const recordedBefore = this.#deletedTopics;
    this.#topics = topics;
    this.#deletedTopics = deletedTopics;
    if ((before === topics && recordedBefore === deletedTopics) || this.#shards.size === 0) return;
    // a topic that is merely not known any more keeps its offsets
    const deleted = new Set<string>();
    if (recordedBefore !== deletedTopics)
      for (const [id, name] of deletedTopics) if (!recordedBefore.has(id) && !topics.has(name)) deleted.add(name);
    let isChanged = before.size !== topics.size || deleted.size > 0;
    for (const [name, topic] of before) {
      const now = topics.get(name);
      if (now === topic) continue;
      isChanged = true;
      if (now !== undefined && isAnother(now.id, topic.id)) deleted.add(name);
    }
    if (!isChanged) return;
    for (const shard of this.#shards.values()) shard.runAll((machine, now) => machine.topicsChanged(deleted, now));
  }
}

/** Made anew under the same name. */
function isAnother(now: TopicId, before: TopicId): boolean {
  return now !== before;
}
