import { describe, expect, test } from "vitest";
import { statePartitions } from "../../../broker/partition/internal-topic-partitions.ts";
import { PartitionTable } from "../../../broker/partition/partition-table.ts";
import type { Deliver, Markers } from "../../../broker/transaction/marker-sender.ts";
import type { Producer } from "../../../broker/transaction/transaction.ts";
import { TransactionCoordinator } from "../../../broker/transaction/transaction-coordinator.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { partitionOfKey } from "../../../protocol/base/partition-of-key.ts";
import { seededRandom } from "../../../protocol/base/random.ts";
import type { KafkaErrorCode } from "../../../protocol/errors/kafka-errors.ts";
import { codecsAside } from "../../../protocol/records/compression.ts";
import { MemoryLogStore, testSettings } from "../../support/memory-log.ts";
import { testPartitionConfig } from "../../support/partition-config.ts";
import { Images, image, partition, topic, topicId } from "../api/fixtures.ts";
import { ManualClock, settled } from "../network/manual-clock.ts";
import { machineConfig, place, shardConfig } from "./world.ts";

const stateId = topicId("S");
const count = 2;
const [a = "", b = ""] = Array.from(
  { length: count },
  (_, number) => Array.from({ length: 100 }, (_each, index) => `id-${index}`).find((id) => partitionOfKey(id, count) === number) ?? "",
);

interface Delivery {
  readonly to: number;
  readonly markers: readonly Markers[];
  /** One error for all partitions of the request; or in order. */
  answer(...errors: KafkaErrorCode[]): Promise<void>;
  fail(): Promise<void>;
}

/** A coordinator on the real partitions of broker 1, whose logs are in memory; other brokers are answered for by the test. */
async function setUp() {
  const clock = new ManualClock();
  const session = { provedUntilMs: Number.POSITIVE_INFINITY };
  const table = new PartitionTable({
    codecs: codecsAside,
    config: testPartitionConfig,
    clock,
    random: seededRandom(1),
    logger: silentLogger,
    logs: new MemoryLogStore(),
    cluster: {
      brokerEpoch: (id) => 100 + id,
      hasReplica: () => true,
      isSuspected: () => false,
      doubtLeaderships: () => {},
      isSilent: () => false,
      stopsAsWeDo: () => false,
      registration: (id) => 100 + id,
      peerAddress: () => null,
      ownEpoch: 101,
      get sessionProvedUntilMs() {
        return session.provedUntilMs;
      },
    },
    isrStore: { writeIsr: () => new Promise(() => undefined) },
    health: { report: () => {} },
  });
  const parts = Array.from({ length: count }, (_, index) => partition(index));
  const stateTopic = topic("__transaction_state", stateId, parts);
  const led = (leaders: readonly number[]) =>
    image([
      stateTopic,
      topic(
        "t",
        topicId("t"),
        leaders.map((leader, index) => partition(index, { leader })),
      ),
    ]);
  const images = new Images(led([1, 1, 2, 2]));
  const deliveries: Delivery[] = [];
  const deliver: Deliver = (to, markers) =>
    new Promise((resolve, reject) => {
      const fail = async () => {
        reject(new Error("no such broker"));
        await settled();
      };
      const answer = async (...errors: KafkaErrorCode[]) => {
        let at = 0;
        resolve(markers.map(({ partitions }) => partitions.map(() => errors[Math.min(at++, errors.length - 1)] ?? "NONE")));
        await clock.advance(1);
      };
      deliveries.push({ to, markers, answer, fail });
    });
  const ids = { next: 50, error: null as null | "COORDINATOR_NOT_AVAILABLE" };
  const coordinator = new TransactionCoordinator({
    partitions: { ...statePartitions(table), onLeadershipChanged: (listener) => table.onLeadershipChanged(listener) },
    cluster: {
      images,
      producerIds: { next: async () => (ids.error === null ? { error: null, producerId: ids.next++ } : { error: ids.error }) },
      deliver,
      transactionVersion: () => 2,
    },
    clock,
    log: silentLogger,
    config: { machine: machineConfig, shard: shardConfig, timeoutMaxMs: 900_000, memoryBytesMax: 10_000_000 },
  });
  const assign = async (number: number, leader: number, leaderEpoch: number) => {
    const state = partition(number, { leader, leaderEpoch, isr: [leader], replicas: [1, 2] });
    await table.assign([{ topic: "__transaction_state", topicId: stateId, state, settings: { ...testSettings, minInsyncReplicas: 1 } }]);
    for (let i = 0; i < 5; i++) await clock.advance(0);
  };
  const init = (id: string) =>
    coordinator.runWithId(id, (machine, freshId, now) => machine.initProducer(id, { timeoutMs: 60_000, expected: null, freshId }, now));
  const begin = async (id: string, partitions: readonly number[]): Promise<Producer> => {
    const given = await init(id);
    if (given.error !== null) throw new Error(given.error);
    const { producerId, producerEpoch } = given;
    const places = partitions.map((number) => place(number));
    const joined = await coordinator.verify({ transactionalId: id, producerId, producerEpoch, partitions: places, adds: true });
    expect([...joined.values()]).toEqual(partitions.map(() => "NONE"));
    return { producerId, producerEpoch };
  };
  const commit = async (id: string, producer: Producer) => {
    const order = { producer, kind: "commit", raisesEpoch: true } as const;
    const ended = await coordinator.runWithId(id, (machine, freshId, now) => machine.end(id, { ...order, freshId }, now));
    await settled();
    return ended;
  };
  const stateOf = async (id: string) => {
    const { transactions } = await coordinator.list();
    return transactions.find(({ transactionalId }) => transactionalId === id)?.state ?? null;
  };
  return { clock, session, images, led, coordinator, assign, deliveries, ids, init, begin, commit, stateOf };
}

