import { describe, expect, test } from "vitest";
import {
  BufferExhausted,
  ClientClosed,
  DeliveryTimedOut,
  InvalidArgument,
  KafkaProtocolError,
  RecordTooLarge,
  SerializationFailed,
} from "../../../client/base/errors.ts";
import { Producer } from "../../../client/producer/producer.ts";
import type { ProducerOptions } from "../../../client/producer/producer-options.ts";
import { jsonSerde, stringSerde } from "../../../client/serialization/serde.ts";
import type { ProduceRequest } from "../../../protocol/messages/produce.ts";
import { openBatch } from "../../../protocol/records/decode-batch.ts";
import { FakeCluster } from "./fake-cluster.ts";

function producerFor(cluster: FakeCluster, options: Partial<ProducerOptions<string, string>> = {}): Producer<string, string> {
  const { runtime, bootstrap } = cluster;
  return new Producer<string, string>({ bootstrap, runtime, keySerde: stringSerde, valueSerde: stringSerde, ...options });
}

const numbered = (count: number) => Array.from({ length: count }, (_, i) => `value ${i}`);

describe("sending", () => {
  test("records reach their partitions in order, and each learns its offset", async () => {
    const cluster = new FakeCluster();
    const partitions = cluster.topic("t", [1, 2, 1]);
    const producer = producerFor(cluster);
    const sent = await cluster.clock.until(
      Promise.all(numbered(100).map((value, i) => producer.send({ topic: "t", key: `k${i % 10}`, value }))),
    );
    expect(new Set(sent.map(({ attempts }) => attempts))).toEqual(new Set([1]));
    for (const [index, partition] of partitions.entries()) {
      const own = sent.flatMap((metadata, i) => (metadata.partition === index ? [{ ...metadata, i }] : []));
      expect(partition.values()).toEqual(own.map(({ i }) => `value ${i}`));
      expect(own.map(({ offset }) => offset)).toEqual(own.map((_, n) => n));
    }
    await cluster.clock.until(producer.close());
  });

  test("what is sent together travels together; linger waits for more, flush does not", async () => {
    const cluster = new FakeCluster();
    const [partition] = cluster.topic("t", [1]);
    const producer = producerFor(cluster, { lingerMs: 50 });
    const first = producer.send({ topic: "t", value: "a" });
    await cluster.clock.advance(30);
    const second = producer.send({ topic: "t", value: "b" });
    await cluster.clock.advance(10);
    expect(partition?.batches).toHaveLength(0);
    await cluster.clock.advance(20);
    await Promise.all([first, second]);
    expect(partition?.batches).toHaveLength(1);
    const third = producer.send({ topic: "t", value: "c" });
    const beforeMs = cluster.clock.monotonicMs();
    await cluster.clock.until(producer.flush());
    expect(cluster.clock.monotonicMs()).toBe(beforeMs);
    expect((await third).offset).toBe(2);
  });

  test.each(["gzip", "snappy", "lz4", "zstd"] as const)("batches are compressed with %s", async (compression) => {
    const cluster = new FakeCluster();
    const [partition] = cluster.topic("t", [1]);
    const producer = producerFor(cluster, { compression });
    await cluster.clock.until(producer.sendMany(numbered(50).map((value) => ({ topic: "t", value, headers: { h: ["1", "2"] } }))));
    expect(openBatch(partition?.batches[0] as Buffer).codec).toBe(compression);
    expect(partition?.values()).toEqual(numbered(50));
  });

  test("acks 0 resolves without an offset; acks all is what the broker is asked for by default", async () => {
    const cluster = new FakeCluster();
    const [partition] = cluster.topic("t", [1]);
    const acks: number[] = [];
    cluster.intercept = ({ api, request }) => {
      if (api === "Produce") acks.push((request as ProduceRequest).acks);
      return undefined;
    };
    const carefree = producerFor(cluster, { acks: 0 });
    expect(await cluster.clock.until(carefree.send({ topic: "t", value: "x" }))).toMatchObject({ offset: -1, partition: 0 });
    await cluster.clock.settle();
    expect(partition?.values()).toEqual(["x"]);
    await cluster.clock.until(producerFor(cluster).send({ topic: "t", value: "y" }));
    expect(acks).toEqual([0, -1]);
  });

  test("partitions: the caller's own, a custom partitioner's, and none that does not exist", async () => {
    const cluster = new FakeCluster();
    cluster.topic("t", [1, 2, 1, 2]);
    const producer = producerFor(cluster, { partitioner: ({ value, partitionsCount }) => Number(value) % partitionsCount });
    expect((await cluster.clock.until(producer.send({ topic: "t", value: "7" }))).partition).toBe(3);
    expect((await cluster.clock.until(producer.send({ topic: "t", value: "7", partition: 1 }))).partition).toBe(1);
    await expect(cluster.clock.until(producer.send({ topic: "t", value: "7", partition: 4 }))).rejects.toBeInstanceOf(InvalidArgument);
  });

  test("a value that cannot be serialized fails its own send only", async () => {
    const cluster = new FakeCluster();
    cluster.topic("t", [1]);
    const producer = new Producer<string, unknown>({ ...cluster.options, keySerde: stringSerde, valueSerde: jsonSerde() });
    await expect(producer.send({ topic: "t", value: 1n })).rejects.toBeInstanceOf(SerializationFailed);
    expect((await cluster.clock.until(producer.send({ topic: "t", value: { fine: true } }))).offset).toBe(0);
  });
});

