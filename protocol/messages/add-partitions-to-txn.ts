import { array, struct } from "../schema/composites.ts";
import { type MessageType, message } from "../schema/message.ts";
import { bool, errorCode, int16, int32, saturatedInt64, string } from "../schema/primitives.ts";

const api = { apiKey: 24, versions: [0, 5], flexibleSince: 3 } as const;

/** From here on brokers ask for several transactions at once; clients stay below. */
export const batchedAddPartitionsVersion = 4;
const before = batchedAddPartitionsVersion - 1;

const topic = struct({ name: string(), partitions: array(int32()) });
const topicResult = struct({
  name: string(),
  resultsByPartition: array(struct({ partitionIndex: int32(), partitionErrorCode: errorCode() })),
});

export const addPartitionsToTxnRequest = message(
  { ...api, name: "AddPartitionsToTxnRequest" },
  {
    transactions: array(
      struct({
        transactionalId: string(),
        producerId: saturatedInt64(),
        producerEpoch: int16(),
        /** Whether the partitions are in the transaction is asked; none is added. */
        verifyOnly: bool(),
        topics: array(topic),
      }),
      { since: batchedAddPartitionsVersion, absent: [] },
    ),
    v3AndBelowTransactionalId: string({ until: before, absent: "" }),
    v3AndBelowProducerId: saturatedInt64({ until: before, absent: 0 }),
    v3AndBelowProducerEpoch: int16({ until: before, absent: 0 }),
    v3AndBelowTopics: array(topic, { until: before, absent: [] }),
  },
);
export type AddPartitionsToTxnRequest = MessageType<typeof addPartitionsToTxnRequest>;

export const addPartitionsToTxnResponse = message(
  { ...api, name: "AddPartitionsToTxnResponse" },
  {
    throttleTimeMs: int32(),
    errorCode: errorCode({ since: batchedAddPartitionsVersion, absent: "NONE" }),
    resultsByTransaction: array(struct({ transactionalId: string(), topicResults: array(topicResult) }), {
      since: batchedAddPartitionsVersion,
      absent: [],
    }),
    resultsByTopicV3AndBelow: array(topicResult, { until: before, absent: [] }),
  },
);
export type AddPartitionsToTxnResponse = MessageType<typeof addPartitionsToTxnResponse>;
