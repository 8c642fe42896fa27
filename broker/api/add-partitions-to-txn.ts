import { partitionKey, type TopicPartition } from "../../protocol/base/ids.ts";
import type { KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import {
  type AddPartitionsToTxnRequest,
  type AddPartitionsToTxnResponse,
  addPartitionsToTxnRequest,
  addPartitionsToTxnResponse,
  batchedAddPartitionsVersion,
} from "../../protocol/messages/add-partitions-to-txn.ts";
import type { ImageSource } from "../cluster/cluster-image.ts";
import type { Api, RequestContext } from "./api.ts";
import { answerEach } from "./request-meter.ts";
import { fencedAs, type TransactionService, whyNotIn } from "./transaction-context.ts";

type Topics = AddPartitionsToTxnRequest["v3AndBelowTopics"];
type TopicResults = AddPartitionsToTxnResponse["resultsByTopicV3AndBelow"];

/** From here on the error for a partition that is not in the transaction is known. */
const abortableVersion = 5;

/**
 * Behavior: partitions join a transaction, all or none: one that does not exist is UNKNOWN_TOPIC_OR_PARTITION, and the others are
 * OPERATION_NOT_ATTEMPTED. While the last transaction is being ended: CONCURRENT_TRANSACTIONS, which clients retry.
 * Version notes: a fenced producer is INVALID_PRODUCER_EPOCH before 2, PRODUCER_FENCED since. 0 to 3 are for clients. Since 4 other brokers
 * ask, for several transactions at once, and may ask only whether the partitions have joined: TRANSACTION_ABORTABLE if not
 * (INVALID_TXN_STATE in 4).
 */
export function addPartitionsToTxnApi(
  transactions: Pick<TransactionService, "run" | "verify">,
  images: Pick<ImageSource, "current">,
): Api<AddPartitionsToTxnRequest, AddPartitionsToTxnResponse> {
  const addOfClient = async (request: AddPartitionsToTxnRequest, { apiVersion, origin }: RequestContext): Promise<TopicResults> => {
    const { v3AndBelowTopics: topics, v3AndBelowTransactionalId: transactionalId } = request;
    const producer = { producerId: request.v3AndBelowProducerId, producerEpoch: request.v3AndBelowProducerEpoch };
    const places = placesOf(topics);
    const { current } = images;
    if (places.some((place) => whyNotIn(current, place) !== null))
      return resultsOf(topics, (place) => whyNotIn(current, place) ?? "OPERATION_NOT_ATTEMPTED");
    const ran = await transactions.run<KafkaErrorCode>(
      transactionalId,
      (machine, now) => machine.addPartitions(transactionalId, producer, places, 0, now),
      origin,
    );
    const answer = fencedAs(ran.error ?? ran.value, apiVersion, 2);
    return resultsOf(topics, () => answer);
  };
  const askedByBroker = async (asked: AddPartitionsToTxnRequest["transactions"][number], { apiVersion, origin }: RequestContext) => {
    const { transactionalId, producerId, producerEpoch, verifyOnly, topics } = asked;
    const { current } = images;
    const partitions = placesOf(topics).filter((place) => whyNotIn(current, place) === null);
    const adding = { transactionalId, producerId, producerEpoch, partitions, adds: !verifyOnly };
    const answers = partitions.length === 0 ? new Map<string, KafkaErrorCode>() : await transactions.verify(adding, origin);
    const topicResults = resultsOf(topics, (place) => {
      const answer = answers.get(partitionKey(place.topic, place.partition)) ?? whyNotIn(current, place) ?? "UNKNOWN_TOPIC_OR_PARTITION";
      return answer === "TRANSACTION_ABORTABLE" && apiVersion < abortableVersion ? "INVALID_TXN_STATE" : answer;
    });
    return { transactionalId, topicResults };
  };
  return {
    request: addPartitionsToTxnRequest,
    response: addPartitionsToTxnResponse,
    async handle(request, context) {
      const isBatched = context.apiVersion >= batchedAddPartitionsVersion;
      return {
        throttleTimeMs: 0,
        errorCode: "NONE",
        resultsByTransaction: await answerEach(isBatched ? request.transactions : [], context.meter, (asked) =>
          askedByBroker(asked, context),
        ),
        resultsByTopicV3AndBelow: isBatched ? [] : await addOfClient(request, context),
      };
    },
  };
}

function placesOf(topics: Topics): TopicPartition[] {
  return topics.flatMap(({ name: topic, partitions }) => partitions.map((partition) => ({ topic, partition })));
}

function resultsOf(topics: Topics, errorOf: (place: TopicPartition) => KafkaErrorCode): TopicResults {
  return topics.map(({ name, partitions }) => ({
    name,
    resultsByPartition: partitions.map((partitionIndex) => ({
      partitionIndex,
      partitionErrorCode: errorOf({ topic: name, partition: partitionIndex }),
    })),
  }));
}
