import type { TopicId } from "../../protocol/base/ids.ts";
import { zeroTopicId } from "../../protocol/base/ids.ts";
import type { KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import {
  type WriteTxnMarkersRequest,
  type WriteTxnMarkersResponse,
  writeTxnMarkersRequest,
  writeTxnMarkersResponse,
} from "../../protocol/messages/write-txn-markers.ts";
import type { TransactionMarker } from "../../protocol/peer/messages.ts";
import type { ImageSource } from "../cluster/cluster-image.ts";
import type { Api } from "./api.ts";
import { answerInPlace } from "./item-answers.ts";
import { asMetadataSays } from "./leader-hints.ts";

type Marker = WriteTxnMarkersRequest["markers"][number];
type AnsweredMarker = WriteTxnMarkersResponse["markers"][number];

/** Writes markers to partitions led here; an error for each, by marker and partition. */
export type WriteMarkers = (markers: readonly TransactionMarker[]) => Promise<readonly (readonly KafkaErrorCode[])[]>;

/**
 * Behavior: ends transactions in the partitions that this broker leads, whatever the transaction coordinator has decided: for operators
 * who end one that hangs (`abort`), as Kafka's own tools do. Brokers use their own protocol for it. An epoch below 0, or a producer id that
 * cannot be, is INVALID_PRODUCER_EPOCH or INVALID_PRODUCER_ID_MAPPING; older epochs than the log knows are refused by the log.
 * Version notes: the transaction version since 2 (KIP-1228).
 */
export function writeTxnMarkersApi(
  images: Pick<ImageSource, "current">,
  write: WriteMarkers,
): Api<WriteTxnMarkersRequest, WriteTxnMarkersResponse> {
  const idOf = (topic: string): TopicId => images.current.topics.get(topic)?.id ?? zeroTopicId;
  const orderOf = ({ producerId, producerEpoch, transactionResult, coordinatorEpoch, transactionVersion, topics }: Marker) => ({
    ...{ producerId, producerEpoch, coordinatorEpoch, commits: transactionResult, transactionVersion },
    partitions: topics.flatMap(({ name, partitionIndexes }) => partitionIndexes.map((partition) => ({ topicId: idOf(name), partition }))),
  });
  const answered = ({ producerId, topics }: Marker, errors: readonly KafkaErrorCode[] | KafkaErrorCode): AnsweredMarker => {
    let at = 0;
    const answerOf = (topic: string, partition: number) => {
      const error = typeof errors === "string" ? errors : (errors[at++] ?? "REQUEST_TIMED_OUT");
      const named = error === "UNKNOWN_TOPIC_ID" ? "UNKNOWN_TOPIC_OR_PARTITION" : error;
      return { partitionIndex: partition, errorCode: asMetadataSays(images.current, { topic, partition }, named) };
    };
    const ofTopics = topics.map(({ name, partitionIndexes }) => ({ name, partitions: partitionIndexes.map((one) => answerOf(name, one)) }));
    return { producerId, topics: ofTopics };
  };
  return {
    request: writeTxnMarkersRequest,
    response: writeTxnMarkersResponse,
    async handle({ markers }, { meter }) {
      const answers = await answerInPlace(
        markers,
        meter,
        (marker) => {
          const refusal = refusalOf(marker);
          return refusal === null ? null : answered(marker, refusal);
        },
        async (accepted) => {
          const errors = await write(accepted.map(orderOf));
          return accepted.map((marker, at) => answered(marker, errors[at] ?? []));
        },
      );
      return { markers: [...answers] };
    },
  };
}

function refusalOf({ producerId, producerEpoch, coordinatorEpoch, transactionVersion }: Marker): KafkaErrorCode | null {
  if (!Number.isSafeInteger(producerId) || producerId < 0) return "INVALID_PRODUCER_ID_MAPPING";
  if (producerEpoch < 0) return "INVALID_PRODUCER_EPOCH";
  return coordinatorEpoch < 0 || transactionVersion < 0 ? "INVALID_REQUEST" : null;
}
