import { partitionKey } from "../../protocol/base/ids.ts";
import type { KafkaError, KafkaErrorCode, Outcome } from "../../protocol/errors/kafka-errors.ts";
import type { ReplicaFetchedPartition, ReplicaFetchPartition } from "../../protocol/peer/messages.ts";
import type { PartitionRef, PartitionService, ReplicaFetchService, StatePartitions } from "./contract.ts";
import type { Leadership } from "./leadership.ts";
import type { PartitionTable } from "./partition-table.ts";

/**
 * A client's view of the table. A partition that is not here is NOT_LEADER_OR_FOLLOWER; whether it exists at all is for the caller's
 * metadata to say.
 */
export function partitionService(table: PartitionTable): PartitionService {
  const led = async <R>(
    ref: PartitionRef,
    use: (leadership: Leadership) => R | Promise<R>,
  ): Promise<R | { readonly error: KafkaError }> => {
    const leadership = table.find(ref)?.leadership() ?? "NOT_LEADER_OR_FOLLOWER";
    return typeof leadership === "string" ? { error: leadership } : use(leadership);
  };
  return {
    async append(ref, records, options) {
      const leadership = table.find(ref)?.leadership() ?? "NOT_LEADER_OR_FOLLOWER";
      if (typeof leadership !== "string") return leadership.append(records, options);
      options.onWritten?.();
      return { error: leadership };
    },
    read: (ref, options) => led(ref, (leadership) => leadership.read(options)),
    changed: (refs, deadlineMs, signal) =>
      table.commits.wait(
        refs.map(({ topic, partition }) => partitionKey(topic, partition)),
        deadlineMs,
        signal,
      ),
    deleteRecords: (ref, beforeOffset, timeoutMs) => led(ref, (leadership) => leadership.deleteRecords(beforeOffset, timeoutMs)),
    producers(ref) {
      const partition = table.find(ref);
      if (partition === null) return { error: "NOT_LEADER_OR_FOLLOWER" };
      const lastRows = new Map(partition.log.producerRows().map((row) => [row.producerId, row]));
      return { error: null, producers: [...lastRows.values()] };
    },
    listOffset: (ref, target, currentLeaderEpoch) => led(ref, (leadership) => leadership.listOffset(target, currentLeaderEpoch)),
    endOffsetForEpoch(ref, currentLeaderEpoch, epoch) {
      const leadership = table.find(ref)?.leadership() ?? "NOT_LEADER_OR_FOLLOWER";
      return typeof leadership === "string" ? { error: leadership } : leadership.endOffsetForEpoch(currentLeaderEpoch, epoch);
    },
  };
}

/** The view of those who keep their state in a partition. */
export function statePartitions(table: PartitionTable): StatePartitions {
  const { read, changed } = partitionService(table);
  const led = <T>(ref: PartitionRef, use: (leadership: Leadership) => Outcome<T>): Outcome<T> => {
    const leadership = table.find(ref)?.leadership() ?? "NOT_LEADER_OR_FOLLOWER";
    return typeof leadership === "string" ? { error: leadership } : use(leadership);
  };
  return {
    read,
    changed,
    append: (ref, records) => led(ref, (leadership) => leadership.appendState(records)),
    standing: (ref) => led(ref, (leadership) => ({ error: null, ...leadership.standing() })),
  };
}

/** The followers' view of the table. */
export function replicaFetchService(table: PartitionTable): ReplicaFetchService {
  const find = ({ topicId, partition }: ReplicaFetchPartition): Leadership | KafkaErrorCode =>
    table.findById(topicId, partition)?.leadership() ?? "UNKNOWN_TOPIC_ID";
  return {
    acknowledge(from, asked) {
      const leadership = find(asked);
      if (typeof leadership !== "string") return leadership.acknowledgeFetch(from, asked);
      return { answer: refusal(asked, leadership), isReadable: false, hasNews: false };
    },
    lookAgain(from, asked) {
      const leadership = find(asked);
      if (typeof leadership !== "string") return leadership.positionOf(from, asked);
      return { answer: refusal(asked, leadership), isReadable: false, hasNews: false };
    },
    async readForReplica(asked, maxBytes, minOneBatch) {
      const leadership = find(asked);
      if (typeof leadership !== "string") return leadership.readForReplica(asked, maxBytes, minOneBatch);
      return { answer: refusal(asked, leadership), records: [] };
    },
    noteAnswered(from, answer) {
      const leadership = table.findById(answer.topicId, answer.partition)?.leadership();
      if (leadership !== undefined && typeof leadership !== "string") leadership.noteAnswered(from, answer);
    },
    watch: (moved) => table.onWritten(moved),
  };
}

function refusal({ topicId, partition }: ReplicaFetchPartition, error: KafkaErrorCode): ReplicaFetchedPartition {
  return {
    topicId,
    partition,
    error,
    leaderEpoch: -1,
    highWatermark: -1,
    logStartOffset: -1,
    diverging: null,
    epochs: [],
    recordsBytes: 0,
  };
}
