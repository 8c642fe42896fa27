import { describe, expect, test } from "vitest";
import { Admin } from "../../../client/admin/admin.ts";
import { ClientClosed } from "../../../client/base/errors.ts";
import { Consumer } from "../../../client/consumer/consumer.ts";
import { Producer } from "../../../client/producer/producer.ts";
import type { ProducerOptions } from "../../../client/producer/producer-options.ts";
import { stringSerde } from "../../../client/serialization/serde.ts";
import { zeroTopicId } from "../../../protocol/base/ids.ts";
import { FakeCluster, textRecord } from "./fake-cluster.ts";

function producerFor({ runtime, bootstrap }: FakeCluster, options: Partial<ProducerOptions<string, string>> = {}) {
  return new Producer<string, string>({ bootstrap, runtime, keySerde: stringSerde, valueSerde: stringSerde, ...options });
}

const numbered = (count: number, from = 0) => Array.from({ length: count }, (_, i) => `value ${from + i}`);

describe("metadata", () => {
  test("whoever hangs is overtaken within a second or so, at the first contact and later", async () => {
    for (const hanging of [1, 2, 3]) {
      const cluster = new FakeCluster([1, 2, 3]);
      cluster.topic("t", [1]);
      cluster.hang(hanging);
      const admin = new Admin(cluster.options);
      expect(await cluster.clock.until(admin.listTopics())).toHaveLength(1);
      expect(cluster.clock.monotonicMs(), `broker ${hanging} hangs`).toBeLessThanOrEqual(2_000);
      cluster.wake(hanging);
      await cluster.clock.until(admin.listTopics());
      for (const one of [1, 2, 3]) {
        const beforeMs = cluster.clock.monotonicMs();
        cluster.hang(one);
        await cluster.clock.until(admin.listTopics());
        expect(cluster.clock.monotonicMs() - beforeMs, `broker ${one} hangs later`).toBeLessThanOrEqual(1_000);
        cluster.wake(one);
      }
    }
  });

  test("a client that is closed leaves no connection behind, not even one that a hanging broker has accepted only", async () => {
    const cluster = new FakeCluster([1, 2]);
    cluster.hang(1);
    cluster.hang(2);
    const admin = new Admin(cluster.options);
    const listed = admin.listTopics();
    listed.catch(() => undefined);
    await cluster.clock.advance(1_500);
    expect(cluster.links.get(1)?.size).toBe(1);
    expect(cluster.links.get(2)?.size).toBe(1);
    await admin.close();
    await expect(listed).rejects.toThrow(ClientClosed);
    await cluster.clock.settle();
    expect([cluster.links.get(1)?.size, cluster.links.get(2)?.size]).toEqual([0, 0]);
  });

  test("a broker that was slow is asked again when nobody else is left", async () => {
    const cluster = new FakeCluster([1, 2]);
    cluster.topic("t", [1]);
    const admin = new Admin(cluster.options);
    cluster.hang(1);
    await cluster.clock.until(admin.listTopics());
    await cluster.clock.until(admin.listTopics());
    cluster.wake(1);
    await cluster.kill(2);
    const beforeMs = cluster.clock.monotonicMs();
    expect(await cluster.clock.until(admin.listTopics())).toHaveLength(1);
    expect(cluster.clock.monotonicMs() - beforeMs).toBeLessThan(2_000);
  });

  test("an address that swallows everything holds up nobody", async () => {
    const cluster = new FakeCluster([1, 2, 3]);
    cluster.topic("t", [2]);
    cluster.transport.silent.add("fake:9001");
    const producer = producerFor(cluster, { bootstrap: "fake:9001,fake:9002" });
    expect((await cluster.clock.until(producer.send({ topic: "t", value: "x" }))).offset).toBe(0);
    expect(cluster.clock.monotonicMs()).toBeLessThanOrEqual(2_000);
  });
});

