import type { KafkaErrorCode } from "../../../../protocol/errors/kafka-errors.ts";
import { decodeAssignment } from "../../../../protocol/messages/consumer-protocol.ts";
import type { HeartbeatRequest } from "../../../../protocol/messages/heartbeat.ts";
import type { JoinGroupRequest, JoinGroupResponse } from "../../../../protocol/messages/join-group.ts";
import type { LeaveGroupRequest } from "../../../../protocol/messages/leave-group.ts";
import { commitByIdsVersion, type OffsetCommitRequest } from "../../../../protocol/messages/offset-commit.ts";
import type { OffsetFetchRequest } from "../../../../protocol/messages/offset-fetch.ts";
import type { SyncGroupRequest } from "../../../../protocol/messages/sync-group.ts";
import type { FakeCluster, Intercepted, Interception } from "../fake-cluster.ts";

type Respond = (body: object) => void;

interface FakeMember {
  readonly id: string;
  readonly instanceId: string | null;
  readonly rebalanceTimeoutMs: number;
  readonly sessionTimeoutMs: number;
  protocols: JoinGroupRequest["protocols"];
  joining: Respond | null;
  syncing: Respond | null;
  assignment: Buffer;
  seenAtMs: number;
}

/** A classic group's coordinator, just enough of it, on the fake cluster's clock. */
export class FakeGroup {
  readonly #cluster: FakeCluster;
  readonly members = new Map<string, FakeMember>();
  readonly offsets = new Map<string, { offset: number; epoch: number }>();
  /** By generation, who was assigned what: `member: topic-0 topic-1`. */
  readonly assignments = new Map<number, Map<string, string[]>>();
  /** Every commit that was accepted, in order: `t-0=5`. */
  readonly commits: string[] = [];
  readonly left: string[] = [];
  generation = 0;
  state: "Empty" | "Preparing" | "Completing" | "Stable" = "Empty";
  coordinator = 1;
  /** Instead of what it would do. */
  override: (seen: Intercepted) => Interception = () => undefined;
  #nextId = 1;
  #leader = "";
  #protocol = "";
  #round = 0;

  constructor(cluster: FakeCluster) {
    this.#cluster = cluster;
    cluster.intercept = (seen) => this.handle(seen);
    this.#expire();
  }

  handle(seen: Intercepted): Interception {
    const scripted = this.override(seen);
    if (scripted !== undefined) return scripted;
    const { api, broker, request } = seen;
    if (api === "FindCoordinator") {
      const found = { nodeId: this.coordinator, host: "fake", port: 9000 + this.coordinator, errorCode: "NONE", errorMessage: null };
      return { throttleTimeMs: 0, coordinators: [{ key: "g", ...found }], ...found };
    }
    const mine = ["JoinGroup", "SyncGroup", "Heartbeat", "LeaveGroup", "OffsetCommit", "OffsetFetch"];
    if (!mine.includes(api)) return undefined;
    if (broker !== this.coordinator) return refuse(api, "NOT_COORDINATOR", request);
    switch (api) {
      case "JoinGroup":
        return (respond: Respond) => this.#join(request, respond);
      case "SyncGroup":
        return (respond: Respond) => this.#sync(request, respond);
      case "Heartbeat":
        return this.#heartbeat(request);
      case "LeaveGroup":
        return this.#leave(request);
      case "OffsetCommit":
        return this.#commit(request, seen.version >= commitByIdsVersion);
      default:
        return this.answerFetch(request);
    }
  }

