import type { TopicPartition } from "../../protocol/base/ids.ts";
import type { KafkaErrorCode, Outcome } from "../../protocol/errors/kafka-errors.ts";
import type { VersionedMarker } from "../log/log-contract.ts";
import type {
  AppendOptions,
  ChangeSource,
  ConsumerRead,
  ConsumerReadOptions,
  GuardingLeader,
  LeaderLookup,
  ReadingLeader,
} from "./client-contract.ts";

/** For parts of this broker that keep their own state in a partition that it leads (group and transaction coordinators). */
export interface StatePartitions extends ChangeSource {
  /** Reads committed records. Resolves at once; waiting for more is `changed`. */
  read(ref: TopicPartition, options: ConsumerReadOptions): Promise<Outcome<ConsumerRead>>;
  /**
   * Appends in the caller's turn, as acks=all does. An error: nothing was appended. The bytes belong to the log from here on.
   * An append that was accepted ends in one of two ways: committed, or this leadership is over (`onLeadershipChanged` is called in the same
   * turn).
   */
  append(ref: TopicPartition, records: Buffer, guard?: AppendOptions["guard"]): Outcome<AppendedState>;
  /** The end of a transaction that has something in the partition, in the order of the appends. */
  appendMarker(ref: TopicPartition, marker: VersionedMarker): Outcome<AppendedState>;
  /** To be held while a transaction's records are verified. An error: this broker does not lead there. */
  guards(ref: TopicPartition): Outcome<{ readonly leader: GuardingLeader }>;
  standing(ref: TopicPartition): Outcome<StateStanding>;
}

export interface AppendedState {
  readonly endOffset: number;
  /**
   * NONE: every in-sync replica has it, and they are enough. An error: it is not known, but the records are in our log and stay there while
   * we lead. Never rejects; appends of one partition resolve in order.
   */
  readonly committed: Promise<KafkaErrorCode>;
}

export interface StateStanding {
  readonly startOffset: number;
  readonly endOffset: number;
  readonly highWatermark: number;
  /** Our session is proved now: what we know is current (I8). */
  readonly isProved: boolean;
  /** The largest batch accepted. */
  readonly batchBytesMax: number;
}

/** What a leadership does for them. */
export interface StateLeader extends GuardingLeader {
  appendState(records: Buffer, guard?: AppendOptions["guard"]): Outcome<AppendedState>;
  appendMarker(marker: VersionedMarker): Outcome<AppendedState>;
  standing(): StateStanding;
}

export function statePartitions(partitions: LeaderLookup<StateLeader & ReadingLeader> & ChangeSource): StatePartitions {
  const led = <T>(ref: TopicPartition, use: (leader: StateLeader) => Outcome<T>): Outcome<T> => {
    const leader = partitions.leader(ref);
    return typeof leader === "string" ? { error: leader } : use(leader);
  };
  return {
    append: (ref, records, guard) => led(ref, (leader) => leader.appendState(records, guard)),
    appendMarker: (ref, marker) => led(ref, (leader) => leader.appendMarker(marker)),
    guards: (ref) => led(ref, (leader) => ({ error: null, leader })),
    standing: (ref) => led(ref, (leader) => ({ error: null, ...leader.standing() })),
    async read(ref, options) {
      const leader = partitions.leader(ref);
      return typeof leader === "string" ? { error: leader } : leader.read(options);
    },
    changed: (refs, deadlineMs, signal) => partitions.changed(refs, deadlineMs, signal),
  };
}