describe("failures", () => {
  test("a moved leader is followed, order is kept, and the records say how often they were sent", async () => {
    const cluster = new FakeCluster();
    const [partition] = cluster.topic("t", [1]);
    const producer = producerFor(cluster, { batchBytesMax: 200 });
    await cluster.clock.until(producer.send({ topic: "t", value: "warm" }));
    await cluster.clock.advance(500);
    cluster.moveLeader("t", 0, 2);
    const sent = await cluster.clock.until(producer.sendMany(numbered(30).map((value) => ({ topic: "t", value }))));
    expect(partition?.values()).toEqual(["warm", ...numbered(30)]);
    expect(sent[0]?.attempts).toBe(2);
    expect(sent.at(-1)?.attempts).toBe(1);
  });

  test("a broker that dies with the request is replaced by the new leader", async () => {
    const cluster = new FakeCluster();
    const [partition] = cluster.topic("t", [1]);
    const producer = producerFor(cluster);
    await cluster.clock.until(producer.send({ topic: "t", value: "before" }));
    cluster.intercept = ({ api, broker }) => (api === "Produce" && broker === 1 ? "ignore" : undefined);
    const sent = producer.send({ topic: "t", value: "after" });
    await cluster.clock.advance(100);
    await cluster.kill(1);
    cluster.moveLeader("t", 0, 2);
    const { attempts, offset } = await cluster.clock.until(sent);
    expect({ attempts, offset }).toEqual({ attempts: 2, offset: 1 });
    expect(partition?.values()).toEqual(["before", "after"]);
    expect(cluster.clock.monotonicMs()).toBeLessThan(1_000 + 600);
  });

  test("while a batch is being retried, no later one of its partition overtakes it", async () => {
    const cluster = new FakeCluster();
    const [partition] = cluster.topic("t", [1]);
    let refusals = 0;
    cluster.intercept = ({ api, request, broker }) =>
      api === "Produce" ? cluster.produce(request, broker, () => (refusals++ % 3 === 0 ? "NOT_ENOUGH_REPLICAS" : null)) : undefined;
    const producer = producerFor(cluster, { batchBytesMax: 150 });
    const sends = [];
    for (const value of numbered(40)) {
      sends.push(producer.send({ topic: "t", value }));
      await cluster.clock.advance(7);
    }
    await cluster.clock.until(Promise.all(sends));
    expect(partition?.values()).toEqual(numbered(40));
    expect(refusals).toBeGreaterThan(6);
  });

  test("what cannot be delivered fails at the delivery timeout, with the last reason", async () => {
    const cluster = new FakeCluster();
    cluster.topic("t", [1]);
    cluster.intercept = ({ api, request, broker }) =>
      api === "Produce" ? cluster.produce(request, broker, () => "NOT_ENOUGH_REPLICAS") : undefined;
    const producer = producerFor(cluster, { deliveryTimeoutMs: 5_000 });
    const error = (await cluster.clock.until(producer.send({ topic: "t", value: "x" }).catch((e) => e))) as DeliveryTimedOut;
    expect(error).toBeInstanceOf(DeliveryTimedOut);
    expect(error.attempts).toBeGreaterThan(4);
    expect(error.message).toContain("NOT_ENOUGH_REPLICAS");
    expect(cluster.clock.monotonicMs()).toBeGreaterThanOrEqual(6_000);
    expect(cluster.clock.monotonicMs()).toBeLessThan(7_000);
  });

  test("a partition without leader holds up nobody else", async () => {
    const cluster = new FakeCluster();
    cluster.topic("t", [-1, 1]);
    const producer = producerFor(cluster, { deliveryTimeoutMs: 3_000 });
    const stuck = producer.send({ topic: "t", value: "stuck", partition: 0 });
    const stuckOutcome = stuck.catch((e: unknown) => e);
    expect((await cluster.clock.until(producer.send({ topic: "t", value: "fine", partition: 1 }))).offset).toBe(0);
    cluster.moveLeader("t", 0, 2);
    expect(await cluster.clock.until(stuckOutcome)).toMatchObject({ offset: 0 });
  });

  test("errors that retrying cannot mend come back at once, by their name", async () => {
    const cluster = new FakeCluster();
    cluster.topic("t", [1]);
    cluster.intercept = ({ api, request, broker }) =>
      api === "Produce" ? cluster.produce(request, broker, () => "INVALID_RECORD") : undefined;
    const error = await cluster.clock.until(
      producerFor(cluster)
        .send({ topic: "t", value: "x" })
        .catch((e) => e),
    );
    expect(error).toBeInstanceOf(KafkaProtocolError);
    expect(error).toMatchObject({ code: "INVALID_RECORD", retriable: false });
  });

  test("a batch that the broker finds too large is split until it fits; a single record fails", async () => {
    const cluster = new FakeCluster();
    const [partition] = cluster.topic("t", [1]);
    cluster.intercept = ({ api, request, broker }) =>
      api === "Produce"
        ? cluster.produce(request, broker, (_t, _p, records) => (records.length > 200 ? "MESSAGE_TOO_LARGE" : null))
        : undefined;
    const producer = producerFor(cluster);
    const sent = await cluster.clock.until(producer.sendMany(numbered(64).map((value) => ({ topic: "t", value }))));
    expect(partition?.values()).toEqual(numbered(64));
    expect(sent.map(({ offset }) => offset)).toEqual(numbered(64).map((_, i) => i));
    await expect(cluster.clock.until(producer.send({ topic: "t", value: "x".repeat(300) }))).rejects.toBeInstanceOf(RecordTooLarge);
    await cluster.clock.until(producer.close());
  });

  test("a topic that does not exist fails after maxBlockMs; one that appears meanwhile is waited for, in order", async () => {
    const cluster = new FakeCluster();
    const producer = producerFor(cluster, { maxBlockMs: 2_000 });
    const error = await cluster.clock.until(producer.send({ topic: "nowhere", value: "x" }).catch((e) => e));
    expect(error).toMatchObject({ name: "KafkaProtocolError", code: "UNKNOWN_TOPIC_OR_PARTITION" });
    const sends = numbered(5).map((value) => producer.send({ topic: "late", value }));
    await cluster.clock.advance(700);
    const [partition] = cluster.topic("late", [2]);
    await cluster.clock.until(Promise.all(sends));
    expect(partition?.values()).toEqual(numbered(5));
  });
});

