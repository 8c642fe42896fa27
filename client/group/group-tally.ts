import type { TopicPartition } from "../../protocol/base/ids.ts";
import type { Cluster } from "../metadata/cluster.ts";
import type { GroupIdentity } from "./group-membership.ts";
import type { OffsetToCommit } from "./group-offsets.ts";
import type { GivenUpAs } from "./member-step.ts";
import { keyOf } from "./partition-assignor.ts";

/** What a member of a group counts. See `ConsumerMetrics` for what the numbers mean. */
export class GroupCounters {
  commits = 0;
  commitsFailed = 0;
  commitTimeMs = 0;
  rebalances = 0;
  rebalanceTimeMs = 0;
  partitionsLost = 0;
}

/** Partitions by key: a rebalance that does not end must not take more and more memory. */
interface Rebalance {
  readonly sinceMs: number;
  readonly assigned: Map<string, TopicPartition>;
  readonly revoked: Map<string, TopicPartition>;
  readonly lost: Map<string, TopicPartition>;
}

/** Counts a member's rebalances and commits, and tells of each. */
export class GroupTally {
  readonly counters = new GroupCounters();
  readonly #cluster: Cluster;
  readonly #group: string;
  #rebalance: Rebalance | null = null;

  constructor(cluster: Cluster, group: string) {
    this.#cluster = cluster;
    this.#group = group;
  }

  /** Looks whether a rebalance has begun, or is over: `isSettled`, nothing more is to be given up or taken. */
  look(isSettled: boolean, member: GroupIdentity): void {
    if (isSettled) this.#over(member);
    else this.#begin();
  }

  took(partitions: readonly TopicPartition[]): void {
    const { assigned } = this.#begin();
    for (const { topic, partition } of partitions) assigned.set(keyOf({ topic, partition }), { topic, partition });
  }

  gaveUp(partitions: readonly TopicPartition[], as: GivenUpAs): void {
    const rebalance = this.#begin();
    if (as === "lost") this.counters.partitionsLost += partitions.length;
    for (const { topic, partition } of partitions) {
      const key = keyOf({ topic, partition });
      rebalance.assigned.delete(key);
      rebalance[as].set(key, { topic, partition });
    }
  }

  /** Returns what is to be called at the end, with the failure if there is one. */
  commit(offsets: readonly OffsetToCommit[]): (error: Error | null) => void {
    const { events, runtime } = this.#cluster;
    const beganAtMs = runtime.clock.monotonicMs();
    return (error) => {
      const tookMs = runtime.clock.monotonicMs() - beganAtMs;
      if (error === null) this.counters.commits++;
      else this.counters.commitsFailed++;
      this.counters.commitTimeMs += tookMs;
      if (!events.has("commit")) return;
      const told = offsets.map(({ topic, partition, offset }) => ({ topic, partition, offset }));
      events.emit("commit", { group: this.#group, offsets: told, outcome: error === null ? "committed" : "failed", error, tookMs });
    };
  }

  #begin(): Rebalance {
    this.#rebalance ??= {
      sinceMs: this.#cluster.runtime.clock.monotonicMs(),
      assigned: new Map(),
      revoked: new Map(),
      lost: new Map(),
    };
    return this.#rebalance;
  }

  #over({ memberId, generation }: GroupIdentity): void {
    const rebalance = this.#rebalance;
    if (rebalance === null) return;
    this.#rebalance = null;
    const { events, runtime } = this.#cluster;
    const tookMs = runtime.clock.monotonicMs() - rebalance.sinceMs;
    this.counters.rebalances++;
    this.counters.rebalanceTimeMs += tookMs;
    if (!events.has("rebalance")) return;
    const partitions = {
      assigned: [...rebalance.assigned.values()],
      revoked: [...rebalance.revoked.values()],
      lost: [...rebalance.lost.values()],
    };
    events.emit("rebalance", { group: this.#group, memberId, generation, ...partitions, tookMs });
  }
}
