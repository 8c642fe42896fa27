import type { ClassicConfig } from "./classic/classic-groups.ts";
import type { ConsumerGroupsConfig } from "./consumer/consumer-groups.ts";

/** What the state machine of a shard needs to know of the settings. */
export interface MachineConfig extends ClassicConfig {
  /** Of groups with the new protocol. */
  readonly consumer: ConsumerGroupsConfig;
  /** `offset.metadata.max.bytes`, per committed offset. */
  readonly offsetMetadataMaxBytes: number;
  /** `offsets.retention.minutes`, in milliseconds. */
  readonly offsetsRetentionMs: number;
  /** `offsets.retention.check.interval.ms` */
  readonly offsetsRetentionCheckIntervalMs: number;
}
