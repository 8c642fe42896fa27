import type { Clock } from "../../protocol/base/clock.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import type { Random } from "../../protocol/base/random.ts";
import type { KafkaError } from "../../protocol/errors/kafka-errors.ts";
import type { Decision, Now, RequestOrigin } from "../state-machine/contract.ts";
import type { ShardConfig } from "../state-machine/shard.ts";
import { type LedPartitions, Shards } from "../state-machine/shards.ts";
import { StateMemory } from "../state-machine/state-memory.ts";
import type { Ran } from "../state-machine/ticket.ts";
import { PatternTurns } from "./consumer/pattern-watch.ts";
import type { TopicSource, TopicsView } from "./contract.ts";
import { GroupMachine, type GroupMachineConfig, type ListedGroup } from "./group-machine.ts";
import { offsetsTopic } from "./group-records.ts";

export interface GroupCoordinatorConfig {
  readonly machine: GroupMachineConfig;
  readonly shard: ShardConfig;
  /** For members, over all groups here: see `StateMemory`. */
  readonly memberBytesMax: number;
  /** The same for positions that are pending in transactions. */
  readonly pendingBytesMax: number;
}

export interface GroupCoordinatorParts {
  readonly partitions: LedPartitions;
  readonly topics: TopicSource & { onChange(listener: (topics: TopicsView) => void): () => void };
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly config: GroupCoordinatorConfig;
}

export interface ListedGroups {
  /** Null like NONE, or why the list is not complete. */
  readonly error: KafkaError | null;
  readonly groups: readonly ListedGroup[];
}

/** The groups that this broker coordinates: one shard for each partition of `__consumer_offsets` that it leads. */
export class GroupCoordinator {
  readonly memberMemory: StateMemory;
  readonly pendingMemory: StateMemory;
  readonly #shards: Shards<GroupMachine>;
  #topics: TopicsView["topics"];
  #deletedTopics: TopicsView["deletedTopics"];

  constructor({ partitions, topics, clock, random, log, config }: GroupCoordinatorParts) {
    const memberMemory = new StateMemory(config.memberBytesMax);
    this.memberMemory = memberMemory;
    this.pendingMemory = new StateMemory(config.pendingBytesMax);
    const memory = { members: memberMemory, pending: this.pendingMemory };
    const patternTurns = new PatternTurns();
    this.#shards = new Shards<GroupMachine>({
      topic: { name: offsetsTopic, what: "groups", partitionCount: () => topics.current.topics.get(offsetsTopic)?.partitions.length ?? 0 },
      partitions,
      clock,
      log,
      config: config.shard,
      makeMachine: ({ timers }) => new GroupMachine({ timers, topics, random, config: config.machine, memory, patternTurns }),
    });
    this.#topics = topics.current.topics;
    this.#deletedTopics = topics.current.deletedTopics;
    topics.onChange((view) => this.#onTopics(view));
  }

  /** On the shard that the group belongs to. Errors: see `Shards.run`; and INVALID_GROUP_ID for an empty id. */
  run<T>(groupId: string, operation: (machine: GroupMachine, now: Now) => Decision<T>, origin?: RequestOrigin): Promise<Ran<T>> {
    if (groupId === "") return Promise.resolve({ error: "INVALID_GROUP_ID" });
    return this.runEvenUnnamed(groupId, operation, origin);
  }

  /**
   * For offsets, and for clients that read or delete them: Kafka allows offsets under an empty group id, for a client that is not a member
   * of any group.
   */
  runEvenUnnamed<T>(groupId: string, operation: (machine: GroupMachine, now: Now) => Decision<T>, origin?: RequestOrigin): Promise<Ran<T>> {
    return this.#shards.run(groupId, operation, origin);
  }

  /** For what is committed in transactions, by group, and for their ends, by partition of `__consumer_offsets`. */
  get transactions(): Pick<Shards<GroupMachine>, "enter" | "appendMarker"> {
    return this.#shards;
  }

  /** From every shard here; while one of them is loading, the list is not complete and says so. */
  async listGroups(): Promise<ListedGroups> {
    const listed = await this.#shards.runOnEach<readonly ListedGroup[]>((machine) => ({ records: [], answer: machine.listGroups() }));
    const error = listed.find((ran) => ran.error !== null && ran.error !== "NOT_COORDINATOR")?.error ?? null;
    return { error, groups: listed.flatMap((ran) => (ran.error === null ? ran.value : [])) };
  }

  /** Partitions coordinated here and loaded. */
  get servingCount(): number {
    return this.#shards.servingCount;
  }

  /** Their state as it is now, to be read only: for figures, which need not wait for the replicas. */
  machines(): readonly Pick<GroupMachine, "groups" | "offsets">[] {
    return this.#shards.machines();
  }

  /** Requests that wait for other members or for the replicas. */
  get waiting(): number {
    return this.#shards.waiting;
  }

  close(): void {
    this.#shards.close();
  }

  #onTopics({ topics, deletedTopics }: TopicsView): void {
    const before = this.#topics;
    const recordedBefore = this.#deletedTopics;
    this.#topics = topics;
    this.#deletedTopics = deletedTopics;
    if ((before === topics && recordedBefore === deletedTopics) || this.#shards.count === 0) return;
    // a topic that is merely not known any more keeps its offsets
    const deleted = new Set<string>();
    if (recordedBefore !== deletedTopics)
      for (const [id, name] of deletedTopics) if (!recordedBefore.has(id) && !topics.has(name)) deleted.add(name);
    let isChanged = before.size !== topics.size || deleted.size > 0;
    for (const [name, topic] of before) {
      const now = topics.get(name);
      if (now === topic) continue;
      isChanged = true;
      // re-created under the same name
      if (now !== undefined && now.id !== topic.id) deleted.add(name);
    }
    if (isChanged) this.#shards.runAll((machine, now) => machine.topicsChanged(deleted, now));
  }
}
