import {
  allPartitions,
  commonPartitions,
  noPartitions,
  type PartitionMap,
  partitionMap,
  samePartitions,
  topicPartitions,
} from "../../../../broker/group/assignors/partition-map.ts";
import type { ConsumerGroupHeartbeatResponse } from "../../../../protocol/messages/consumer-group-heartbeat.ts";
import type { TestShard } from "./test-shard.ts";

export type Answer = "arrives" | "is lost";

/** A consumer as in KIP-848: adds what it is assigned at once, revokes what it must in its own time, and reports what it owns. */
export class ModelMember {
  memberId: string;
  /** Null: a dynamic member. */
  readonly instanceId: string | null;
  /** What it reads now. */
  owned: PartitionMap = noPartitions;
  /** 0: not in the group, as far as it knows. */
  epoch = 0;
  #told: PartitionMap = noPartitions;
  #lastSaid: PartitionMap | null = null;
  #topics: readonly string[];
  #resubscribed = false;

  constructor(memberId: string, topics: readonly string[], instanceId: string | null = null) {
    this.memberId = memberId;
    this.instanceId = instanceId;
    this.#topics = topics;
  }

  get topics(): readonly string[] {
    return this.#topics;
  }

  subscribe(topics: readonly string[]): void {
    this.#topics = topics;
    this.#resubscribed = true;
  }

  /** Stops reading what it was told to revoke. */
  giveUp(): void {
    this.owned = commonPartitions(this.owned, this.#told);
  }

  heartbeat(shard: TestShard, answer: Answer): void {
    const response = this.epoch === 0 ? shard.join(this.memberId, this.#topics, { instanceId: this.instanceId }) : this.#stay(shard);
    if (answer === "is lost") {
      this.#lastSaid = null;
      this.#resubscribed = true; // whether it was heard is not known: everything is said again
      return;
    }
    this.#hear(response);
  }

  leave(shard: TestShard): void {
    this.#abandon();
    shard.heartbeat({ memberId: this.memberId, memberEpoch: -1 });
  }

  /** A static member stops and is started again: it says that it will be back, and comes back as another. */
  restart(shard: TestShard): void {
    if (this.instanceId === null || this.epoch === 0) return;
    this.#abandon();
    shard.heartbeat({ memberId: this.memberId, memberEpoch: -2, instanceId: this.instanceId });
    this.memberId += "'";
  }

  #stay(shard: TestShard): ConsumerGroupHeartbeatResponse {
    const isNews = this.#lastSaid === null || !samePartitions(this.#lastSaid, this.owned);
    const subscribedTopicNames = this.#resubscribed ? this.#topics : null;
    this.#resubscribed = false;
    this.#lastSaid = this.owned;
    const owned = isNews ? topicPartitions(this.owned) : null;
    return shard.heartbeat({ memberId: this.memberId, memberEpoch: this.epoch, topicPartitions: owned, subscribedTopicNames });
  }

  #hear({ errorCode, memberEpoch, assignment }: ConsumerGroupHeartbeatResponse): void {
    if (errorCode !== "NONE") return this.#abandon();
    if (memberEpoch < this.epoch) throw new Error(`epoch ${this.epoch} went back to ${memberEpoch}`);
    this.epoch = memberEpoch;
    if (assignment === null) return;
    this.#told = partitionMap(assignment.topicPartitions);
    this.owned = allPartitions(this.owned, this.#told);
  }

  #abandon(): void {
    this.owned = noPartitions;
    this.#told = noPartitions;
    this.#lastSaid = null;
    this.epoch = 0;
  }
}
