import { describe, expect, test } from "vitest";
import { addOffsetsToTxnApi } from "../../../broker/api/add-offsets-to-txn.ts";
import { addPartitionsToTxnApi } from "../../../broker/api/add-partitions-to-txn.ts";
import { describeTransactionsApi } from "../../../broker/api/describe-transactions.ts";
import { endTxnApi } from "../../../broker/api/end-txn.ts";
import { groupFinder } from "../../../broker/api/group-finder.ts";
import { initProducerIdApi } from "../../../broker/api/init-producer-id.ts";
import { listTransactionsApi } from "../../../broker/api/list-transactions.ts";
import { AnswerTooLarge, uncounted } from "../../../broker/api/request-meter.ts";
import type { NewTopic } from "../../../broker/api/topic-maker.ts";
import type { ClusterImage } from "../../../broker/cluster/cluster-image.ts";
import { TransactionCoordinator } from "../../../broker/transaction/transaction-coordinator.ts";
import type { TopicPartition } from "../../../protocol/base/ids.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { ManualClock } from "../network/manual-clock.ts";
import { FakePartition } from "../state-machine/fake-partition.ts";
import { machineConfig, shardConfig } from "../transaction/world.ts";
import { answerOf, Images, image, partition, topic, topicId } from "./fixtures.ts";

const parts = (count: number) => Array.from({ length: count }, (_, index) => partition(index));
const fresh = { producerId: -1, producerEpoch: -1, enable2Pc: false, keepPreparedTxn: false };

/** The APIs on a coordinator of all ids, whose log is in memory. */
async function setUp(topics = [topic("orders", topicId("o"), parts(3)), topic("__consumer_offsets", topicId("O"), parts(4))]) {
  const clock = new ManualClock();
  const log = new FakePartition();
  const images = new Images(image([topic("__transaction_state", topicId("S"), parts(1)), ...topics]));
  const listeners: ((ref: TopicPartition, epoch: number | null) => void)[] = [];
  const coordinator = new TransactionCoordinator({
    partitions: {
      append: (ref, records) => log.append(ref, records),
      appendMarker: (ref, marker) => log.appendMarker(ref, marker),
      guards: () => log.guards(),
      standing: () => log.standing(),
      read: (ref, options) => log.read(ref, options),
      changed: (refs, deadlineMs, signal) => log.changed(refs, deadlineMs, signal),
      onLeadershipChanged: (listener) => {
        listeners.push(listener);
        return () => {};
      },
    },
    cluster: {
      images,
      producerIds: { next: async () => ({ error: null, producerId: 70 }) },
      deliver: () => new Promise(() => {}),
      transactionVersion: () => 2,
    },
    clock,
    log: silentLogger,
    config: { machine: machineConfig, shard: shardConfig, timeoutMaxMs: 900_000, memoryBytesMax: 1_000_000 },
  });
  for (const listener of listeners) listener({ topic: "__transaction_state", partition: 0 }, 1);
  for (let i = 0; i < 20 && coordinator.servingCount === 0; i++) await clock.advance(0);
  const init = initProducerIdApi({ next: async () => ({ error: null, producerId: 7 }) }, coordinator);
  const begin = (transactionalId: string, version = 5, more = {}) =>
    answerOf(init, { transactionalId, transactionTimeoutMs: 60_000, ...fresh, ...more }, version);
  const add = addPartitionsToTxnApi(coordinator, images);
  const addAs = async (version: number, producerEpoch: number, partitions: number[], name = "orders") => {
    const of = { v3AndBelowTransactionalId: "pay", v3AndBelowProducerId: 70, v3AndBelowProducerEpoch: producerEpoch };
    const { resultsByTopicV3AndBelow } = await answerOf(
      add,
      { transactions: [], ...of, v3AndBelowTopics: [{ name, partitions }] },
      version,
    );
    return resultsByTopicV3AndBelow.flatMap(({ resultsByPartition }) => resultsByPartition.map((each) => each.partitionErrorCode)).join();
  };
  const end = endTxnApi(coordinator);
  const endAs = (version: number, producerEpoch: number, committed: boolean) =>
    answerOf(end, { transactionalId: "pay", producerId: 70, producerEpoch, committed }, version);
  return { clock, log, images, coordinator, begin, init, add, addAs, endAs };
}