describe("bounds", () => {
  test("a full buffer makes send wait its turn; order is kept and everything arrives", async () => {
    const cluster = new FakeCluster();
    const [partition] = cluster.topic("t", [1]);
    const producer = producerFor(cluster, { bufferBytesMax: 2_000, batchBytesMax: 500, lingerMs: 1_000 });
    await cluster.clock.until(Promise.all(numbered(200).map((value) => producer.send({ topic: "t", value }))));
    expect(partition?.values()).toEqual(numbered(200));
  });

  test("a buffer that stays full fails the send after maxBlockMs", async () => {
    const cluster = new FakeCluster();
    cluster.topic("t", [1]);
    cluster.intercept = ({ api }) => (api === "Produce" ? "ignore" : undefined);
    const producer = producerFor(cluster, { bufferBytesMax: 400, maxBlockMs: 1_500, deliveryTimeoutMs: 100_000 });
    const sends = numbered(4).map((value) => producer.send({ topic: "t", value }).catch((e: unknown) => e));
    expect(await cluster.clock.until(sends[3] as Promise<unknown>)).toBeInstanceOf(BufferExhausted);
    expect(cluster.clock.monotonicMs()).toBe(2_500);
  });

  test("a record beyond the bounds is refused at once", async () => {
    const cluster = new FakeCluster();
    const producer = producerFor(cluster, { requestBytesMax: 1_000 });
    await expect(producer.send({ topic: "t", value: "x".repeat(1_000) })).rejects.toBeInstanceOf(RecordTooLarge);
    const headers = { h: Array.from({ length: 65_537 }, () => null) };
    await expect(producer.send({ topic: "t", value: "x", headers })).rejects.toThrow(/65537 headers/);
  });

  test("a partition has one batch under way, a broker at most maxInFlightPerBroker requests", async () => {
    const cluster = new FakeCluster();
    cluster.topic("t", [1, 1, 1, 1]);
    const underWay: number[][] = [];
    cluster.intercept = ({ api, request }) => {
      if (api !== "Produce") return undefined;
      underWay.push((request as ProduceRequest).topicData.flatMap(({ partitionData }) => partitionData.map(({ index }) => index)));
      return "ignore";
    };
    const producer = producerFor(cluster, { maxInFlightPerBroker: 2, requestBytesMax: 300, batchBytesMax: 300 });
    for (let i = 0; i < 40; i++) void producer.send({ topic: "t", value: "x".repeat(60), partition: i % 4 }).catch(() => undefined);
    await cluster.clock.advance(5_000);
    expect(underWay).toHaveLength(2);
    expect(new Set(underWay.flat()).size).toBe(underWay.flat().length);
  });
});

