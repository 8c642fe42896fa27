import { describe, expect, test } from "vitest";
import { DeliveryTimedOut, InvalidArgument, UnsupportedApi } from "../../../client/base/errors.ts";
import { Producer } from "../../../client/producer/producer.ts";
import type { ProducerOptions } from "../../../client/producer/producer-options.ts";
import { stringSerde } from "../../../client/serialization/serde.ts";
import { randomInt, seededRandom } from "../../../protocol/base/random.ts";
import type { KafkaErrorCode } from "../../../protocol/errors/kafka-errors.ts";
import type { ProduceRequest } from "../../../protocol/messages/produce.ts";
import { readBatchInfo } from "../../../protocol/records/batch-header.ts";
import { FakeCluster, type Interception } from "./fake-cluster.ts";
import type { FakePartition } from "./fake-partition.ts";

function producerFor(cluster: FakeCluster, options: Partial<ProducerOptions<string, string>> = {}): Producer<string, string> {
  const { runtime, bootstrap } = cluster;
  // a batch holds one record, so that five requests of a partition are quickly under way
  const base = { bootstrap, runtime, keySerde: stringSerde, valueSerde: stringSerde, batchBytesMax: 100 };
  return new Producer<string, string>({ ...base, ...options });
}

const textOf = (i: number) => `${i}:`.padEnd(60, "x");
const values = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => textOf(from + i));

/** One partition led by broker 1; the first record is acknowledged, so that from here on five may be under way. */
async function warm(options: Partial<ProducerOptions<string, string>> = {}) {
  const cluster = new FakeCluster();
  const [partition] = cluster.topic("t", [1]) as [FakePartition];
  const producer = producerFor(cluster, options);
  const send = (i: number) => producer.send({ topic: "t", value: textOf(i) });
  await cluster.clock.until(send(0));
  return { cluster, partition, producer, send };
}

/** Of the n-th Produce from now on (0 is the next). */
function onProduce(cluster: FakeCluster, act: (n: number, request: ProduceRequest, broker: number) => Interception): void {
  let n = 0;
  cluster.intercept = ({ api, request, broker }) => (api === "Produce" ? act(n++, request, broker) : undefined);
}

const refusal = (cluster: FakeCluster, request: ProduceRequest, broker: number, code: KafkaErrorCode) =>
  cluster.produce(request, broker, () => code);

const infos = ({ batches }: FakePartition) =>
  batches.map((batch) => {
    const info = readBatchInfo(batch, 0);
    if (info === null) throw new Error("no batch");
    return info;
  });

const numbersOf = (partition: FakePartition) =>
  infos(partition).map(({ producerId, producerEpoch, baseSequence }) => [producerId, producerEpoch, baseSequence]);

