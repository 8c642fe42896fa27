import { describe, expect, test } from "vitest";
import { Consumer } from "../../../client/consumer/consumer.ts";
import { Producer } from "../../../client/producer/producer.ts";
import type { ProducerOptions } from "../../../client/producer/producer-options.ts";
import { stringSerde } from "../../../client/serialization/serde.ts";
import { zeroTopicId } from "../../../protocol/base/ids.ts";
import { FakeCluster, textRecord } from "./fake-cluster.ts";

// How soon a client is with the next leader, counted from when any live broker knows it.

function producerFor({ runtime, bootstrap }: FakeCluster, options: Partial<ProducerOptions<string, string>> = {}) {
  return new Producer<string, string>({ bootstrap, runtime, keySerde: stringSerde, valueSerde: stringSerde, ...options });
}

/** Milliseconds from a leader's loss to when the metadata names the next. */
const electedAfterMs = [10, 40, 95, 180, 330, 610, 1_050, 2_400];
/** A fifth of the outage, with the jitter; within the pace's own bounds. */
const patienceMs = (outageMs: number) => Math.min(Math.max(outageMs * 0.3, 65), 600);

const metadataRequests = ({ requests }: FakeCluster) => requests.filter((request) => request.startsWith("Metadata@")).length;

describe("a producer whose leader is killed", () => {
  test.each(electedAfterMs)("is with the next one soon after it is elected, %d ms later", async (outageMs) => {
    const cluster = new FakeCluster([1, 2, 3]);
    const [partition] = cluster.topic("t", [1]);
    const producer = producerFor(cluster);
    for (let i = 0; i < 3; i++) await cluster.clock.until(producer.send({ topic: "t", value: `before ${i}` }));
    await cluster.clock.advance(3_000);
    await cluster.kill(1);
    const sends = ["a", "b", "c"].map((value) => producer.send({ topic: "t", value }));
    await cluster.clock.advance(outageMs);
    cluster.moveLeader("t", 0, 2);
    const electedMs = cluster.clock.monotonicMs();
    await cluster.clock.until(Promise.all(sends));
    expect(cluster.clock.monotonicMs() - electedMs).toBeLessThanOrEqual(patienceMs(outageMs));
    expect(partition?.values().slice(3)).toEqual(["a", "b", "c"]);
  });

  test("asks in turns: a broker that has not heard of the election holds it up for one request", async () => {
    const cluster = new FakeCluster([1, 2, 3]);
    cluster.topic("t", [1]);
    const producer = producerFor(cluster);
    await cluster.clock.until(producer.send({ topic: "t", value: "before" }));
    const stale = cluster.metadata({ topics: [{ name: "t" }] } as never);
    await cluster.kill(1);
    cluster.intercept = ({ api, broker }) => (api === "Metadata" && broker === 2 ? stale : undefined);
    const sent = producer.send({ topic: "t", value: "x" });
    await cluster.clock.advance(200);
    cluster.moveLeader("t", 0, 3);
    const electedMs = cluster.clock.monotonicMs();
    await cluster.clock.until(sent);
    expect(cluster.clock.monotonicMs() - electedMs).toBeLessThanOrEqual(150);
  });

  test("asks seldom, however many partitions it led and however long it takes; and stops when it is over", async () => {
    const cluster = new FakeCluster([1, 2, 3]);
    const partitions = 500;
    cluster.topic(
      "t",
      Array.from({ length: partitions }, () => 1),
    );
    const producer = producerFor(cluster);
    await cluster.clock.until(producer.send({ topic: "t", value: "before", partition: 0 }));
    await cluster.clock.advance(3_000);
    await cluster.kill(1);
    const sends = Array.from({ length: partitions }, (_, partition) => producer.send({ topic: "t", value: "x", partition }));
    const asked = async (ms: number) => {
      const before = metadataRequests(cluster);
      await cluster.clock.advance(ms);
      return metadataRequests(cluster) - before;
    };
    expect(await asked(1_000)).toBeLessThanOrEqual(16);
    await asked(4_000);
    expect(await asked(10_000)).toBeLessThanOrEqual(27);
    for (let partition = 0; partition < partitions; partition++) cluster.moveLeader("t", partition, 2 + (partition % 2));
    await cluster.clock.until(Promise.all(sends));
    await asked(1_000);
    expect(await asked(20_000), "it knows all that it needs").toBe(0);
  });
});

