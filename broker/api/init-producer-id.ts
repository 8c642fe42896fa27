import type { KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import {
  type InitProducerIdRequest,
  type InitProducerIdResponse,
  initProducerIdRequest,
  initProducerIdResponse,
} from "../../protocol/messages/init-producer-id.ts";
import { noProducerId } from "../../protocol/records/batch-header.ts";
import type { ProducerIdSource } from "../cluster/producer-ids.ts";
import type { Api, RequestContext } from "./api.ts";
import { fencedAs, type TransactionService } from "./transaction-context.ts";

const noEpoch = -1;

/**
 * Behavior: gives a producer an id of its own, with epoch 0. A producer without a transactional id gets a new one each time, whatever id
 * and epoch it names (it raises its epoch by itself). With a transactional id, only its coordinator answers: what was open under the id is
 * aborted first (CONCURRENT_TRANSACTIONS, the producer asks again), and whoever had the id is fenced by a raised epoch.
 * Version notes: the producer's current id and epoch since 3 (KIP-360): both or none, otherwise INVALID_REQUEST. A fenced producer is
 * INVALID_PRODUCER_EPOCH before 4, PRODUCER_FENCED since. Since 6 a producer may ask for two-phase commit (KIP-939), which is not served:
 * TRANSACTIONAL_ID_AUTHORIZATION_FAILED as where Kafka has it turned off, UNSUPPORTED_VERSION to keep what is open, and INVALID_REQUEST
 * without a transactional id.
 */
export function initProducerIdApi(
  ids: ProducerIdSource,
  transactions: Pick<TransactionService, "runWithId" | "allowsTimeout">,
): Api<InitProducerIdRequest, InitProducerIdResponse> {
  return {
    request: initProducerIdRequest,
    response: initProducerIdResponse,
    async handle(request, context) {
      const { transactionalId, producerId, producerEpoch, enable2Pc, keepPreparedTxn } = request;
      if ((producerId === noProducerId) !== (producerEpoch === noEpoch)) return refused("INVALID_REQUEST");
      if (transactionalId !== null) return transactional(transactions, transactionalId, request, context);
      if (enable2Pc || keepPreparedTxn) return refused("INVALID_REQUEST");
      const given = await ids.next();
      if (given.error !== null) return refused(given.error);
      return answer("NONE", given.producerId, 0);
    },
  };
}

async function transactional(
  transactions: Pick<TransactionService, "runWithId" | "allowsTimeout">,
  transactionalId: string,
  { transactionTimeoutMs: timeoutMs, producerId, producerEpoch, enable2Pc, keepPreparedTxn }: InitProducerIdRequest,
  { apiVersion, origin }: RequestContext,
): Promise<InitProducerIdResponse> {
  if (enable2Pc) return refused("TRANSACTIONAL_ID_AUTHORIZATION_FAILED");
  if (keepPreparedTxn) return refused("UNSUPPORTED_VERSION");
  if (transactionalId === "") return refused("INVALID_REQUEST");
  if (!transactions.allowsTimeout(timeoutMs)) return refused("INVALID_TRANSACTION_TIMEOUT");
  const expected = producerId === noProducerId ? null : { producerId, producerEpoch };
  const given = await transactions.runWithId(
    transactionalId,
    (machine, freshId, now) => machine.initProducer(transactionalId, { timeoutMs, expected, freshId }, now),
    origin,
  );
  if (given.error !== null) return refused(fencedAs(given.error, apiVersion, 4));
  return answer("NONE", given.producerId, given.producerEpoch);
}

function refused(errorCode: KafkaErrorCode): InitProducerIdResponse {
  return answer(errorCode, noProducerId, noEpoch);
}

function answer(errorCode: KafkaErrorCode, producerId: number, producerEpoch: number): InitProducerIdResponse {
  return { throttleTimeMs: 0, errorCode, producerId, producerEpoch, ongoingTxnProducerId: noProducerId, ongoingTxnProducerEpoch: noEpoch };
}