  get #nowMs(): number {
    return this.#cluster.clock.monotonicMs();
  }

  #expire(): void {
    for (const member of [...this.members.values()]) {
      const waits = member.joining !== null || member.syncing !== null;
      if (!waits && this.#nowMs > member.seenAtMs + member.sessionTimeoutMs) this.remove(member.id);
    }
    this.#cluster.clock.schedule(500, () => this.#expire());
  }

  /** As a coordinator does, it answers what the member waits for. */
  remove(id: string): void {
    const member = this.members.get(id);
    this.members.delete(id);
    member?.joining?.({ ...joinAnswer, errorCode: "UNKNOWN_MEMBER_ID" });
    member?.syncing?.({ ...syncAnswer, errorCode: "UNKNOWN_MEMBER_ID" });
    if (this.members.size === 0) this.state = "Empty";
    else this.#prepare();
  }

  #join(request: JoinGroupRequest, respond: Respond): void {
    const known = [...this.members.values()].find(({ instanceId }) => instanceId !== null && instanceId === request.groupInstanceId);
    const id = known !== undefined && request.memberId === "" ? `${request.groupInstanceId}-${this.#nextId++}` : request.memberId;
    if (id === "" && request.groupInstanceId === null)
      return respond({ ...joinAnswer, errorCode: "MEMBER_ID_REQUIRED", memberId: `m${this.#nextId++}` });
    const isNew = !this.members.has(id);
    if (isNew && this.#nextId <= Number(id.slice(1))) return respond({ ...joinAnswer, errorCode: "UNKNOWN_MEMBER_ID" });
    const ownId = id === "" ? `${request.groupInstanceId}-${this.#nextId++}` : id;
    const member: FakeMember = {
      id: ownId,
      instanceId: request.groupInstanceId,
      rebalanceTimeoutMs: request.rebalanceTimeoutMs,
      sessionTimeoutMs: request.sessionTimeoutMs,
      protocols: request.protocols,
      joining: respond,
      syncing: null,
      assignment: known?.assignment ?? Buffer.alloc(0),
      seenAtMs: this.#nowMs,
    };
    if (known !== undefined && known.id !== ownId) this.members.delete(known.id);
    this.members.set(ownId, member);
    if (known !== undefined && known.id !== ownId && this.state === "Stable") {
      // KIP-345: back within the session, nothing changes
      if (this.#leader === known.id) this.#leader = ownId;
      member.joining = null;
      respond({ ...this.#joined(member), skipAssignment: this.#leader === ownId });
      return;
    }
    this.#prepare();
  }

  #prepare(): void {
    if (this.state !== "Preparing") {
      this.state = "Preparing";
      for (const member of this.members.values()) {
        member.syncing?.({ ...syncAnswer, errorCode: "REBALANCE_IN_PROGRESS" });
        member.syncing = null;
      }
      const round = ++this.#round;
      const patience = Math.max(...[...this.members.values()].map(({ rebalanceTimeoutMs }) => rebalanceTimeoutMs));
      this.#cluster.clock.schedule(patience, () => {
        if (this.#round !== round || this.state !== "Preparing") return;
        for (const member of [...this.members.values()]) if (member.joining === null) this.members.delete(member.id);
        this.#completeJoin();
      });
    }
    // members that join in the same moment are in
    this.#cluster.clock.schedule(5, () => this.#completeJoin());
  }

  #completeJoin(): void {
    if (this.state !== "Preparing" || [...this.members.values()].some(({ joining }) => joining === null)) return;
    const members = [...this.members.values()];
    this.generation++;
    this.state = "Completing";
    this.#leader = members.some(({ id }) => id === this.#leader) ? this.#leader : (members[0]?.id ?? "");
    const [first] = members;
    this.#protocol =
      first?.protocols.find(({ name }) => members.every(({ protocols }) => protocols.some((p) => p.name === name)))?.name ?? "";
    for (const member of members) {
      const respond = member.joining;
      member.joining = null;
      member.seenAtMs = this.#nowMs;
      respond?.(this.#joined(member));
    }
  }

  #joined(member: FakeMember): JoinGroupResponse {
    const all = [...this.members.values()].map(({ id, instanceId, protocols }) => ({
      memberId: id,
      groupInstanceId: instanceId,
      metadata: protocols.find(({ name }) => name === this.#protocol)?.metadata ?? Buffer.alloc(0),
    }));
    return {
      ...joinAnswer,
      generationId: this.generation,
      protocolName: this.#protocol,
      leader: this.#leader,
      memberId: member.id,
      members: member.id === this.#leader ? all : [],
    };
  }

  #checked(memberId: string, generation: number): KafkaErrorCode {
    const member = this.members.get(memberId);
    if (member === undefined) return "UNKNOWN_MEMBER_ID";
    if (generation !== this.generation) return "ILLEGAL_GENERATION";
    member.seenAtMs = this.#nowMs;
    return "NONE";
  }

  #sync({ memberId, generationId, assignments }: SyncGroupRequest, respond: Respond): void {
    const errorCode = this.#checked(memberId, generationId);
    const member = this.members.get(memberId);
    if (errorCode !== "NONE" || member === undefined) return respond({ ...syncAnswer, errorCode });
    if (this.state === "Stable") return respond({ ...syncAnswer, assignment: member.assignment });
    if (this.state !== "Completing") return respond({ ...syncAnswer, errorCode: "REBALANCE_IN_PROGRESS" });
    member.syncing = respond;
    if (memberId !== this.#leader) return;
    const readable = new Map<string, string[]>();
    for (const { memberId: id, assignment } of assignments) {
      const own = Buffer.from(assignment);
      const of = this.members.get(id);
      if (of !== undefined) of.assignment = own;
      readable.set(
        id,
        decodeAssignment(own).assignedPartitions.flatMap(({ topic, partitions }) => partitions.map((p) => `${topic}-${p}`)),
      );
    }
    this.assignments.set(this.generation, readable);
    this.state = "Stable";
    for (const each of this.members.values()) {
      each.syncing?.({ ...syncAnswer, assignment: each.assignment });
      each.syncing = null;
    }
  }

  #heartbeat({ memberId, generationId }: HeartbeatRequest): object {
    const errorCode = this.#checked(memberId, generationId);
    return { throttleTimeMs: 0, errorCode: errorCode === "NONE" && this.state === "Preparing" ? "REBALANCE_IN_PROGRESS" : errorCode };
  }

  #leave({ members }: LeaveGroupRequest): object {
    for (const { memberId } of members) {
      this.left.push(memberId);
      this.remove(memberId);
    }
    return { throttleTimeMs: 0, errorCode: "NONE", members: [] };
  }

  #commit({ memberId, generationIdOrMemberEpoch, topics }: OffsetCommitRequest, byIds: boolean): object {
    const isSimple = generationIdOrMemberEpoch < 0 && this.members.size === 0;
    const checked = isSimple ? "NONE" : this.#checked(memberId, generationIdOrMemberEpoch);
    const errorCode = checked === "NONE" && this.state === "Completing" ? "REBALANCE_IN_PROGRESS" : checked;
    return {
      throttleTimeMs: 0,
      topics: topics.map(({ name: said, topicId, partitions }) => ({
        name: said,
        topicId,
        partitions: partitions.map(({ partitionIndex, committedOffset, committedLeaderEpoch }) => {
          const name = byIds ? this.#nameOf(topicId) : said;
          if (name === undefined) return { partitionIndex, errorCode: "UNKNOWN_TOPIC_ID" };
          if (this.#cluster.topics.get(name)?.partitions[partitionIndex] === undefined)
            return { partitionIndex, errorCode: "UNKNOWN_TOPIC_OR_PARTITION" };
          if (errorCode === "NONE") {
            this.offsets.set(`${name}-${partitionIndex}`, { offset: committedOffset, epoch: committedLeaderEpoch });
            this.commits.push(`${name}-${partitionIndex}=${committedOffset}`);
          }
          return { partitionIndex, errorCode };
        }),
      })),
    };
  }

  #nameOf(topicId: string): string | undefined {
    return [...this.#cluster.topics].find(([, topic]) => topic.topicId === topicId)?.[0];
  }

  answerFetch({ groups }: OffsetFetchRequest): object {
    return {
      throttleTimeMs: 0,
      groups: groups.map(({ groupId, topics }) => ({
        groupId,
        errorCode: "NONE",
        topics: (topics ?? []).map(({ name, partitionIndexes }) => ({
          name,
          partitions: partitionIndexes.map((partitionIndex) => {
            const { offset, epoch } = this.offsets.get(`${name}-${partitionIndex}`) ?? { offset: -1, epoch: -1 };
            return { partitionIndex, committedOffset: offset, committedLeaderEpoch: epoch, metadata: "", errorCode: "NONE" };
          }),
        })),
      })),
    };
  }
}

