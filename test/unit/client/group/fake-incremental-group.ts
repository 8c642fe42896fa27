import type { KafkaErrorCode } from "../../../../protocol/errors/kafka-errors.ts";
import type { ConsumerGroupHeartbeatRequest } from "../../../../protocol/messages/consumer-group-heartbeat.ts";
import type { OffsetCommitRequest } from "../../../../protocol/messages/offset-commit.ts";
import type { FakeCluster, Intercepted, Interception } from "../fake-cluster.ts";
import { FakeGroup, refuse } from "./fake-group.ts";

interface FakeMember {
  epoch: number;
  topics: readonly string[];
  owned: Set<string>;
  /** Not heard by it yet. */
  news: boolean;
}

/**
 * A coordinator of the new protocol, just enough of it: deals partitions out in turn, and gives none away before its owner says that it is
 * free.
 */
export class FakeIncrementalGroup {
  readonly members = new Map<string, FakeMember>();
  readonly left: { readonly memberId: string; readonly epoch: number }[] = [];
  readonly heartbeats: ConsumerGroupHeartbeatRequest[] = [];
  readonly offsets: FakeGroup;
  /** Partitions that two members said they had at a time. */
  readonly doubles: string[] = [];
  override: (seen: Intercepted) => Interception = () => undefined;
  epoch = 0;
  #target = new Map<string, Set<string>>();
  #nextId = 1;
  readonly #cluster: FakeCluster;

  constructor(cluster: FakeCluster) {
    this.#cluster = cluster;
    // positions are kept as in a classic group; who may commit is for us to say
    this.offsets = new FakeGroup(cluster);
    cluster.intercept = (seen) => this.override(seen) ?? this.#handle(seen);
  }

  #handle(seen: Intercepted): Interception {
    const { api, request } = seen;
    if (api === "ConsumerGroupHeartbeat") return this.#heartbeat(request);
    if (api === "OffsetCommit") {
      const { memberId, generationIdOrMemberEpoch } = request as OffsetCommitRequest;
      const member = this.members.get(memberId);
      if (member === undefined) return refuse(api, "UNKNOWN_MEMBER_ID", request);
      if (member.epoch !== generationIdOrMemberEpoch) return refuse(api, "STALE_MEMBER_EPOCH", request);
      return this.offsets.handle({ ...seen, request: { ...(request as OffsetCommitRequest), generationIdOrMemberEpoch: -1 } as never });
    }
    return this.offsets.handle(seen);
  }

  #idOf(topic: string): string {
    return this.#cluster.topics.get(topic)?.topicId ?? "";
  }

  rebalance(): void {
    this.epoch++;
    const all = [...new Set([...this.members.values()].flatMap(({ topics }) => topics))].flatMap((topic) =>
      (this.#cluster.topics.get(topic)?.partitions ?? []).map((_, p) => `${this.#idOf(topic)} ${p}`),
    );
    const ids = [...this.members.keys()];
    this.#target = new Map(ids.map((id, i) => [id, new Set(all.filter((_, n) => n % ids.length === i))]));
    for (const member of this.members.values()) member.news = true;
  }

  #heartbeat(request: ConsumerGroupHeartbeatRequest): object {
    this.heartbeats.push(request);
    const id = request.memberId === "" ? `i${this.#nextId++}` : request.memberId;
    if (request.memberEpoch < 0) {
      this.left.push({ memberId: id, epoch: request.memberEpoch });
      this.members.delete(id);
      if (this.members.size > 0) this.rebalance();
      return answer("NONE", { memberId: id, memberEpoch: request.memberEpoch });
    }
    let member = this.members.get(id);
    if (request.memberEpoch === 0) {
      member = { epoch: 0, topics: request.subscribedTopicNames ?? [], owned: new Set(), news: true };
      this.members.set(id, member);
      this.rebalance();
    }
    if (member === undefined) return answer("UNKNOWN_MEMBER_ID", {});
    if (request.memberEpoch !== member.epoch) return answer("FENCED_MEMBER_EPOCH", {});
    if (request.memberEpoch > 0 && request.subscribedTopicNames !== null && request.subscribedTopicNames.join() !== member.topics.join()) {
      member.topics = request.subscribedTopicNames;
      this.rebalance();
    }
    if (request.topicPartitions !== null) {
      member.owned = new Set(request.topicPartitions.flatMap(({ topicId, partitions }) => partitions.map((p) => `${topicId} ${p}`)));
      for (const other of this.members.values())
        if (other !== member) this.doubles.push(...[...member.owned].filter((p) => other.owned.has(p)));
      member.news = true;
    }
    const target = this.#target.get(id) ?? new Set<string>();
    const mustRevoke = [...member.owned].some((p) => !target.has(p));
    const free = (p: string) => [...this.members.values()].every((other) => other === member || !other.owned.has(p));
    const may = mustRevoke ? [...member.owned].filter((p) => target.has(p)) : [...target].filter((p) => member.owned.has(p) || free(p));
    if (!mustRevoke && member.epoch !== this.epoch) {
      member.epoch = this.epoch;
      member.news = true;
    }
    if (may.some((p) => !member.owned.has(p))) member.news = true;
    if (!mustRevoke) for (const p of may) member.owned.add(p);
    const assignment = member.news ? { topicPartitions: byTopicId(may) } : null;
    member.news = false;
    return answer("NONE", { memberId: id, memberEpoch: member.epoch, assignment });
  }
}

function byTopicId(partitions: readonly string[]): { topicId: string; partitions: number[] }[] {
  return [...Map.groupBy(partitions, (each) => each.split(" ")[0] as string)].map(([topicId, of]) => ({
    topicId,
    partitions: of.map((each) => Number(each.split(" ")[1])),
  }));
}

function answer(errorCode: KafkaErrorCode, rest: object): object {
  return {
    throttleTimeMs: 0,
    errorCode,
    errorMessage: null,
    memberId: null,
    memberEpoch: 0,
    heartbeatIntervalMs: 1_000,
    assignment: null,
    ...rest,
  };
}
