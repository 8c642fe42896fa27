import { expect, test } from "vitest";
import { describeProducersApi } from "../../../broker/api/describe-producers.ts";
import { idempotentBatch } from "../../support/memory-log.ts";
import { setUp } from "../partition/partition-fixture.ts";
import { answerOf, Images, image, partition, topic, topicId } from "./fixtures.ts";

const images = new Images(image([topic("t", topicId("o"), [partition(0), partition(1)])]));
const request = { topics: [{ name: "t", partitionIndexes: [0, 1, 7] }] };

test("DescribeProducers tells what each producer did last, of the replicas that are here", async () => {
  const { append, table } = await setUp();
  const ask = () => answerOf(describeProducersApi(table, images), request, 0);
  const answered = (activeProducers: object[]) => ({
    throttleTimeMs: 0,
    topics: [
      {
        name: "t",
        partitions: [
          { partitionIndex: 0, errorCode: "NONE", errorMessage: null, activeProducers },
          { partitionIndex: 1, errorCode: "NOT_LEADER_OR_FOLLOWER", errorMessage: null, activeProducers: [] },
          { partitionIndex: 7, errorCode: "UNKNOWN_TOPIC_OR_PARTITION", errorMessage: null, activeProducers: [] },
        ],
      },
    ],
  });
  expect(await ask()).toStrictEqual(answered([]));
  await append(idempotentBatch(7, 0, 3));
  await append(idempotentBatch(7, 3, 2));
  await append(idempotentBatch(2 ** 40, 0, 1, 9));
  const rest = { lastTimestamp: 1000, coordinatorEpoch: -1, currentTxnStartOffset: -1 };
  expect(await ask()).toStrictEqual(
    answered([
      { producerId: 7, producerEpoch: 0, lastSequence: 4, ...rest },
      { producerId: 2 ** 40, producerEpoch: 9, lastSequence: 0, ...rest },
    ]),
  );
});
