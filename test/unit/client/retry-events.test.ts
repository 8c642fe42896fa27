import { describe, expect, test } from "vitest";
import type { RetryEvent, SettledEvent } from "../../../client/base/client-event-map.ts";
import { ClientEvents, type EventSource } from "../../../client/base/client-events.ts";
import { partitionSubject, Retries } from "../../../client/base/retries.ts";
import { Admin, Consumer, Producer } from "../../../client/index.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import type { MetadataRequest } from "../../../protocol/messages/metadata.ts";
import { FakeCluster } from "./fake-cluster.ts";
import { ManualClock } from "./manual-clock.ts";

function heardFrom(client: EventSource) {
  const retries: RetryEvent[] = [];
  const settled: SettledEvent[] = [];
  client.on("retry", (event) => retries.push(event));
  client.on("settled", (event) => settled.push(event));
  return { retries, settled };
}

describe("a producer tells what it waits for", () => {
  const shortage = "it has 1 of 2 required in-sync replicas: brokers 2, 3 are missing";

  test("too few in-sync replicas, in the broker's words, with the end of the wait; and that it went on", async () => {
    const cluster = new FakeCluster();
    cluster.topic("orders", [1]);
    let isShort = true;
    cluster.intercept = ({ api }) =>
      api === "Produce" && isShort ? produceRefusal("orders", 0, "NOT_ENOUGH_REPLICAS", shortage) : undefined;
    const producer = new Producer({ ...cluster.options, deliveryTimeoutMs: 60_000 });
    const { retries, settled } = heardFrom(producer);
    const sent = producer.send({ topic: "orders", value: "x" });
    await cluster.clock.advance(10_000);
    expect(retries[0]).toMatchObject({
      what: "orders-0",
      topic: "orders",
      partition: 0,
      reason: "orders-0 has 1 of 2 required in-sync replicas: brokers 2, 3 are missing",
      error: { code: "NOT_ENOUGH_REPLICAS" },
      failures: 1,
    });
    const { untilMs } = retries[0] as RetryEvent;
    expect(Math.abs((untilMs ?? 0) - (cluster.clock.nowMs() + 50_000))).toBeLessThan(500);
    expect(retries.length, "once a second at most").toBeLessThanOrEqual(10);
    expect(settled).toEqual([]);
    isShort = false;
    await cluster.clock.until(sent);
    expect(settled).toMatchObject([{ what: "orders-0", outcome: "worked" }]);
    expect((settled[0] as SettledEvent).failures).toBeGreaterThan(retries.length);
    await cluster.clock.until(producer.close());
  });

  test("no leader, with those that could lead; and that it was given up", async () => {
    const cluster = new FakeCluster([1, 2]);
    cluster.topic("orders", [-1]);
    await cluster.kill(2);
    const producer = new Producer({ ...cluster.options, deliveryTimeoutMs: 5_000 });
    const { retries, settled } = heardFrom(producer);
    const failure = await cluster.clock.until(producer.send({ topic: "orders", value: "x" }).catch((error) => error));
    expect(retries[0]).toMatchObject({ what: "orders-0", reason: "orders-0 has no leader: broker 2 is not there" });
    expect(failure.message).toContain("it has no leader: broker 2 is not there");
    expect(settled).toMatchObject([{ what: "orders-0", outcome: "gave-up" }]);
    await cluster.clock.until(producer.close());
  });

  test("a leader that does not answer", async () => {
    const cluster = new FakeCluster();
    cluster.topic("orders", [1]);
    cluster.intercept = ({ api }) => (api === "Produce" ? "ignore" : undefined);
    const producer = new Producer({ ...cluster.options, slowAfterMs: 1_000 });
    const { retries } = heardFrom(producer);
    producer.send({ topic: "orders", value: "x" }).catch(() => undefined);
    await cluster.clock.advance(4_500);
    expect(retries.map(({ reason }) => reason)).toEqual(Array(4).fill("orders-0: broker 1 does not answer"));
    expect(retries[0]?.waitedMs).toBeGreaterThanOrEqual(1_000);
    await cluster.clock.until(producer.close());
  });

  test("a topic that is not known yet, and no broker at all", async () => {
    const cluster = new FakeCluster([1]);
    const producer = new Producer({ ...cluster.options, maxBlockMs: 3_000 });
    const { retries, settled } = heardFrom(producer);
    await cluster.clock.until(producer.send({ topic: "new", value: "x" }).catch(() => undefined));
    expect(retries[0]).toMatchObject({ what: "topic new", topic: "new", partition: null, error: { code: "UNKNOWN_TOPIC_OR_PARTITION" } });
    expect(settled).toMatchObject([{ what: "topic new", outcome: "gave-up" }]);
    await cluster.kill(1);
    await cluster.clock.until(producer.send({ topic: "new", value: "x" }).catch(() => undefined));
    expect(retries.at(-1)?.reason).toMatch(/^topic new: no broker can be reached: /);
    await cluster.clock.until(producer.close());
  });
});