describe("InitProducerId with a transactional id", () => {
  test("is answered by the id's coordinator", async () => {
    const { begin } = await setUp();
    expect(await begin("pay")).toMatchObject({ errorCode: "NONE", producerId: 70, producerEpoch: 0 });
    expect(await begin("pay", 0)).toMatchObject({ errorCode: "NONE", producerId: 70, producerEpoch: 1 });
  });

  test("is refused for an empty id, a timeout that is too long or none, half an identity, and two-phase commit", async () => {
    const { begin } = await setUp();
    const errorOf = async (more: object, id = "pay") => (await begin(id, 6, more)).errorCode;
    expect(await errorOf({}, "")).toBe("INVALID_REQUEST");
    expect(await errorOf({ transactionTimeoutMs: 900_001 })).toBe("INVALID_TRANSACTION_TIMEOUT");
    expect(await errorOf({ transactionTimeoutMs: 0 })).toBe("INVALID_TRANSACTION_TIMEOUT");
    expect(await errorOf({ producerId: 7 })).toBe("INVALID_REQUEST");
    expect(await errorOf({ enable2Pc: true })).toBe("TRANSACTIONAL_ID_AUTHORIZATION_FAILED");
    expect(await errorOf({ keepPreparedTxn: true })).toBe("UNSUPPORTED_VERSION");
  });

  test("tells a fenced producer in its words", async () => {
    const { begin } = await setUp();
    for (let i = 0; i < 3; i++) await begin("pay");
    expect(await begin("pay", 3, { producerId: 70, producerEpoch: 0 })).toMatchObject({
      errorCode: "INVALID_PRODUCER_EPOCH",
      producerId: -1,
    });
    expect(await begin("pay", 4, { producerId: 70, producerEpoch: 0 })).toMatchObject({ errorCode: "PRODUCER_FENCED" });
  });
});

describe("AddPartitionsToTxn and EndTxn", () => {
  test("all partitions join, or none", async () => {
    const { begin, addAs, coordinator } = await setUp();
    await begin("pay");
    expect(await addAs(3, 0, [0, 9])).toBe("OPERATION_NOT_ATTEMPTED,UNKNOWN_TOPIC_OR_PARTITION");
    expect(await addAs(3, 0, [0], "__transaction_state")).toBe("INVALID_TOPIC_EXCEPTION");
    expect((await coordinator.list()).transactions).toMatchObject([{ state: "Empty" }]);
    expect(await addAs(0, 0, [0, 1])).toBe("NONE,NONE");
    expect(await addAs(1, 4, [0])).toBe("INVALID_PRODUCER_EPOCH");
    expect(await addAs(2, 4, [0])).toBe("PRODUCER_FENCED");
  });

  test("other brokers ask for several transactions at once, and may only ask", async () => {
    const { begin, addAs, add } = await setUp();
    await begin("pay");
    await addAs(3, 0, [0]);
    const of = { v3AndBelowTransactionalId: "", v3AndBelowProducerId: 0, v3AndBelowProducerEpoch: 0, v3AndBelowTopics: [] };
    const topics = [{ name: "orders", partitions: [0, 1, 9] }];
    const asked = { transactionalId: "pay", producerId: 70, producerEpoch: 0, verifyOnly: true, topics };
    const answersOf = async (version: number, ...transactions: (typeof asked)[]) => {
      const { resultsByTransaction } = await answerOf(add, { ...of, transactions }, version);
      return resultsByTransaction.map(({ topicResults }) =>
        topicResults[0]!.resultsByPartition.map((each) => each.partitionErrorCode).join(),
      );
    };
    expect(await answersOf(5, asked, { ...asked, transactionalId: "none" })).toEqual([
      "NONE,TRANSACTION_ABORTABLE,UNKNOWN_TOPIC_OR_PARTITION",
      "INVALID_PRODUCER_ID_MAPPING,INVALID_PRODUCER_ID_MAPPING,UNKNOWN_TOPIC_OR_PARTITION",
    ]);
    expect(await answersOf(4, asked)).toEqual(["NONE,INVALID_TXN_STATE,UNKNOWN_TOPIC_OR_PARTITION"]);
    expect(await answersOf(5, { ...asked, verifyOnly: false })).toEqual(["NONE,NONE,UNKNOWN_TOPIC_OR_PARTITION"]);
    expect(await answersOf(5, asked)).toEqual(["NONE,NONE,UNKNOWN_TOPIC_OR_PARTITION"]);
  });

  test("EndTxn of 5 raises the epoch and says so; before, it stays", async () => {
    const one = await setUp();
    await one.begin("pay");
    await one.addAs(3, 0, [0]);
    expect(await one.endAs(5, 0, true)).toMatchObject({ errorCode: "NONE", producerId: 70, producerEpoch: 1 });
    expect(await one.endAs(5, 0, false)).toMatchObject({ errorCode: "INVALID_TXN_STATE", producerId: -1 });
    const two = await setUp();
    await two.begin("pay");
    await two.addAs(3, 0, [0]);
    expect(await two.endAs(1, 3, true)).toMatchObject({ errorCode: "INVALID_PRODUCER_EPOCH" });
    expect(await two.endAs(4, 0, true)).toMatchObject({ errorCode: "NONE" });
    expect((await two.coordinator.list()).transactions).toMatchObject([{ state: "PrepareCommit", producerEpoch: 0 }]);
  });

  test("the partition with a group's positions joins by the group's id, and is made first where it does not exist", async () => {
    const asked: string[] = [];
    const finder = {
      find: async (kind: string, key: string) => {
        asked.push(`${kind} ${key}`);
        return { error: "COORDINATOR_NOT_AVAILABLE" } as const;
      },
    };
    const { begin, coordinator, images } = await setUp();
    await begin("pay");
    const request = { transactionalId: "pay", producerId: 70, producerEpoch: 0, groupId: "a" };
    const api = addOffsetsToTxnApi(coordinator, images, finder);
    expect(await answerOf(api, request, 3)).toMatchObject({ errorCode: "NONE" });
    expect(await answerOf(api, { ...request, producerEpoch: 5 }, 1)).toMatchObject({ errorCode: "INVALID_PRODUCER_EPOCH" });
    const described = await answerOf(describeTransactionsApi(coordinator), { transactionalIds: ["pay"] }, 0);
    expect(described.transactionStates[0]!.topics).toEqual([{ topic: "__consumer_offsets", partitions: [1] }]);
    images.replace(image([topic("__transaction_state", topicId("S"), parts(1))]));
    expect(await answerOf(api, request, 3)).toMatchObject({ errorCode: "COORDINATOR_NOT_AVAILABLE" });
    expect(asked).toEqual(["group a"]);
  });
});