describe("a producer whose leader falls silent", () => {
  test.each([1_005, 1_200, 2_000, 4_000])("is with the next one soon after it is elected, %d ms later", async (outageMs) => {
    const cluster = new FakeCluster([1, 2, 3]);
    const [partition] = cluster.topic("t", [1]);
    const producer = producerFor(cluster);
    for (let i = 0; i < 3; i++) await cluster.clock.until(producer.send({ topic: "t", value: `before ${i}` }));
    await cluster.clock.advance(3_000);
    cluster.hang(1);
    const sends = [producer.send({ topic: "t", value: "at once" })];
    await cluster.clock.advance(900);
    sends.push(producer.send({ topic: "t", value: "later" }));
    await cluster.clock.advance(outageMs - 900);
    cluster.moveLeader("t", 0, 2);
    const electedMs = cluster.clock.monotonicMs();
    await cluster.clock.until(Promise.all(sends));
    expect(cluster.clock.monotonicMs() - electedMs, "the later request is as old as the silence").toBeLessThanOrEqual(
      patienceMs(outageMs - 1_000),
    );
    expect(partition?.values().slice(3)).toEqual(["at once", "later"]);
  });

  test("is not held up by records that wait for that broker on another one, which it asks", async () => {
    const cluster = new FakeCluster([1, 2]);
    cluster.topic("t", [1, 2]);
    const producer = producerFor(cluster);
    for (const partition of [0, 1]) await cluster.clock.until(producer.send({ topic: "t", value: "before", partition }));
    await cluster.clock.advance(3_000);
    cluster.hang(1);
    // broker 2 answers in order, and waits for its replica on broker 1
    const held: (() => void)[] = [];
    let isHeldUp = false;
    cluster.intercept = ({ api, broker, request }) => {
      if (broker !== 2 || api === "ApiVersions") return undefined;
      if (api === "Produce" && !isHeldUp) {
        isHeldUp = true;
        return (respond) => void held.push(() => respond(cluster.produce(request, 2)));
      }
      return undefined;
    };
    const sends = [0, 1].map((partition) => producer.send({ topic: "t", value: "x", partition }));
    await cluster.clock.advance(700);
    const before = cluster.requests.length;
    await cluster.clock.advance(400);
    expect(cluster.requests.slice(before), "over a connection of its own").toContain("ApiVersions@2");
    cluster.moveLeader("t", 0, 2);
    for (const answer of held) answer();
    const electedMs = cluster.clock.monotonicMs();
    await cluster.clock.until(Promise.all(sends));
    expect(cluster.clock.monotonicMs() - electedMs).toBeLessThanOrEqual(100);
  });

  test("that the metadata replaces for other reasons gives it a moment to say so itself", async () => {
    const cluster = new FakeCluster([1, 2]);
    const [partition] = cluster.topic("t", [1, 2]);
    const producer = producerFor(cluster);
    await cluster.clock.until(producer.send({ topic: "t", value: "before", partition: 0 }));
    await cluster.clock.advance(3_000);
    const held: (() => void)[] = [];
    cluster.intercept = ({ api, broker, request }) =>
      api === "Produce" && broker === 1 ? (respond) => void held.push(() => respond(cluster.produce(request, 1))) : undefined;
    const sent = producer.send({ topic: "t", value: "x", partition: 0 });
    await cluster.clock.advance(100);
    cluster.moveLeader("t", 0, 2);
    // another topic makes the producer ask, and it hears of the move
    cluster.topic("u", [2]);
    await cluster.clock.until(producer.send({ topic: "u", value: "y" }));
    await cluster.clock.advance(100);
    for (const answer of held) answer();
    expect(await cluster.clock.until(sent)).toMatchObject({ attempts: 2 });
    expect(partition?.values()).toEqual(["before", "x"]);
  });
});