test("a topic that cannot be created for want of brokers is waited for, and told of in the broker's words", async () => {
  const cluster = new FakeCluster([1, 2]);
  let arePlenty = false;
  const detail = "it cannot be created now: a replication factor of 3 needs as many live brokers; there are 2.";
  cluster.intercept = ({ api, request }) => {
    if (api !== "Metadata" || arePlenty) return undefined;
    const answer = cluster.metadata(request as MetadataRequest);
    const topics = answer.topics.map((topic) => ({ ...topic, errorCode: "INVALID_REPLICATION_FACTOR", errorMessage: detail }));
    return { ...answer, topics };
  };
  const producer = new Producer({ ...cluster.options, maxBlockMs: 10_000 });
  const { retries } = heardFrom(producer);
  const failure = await cluster.clock.until(producer.send({ topic: "new", value: "x" }).catch((error) => error));
  expect(failure).toMatchObject({ code: "INVALID_REPLICATION_FACTOR", message: expect.stringContaining(detail) });
  expect(retries[0]?.reason).toBe(`topic new ${detail.slice("it ".length)}`);
  const sent = producer.send({ topic: "new", value: "y" });
  await cluster.clock.advance(5_000);
  arePlenty = true;
  cluster.topic("new", [1]);
  expect(await cluster.clock.until(sent)).toMatchObject({ offset: 0 });
  await cluster.clock.until(producer.close());
});

test("a consumer tells what it waits for, without an end, and that it goes on", async () => {
  const cluster = new FakeCluster();
  const [partition] = cluster.topic("orders", [1]);
  partition?.appendRecords([record("a")]);
  const consumer = new Consumer({ ...cluster.options });
  const { retries, settled } = heardFrom(consumer);
  await cluster.clock.until(consumer.assign([{ topic: "orders", from: "beginning" }]));
  const records = consumer[Symbol.asyncIterator]();
  await cluster.clock.until(records.next());
  cluster.moveLeader("orders", 0, -1);
  const next = records.next();
  partition?.appendRecords([record("b")]);
  await cluster.clock.advance(3_000);
  expect(retries.at(-1)).toMatchObject({ what: "orders-0", reason: expect.stringContaining("orders-0 has no leader"), untilMs: null });
  cluster.moveLeader("orders", 0, 2);
  await cluster.clock.until(next);
  expect(settled.at(-1)).toMatchObject({ what: "orders-0", outcome: "worked" });
  await consumer.close();
});

test("an admin tells what it waits for", async () => {
  const cluster = new FakeCluster([1]);
  const admin = new Admin({ ...cluster.options, operationTimeoutMs: 5_000 });
  const { retries, settled } = heardFrom(admin);
  await cluster.kill(1);
  await cluster.clock.until(admin.listTopics().catch(() => undefined));
  expect(retries[0]).toMatchObject({ what: "the cluster", reason: expect.stringMatching(/^no broker can be reached: /) });
  expect(settled).toMatchObject([{ what: "the cluster", outcome: "gave-up" }]);
  await admin.close();
});

describe("events", () => {
  test("a listener that throws does no harm, one that was taken away hears nothing, and there are so many at most", () => {
    const events = new ClientEvents(silentLogger);
    const heard: string[] = [];
    const settled = { what: "x", topic: null, partition: null, outcome: "worked", failures: 1, waitedMs: 0 } as const;
    events.on("settled", () => {
      throw new Error("theirs");
    });
    const stop = events.on("settled", ({ what }) => heard.push(what));
    events.emit("settled", settled);
    stop();
    events.emit("settled", settled);
    expect(heard).toEqual(["x"]);
    for (let i = 1; i < 100; i++) events.on("settled", () => undefined);
    expect(() => events.on("settled", () => undefined)).toThrow("100 listeners");
    expect(() => events.on("no such" as "retry", () => undefined)).toThrow('no event "no such"');
  });

  test("nothing is kept where nobody listens, and not without end where somebody does", async () => {
    const clock = new ManualClock();
    const events = new ClientEvents(silentLogger);
    const retries = new Retries(clock, events);
    retries.failed(partitionSubject("t", 0), new Error("unheard"));
    const heard = heardFrom(events);
    retries.partitionWorked("t", 0);
    expect(heard.settled).toEqual([]);
    for (let partition = 0; partition < 1_500; partition++) retries.failed(partitionSubject("t", partition), new Error("failed"));
    expect(heard.retries.length).toBe(1_000);
    await clock.advance(61_000);
    retries.failed(partitionSubject("t", 1_200), new Error("failed"));
    expect(heard.settled.length, "what was not tried for a minute is forgotten").toBe(1_000);
    expect(heard.retries.length).toBe(1_001);
    retries.failed(partitionSubject("t", 1_200), new Error("failed"));
    retries.failed(partitionSubject("t", 1_200), new Error("otherwise"));
    expect(heard.retries.slice(1_001).map(({ reason }) => reason)).toEqual(["t-1200: otherwise"]);
    retries.gaveUpAll();
    expect(heard.settled.at(-1)).toMatchObject({ what: "t-1200", outcome: "gave-up", failures: 3 });
  });
});

function produceRefusal(name: string, index: number, errorCode: string, errorMessage: string) {
  const noLeader = { leaderId: -1, leaderEpoch: -1 };
  const refused = { index, errorCode, errorMessage, baseOffset: -1, logAppendTimeMs: -1, logStartOffset: -1, recordErrors: [] };
  return { responses: [{ name, partitionResponses: [{ ...refused, currentLeader: noLeader }] }], throttleTimeMs: 0, nodeEndpoints: [] };
}

function record(value: string) {
  return { key: null, value: Buffer.from(value), headers: [], timestampMs: 0 };
}