describe("an administrator's request", () => {
  const made = {
    throttleTimeMs: 0,
    topics: [
      {
        ...{ name: "new", topicId: zeroTopicId, errorCode: "NONE", errorMessage: null, topicConfigErrorCode: "NONE" },
        ...{ numPartitions: 1, replicationFactor: 1, configs: [] },
      },
    ],
  };

  test("leaves a broker that hangs within seconds, and asks another", async () => {
    const cluster = new FakeCluster([1, 2, 3]);
    cluster.intercept = ({ api }) => (api === "CreateTopics" ? made : undefined);
    const admin = new Admin(cluster.options);
    for (const hanging of [1, 2, 3]) {
      cluster.hang(hanging);
      const beforeMs = cluster.clock.monotonicMs();
      for (let i = 0; i < 4; i++) await cluster.clock.until(admin.createTopics([{ name: "new" }]));
      expect(cluster.clock.monotonicMs() - beforeMs, `broker ${hanging} hangs`).toBeLessThanOrEqual(2_500);
      cluster.wake(hanging);
      await cluster.clock.advance(5_000);
    }
  });

  test("waits for a broker that takes long and is well", async () => {
    const cluster = new FakeCluster([1, 2]);
    let asked = 0;
    cluster.intercept = ({ api }) => {
      if (api !== "CreateTopics") return undefined;
      asked++;
      return (respond) => void cluster.clock.schedule(12_000, () => respond(made));
    };
    const admin = new Admin(cluster.options);
    await cluster.clock.until(admin.createTopics([{ name: "new" }]));
    expect(asked).toBe(1);
    const probes = cluster.requests.length;
    await cluster.clock.advance(10_000);
    expect(cluster.requests.length, "and asks nothing any more").toBe(probes);
  });
});

describe("a producer whose leader hangs", () => {
  test("goes to the new leader once the metadata names one; order is kept and the retry is counted", async () => {
    const cluster = new FakeCluster();
    const [partition] = cluster.topic("t", [1]);
    const producer = producerFor(cluster, { batchBytesMax: 200 });
    await cluster.clock.until(producer.send({ topic: "t", value: "before" }));
    const startMs = cluster.clock.monotonicMs();
    cluster.hang(1);
    const sends = numbered(30).map((value) => producer.send({ topic: "t", value }));
    await cluster.clock.advance(1_500);
    cluster.moveLeader("t", 0, 2);
    const sent = await cluster.clock.until(Promise.all(sends));
    expect(cluster.clock.monotonicMs() - startMs).toBeLessThanOrEqual(2_100);
    expect(sent.map(({ attempts }) => attempts).slice(0, 1)).toEqual([2]);
    expect(sent.at(-1)?.attempts).toBe(1);
    expect(partition?.values()).toEqual(["before", ...numbered(30)]);
    cluster.wake(1);
    await cluster.clock.settle();
    expect(partition?.values(), "what the old leader reads late changes nothing").toEqual(["before", ...numbered(30)]);
    expect((await cluster.clock.until(producer.send({ topic: "t", value: "after" }))).attempts).toBe(1);
  });

  test("waits for it while nobody else leads: it may be slow for good reasons", async () => {
    const cluster = new FakeCluster();
    const [partition] = cluster.topic("t", [1]);
    const producer = producerFor(cluster);
    await cluster.clock.until(producer.send({ topic: "t", value: "before" }));
    cluster.hang(1);
    const sent = producer.send({ topic: "t", value: "slow" });
    await cluster.clock.advance(20_000);
    cluster.wake(1);
    expect(await cluster.clock.until(sent)).toMatchObject({ offset: 1, attempts: 1 });
    expect(partition?.values()).toEqual(["before", "slow"]);
  });

  test("moves only what has moved: the rest of the request is answered by the old leader", async () => {
    const cluster = new FakeCluster();
    const [moved, stayed] = cluster.topic("t", [1, 1]);
    const producer = producerFor(cluster);
    await cluster.clock.until(producer.send({ topic: "t", value: "before", partition: 0 }));
    cluster.hang(1);
    const ofMoved = producer.send({ topic: "t", value: "moved", partition: 0 });
    const ofStayed = producer.send({ topic: "t", value: "stayed", partition: 1 });
    await cluster.clock.advance(100);
    cluster.moveLeader("t", 0, 2);
    expect(await cluster.clock.until(ofMoved)).toMatchObject({ offset: 1, attempts: 2 });
    await cluster.clock.advance(3_000);
    cluster.wake(1);
    expect(await cluster.clock.until(ofStayed)).toMatchObject({ offset: 0, attempts: 1 });
    expect([moved?.values(), stayed?.values()]).toEqual([["before", "moved"], ["stayed"]]);
  });

  test("an old leader that acknowledges late is not heard twice", async () => {
    const cluster = new FakeCluster();
    const [partition] = cluster.topic("t", [1, 1]);
    const producer = producerFor(cluster);
    await cluster.clock.until(producer.send({ topic: "t", value: "before", partition: 1 }));
    cluster.hang(1);
    // it still thinks that it leads: what it reads late, it writes
    cluster.intercept = ({ api, broker, request }) => (api === "Produce" && broker === 1 ? cluster.produceAnyway(request) : undefined);
    const first = producer.send({ topic: "t", value: "x", partition: 0 });
    const other = producer.send({ topic: "t", value: "y", partition: 1 });
    await cluster.clock.advance(100);
    cluster.moveLeader("t", 0, 2);
    const acknowledged = await cluster.clock.until(first);
    expect(acknowledged).toMatchObject({ offset: 0, attempts: 2 });
    cluster.wake(1);
    expect(await cluster.clock.until(other)).toMatchObject({ offset: 1, attempts: 1 });
    expect(partition?.values()).toEqual(["x"]);
    expect(await cluster.clock.until(producer.send({ topic: "t", value: "z", partition: 0 }))).toMatchObject({ offset: 1 });
  });

  test("leaves a broker that cannot even be connected to", async () => {
    const cluster = new FakeCluster();
    cluster.topic("t", [1]);
    cluster.transport.silent.add("fake:9001");
    const producer = producerFor(cluster);
    const sent = producer.send({ topic: "t", value: "x" });
    await cluster.clock.advance(2_100);
    cluster.moveLeader("t", 0, 2);
    expect(await cluster.clock.until(sent)).toMatchObject({ offset: 0, attempts: 2 });
    expect(cluster.clock.monotonicMs()).toBeLessThanOrEqual(4_000);
  });
});

