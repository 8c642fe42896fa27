import { partitionOfKey } from "../../protocol/base/partition-of-key.ts";
import type { KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import {
  type AddOffsetsToTxnRequest,
  type AddOffsetsToTxnResponse,
  addOffsetsToTxnRequest,
  addOffsetsToTxnResponse,
} from "../../protocol/messages/add-offsets-to-txn.ts";
import type { ImageSource } from "../cluster/cluster-image.ts";
import { offsetsTopic } from "../group/group-records.ts";
import type { Api } from "./api.ts";
import type { CoordinatorFinder } from "./find-coordinator.ts";
import { fencedAs, type TransactionService } from "./transaction-context.ts";

/**
 * Behavior: the partition that a group's positions are kept in joins the transaction, so that positions can be committed with it.
 * Version notes: a fenced producer is INVALID_PRODUCER_EPOCH before 2, PRODUCER_FENCED since. Not used in transaction version 2, where
 * TxnOffsetCommit does this.
 */
export function addOffsetsToTxnApi(
  transactions: Pick<TransactionService, "run">,
  images: Pick<ImageSource, "current">,
  finder: CoordinatorFinder,
): Api<AddOffsetsToTxnRequest, AddOffsetsToTxnResponse> {
  return {
    request: addOffsetsToTxnRequest,
    response: addOffsetsToTxnResponse,
    async handle({ transactionalId, producerId, producerEpoch, groupId }, { apiVersion, listener, origin }) {
      const count = images.current.topics.get(offsetsTopic)?.partitions.length ?? 0;
      if (count === 0) {
        // it is made when somebody looks for the group's coordinator, which the producer does only after this
        await finder.find("group", groupId, listener);
        return { throttleTimeMs: 0, errorCode: "COORDINATOR_NOT_AVAILABLE" };
      }
      const partitions = [{ topic: offsetsTopic, partition: partitionOfKey(groupId, count) }];
      const ran = await transactions.run<KafkaErrorCode>(
        transactionalId,
        (machine, now) => machine.addPartitions(transactionalId, { producerId, producerEpoch }, partitions, 0, now),
        origin,
      );
      return { throttleTimeMs: 0, errorCode: fencedAs(ran.error ?? ran.value, apiVersion, 2) };
    },
  };
}