describe("DescribeTransactions and ListTransactions", () => {
  test("what is open, and while it is ended what has no marker yet", async () => {
    const { begin, addAs, endAs, coordinator } = await setUp();
    await begin("pay");
    await addAs(3, 0, [2, 0]);
    const api = describeTransactionsApi(coordinator);
    const describe = async (...transactionalIds: string[]) => (await answerOf(api, { transactionalIds }, 0)).transactionStates;
    expect(await describe("pay", "none", "")).toMatchObject([
      {
        errorCode: "NONE",
        transactionState: "Ongoing",
        transactionTimeoutMs: 60_000,
        producerId: 70,
        topics: [{ topic: "orders", partitions: [2, 0] }],
      },
      { errorCode: "TRANSACTIONAL_ID_NOT_FOUND", topics: [] },
      { errorCode: "INVALID_REQUEST" },
    ]);
    await endAs(5, 0, true);
    const [order] = await describe("pay");
    expect(order).toMatchObject({ transactionState: "PrepareCommit", producerEpoch: 1, topics: [{ topic: "orders", partitions: [2, 0] }] });
  });

  test("by state, producer, age and expression", async () => {
    const { begin, addAs, clock, coordinator } = await setUp();
    await begin("pay");
    await begin("pay-2");
    await begin("ähnlich");
    await addAs(3, 0, [0]);
    await clock.advance(5_000);
    const api = listTransactionsApi(coordinator, clock);
    const all = { stateFilters: [], producerIdFilters: [], durationFilter: -1, transactionalIdPattern: null };
    const list = async (more: object, version = 2) => {
      const answer = await answerOf(api, { ...all, ...more }, version);
      expect(answer.errorCode).toBe("NONE");
      return answer.transactionStates.map(({ transactionalId }) => transactionalId);
    };
    expect(await list({}, 0)).toEqual(["pay", "pay-2", "ähnlich"]);
    expect(await list({ transactionalIdPattern: "" })).toHaveLength(3);
    expect(await list({ stateFilters: ["Ongoing"] })).toEqual(["pay"]);
    expect(await list({ producerIdFilters: [71] })).toEqual([]);
    expect(await list({ durationFilter: 4_999 })).toEqual(["pay"]);
    expect(await list({ durationFilter: 5_000 })).toEqual([]);
    expect(await list({ durationFilter: 0 })).toEqual(["pay"]);
    expect(await list({ transactionalIdPattern: "pay.*" })).toEqual(["pay", "pay-2"]);
    expect(await list({ transactionalIdPattern: "pa" })).toEqual([]);
    const unknown = await answerOf(api, { ...all, stateFilters: ["Ongoing", "Gone", "Gone"] }, 0);
    expect(unknown).toMatchObject({ unknownStateFilters: ["Gone"], transactionStates: [{ transactionalId: "pay" }] });
  });

  test("an expression that is wrong, or too expensive for ids of any length, is refused; and many at once wait", async () => {
    const { coordinator, clock } = await setUp();
    const api = listTransactionsApi(coordinator, clock);
    const errorOf = async (transactionalIdPattern: string) => {
      const request = { stateFilters: [], producerIdFilters: [], durationFilter: -1, transactionalIdPattern };
      return (await answerOf(api, request, 2)).errorCode;
    };
    expect(await errorOf("(")).toBe("INVALID_REGULAR_EXPRESSION");
    expect(await errorOf("(a)\\1")).toBe("INVALID_REGULAR_EXPRESSION");
    expect(await errorOf("(abcdefgh){100}")).toBe("INVALID_REGULAR_EXPRESSION");
    const answers = new Set<string>();
    for (let i = 0; i < 300; i++) answers.add(await errorOf(`tenant-${i}-.*`));
    expect([...answers]).toEqual(["NONE", "COORDINATOR_NOT_AVAILABLE"]);
  });

  test("a list too long for an answer is not built to its end", async () => {
    const { begin, coordinator, clock } = await setUp();
    for (let i = 0; i < 50; i++) await begin(`pay-${i}`);
    let taken = 0;
    const meter = {
      ...uncounted,
      take: (bytes: number) => {
        taken += bytes;
        if (taken > 500) throw new AnswerTooLarge("more than 500 bytes");
      },
    };
    const request = { stateFilters: [], producerIdFilters: [], durationFilter: -1, transactionalIdPattern: null };
    await expect(answerOf(listTransactionsApi(coordinator, clock), request, 2, { meter })).rejects.toThrow(AnswerTooLarge);
    expect(taken).toBeLessThan(1_000);
  });
});

