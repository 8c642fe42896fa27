import type { TopicPartition } from "../../protocol/base/ids.ts";
import type { KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";

/** What a producer is about to write, and to which of its transactions it says that it belongs. */
export interface VerificationOrder {
  readonly transactionalId: string;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly partitions: readonly TopicPartition[];
  /** They are added to the transaction, which begins with them if none is open (version 2). Otherwise the client must have added them. */
  readonly adds: boolean;
}

/**
 * Asks the transaction coordinator before something is appended to a partition in which the producer has nothing open (KIP-890). Without
 * that: (1) a producer sends a batch, which is delayed; (2) it ends its transaction, and the marker is written; (3) the batch arrives: it
 * becomes a part of the next transaction, or of none that will ever end.
 */
export interface TransactionVerifier {
  /** By `topic-3`. Never rejects: what is not answered is left out, and to be asked again. */
  verify(order: VerificationOrder): Promise<ReadonlyMap<string, KafkaErrorCode>>;
}
