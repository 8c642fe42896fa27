import { describe, expect, test } from "vitest";
import { type ClientMetrics, metricDescriptions } from "../../../client/base/client-metrics.ts";
import { Admin, Producer, type ProducerOptions } from "../../../client/index.ts";
import { consumerFor, fill, take } from "./consumer-fixture.ts";
import { FakeCluster } from "./fake-cluster.ts";

type Bytes = Uint8Array | string;
const producerFor = ({ bootstrap, runtime }: FakeCluster, options: Partial<ProducerOptions<Bytes, Bytes>> = {}) =>
  new Producer({ bootstrap, runtime, ...options });

describe("a producer counts", () => {
  test("records, batches and bytes that it sends, sends again, and has acknowledged", async () => {
    const cluster = new FakeCluster();
    const [partition] = cluster.topic("t", [1]);
    const producer = producerFor(cluster, { compression: "gzip" });
    await cluster.clock.until(producer.partitionsOf("t"));
    await cluster.clock.until(producer.sendMany(Array.from({ length: 100 }, () => ({ topic: "t", value: "x".repeat(100) }))));
    const batchBytes = partition?.batches.reduce((sum, batch) => sum + batch.length, 0) as number;
    expect(producer.metrics()).toMatchObject({
      recordsSent: 100,
      recordsRetried: 0,
      recordsAcknowledged: 100,
      recordsFailed: 0,
      batchesSent: 1,
      produceRequests: 1,
      bytesSent: batchBytes,
      bytesAcknowledged: batchBytes,
      recordsInBuffer: 0,
      bufferBytes: 0,
      retries: 0,
    });
    expect(producer.metrics().uncompressedBytesSent).toBeGreaterThan(10_000);
    let refusals = 2;
    cluster.intercept = ({ api, request }) =>
      api === "Produce" && refusals-- > 0 ? cluster.produce(request, 1, () => "NOT_ENOUGH_REPLICAS") : undefined;
    await cluster.clock.until(producer.send({ topic: "t", value: "y" }));
    expect(producer.metrics()).toMatchObject({ recordsSent: 103, recordsRetried: 2, recordsAcknowledged: 101, batchesSent: 4, retries: 2 });
    await cluster.clock.until(producer.close());
  });

  test("records that fail, in flight or waiting, and what it holds meanwhile", async () => {
    const cluster = new FakeCluster();
    cluster.topic("t", [1]);
    cluster.intercept = ({ api }) => (api === "Produce" ? "ignore" : undefined);
    const producer = producerFor(cluster, { deliveryTimeoutMs: 5_000, maxBlockMs: 1_000, bufferBytesMax: 2_000, requestBytesMax: 1_500 });
    await cluster.clock.until(producer.partitionsOf("t"));
    const sent = Array.from({ length: 2 }, () => producer.send({ topic: "t", value: "x".repeat(1_000) }).catch((error) => error.name));
    await cluster.clock.advance(500);
    expect(producer.metrics()).toMatchObject({ recordsInBuffer: 1, sendsWaiting: 1, sendsDelayed: 1, bufferBytesMax: 2_000 });
    expect(producer.metrics().bufferBytes).toBeGreaterThan(1_000);
    expect(producer.metrics().requestsInFlight).toBe(1);
    expect(await cluster.clock.until(Promise.all(sent))).toEqual(["DeliveryTimedOut", "BufferExhausted"]);
    expect(producer.metrics()).toMatchObject({
      recordsFailed: 2,
      recordsInBuffer: 0,
      bufferBytes: 0,
      sendsWaiting: 0,
      recordsAcknowledged: 0,
    });
    await cluster.clock.until(producer.close());
  });

  test("how long sends have waited for room", async () => {
    const cluster = new FakeCluster();
    cluster.topic("t", [1]);
    const producer = producerFor(cluster, { bufferBytesMax: 2_000, requestBytesMax: 1_500 });
    await cluster.clock.until(producer.partitionsOf("t"));
    cluster.intercept = ({ api, request }) =>
      api === "Produce" ? (respond) => cluster.clock.schedule(400, () => respond(cluster.produce(request, 1))) : undefined;
    const sent = Array.from({ length: 2 }, () => producer.send({ topic: "t", value: "x".repeat(1_000) }));
    await cluster.clock.until(Promise.all(sent));
    expect(producer.metrics()).toMatchObject({ sendsDelayed: 1, recordsAcknowledged: 2 });
    expect(producer.metrics().sendDelayTimeMs).toBeGreaterThanOrEqual(400);
    expect(producer.metrics().produceTimeMs).toBeGreaterThanOrEqual(800);
    await cluster.clock.until(producer.close());
  });
});