describe("the transaction coordinator", () => {
  test("serves the ids of the partitions that it leads, with producer ids fetched only when they are needed", async () => {
    const { assign, init, coordinator, ids } = await setUp();
    await assign(0, 1, 3);
    expect(await init(a)).toEqual({ error: null, producerId: 50, producerEpoch: 0 });
    expect(await init(a)).toEqual({ error: null, producerId: 50, producerEpoch: 1 });
    expect(ids.next).toBe(51);
    expect(await init(b)).toEqual({ error: "NOT_COORDINATOR" });
    expect(await init("")).toEqual({ error: "INVALID_REQUEST" });
    expect(coordinator.servingCount).toBe(1);
    await assign(1, 1, 3);
    ids.error = "COORDINATOR_NOT_AVAILABLE";
    expect(await init(b)).toEqual({ error: "COORDINATOR_NOT_AVAILABLE" });
  });

  test("answers for each partition whether it may be written to", async () => {
    const { assign, begin, coordinator } = await setUp();
    await assign(0, 1, 3);
    const producer = await begin(a, [0]);
    const asked = { transactionalId: a, ...producer, partitions: [place(0), place(1)], adds: false };
    expect([...(await coordinator.verify(asked))]).toEqual([
      ["t-0", "NONE"],
      ["t-1", "TRANSACTION_ABORTABLE"],
    ]);
    const fenced = await coordinator.verify({ ...asked, producerEpoch: 9, adds: true });
    expect([...fenced.values()]).toEqual(["PRODUCER_FENCED", "PRODUCER_FENCED"]);
    const elsewhere = await coordinator.verify({ ...asked, transactionalId: b });
    expect([...elsewhere.values()]).toEqual(["NOT_COORDINATOR", "NOT_COORDINATOR"]);
  });

  test("a batch of version 1 that comes while its transaction is being ended does not wait for the next one", async () => {
    const { assign, begin, coordinator, deliveries } = await setUp();
    await assign(0, 1, 3);
    const producer = await begin(a, [0, 2]);
    const order = { producer, kind: "abort", raisesEpoch: false, freshId: null } as const;
    expect((await coordinator.run(a, (machine, now) => machine.end(a, order, now))).error).toBeNull();
    await settled();
    await deliveries[0]!.answer("NONE");
    // its partition has the marker, so that no marker ends a guard that is taken now
    const late = coordinator.verify({ transactionalId: a, ...producer, partitions: [place(0)], adds: false });
    await settled();
    // the next one, of the same epoch
    const next = coordinator.run(a, (machine, now) => machine.addPartitions(a, producer, [place(0)], 1, now));
    await deliveries[1]!.answer("NONE");
    expect(await next).toMatchObject({ error: null, value: "NONE" });
    expect([...(await late).values()]).toEqual(["CONCURRENT_TRANSACTIONS"]);
  });

  test("sends the markers of a broker together, and completes the transaction with the last", async () => {
    const { assign, begin, commit, deliveries, stateOf, coordinator } = await setUp();
    await assign(0, 1, 3);
    const producer = await begin(a, [0, 1, 2]);
    expect(await commit(a, producer)).toEqual({ error: null, producerId: 50, producerEpoch: 1 });
    expect(deliveries.map(({ to }) => to)).toEqual([1, 2]);
    expect(deliveries[0]!.markers).toMatchObject([
      { producerId: 50, producerEpoch: 1, coordinatorEpoch: 3, transactionVersion: 2, kind: "commit", partitions: [place(0), place(1)] },
    ]);
    await deliveries[0]!.answer("NONE");
    expect(await stateOf(a)).toBe("PrepareCommit");
    expect(coordinator.endingCount).toBe(1);
    await deliveries[1]!.answer("NONE");
    expect(await stateOf(a)).toBe("CompleteCommit");
    expect(coordinator.endingCount).toBe(0);
  });

  test("tries again without end, with the leader that there is then, and only what has no marker", async () => {
    const { assign, begin, commit, deliveries, stateOf, clock, images, led } = await setUp();
    await assign(0, 1, 3);
    const producer = await begin(a, [0, 1, 2]);
    await commit(a, producer);
    await deliveries[0]!.answer("NONE", "NOT_ENOUGH_REPLICAS");
    await deliveries[1]!.fail();
    images.replace(led([1, 2, -1, 2]));
    await settled();
    expect(deliveries.slice(2).map(({ to, markers }) => [to, markers[0]!.partitions])).toEqual([[2, [place(1)]]]);
    await deliveries[2]!.answer("NONE");
    await clock.advance(600_000);
    expect(deliveries).toHaveLength(3);
    images.replace(led([1, 2, 1, 2]));
    await settled();
    await deliveries[3]!.answer("NONE");
    expect(deliveries[3]!.to).toBe(1);
    expect(await stateOf(a)).toBe("CompleteCommit");
  });

  test("what comes while requests are under way goes out together after them", async () => {
    const { assign, begin, commit, deliveries } = await setUp();
    await assign(0, 1, 3);
    await assign(1, 1, 3);
    const ids = Array.from({ length: 30 }, (_, index) => `many-${index}`);
    for (const id of ids) await commit(id, await begin(id, [0]));
    expect(deliveries.map(({ markers }) => markers.length)).toEqual([1, 1]);
    await deliveries[0]!.answer("NONE");
    expect(deliveries.map(({ markers }) => markers.length)).toEqual([1, 1, 28]);
  });

  test("a transaction of very many partitions goes out in several requests", async () => {
    const { assign, begin, commit, deliveries, stateOf, images, led } = await setUp();
    await assign(0, 1, 3);
    images.replace(led(Array.from({ length: 5_000 }, () => 1)));
    await commit(
      a,
      await begin(
        a,
        Array.from({ length: 5_000 }, (_, number) => number),
      ),
    );
    const counts = () => deliveries.map(({ markers }) => markers.map(({ partitions }) => partitions.length));
    expect(counts()).toEqual([[2_000], [2_000]]);
    await deliveries[0]!.answer("NONE");
    expect(counts()).toEqual([[2_000], [2_000], [1_000]]);
    await deliveries[1]!.answer("NONE");
    expect(await stateOf(a)).toBe("PrepareCommit");
    await deliveries[2]!.answer("NONE");
    expect(await stateOf(a)).toBe("CompleteCommit");
  });

  test("a partition with a later epoch of the producer has no need of the marker; a later coordinator's ends the sending", async () => {
    const { assign, begin, commit, deliveries, stateOf, clock, coordinator } = await setUp();
    await assign(0, 1, 3);
    await commit(a, await begin(a, [0]));
    await deliveries[0]!.answer("INVALID_PRODUCER_EPOCH");
    expect(await stateOf(a)).toBe("CompleteCommit");
    await assign(1, 1, 3);
    await commit(b, await begin(b, [0]));
    await deliveries[1]!.answer("TRANSACTION_COORDINATOR_FENCED");
    await clock.advance(60_000);
    expect(deliveries).toHaveLength(2);
    expect(coordinator.endingCount).toBe(0);
    expect(await stateOf(b)).toBe("PrepareCommit");
  });

  test("an order has one number however often it is delivered, and the next one a higher", async () => {
    const { assign, begin, commit, deliveries, clock } = await setUp();
    await assign(0, 1, 3);
    await commit(a, await begin(a, [0]));
    await deliveries[0]!.answer("REQUEST_TIMED_OUT");
    await clock.advance(1_000);
    await deliveries[1]!.answer("NONE");
    await commit(a, await begin(a, [0]));
    const numbers = deliveries.map(({ markers }) => markers[0]!.order);
    expect(numbers).toHaveLength(3);
    expect(numbers[1]).toBe(numbers[0]);
    expect(numbers[2]).toBeGreaterThan(numbers[0]!);
  });

  test("partitions of a topic whose deletion is on record need no marker; those of one that is unknown wait", async () => {
    const { assign, begin, commit, deliveries, stateOf, clock, images } = await setUp();
    await assign(0, 1, 3);
    const producer = await begin(a, [0, 2]);
    const known = images.current;
    const without = new Map([...known.topics].filter(([name]) => name !== "t"));
    images.replace({ ...known, topics: without });
    await commit(a, producer);
    await clock.advance(60_000);
    expect(await stateOf(a)).toBe("PrepareCommit");
    images.replace({ ...known, topics: without, deletedTopics: new Map([[topicId("t"), "t"]]) });
    await clock.advance(10);
    expect(deliveries).toEqual([]);
    expect(await stateOf(a)).toBe("CompleteCommit");
  });

  test("partitions that are unknown for long, their deletion forgotten, hold up no transaction; nor are they looked for all the time", async () => {
    const { assign, begin, commit, stateOf, clock, images } = await setUp();
    await assign(0, 1, 3);
    const producer = await begin(a, [0, 2]);
    const known = images.current;
    let looks = 0;
    const topics = new Map([...known.topics].filter(([name]) => name !== "t"));
    const get = topics.get.bind(topics);
    topics.get = (name) => {
      if (name === "t") looks++;
      return get(name);
    };
    images.replace({ ...known, topics });
    await commit(a, producer);
    looks = 0;
    for (let seconds = 0; seconds < 590; seconds++) await clock.advance(1_000);
    expect(await stateOf(a)).toBe("PrepareCommit");
    expect(looks).toBeLessThan(2 * 320);
    for (let seconds = 0; seconds < 20; seconds++) await clock.advance(1_000);
    expect(await stateOf(a)).toBe("CompleteCommit");
  });

  test("the end of the leadership ends the sending, and the next one sends again what is not complete", async () => {
    const { assign, begin, commit, deliveries, clock, coordinator, stateOf } = await setUp();
    await assign(0, 1, 3);
    await commit(a, await begin(a, [0]));
    await assign(0, 2, 4);
    await deliveries[0]!.answer("REQUEST_TIMED_OUT");
    await clock.advance(60_000);
    expect(deliveries).toHaveLength(1);
    expect(coordinator.endingCount).toBe(0);
    await assign(0, 1, 5);
    expect(deliveries[1]!.markers).toMatchObject([{ coordinatorEpoch: 5, producerEpoch: 1, kind: "commit" }]);
    await deliveries[1]!.answer("NONE");
    expect(await stateOf(a)).toBe("CompleteCommit");
  });

  test("what the partitions said is not lost while this broker cannot tell whether it coordinates", async () => {
    const { assign, begin, commit, deliveries, clock, session, stateOf } = await setUp();
    await assign(0, 1, 3);
    await commit(a, await begin(a, [0]));
    session.provedUntilMs = Number.NEGATIVE_INFINITY;
    await deliveries[0]!.answer("NONE");
    session.provedUntilMs = Number.POSITIVE_INFINITY;
    await clock.advance(5_000);
    await deliveries[1]!.answer("NONE");
    expect(await stateOf(a)).toBe("CompleteCommit");
  });
});