describe("the end", () => {
  test("close delivers what was sent, and takes no more", async () => {
    const cluster = new FakeCluster();
    const [partition] = cluster.topic("t", [1]);
    const producer = producerFor(cluster, { lingerMs: 10_000 });
    const sends = numbered(20).map((value) => producer.send({ topic: "t", value }));
    await cluster.clock.until(producer.close());
    await Promise.all(sends);
    expect(partition?.values()).toEqual(numbered(20));
    await expect(producer.send({ topic: "t", value: "x" })).rejects.toBeInstanceOf(ClientClosed);
    await cluster.clock.settle();
    expect(cluster.links.get(1)?.size).toBe(0);
  });

  test("an abort ends at once: everything unsettled fails", async () => {
    const cluster = new FakeCluster();
    cluster.topic("t", [1]);
    cluster.intercept = ({ api }) => (api === "Produce" ? "ignore" : undefined);
    const abort = new AbortController();
    const producer = producerFor(cluster, { signal: abort.signal, bufferBytesMax: 1_000 });
    const sends = numbered(30).map((value) => producer.send({ topic: "t", value }));
    const outcomes = Promise.allSettled(sends);
    await cluster.clock.advance(50);
    abort.abort();
    for (const outcome of await cluster.clock.until(outcomes))
      expect(outcome).toMatchObject({ status: "rejected", reason: { name: "ClientClosed" } });
  });

  test("a send's own signal ends its waiting", async () => {
    const cluster = new FakeCluster();
    const producer = producerFor(cluster);
    const abort = new AbortController();
    const send = producer.send({ topic: "nowhere", value: "x" }, { signal: abort.signal }).catch((e: unknown) => e);
    await cluster.clock.advance(300);
    abort.abort(new Error("changed my mind"));
    expect(await cluster.clock.until(send)).toMatchObject({ message: "changed my mind" });
  });
});
