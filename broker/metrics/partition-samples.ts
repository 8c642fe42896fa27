import type { BrokerId } from "../../protocol/base/ids.ts";
import type { LeaderState } from "../partition/leader-state.ts";
import type { Partition } from "../partition/partition.ts";
import { isMoving } from "../runtime/reassignment-rules.ts";
import type { Pace } from "./pace.ts";
import type { Samples } from "./samples.ts";

export interface PartitionSources {
  readonly partitions: () => Iterable<Partition>;
  /** As the metadata has it: a log that could not be opened has no partition here. */
  readonly offlineReplicas: () => number;
  /** `ottla.metrics.partitions.enable` as it is now. */
  readonly tellsPartitions: () => boolean;
}

interface TopicSums {
  partitions: number;
  logBytes: number;
  underReplicated: number;
}

/** What one walk over all replicas here adds up. */
class Sums {
  partitions = 0;
  leading = 0;
  underReplicated = 0;
  reassigning = 0;
  underMinIsr = 0;
  atMinIsr = 0;
  unusable = 0;
  followerLagMax = 0;
  waitingAppends = 0;
  readonly topics = new Map<string, TopicSums>();

  add(partition: Partition): void {
    const { identity, log, settings, role } = partition;
    const topic = this.topics.get(identity.topic) ?? { partitions: 0, logBytes: 0, underReplicated: 0 };
    this.topics.set(identity.topic, topic);
    this.partitions++;
    topic.partitions++;
    topic.logBytes += log.sizeInBytes;
    if (role !== "none" && role !== "leading" && role !== "following") this.unusable++;
    const leader = partition.leader();
    if (typeof leader === "string") return;
    const { state } = leader;
    this.leading++;
    this.waitingAppends += leader.waitingAppends.size;
    this.followerLagMax = Math.max(this.followerLagMax, followerLag(state));
    if (state.isr.size < settings.minInsyncReplicas) this.underMinIsr++;
    if (state.isr.size === settings.minInsyncReplicas) this.atMinIsr++;
    if (state.reassignment !== undefined) this.reassigning++;
    if (state.replicas.every((id) => state.isr.has(id) || isMoving(state, id))) return;
    this.underReplicated++;
    topic.underReplicated++;
  }
}

/** One walk for all of it, in slices. */
export async function collectPartitions(sources: PartitionSources, into: Samples, pace: Pace): Promise<void> {
  const sums = new Sums();
  const tellsPartitions = sources.tellsPartitions();
  for (const partition of sources.partitions()) {
    sums.add(partition);
    if (tellsPartitions) tellPartition(partition, into);
    if (pace.isOver) await pace.next();
  }
  into.add("ottla_partitions", sums.partitions);
  into.add("ottla_leader_partitions", sums.leading);
  into.add("ottla_under_replicated_partitions", sums.underReplicated);
  into.add("ottla_reassigning_partitions", sums.reassigning);
  into.add("ottla_under_min_isr_partitions", sums.underMinIsr);
  into.add("ottla_at_min_isr_partitions", sums.atMinIsr);
  into.add("ottla_offline_replicas", Math.max(sums.unusable, sources.offlineReplicas()));
  into.add("ottla_follower_lag_records_max", sums.followerLagMax);
  into.add("ottla_delayed_operations", sums.waitingAppends, { operation: "produce" });
  for (const [topic, { partitions, logBytes, underReplicated }] of sums.topics) {
    into.add("ottla_topic_partitions", partitions, { topic });
    into.add("ottla_topic_log_bytes", logBytes, { topic });
    into.add("ottla_topic_under_replicated_partitions", underReplicated, { topic });
    if (pace.isOver) await pace.next();
  }
}

function tellPartition(partition: Partition, into: Samples): void {
  const { log, highWatermark, identity } = partition;
  const labels = { topic: identity.topic, partition: String(identity.partition) };
  into.add("ottla_partition_log_bytes", log.sizeInBytes, labels);
  into.add("ottla_partition_log_start_offset", log.startOffset, labels);
  into.add("ottla_partition_log_end_offset", log.endOffset, labels);
  into.add("ottla_partition_high_watermark", highWatermark, labels);
  const leader = partition.leader();
  if (typeof leader !== "string") into.add("ottla_partition_in_sync_replicas", leader.state.isr.size, labels);
}

/** Of the follower that is furthest behind; of one that has not fetched in this epoch nothing is known. */
function followerLag({ followers, replicas, logEndOffset }: LeaderState): number {
  let most = 0;
  const isReplica = (id: BrokerId) => replicas.includes(id);
  for (const [id, { fetchOffset }] of followers) if (fetchOffset >= 0 && isReplica(id)) most = Math.max(most, logEndOffset - fetchOffset);
  return most;
}