describe("an idempotent producer", () => {
  test("numbers its batches per partition, and has five of them under way once the first is acknowledged", async () => {
    const { cluster, partition, send } = await warm();
    let underWay = 0;
    const held: (() => void)[] = [];
    onProduce(cluster, (_n, request, broker) => {
      underWay++;
      return (respond) => held.push(() => respond(cluster.produce(request, broker)));
    });
    const sends = Promise.all(values(1, 9).map((_, i) => send(i + 1)));
    await cluster.clock.settle();
    // the eighth is still taking records, and the window is five
    expect(underWay).toBe(5);
    for (let i = 0; i < 8; i++) {
      held.shift()?.();
      await cluster.clock.settle();
    }
    await cluster.clock.until(sends);
    expect(partition.values()).toEqual(values(0, 9));
    expect(numbersOf(partition)).toEqual(values(0, 9).map((_, i) => [4000, 0, i]));
  });

  test("an answer that was lost: the batches are sent again and are there once, with their first offsets", async () => {
    const { cluster, partition, send } = await warm();
    onProduce(cluster, (n, request, broker) => {
      if (n >= 5) return undefined;
      cluster.produce(request, broker);
      return n === 4 ? "close" : "ignore";
    });
    const sent = await cluster.clock.until(Promise.all(values(1, 8).map((_, i) => send(i + 1))));
    expect(sent.map(({ offset }) => offset)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(sent[0]?.attempts).toBe(2);
    expect(partition.values()).toEqual(values(0, 8));
  });

  test("the leader moves with five under way, some written and some not", async () => {
    const { cluster, partition, send } = await warm();
    onProduce(cluster, (n, request, broker) => {
      if (n >= 5) return undefined;
      if (n < 2) cluster.produce(request, broker);
      return "ignore";
    });
    const sends = Promise.all(values(1, 12).map((_, i) => send(i + 1)));
    await cluster.clock.advance(200);
    await cluster.kill(1);
    cluster.moveLeader("t", 0, 2);
    await cluster.clock.until(sends);
    expect(partition.values()).toEqual(values(0, 12));
    expect(new Set(numbersOf(partition).map(([, epoch]) => epoch))).toEqual(new Set([0]));
  });

  test("the first of five fails for now and the others come back out of order: nobody overtakes anybody", async () => {
    const { cluster, partition, send } = await warm();
    onProduce(cluster, (n, request, broker) => (n === 0 ? refusal(cluster, request, broker, "NOT_ENOUGH_REPLICAS") : undefined));
    await cluster.clock.until(Promise.all(values(1, 12).map((_, i) => send(i + 1))));
    expect(partition.values()).toEqual(values(0, 12));
    expect(numbersOf(partition)).toEqual(values(0, 12).map((_, i) => [4000, 0, i]));
  });

  test("the first of five fails for good: those behind are renumbered under the next epoch", async () => {
    const { cluster, partition, send } = await warm();
    onProduce(cluster, (n, request, broker) => (n === 0 ? refusal(cluster, request, broker, "INVALID_RECORD") : undefined));
    const outcomes = await cluster.clock.until(Promise.allSettled(values(1, 9).map((_, i) => send(i + 1))));
    expect(outcomes.map(({ status }) => status)).toEqual(["rejected", ...values(2, 9).map(() => "fulfilled")]);
    expect(partition.values()).toEqual([textOf(0), ...values(2, 9)]);
    expect(numbersOf(partition)).toEqual([[4000, 0, 0], ...values(2, 9).map((_, i) => [4000, 1, i])]);
  });

  test("a batch whose time is up under way leaves a gap: what was written is not written twice, what comes later begins a new epoch", async () => {
    for (const isWritten of [true, false]) {
      const { cluster, partition, send } = await warm({ deliveryTimeoutMs: 3_000, requestTimeoutMs: 2_000 });
      onProduce(cluster, (n, request, broker) => {
        if (n > 1) return n < 12 ? refusal(cluster, request, broker, "NOT_ENOUGH_REPLICAS") : undefined;
        if (isWritten && n === 0) cluster.produce(request, broker);
        return "ignore";
      });
      const first = send(1).catch((error: unknown) => error);
      await cluster.clock.advance(1_500);
      const others = Promise.allSettled([send(2), send(3)]);
      expect(await cluster.clock.until(first)).toBeInstanceOf(DeliveryTimedOut);
      cluster.intercept = () => undefined;
      await cluster.clock.until(others);
      await cluster.clock.until(send(4));
      const written = partition.values();
      expect(new Set(written).size).toBe(written.length);
      expect(written).toEqual([...written].sort());
      for (const [i, { status }] of (await others).entries()) if (status === "fulfilled") expect(written).toContain(textOf(i + 2));
      expect(written.at(-1)).toBe(textOf(4));
      expect(numbersOf(partition).at(-1)?.[1]).toBe(1);
    }
  });

  test("out of order, and it may be there already: the send rejects rather than being written twice", async () => {
    const { cluster, partition, send } = await warm();
    onProduce(cluster, (n, request, broker) => {
      if (n > 0) return refusal(cluster, request, broker, "OUT_OF_ORDER_SEQUENCE_NUMBER");
      cluster.produce(request, broker);
      return "close";
    });
    const error = await cluster.clock.until(send(1).catch((e: unknown) => e));
    expect(error).toMatchObject({ code: "OUT_OF_ORDER_SEQUENCE_NUMBER" });
    cluster.intercept = () => undefined;
    await cluster.clock.until(send(2));
    expect(partition.values()).toEqual(values(0, 3));
    expect(numbersOf(partition).at(-1)).toEqual([4000, 1, 0]);
  });

  test("behind a gap, those whose requests were answered are renumbered; those that may be there reject", async () => {
    const { cluster, partition, send } = await warm({ requestTimeoutMs: 1_000 });
    onProduce(cluster, (n, request, broker) =>
      n === 0 ? refusal(cluster, request, broker, "INVALID_RECORD") : n > 1 && n < 5 ? "ignore" : undefined,
    );
    const outcomes = await cluster.clock.until(Promise.allSettled(values(1, 9).map((_, i) => send(i + 1))));
    const lost = ["rejected", "fulfilled", "rejected", "rejected", "rejected", "fulfilled", "fulfilled", "fulfilled"];
    expect(outcomes.map(({ status }) => status)).toEqual(lost);
    expect(partition.values()).toEqual([textOf(0), textOf(2), ...values(6, 9)]);
  });

  test("DUPLICATE_SEQUENCE_NUMBER is a success of which nobody knows the offset", async () => {
    const { cluster, send } = await warm();
    onProduce(cluster, (_n, request, broker) => refusal(cluster, request, broker, "DUPLICATE_SEQUENCE_NUMBER"));
    expect(await cluster.clock.until(send(1))).toMatchObject({ offset: -1 });
  });

  test("a producer that is fenced goes on with another id", async () => {
    const { cluster, partition, send } = await warm();
    onProduce(cluster, (n, request, broker) => (n === 0 ? refusal(cluster, request, broker, "INVALID_PRODUCER_EPOCH") : undefined));
    await expect(cluster.clock.until(send(1))).rejects.toMatchObject({ code: "INVALID_PRODUCER_EPOCH" });
    await cluster.clock.until(send(2));
    expect(numbersOf(partition)).toEqual([
      [4000, 0, 0],
      [4001, 0, 0],
    ]);
  });

  test("a batch that is split keeps its numbers, and those behind it theirs", async () => {
    const { cluster, partition, producer } = await warm({ batchBytesMax: 400 });
    let refusals = 0;
    cluster.intercept = ({ api, request, broker }) =>
      api === "Produce"
        ? cluster.produce(request, broker, (_t, _p, records) => (records.length > 250 && ++refusals > 0 ? "MESSAGE_TOO_LARGE" : null))
        : undefined;
    await cluster.clock.until(producer.sendMany(values(1, 30).map((value) => ({ topic: "t", value }))));
    expect(refusals).toBeGreaterThan(1);
    expect(partition.values()).toEqual(values(0, 30));
    expect(numbersOf(partition).every(([, epoch]) => epoch === 0)).toBe(true);
  });
});

describe("its id", () => {
  test("is asked for again until a broker has one; what waits too long says why", async () => {
    const cluster = new FakeCluster();
    const [partition] = cluster.topic("t", [1]);
    let asked = 0;
    const refused = { ...cluster.newProducer(), errorCode: "COORDINATOR_NOT_AVAILABLE", producerId: -1, producerEpoch: -1 };
    cluster.intercept = ({ api }) => (api === "InitProducerId" && ++asked < 20 ? refused : undefined);
    const hasty = producerFor(cluster, { deliveryTimeoutMs: 300 });
    const error = await cluster.clock.until(hasty.send({ topic: "t", value: "x" }).catch((e: unknown) => e));
    expect(error).toBeInstanceOf(DeliveryTimedOut);
    expect((error as Error).message).toContain("COORDINATOR_NOT_AVAILABLE");
    const patient = producerFor(cluster);
    expect(await cluster.clock.until(patient.send({ topic: "t", value: "y" }))).toMatchObject({ offset: 0, attempts: 1 });
    expect(partition?.values()).toEqual(["y"]);
  });

  test("cannot be had from old brokers: the error says what to do, and without idempotence it works", async () => {
    const cluster = new FakeCluster();
    const [partition] = cluster.topic("t", [1]);
    cluster.versionMax.InitProducerId = -1;
    const error = await cluster.clock.until(
      producerFor(cluster)
        .send({ topic: "t", value: "x" })
        .catch((e: unknown) => e),
    );
    expect(error).toBeInstanceOf(UnsupportedApi);
    expect((error as Error).message).toContain("enableIdempotence");
    await cluster.clock.until(producerFor(cluster, { enableIdempotence: false }).send({ topic: "t", value: "y" }));
    await cluster.clock.until(producerFor(cluster, { acks: 1 }).send({ topic: "t", value: "z" }));
    expect(partition?.values()).toEqual(["y", "z"]);
    expect(infos(partition as FakePartition).map(({ producerId }) => producerId)).toEqual([-1, -1]);
  });

  test("is not to be had with acks 0 or 1", () => {
    for (const acks of [0, 1] as const)
      expect(() => producerFor(new FakeCluster(), { acks, enableIdempotence: true })).toThrow(InvalidArgument);
  });
});

/** What a broker, or the way to it, may do to a request: written or not, and what is heard of it. */
function mishap(cluster: FakeCluster, roll: number, request: ProduceRequest, broker: number): Interception {
  const codes: KafkaErrorCode[] = [
    "NOT_ENOUGH_REPLICAS",
    "NOT_LEADER_OR_FOLLOWER",
    "REQUEST_TIMED_OUT",
    "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
  ];
  const code = codes[roll];
  if (code !== undefined) {
    if (roll >= 2) cluster.produce(request, broker);
    return refusal(cluster, request, broker, code);
  }
  if (roll === 4 || roll === 5) cluster.produce(request, broker);
  if (roll === 4 || roll === 6) return "close";
  return roll === 5 || roll === 7 ? "ignore" : undefined;
}

const firstSeed = Number(process.env.OTTLA_TEST_SEED ?? 1);

describe("whatever happens to its requests", () => {
  test.each(Array.from({ length: 60 }, (_, i) => firstSeed + i))(
    "records are written once and in order (OTTLA_TEST_SEED=%i)",
    async (seed) => {
      const random = seededRandom(seed);
      const cluster = new FakeCluster();
      const partitions = cluster.topic("t", [1, 2]);
      const hurtfulUntil = 20 + randomInt(random, 60);
      const share = 0.15 + random.next() * 0.4;
      onProduce(cluster, (n, request, broker) => {
        if (n > hurtfulUntil || random.next() > share) return undefined;
        if (random.next() < 0.3) cluster.moveLeader("t", randomInt(random, 2), 1 + randomInt(random, 2));
        return mishap(cluster, randomInt(random, 8), request, broker);
      });
      const producer = producerFor(cluster, {
        deliveryTimeoutMs: 3_000 + randomInt(random, 20_000),
        requestTimeoutMs: 1_000,
        batchBytesMax: 200,
      });
      const outcomes: { readonly value: string; readonly partition: number; readonly outcome: Promise<string> }[] = [];
      for (let i = 0; i < 120; i++) {
        const partition = randomInt(random, 2);
        const value = textOf(i).slice(0, 10 + randomInt(random, 50));
        const outcome = producer.send({ topic: "t", partition, value }).then(
          () => "acknowledged",
          () => "rejected",
        );
        outcomes.push({ value, partition, outcome });
        if (random.next() < 0.4) await cluster.clock.advance(randomInt(random, 120));
      }
      await cluster.clock.until(producer.close());
      for (const [index, partition] of partitions.entries()) {
        const sent = outcomes.filter((one) => one.partition === index);
        const written = partition.values();
        expect(new Set(written).size, "nothing twice").toBe(written.length);
        const order = new Map(sent.map(({ value }, i) => [value, i]));
        const places = written.map((value) => order.get(value ?? "") ?? -1);
        expect(places, "in the order sent").toEqual([...places].sort((a, b) => a - b));
        for (const { value, outcome } of sent) if ((await outcome) === "acknowledged") expect(written).toContain(value);
      }
    },
  );
});
