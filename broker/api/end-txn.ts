import {
  type EndTxnRequest,
  type EndTxnResponse,
  endTxnRequest,
  endTxnResponse,
  raisedEpochVersion,
} from "../../protocol/messages/end-txn.ts";
import type { Api } from "./api.ts";
import { fencedAs, type TransactionService } from "./transaction-context.ts";

/**
 * Behavior: commits or aborts; answered when that is decided for good, while the partitions still get their markers. Asked again, the
 * answer is the same; the other outcome is INVALID_TXN_STATE.
 * Version notes: a fenced producer is INVALID_PRODUCER_EPOCH before 2, PRODUCER_FENCED since. 5 is transaction version 2: the epoch is
 * raised, and the answer says with what the next transaction is written.
 */
export function endTxnApi(transactions: Pick<TransactionService, "runWithId">): Api<EndTxnRequest, EndTxnResponse> {
  return {
    request: endTxnRequest,
    response: endTxnResponse,
    async handle({ transactionalId, producerId, producerEpoch, committed }, { apiVersion, origin }) {
      const order = {
        producer: { producerId, producerEpoch },
        kind: committed ? ("commit" as const) : ("abort" as const),
        raisesEpoch: apiVersion >= raisedEpochVersion,
      };
      const ended = await transactions.runWithId(
        transactionalId,
        (machine, freshId, now) => machine.end(transactionalId, { ...order, freshId }, now),
        origin,
      );
      if (ended.error !== null)
        return { throttleTimeMs: 0, errorCode: fencedAs(ended.error, apiVersion, 2), producerId: -1, producerEpoch: -1 };
      return { throttleTimeMs: 0, errorCode: "NONE", producerId: ended.producerId, producerEpoch: ended.producerEpoch };
    },
  };
}
