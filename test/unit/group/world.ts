import type { JoinAnswer, SyncAnswer } from "../../../broker/group/classic/classic-group-member.ts";
import { type JoinRequest, newUuid } from "../../../broker/group/classic/join.ts";
import type { TopicsView } from "../../../broker/group/contract.ts";
import { GroupMachine, type GroupMachineConfig } from "../../../broker/group/group-machine.ts";
import type { CommitRequest, TopicErrors } from "../../../broker/group/offset-requests.ts";
import { Deadlines } from "../../../broker/partition/deadlines.ts";
import type { Decision, Now, ShardEnvironment } from "../../../broker/state-machine/contract.ts";
import { Shard, type ShardConfig } from "../../../broker/state-machine/shard.ts";
import { ShardLog } from "../../../broker/state-machine/shard-log.ts";
import { StateMemory } from "../../../broker/state-machine/state-memory.ts";
import type { Ran } from "../../../broker/state-machine/ticket.ts";
import type { TopicId } from "../../../protocol/base/ids.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { seededRandom } from "../../../protocol/base/random.ts";
import { ManualClock, settled } from "../network/manual-clock.ts";
import { FakePartition } from "../state-machine/fake-partition.ts";

export const machineConfig: GroupMachineConfig = {
  sessionTimeoutMinMs: 6_000,
  sessionTimeoutMaxMs: 1_800_000,
  initialRebalanceDelayMs: 3_000,
  groupMaxSize: 5,
  offsetMetadataMaxBytes: 16,
  offsetsRetentionMs: 7 * 24 * 3_600_000,
  offsetsRetentionCheckIntervalMs: 600_000,
  consumer: { enabled: true, sessionTimeoutMs: 45_000, heartbeatIntervalMs: 5_000, membersMax: 100, assignors: ["uniform", "range"] },
};

export const shardConfig: ShardConfig = { commitTimeoutMs: 5_000, loadBufferBytes: 4_096, waitingMax: 100 };

/** A subscription as consumers write it: version 0, topics, no user data. */
export function subscription(...topics: string[]): Buffer {
  const head = Buffer.alloc(6);
  head.writeInt32BE(topics.length, 2);
  const names = topics.flatMap((topic) => {
    const length = Buffer.alloc(2);
    length.writeInt16BE(Buffer.byteLength(topic));
    return [length, Buffer.from(topic)];
  });
  return Buffer.concat([head, ...names, Buffer.from([255, 255, 255, 255])]);
}

/** Request and answer under way: `ran` once it is there. */
export class Asked<T> {
  ran: Ran<T> | null = null;

  constructor(answer: Promise<Ran<T>>) {
    void answer.then((ran) => {
      this.ran = ran;
    });
  }

  get error(): string | null {
    return this.ran?.error ?? null;
  }

  get value(): T {
    if (this.ran === null) throw new Error("not answered yet");
    if (this.ran.error !== null) throw new Error(`failed with ${this.ran.error}`);
    return this.ran.value;
  }

  get isWaiting(): boolean {
    return this.ran === null;
  }
}

export const defaultJoin: JoinRequest = {
  memberId: "",
  groupInstanceId: null,
  clientId: "client",
  clientHost: "/10.0.0.9",
  sessionTimeoutMs: 10_000,
  rebalanceTimeoutMs: 60_000,
  protocolType: "consumer",
  protocols: [{ name: "range", metadata: subscription("t") }],
  mustKnowItsId: false,
  canSkipAssignment: false,
};

/** One shard on a partition moved by hand, in time moved by hand. */
export class World {
  readonly clock = new ManualClock();
  readonly partition = new FakePartition();
  readonly random = seededRandom(7);
  readonly memberMemory: StateMemory;
  readonly pendingMemory = new StateMemory(100_000);
  topics: TopicsView;
  shard: Shard<GroupMachine>;
  machine!: GroupMachine;
  readonly #config: GroupMachineConfig;
  readonly #shardConfig: ShardConfig;

  constructor(config: Partial<GroupMachineConfig> = {}, shard: Partial<ShardConfig> = {}, memberBytesMax?: number) {
    this.memberMemory = new StateMemory(memberBytesMax);
    this.#config = { ...machineConfig, ...config };
    this.#shardConfig = { ...shardConfig, ...shard };
    this.topics = topicsView("t", "u");
    this.shard = this.#makeShard();
  }

  static async loaded(config: Partial<GroupMachineConfig> = {}, shard: Partial<ShardConfig> = {}, memberBytesMax?: number): Promise<World> {
    const world = new World(config, shard, memberBytesMax);
    await world.load();
    return world;
  }

  async load(): Promise<void> {
    void this.shard.load();
    for (let i = 0; i < 50 && !this.shard.isServing; i++) await this.clock.advance(0);
  }

  /** The coordinator moves: the old one's leadership ends, and a new one reads what is left. */
  async move(keptEndOffset?: number): Promise<void> {
    this.partition.loseLeadership(keptEndOffset);
    this.shard.end();
    this.shard = this.#makeShard();
    await this.load();
  }