const joinAnswer = {
  throttleTimeMs: 0,
  errorCode: "NONE" as KafkaErrorCode,
  generationId: -1,
  protocolType: "consumer",
  protocolName: "",
  leader: "",
  skipAssignment: false,
  memberId: "",
  members: [],
};

const syncAnswer = {
  throttleTimeMs: 0,
  errorCode: "NONE" as KafkaErrorCode,
  protocolType: "consumer",
  protocolName: null,
  assignment: Buffer.alloc(0),
};

/** An answer of the API that says nothing but the error. */
export function refuse(api: string, errorCode: KafkaErrorCode, request: unknown): object {
  switch (api) {
    case "JoinGroup":
      return { ...joinAnswer, errorCode };
    case "SyncGroup":
      return { ...syncAnswer, errorCode };
    case "OffsetCommit":
      return {
        throttleTimeMs: 0,
        topics: (request as OffsetCommitRequest).topics.map(({ name, topicId, partitions }) => ({
          name,
          topicId,
          partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
        })),
      };
    case "OffsetFetch":
      return {
        throttleTimeMs: 0,
        groups: (request as OffsetFetchRequest).groups.map(({ groupId }) => ({ groupId, topics: [], errorCode })),
      };
    default:
      return { throttleTimeMs: 0, errorCode, members: [] };
  }
}
