import type { ClassicConfig } from "./classic/classic-groups.ts";

/** What the state machine of a shard needs to know of the settings. */
export interface MachineConfig extends ClassicConfig {
  /** `offset.metadata.max.bytes`, per committed offset. */
  readonly offsetMetadataMaxBytes: number;
  /** `offsets.retention.minutes`, in milliseconds. */
  readonly offsetsRetentionMs: number;
  /** `offsets.retention.check.interval.ms` */
  readonly offsetsRetentionCheckIntervalMs: number;
}