  async ask<T>(operation: (machine: GroupMachine, now: Now) => Decision<T>): Promise<Asked<T>> {
    const asked = new Asked(this.shard.run(operation));
    await settled();
    return asked;
  }

  join(request: Partial<JoinRequest> = {}, groupId = "g"): Promise<Asked<JoinAnswer>> {
    return this.ask((machine, now) => machine.classic.join(groupId, { ...defaultJoin, ...request }, now));
  }

  sync(
    memberId: string,
    generationId: number,
    assignments: Readonly<Record<string, string>> = {},
    more: object = {},
  ): Promise<Asked<SyncAnswer>> {
    const request = {
      memberId,
      generationId,
      groupInstanceId: null,
      protocolType: null,
      protocolName: null,
      assignments: Object.entries(assignments).map(([id, text]) => ({ memberId: id, assignment: Buffer.from(text) })),
      ...more,
    };
    return this.ask((machine, now) => machine.classic.sync("g", request, now));
  }

  async heartbeat(memberId: string, generationId: number, groupInstanceId: string | null = null): Promise<string> {
    const asked = await this.ask((machine, now) => machine.classic.heartbeat("g", { memberId, generationId, groupInstanceId }, now));
    return asked.error ?? asked.value;
  }

  leave(...leavers: { readonly memberId: string; readonly groupInstanceId: string | null }[]) {
    return this.ask((machine, now) => machine.classic.leave("g", leavers, now));
  }

  commit(
    request: Partial<CommitRequest> & { readonly offsets: Readonly<Record<string, number>> },
    groupId = "g",
  ): Promise<Asked<readonly TopicErrors[]>> {
    const topics = Object.entries(request.offsets).map(([name, committedOffset]) => ({
      name,
      partitions: [{ partitionIndex: 0, committedOffset, committedLeaderEpoch: 4, commitTimestamp: -1, committedMetadata: "m" }],
    }));
    const full = {
      memberId: "",
      groupInstanceId: null,
      generationIdOrMemberEpoch: -1,
      apiVersion: 8,
      retentionTimeMs: -1,
      ...request,
      topics,
    };
    return this.ask((machine, now) => machine.commitOffsets(groupId, full, now));
  }

  /** By topic, partition 0. */
  async offsets(groupId = "g"): Promise<Record<string, number>> {
    const asked = await this.ask((machine) => machine.fetchOffsets(groupId, { memberId: null, memberEpoch: -1 }, null));
    return Object.fromEntries(asked.value.topics.map(({ name, partitions }) => [name, partitions[0]!.committedOffset]));
  }

  describe(groupId = "g") {
    return this.machine.classic.describe(groupId);
  }

  /** A stable group of members without instances: ids, the leader's first. */
  async stableGroup(size: number, request: Partial<JoinRequest> = {}): Promise<string[]> {
    const joins: Asked<JoinAnswer>[] = [];
    for (let i = 0; i < size; i++) joins.push(await this.join({ clientId: `c${i}`, ...request }));
    await this.clock.advance(this.#config.initialRebalanceDelayMs * (size > 1 ? 2 : 1));
    const ids = joins.map(({ value }) => value.memberId);
    const [leader = ""] = ids;
    const others = await Promise.all(ids.slice(1).map((id) => this.sync(id, 1)));
    const led = await this.sync(leader, 1, Object.fromEntries(ids.map((id, index) => [id, `part ${index}`])));
    for (const { value } of [led, ...others]) if (value.errorCode !== "NONE") throw new Error(value.errorCode);
    return ids;
  }

  newId(): string {
    return newUuid(this.random);
  }

  #makeShard(): Shard<GroupMachine> {
    const { clock, partition, random } = this;
    const topics = () => this.topics;
    const source = {
      get current() {
        return topics();
      },
    };
    const ref = { topic: "__consumer_offsets", partition: 3 };
    const readBytesMax = this.#shardConfig.loadBufferBytes;
    const stateLog = new ShardLog({ ref, partitions: partition, clock, log: silentLogger, what: "groups", readBytesMax });
    const makeMachine = ({ timers }: ShardEnvironment) => {
      const memory = { members: this.memberMemory, pending: this.pendingMemory };
      this.machine = new GroupMachine({ timers, topics: source, random, config: this.#config, memory });
      return this.machine;
    };
    const parts = { stateLog, clock, deadlines: new Deadlines(clock), log: silentLogger, config: this.#shardConfig, makeMachine };
    return new Shard<GroupMachine>(parts, 1);
  }
}

/** Of a topic in `topicsView`. */
export const idOf = (name: string): TopicId => `${name.padEnd(21, "_")}A`;

export function topicsView(...names: string[]): TopicsView {
  const topics = new Map(names.map((name) => [name, { name, id: idOf(name), partitions: [{ partition: 0, replicas: [1] }] }] as const));
  return { topics, topicNames: new Map(), deletedTopics: new Map(), brokers: new Map() };
}
