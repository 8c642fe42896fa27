import type { BrokerId } from "../../protocol/base/ids.ts";
import { backoffMs } from "../base/backoff.ts";
import type { Cluster } from "../metadata/cluster.ts";
import type { AssignedPartition } from "./assigned-partition.ts";

/** A partition as it was asked for at a broker. */
export interface AskedAt {
  readonly partition: AssignedPartition;
  /** Of a follower, in place of the leader. */
  readonly isOfFollower: boolean;
}

/** Which partitions are read from followers close by, and when they are read from their leaders again (KIP-392). */
export class ReplicaChoice {
  readonly #cluster: Cluster;
  readonly #rack: string;

  constructor(cluster: Cluster, rack: string) {
    this.#cluster = cluster;
    this.#rack = rack;
  }

  /** What a request says. Not where a follower has just failed that its leader would send us to: the leader then serves all of it. */
  rackFor(asked: readonly AskedAt[]): string {
    const nowMs = this.#nowMs;
    const isOfLeader = asked.every(({ isOfFollower }) => !isOfFollower);
    const isAvoided = isOfLeader && asked.some(({ partition }) => partition.readReplica.avoidUntilMs > nowMs);
    return isAvoided ? "" : this.#rack;
  }

  /** The leader gave no records: they are to be read from that follower. Whoever sends us on from there, or to itself, is not obeyed. */
  sentTo(asked: AskedAt, leaderEpoch: number, broker: BrokerId): void {
    if (this.left(asked)) return;
    const { metadata, settings } = this.#cluster;
    const { partition } = asked;
    const { readReplica, topic } = partition;
    partition.isNewThere = true;
    const isLeader = metadata.partition(topic, partition.partition)?.leader === broker;
    if (!isLeader && metadata.snapshot.brokers.has(broker)) {
      readReplica.sentTo({ broker, leaderEpoch, untilMs: this.#nowMs + settings.metadataMaxAgeMs });
      // it has just failed, and another partition of the request had to say where we are
      partition.notBeforeMs = Math.max(partition.notBeforeMs, readReplica.avoidUntilMs);
      return;
    }
    metadata.requestRefresh();
    this.#avoid(partition);
  }

  answered({ partition, isOfFollower }: AskedAt): void {
    if (isOfFollower) partition.readReplica.worked();
  }

  /** False: it was asked of its leader. Otherwise what went wrong means nothing but that the leader is asked from here on, at once. */
  left({ partition, isOfFollower }: AskedAt): boolean {
    if (!isOfFollower) return false;
    this.#avoid(partition);
    partition.isNewThere = true;
    this.#cluster.metadata.requestRefresh();
    return true;
  }

  #avoid({ readReplica }: AssignedPartition): void {
    const { runtime, settings } = this.#cluster;
    readReplica.failed(this.#nowMs + backoffMs(readReplica.failures + 1, settings, runtime.random));
  }

  get #nowMs(): number {
    return this.#cluster.runtime.clock.monotonicMs();
  }
}
