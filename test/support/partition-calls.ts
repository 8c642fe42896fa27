import type {
  AppendOptions,
  AppendOutcome,
  ClientLeader,
  ClientPartitions,
  ConsumerReadOptions,
  OffsetTarget,
} from "../../broker/partition/client-contract.ts";
import type { FetchingReplica, ReplicaLeader, ReplicaLeaders } from "../../broker/partition/replication-contract.ts";
import type { TopicPartition } from "../../protocol/base/ids.ts";
import type { KafkaError, Outcome } from "../../protocol/errors/kafka-errors.ts";
import type { ReplicaFetchPartition } from "../../protocol/peer/messages.ts";

export type ClientCalls = ReturnType<typeof clientCalls>;

/** What clients ask of the partitions here, as the API handlers do: of the leader as it is in the turn of the call. */
export function clientCalls(partitions: ClientPartitions) {
  const led = <T>(
    ref: TopicPartition,
    use: (leader: ClientLeader) => Outcome<T> | Promise<Outcome<T>>,
  ): Outcome<T> | Promise<Outcome<T>> => {
    const leader = partitions.leader(ref);
    return typeof leader === "string" ? { error: leader } : use(leader);
  };
  return {
    async append(ref: TopicPartition, records: Buffer, options: AppendOptions): Promise<AppendOutcome> {
      const leader = partitions.leader(ref);
      return typeof leader === "string" ? { error: leader } : leader.append(records, options);
    },
    read: async (ref: TopicPartition, options: ConsumerReadOptions) => led(ref, (leader) => leader.read(options)),
    listOffset: async (ref: TopicPartition, target: OffsetTarget, epoch: number) => led(ref, (leader) => leader.listOffset(target, epoch)),
    deleteRecords: async (ref: TopicPartition, beforeOffset: number, timeoutMs: number) =>
      led(ref, (leader) => leader.deleteRecords(beforeOffset, timeoutMs)),
    endOffsetForEpoch(ref: TopicPartition, currentLeaderEpoch: number, epoch: number) {
      const leader = partitions.leader(ref);
      return typeof leader === "string" ? { error: leader as KafkaError } : leader.endOffsetForEpoch(currentLeaderEpoch, epoch);
    },
  };
}

/** What followers ask of the partitions led here. */
export function followerCalls(leaders: ReplicaLeaders) {
  const leaderOf = ({ topicId, partition }: ReplicaFetchPartition): ReplicaLeader => {
    const leader = leaders.leaderOf(topicId, partition);
    if (typeof leader === "string") throw new Error(`nobody leads here: ${leader}`);
    return leader;
  };
  return {
    acknowledge: (from: FetchingReplica, asked: ReplicaFetchPartition) => leaderOf(asked).acknowledgeFetch(from, asked),
    lookAgain: (from: FetchingReplica, asked: ReplicaFetchPartition) => leaderOf(asked).positionOf(from, asked),
    readForReplica: (asked: ReplicaFetchPartition, maxBytes: number, minOneBatch: boolean) =>
      leaderOf(asked).readForReplica(asked, maxBytes, minOneBatch),
  };
}
