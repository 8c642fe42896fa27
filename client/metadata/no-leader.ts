import { type BrokerId, noBroker, type TopicPartition } from "../../protocol/base/ids.ts";
import { KafkaProtocolError } from "../base/errors.ts";
import { partitionSubject } from "../base/retries.ts";
import type { Cluster } from "./cluster.ts";
import type { ClusterSnapshot } from "./cluster-snapshot.ts";

export interface LeaderlessPartition extends TopicPartition {
  /** When what is to be asked is given up. Monotonic; absent: never. */
  readonly deadlineMs?: number;
}

/** Why nobody can be asked about a partition, by the metadata; null: it has a leader. */
export function noLeader({ topics, brokers }: ClusterSnapshot, topic: string, partition: number): KafkaProtocolError | null {
  const about = `${topic}-${partition}`;
  const known = topics.get(topic)?.partitions[partition];
  if (known === undefined) return new KafkaProtocolError("UNKNOWN_TOPIC_OR_PARTITION", about);
  if (known.leader !== noBroker) return null;
  // only a member of the in-sync set may lead
  const away = known.isr.filter((id) => !brokers.has(id) || known.offlineReplicas.includes(id));
  const why = away.length === 0 ? "" : `: ${brokersAre(away, "not there")}`;
  return new KafkaProtocolError("LEADER_NOT_AVAILABLE", about, `it has no leader${why}`);
}

/** Has the metadata refreshed for partitions that nobody can be asked about, and tells of them. */
export function awaitLeaders({ metadata, retries }: Cluster, leaderless: readonly LeaderlessPartition[]): void {
  if (leaderless.length === 0) return;
  metadata.requestRefresh();
  if (!retries.areWatched) return;
  for (const { topic, partition, deadlineMs } of leaderless) {
    const reason = noLeader(metadata.snapshot, topic, partition);
    if (reason !== null) retries.waits(partitionSubject(topic, partition), reason, deadlineMs === undefined ? {} : { deadlineMs });
  }
}

/** `broker 2 is …`, `brokers 2, 3 are …`. */
export function brokersAre(ids: readonly BrokerId[], what: string): string {
  return ids.length === 1 ? `broker ${ids[0]} is ${what}` : `brokers ${ids.join(", ")} are ${what}`;
}