describe("a hint at the new leader", () => {
  test("is enough: the records go there without a metadata request, also when the client never heard of that broker", async () => {
    const cluster = new FakeCluster([1]);
    const [partition] = cluster.topic("t", [1]);
    const producer = producerFor(cluster);
    await cluster.clock.until(producer.send({ topic: "t", value: "before" }));
    await cluster.clock.advance(3_000);
    cluster.start(3);
    cluster.moveLeader("t", 0, 3);
    cluster.hints = true;
    const asked = metadataRequests(cluster);
    const startMs = cluster.clock.monotonicMs();
    expect(await cluster.clock.until(producer.send({ topic: "t", value: "x" }))).toMatchObject({ attempts: 2 });
    expect([cluster.clock.monotonicMs() - startMs, metadataRequests(cluster) - asked]).toEqual([0, 0]);
    expect(partition?.values()).toEqual(["before", "x"]);
    await producer.close();
  });

  test("that comes a moment before the new leader itself has heard of it costs a moment", async () => {
    const cluster = new FakeCluster([1, 2]);
    const [partition] = cluster.topic("t", [1]);
    const producer = producerFor(cluster);
    await cluster.clock.until(producer.send({ topic: "t", value: "before" }));
    cluster.hints = true;
    cluster.moveLeader("t", 0, 2);
    const movedMs = cluster.clock.monotonicMs();
    const readyMs = movedMs + 15;
    cluster.intercept = ({ api, broker }) =>
      api === "Produce" && broker === 2 && cluster.clock.monotonicMs() < readyMs ? refusal : undefined;
    const refusal = {
      responses: [
        {
          name: "t",
          topicId: zeroTopicId,
          partitionResponses: [
            {
              index: 0,
              errorCode: "NOT_LEADER_OR_FOLLOWER",
              baseOffset: -1,
              logAppendTimeMs: -1,
              logStartOffset: -1,
              recordErrors: [],
              errorMessage: null,
              currentLeader: { leaderId: -1, leaderEpoch: -1 },
            },
          ],
        },
      ],
      throttleTimeMs: 0,
      nodeEndpoints: [],
    };
    await cluster.clock.until(producer.send({ topic: "t", value: "after" }));
    expect(cluster.clock.monotonicMs() - readyMs).toBeLessThanOrEqual(25);
    expect(partition?.values()).toEqual(["before", "after"]);
  });

  test("is enough for a consumer, too", async () => {
    const cluster = new FakeCluster([1]);
    const [partition] = cluster.topic("t", [1]);
    partition?.appendRecords([textRecord("a")]);
    const consumer = new Consumer<Buffer, string>({ ...cluster.options, valueSerde: stringSerde });
    await cluster.clock.until(consumer.assign([{ topic: "t", from: "beginning" }]));
    const records = consumer[Symbol.asyncIterator]();
    const next = async () => (await cluster.clock.until(records.next())).value?.value;
    expect(await next()).toBe("a");
    await cluster.clock.advance(3_000);
    cluster.start(3);
    cluster.hints = true;
    const asked = metadataRequests(cluster);
    cluster.moveLeader("t", 0, 3);
    partition?.appendRecords([textRecord("b")]);
    const startMs = cluster.clock.monotonicMs();
    expect(await next()).toBe("b");
    // the fake's fetches wait for records to the end of their time
    expect(cluster.clock.monotonicMs() - startMs).toBeLessThanOrEqual(500);
    expect(metadataRequests(cluster) - asked).toBe(0);
  });
});