describe("a consumer counts", () => {
  test("what it fetches and hands out, and how far behind it is", async () => {
    const cluster = new FakeCluster();
    const [first, second] = cluster.topic("t", [1, 1]);
    fill(first, 0, 10);
    fill(second, 0, 4);
    const consumer = consumerFor(cluster);
    await cluster.clock.until(consumer.assign([{ topic: "t", from: "beginning" }]));
    await take(cluster, consumer, 3);
    const bytes = [first, second].reduce((sum, partition) => sum + (partition?.batches ?? []).reduce((s, { length }) => s + length, 0), 0);
    const metrics = consumer.metrics();
    expect(metrics).toMatchObject({ recordsConsumed: 3, recordsFetched: 14, bytesFetched: bytes, partitionsWithoutLag: 0, lag: 11 });
    expect(metrics.lagMax).toBe(Math.max(...consumer.assignment().map(({ lag }) => lag)));
    expect(metrics.fetches).toBeGreaterThan(0);
    expect(metrics.bufferBytes).toBeGreaterThan(0);
    for await (const { records } of consumer.batches()) {
      expect(records.length).toBeGreaterThan(0);
      if (consumer.metrics().lag === 0) break;
    }
    expect(consumer.metrics()).toMatchObject({ recordsConsumed: 14, bufferBytes: 0, lagMax: 0 });
    await consumer.close();
  });

  test("partitions whose position is not found yet apart: they have no lag", async () => {
    const cluster = new FakeCluster();
    fill(cluster.topic("t", [1, 1])[0], 0, 4);
    cluster.intercept = ({ api }) => (api === "ListOffsets" ? "ignore" : undefined);
    const consumer = consumerFor(cluster);
    const assignments = [{ partition: 0, from: { offset: 1 } }, { partition: 1 }].map((each) => ({ topic: "t", ...each }));
    await cluster.clock.until(consumer.assign(assignments));
    await cluster.clock.advance(100);
    expect(consumer.metrics()).toMatchObject({ partitionsAssigned: 2, partitionsWithoutLag: 1, lag: 3, lagMax: 3 });
    await consumer.close();
  });
});

test("every client counts requests, bytes and what gets no answer", async () => {
  const cluster = new FakeCluster([1]);
  const admin = new Admin({ ...cluster.options });
  await cluster.clock.until(admin.listTopics());
  const { requestsSent, requestsAnswered, requestsFailed, networkBytesSent, networkBytesReceived } = admin.metrics();
  expect({ requestsSent, requestsAnswered, requestsFailed }).toEqual({ requestsSent: 2, requestsAnswered: 2, requestsFailed: 0 });
  expect(networkBytesSent).toBeGreaterThan(20);
  expect(networkBytesReceived).toBeGreaterThan(20);
  let isClosed = false;
  cluster.intercept = ({ api }) => {
    if (api !== "Metadata" || isClosed) return undefined;
    isClosed = true;
    return "close";
  };
  await cluster.clock.until(admin.listTopics());
  expect(admin.metrics()).toMatchObject({ requestsFailed: 1, connectionsLost: 1, connectionsOpened: 2, connections: 1 });
  await admin.close();
});

test("each number has a name and a unit for exporters, and there is none without a number", () => {
  const { bootstrap, runtime } = new FakeCluster();
  const clients: Readonly<Record<keyof typeof metricDescriptions, { metrics(): ClientMetrics }>> = {
    producer: new Producer({ bootstrap, runtime }),
    consumer: consumerFor(new FakeCluster()),
    admin: new Admin({ bootstrap, runtime }),
  };
  for (const [kind, client] of Object.entries(clients)) {
    const described = metricDescriptions[kind as keyof typeof metricDescriptions];
    const metrics = client.metrics();
    expect(Object.keys(metrics).toSorted(), kind).toEqual(Object.keys(described).toSorted());
    for (const [key, value] of Object.entries(metrics)) expect(value, key).toBeTypeOf("number");
    const names = Object.values(described).map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(name).toMatch(/^(messaging\.client|ottla\.client)(\.[a-z_]+)+$/);
    for (const [key, { unit }] of Object.entries(described)) if (key.endsWith("Ms")) expect(unit).toBe("ms");
  }
});
