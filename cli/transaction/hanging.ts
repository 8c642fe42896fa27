import type { ProducerState, TransactionDescription } from "../../client/index.ts";
import type { TopicPartition } from "../../protocol/base/ids.ts";

/** A transaction as a partition's leader has it: it keeps readers of what is committed from going past its start. */
export interface OpenTransaction extends TopicPartition {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly coordinatorEpoch: number;
  readonly startOffset: number;
  /** Of the producer's last batch in the partition. Milliseconds since 1970. */
  readonly lastTimestampMs: number;
}

/** Those of a partition, the earliest first. */
export function openIn({ topic, partition }: TopicPartition, producers: readonly ProducerState[]): OpenTransaction[] {
  return producers
    .flatMap(({ producerId, producerEpoch, coordinatorEpoch, lastTimestampMs, transactionStartOffset: startOffset }) =>
      startOffset === null ? [] : [{ topic, partition, producerId, producerEpoch, coordinatorEpoch, startOffset, lastTimestampMs }],
    )
    .toSorted((a, b) => a.startOffset - b.startOffset);
}

/**
 * It hangs: no coordinator has it, so nobody will end it. `known`: what the coordinators say of the producer's transactions; the
 * partition is in one of them that is open or being ended, or the transaction hangs.
 */
export function isHanging({ topic, partition }: OpenTransaction, known: readonly TransactionDescription[]): boolean {
  return !known.some(({ partitions }) => partitions.some((each) => each.topic === topic && each.partition === partition));
}
