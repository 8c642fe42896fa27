import type { Clock } from "../../protocol/base/clock.ts";
import type { BrokerId, TopicId } from "../../protocol/base/ids.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import type { Random } from "../../protocol/base/random.ts";
import type { Log } from "../log/log-contract.ts";
import type { TopicSettings } from "../runtime/config/topic-settings.ts";
import type { Admissions } from "./admissions.ts";
import type { ClusterView, IsrStore, ReplicaHealthReporter } from "./cluster-contract.ts";
import type { Deadlines } from "./deadlines.ts";
import type { FutureTimestamps } from "./future-timestamps.ts";

/** What all partitions of a broker share. */
export interface PartitionEnvironment {
  readonly config: PartitionConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly cluster: ClusterView;
  readonly isrStore: IsrStore;
  readonly health: ReplicaHealthReporter;
  readonly deadlines: Deadlines;
  readonly news: PartitionNews;
  readonly admissions: Admissions;
  readonly futureTimestamps: Pick<FutureTimestamps, "look">;
  /** Resolves when no restart will believe in a higher one. Rejects LogOffline. */
  readonly lowerHighWatermark: (key: string, highWatermark: number) => Promise<void>;
}

export interface PartitionConfig {
  readonly brokerId: BrokerId;
  /**
   * `replica.lag.time.max.ms`: a follower not caught up for this long leaves the in-sync set; above the followers'
   * `replica.fetch.wait.max.ms`, or healthy ones flap.
   */
  readonly replicaLagTimeMaxMs: number;
  /** A suspected member of an in-sync set that has not fetched for this long leaves it: a follower that lives has fetched again by then. */
  readonly suspectLagMs: number;
  /** `log.dir.stall.timeout.ms` */
  readonly diskStallTimeoutMs: number;
  /** Producers that may wait for replication in one partition; then NOT_ENOUGH_REPLICAS before anything is appended. */
  readonly appendWaitersMax: number;
  /** `replica.high.watermark.checkpoint.interval.ms`. */
  readonly highWatermarkCheckpointMs: number;
  /** `ottla.reassignment.partitions.at.once`. */
  readonly reassignedAtOnceMax: number;
  /** `log.retention.check.interval.ms`. */
  readonly retentionCheckMs: number;
  /** `ottla.log.stray.retention.ms`; -1: for ever. */
  readonly strayRetentionMs: number;
  /** `producer.id.expiration.check.interval.ms`. */
  readonly producerExpirationCheckMs: number;
  /** `producer.id.expiration.ms` as it is now. */
  readonly producerExpirationMs: () => number;
  /** `ottla.batch.unpacked.max.bytes`. */
  readonly batchUnpackedBytesMax: number;
}

/** Which replica this is. */
export interface ReplicaIdentity {
  readonly topic: string;
  readonly topicId: TopicId;
  readonly partition: number;
  /** `topic-3` */
  readonly key: string;
}

/** A replica's log with the topic's settings as they now are. */
export interface ReplicaLog {
  readonly log: Log;
  readonly settings: TopicSettings;
}

/** Events of a partition, for callers that wait for them. */
interface PartitionNews {
  /** The high watermark moved, also one that is followed, or the role here, or what it may serve. */
  committed(key: string): void;
  /** The written end, the high watermark, the log start, the in-sync set, the assignment or the leadership moved. */
  written(identity: ReplicaIdentity): void;
  /** What its leader knows has changed: whether its followers lag, or are gone, is to be checked in a while. */
  leaderMoved(identity: ReplicaIdentity): void;
  /** It is followed here now, from another leader or in another epoch, or is not any more. */
  follows(identity: ReplicaIdentity): void;
  /** A consumer reads here what is followed from this leader. */
  readHere(leader: BrokerId): void;
  /** We lead in this epoch; null: no more. */
  leads(identity: ReplicaIdentity, leaderEpoch: number | null): void;
}