describe("finding a transaction's coordinator", () => {
  const config = { partitions: 50, replicationFactor: 3, segmentBytes: 1_000, minInsync: 2 };
  const setUpFinder = (current: ClusterImage) => {
    const created: NewTopic[] = [];
    const topicMaker = {
      make: (topics: readonly NewTopic[]) => {
        created.push(...topics);
        return new Promise<never>(() => {});
      },
    };
    const finder = groupFinder({
      images: { current },
      topicMaker,
      log: silentLogger,
      clock: new ManualClock(),
      config,
      transactions: config,
    });
    return { created, finder };
  };

  test("the first question has the topic made, with as many copies in sync as there can be", async () => {
    const { created, finder } = setUpFinder(image([]));
    expect(await finder.find("transaction", "pay", "PUBLIC")).toMatchObject({
      error: "COORDINATOR_NOT_AVAILABLE",
      message: "the topic that transactions are kept in is being created",
    });
    expect(created).toMatchObject([{ name: "__transaction_state", numPartitions: 50, replicationFactor: 2 }]);
    const insync = (each: NewTopic | undefined) => each?.configs.find(({ name }) => name === "min.insync.replicas")?.value;
    expect(insync(created[0])).toBe("2");
    const alone = setUpFinder(image([], { leavingBrokers: new Set([2]) }));
    await alone.finder.find("transaction", "pay", "PUBLIC");
    expect(insync(alone.created[0])).toBe("1");
  });

  test("it is the leader of the id's partition", async () => {
    const { finder } = setUpFinder(image([topic("__transaction_state", topicId("S"), [partition(0, { leader: 2 })])]));
    expect(await finder.find("transaction", "pay", "PUBLIC")).toMatchObject({ error: null, node: { nodeId: 2 } });
  });
});
