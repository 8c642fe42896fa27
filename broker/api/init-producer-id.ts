import type { KafkaError } from "../../protocol/errors/kafka-errors.ts";
import {
  type InitProducerIdRequest,
  type InitProducerIdResponse,
  initProducerIdRequest,
  initProducerIdResponse,
} from "../../protocol/messages/init-producer-id.ts";
import { noProducerId } from "../../protocol/records/batch-header.ts";
import type { ProducerIdSource } from "../cluster/producer-ids.ts";
import type { Api } from "./api.ts";

const noEpoch = -1;

/**
 * Behavior: gives a producer an id of its own, with epoch 0. A producer without a transactional id gets a new one each time, whatever id
 * and epoch it names (it raises its epoch by itself). Transactions are not served: a transactional id is CLUSTER_AUTHORIZATION_FAILED,
 * which every client takes as final and does not retry (FindCoordinator answers the same).
 * Version notes: the producer's current id and epoch since 3 (KIP-360): both or none, otherwise INVALID_REQUEST. Since 6
 * a producer may ask for two-phase commit (KIP-939), which only makes sense with transactions: INVALID_REQUEST.
 */
export function initProducerIdApi(ids: ProducerIdSource): Api<InitProducerIdRequest, InitProducerIdResponse> {
  return {
    request: initProducerIdRequest,
    response: initProducerIdResponse,
    async handle({ transactionalId, producerId, producerEpoch, enable2Pc, keepPreparedTxn }) {
      if (transactionalId !== null) return refused("CLUSTER_AUTHORIZATION_FAILED");
      if (enable2Pc || keepPreparedTxn) return refused("INVALID_REQUEST");
      if ((producerId === noProducerId) !== (producerEpoch === noEpoch)) return refused("INVALID_REQUEST");
      const given = await ids.next();
      if (given.error !== null) return refused(given.error);
      return answer("NONE", given.producerId, 0);
    },
  };
}

function refused(errorCode: KafkaError): InitProducerIdResponse {
  return answer(errorCode, noProducerId, noEpoch);
}

function answer(errorCode: InitProducerIdResponse["errorCode"], producerId: number, producerEpoch: number): InitProducerIdResponse {
  return { throttleTimeMs: 0, errorCode, producerId, producerEpoch, ongoingTxnProducerId: noProducerId, ongoingTxnProducerEpoch: noEpoch };
}