describe("a consumer", () => {
  test.each(electedAfterMs)("whose leader is killed reads on soon after the next one is elected, %d ms later", async (outageMs) => {
    const cluster = new FakeCluster([1, 2, 3]);
    const [partition] = cluster.topic("t", [1]);
    partition?.appendRecords([textRecord("a")]);
    const consumer = new Consumer<Buffer, string>({ ...cluster.options, valueSerde: stringSerde });
    await cluster.clock.until(consumer.assign([{ topic: "t", from: "beginning" }]));
    const records = consumer[Symbol.asyncIterator]();
    const next = async () => (await cluster.clock.until(records.next())).value?.value;
    expect(await next()).toBe("a");
    await cluster.clock.advance(3_000);
    await cluster.kill(1);
    await cluster.clock.advance(outageMs);
    cluster.moveLeader("t", 0, 2);
    partition?.appendRecords([textRecord("b")]);
    const electedMs = cluster.clock.monotonicMs();
    expect(await next()).toBe("b");
    expect(cluster.clock.monotonicMs() - electedMs).toBeLessThanOrEqual(patienceMs(outageMs));
  });

  test("does not wait for a fetch that waits at the new leader for other partitions, nor breaks it off again and again", async () => {
    const cluster = new FakeCluster([1, 2, 3]);
    const moving = 20;
    const partitions = cluster.topic("t", [2, ...Array.from({ length: moving }, () => 1)]);
    const consumer = new Consumer<Buffer, string>({ ...cluster.options, valueSerde: stringSerde, fetchWaitMaxMs: 5_000 });
    await cluster.clock.until(consumer.assign([{ topic: "t", from: "beginning" }]));
    const records = consumer[Symbol.asyncIterator]();
    const next = async () => (await cluster.clock.until(records.next())).value?.value;
    // its position has to be checked at the new leader, those of the others do not
    partitions[1]?.appendRecords([textRecord("before")]);
    expect(await next()).toBe("before");
    const first = next();
    await cluster.clock.advance(3_000);
    await cluster.kill(1);
    await cluster.clock.advance(100);
    partitions[1]?.appendRecords([textRecord("a")]);
    for (const partition of [1, 2, 3]) cluster.moveLeader("t", partition, 2);
    const electedMs = cluster.clock.monotonicMs();
    expect(await first).toBe("a");
    expect(cluster.clock.monotonicMs() - electedMs).toBeLessThanOrEqual(65);
    const fetches = () => cluster.requests.filter((request) => request === "Fetch@2").length;
    const before = fetches();
    for (let i = 4; i <= moving; i++) {
      cluster.moveLeader("t", i, 2);
      await cluster.clock.advance(100);
    }
    expect(fetches() - before, "in two seconds").toBeLessThanOrEqual(5);
  });

  test("whose leader falls silent reads on soon after the next one is elected", async () => {
    const cluster = new FakeCluster([1, 2, 3]);
    const [partition] = cluster.topic("t", [1]);
    partition?.appendRecords([textRecord("a")]);
    const consumer = new Consumer<Buffer, string>({ ...cluster.options, valueSerde: stringSerde });
    await cluster.clock.until(consumer.assign([{ topic: "t", from: "beginning" }]));
    const records = consumer[Symbol.asyncIterator]();
    const next = async () => (await cluster.clock.until(records.next())).value?.value;
    expect(await next()).toBe("a");
    await cluster.clock.advance(3_000);
    cluster.hang(1);
    // the fake still answers the fetch that waits; the next one may wait for 500 ms
    await cluster.clock.advance(2_200);
    cluster.moveLeader("t", 0, 2);
    partition?.appendRecords([textRecord("b")]);
    const electedMs = cluster.clock.monotonicMs();
    expect(await next()).toBe("b");
    expect(cluster.clock.monotonicMs() - electedMs).toBeLessThanOrEqual(150);
  });
});