describe("a consumer whose leader hangs", () => {
  test("goes on with the new leader, from where it was", async () => {
    const cluster = new FakeCluster();
    const [partition] = cluster.topic("t", [1]);
    partition?.appendRecords([textRecord("a"), textRecord("b")]);
    const consumer = new Consumer<Buffer, string>({ ...cluster.options, valueSerde: stringSerde });
    await cluster.clock.until(consumer.assign([{ topic: "t", from: "beginning" }]));
    const records = consumer[Symbol.asyncIterator]();
    const next = async () => (await cluster.clock.until(records.next())).value?.value;
    expect([await next(), await next()]).toEqual(["a", "b"]);
    await cluster.clock.advance(100);
    cluster.hang(1);
    await cluster.clock.advance(600);
    const startMs = cluster.clock.monotonicMs();
    cluster.moveLeader("t", 0, 2);
    partition?.appendRecords([textRecord("c")]);
    expect(await next()).toBe("c");
    expect(cluster.clock.monotonicMs() - startMs).toBeLessThanOrEqual(2_100);
    cluster.wake(1);
    await cluster.clock.advance(1_000);
    partition?.appendRecords([textRecord("d")]);
    expect(await next(), "the late answer is not read").toBe("d");
  });

  test("finds its positions on the others at once, and on the new leader when there is one", async () => {
    const cluster = new FakeCluster();
    const [slow, quick] = cluster.topic("t", [1, 2]);
    slow?.appendRecords([textRecord("slow")]);
    quick?.appendRecords([textRecord("quick")]);
    const consumer = new Consumer<Buffer, string>({ ...cluster.options, bootstrap: "fake:9002", valueSerde: stringSerde });
    cluster.hang(1);
    await cluster.clock.until(consumer.assign([{ topic: "t", from: "beginning" }]));
    const records = consumer[Symbol.asyncIterator]();
    const next = async () => (await cluster.clock.until(records.next())).value?.value;
    const startMs = cluster.clock.monotonicMs();
    expect(await next()).toBe("quick");
    expect(cluster.clock.monotonicMs()).toBe(startMs);
    cluster.moveLeader("t", 0, 2);
    expect(await next()).toBe("slow");
    expect(cluster.clock.monotonicMs() - startMs).toBeLessThanOrEqual(2_500);
  });
});
