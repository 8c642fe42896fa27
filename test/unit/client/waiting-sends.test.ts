import { describe, expect, test } from "vitest";
import { ConnectionLost } from "../../../client/base/errors.ts";
import { Producer } from "../../../client/producer/producer.ts";
import type { ProducerOptions } from "../../../client/producer/producer-options.ts";
import { stringSerde } from "../../../client/serialization/serde.ts";
import { FakeCluster } from "./fake-cluster.ts";

// Sends that wait, for a topic or for room: how long, and in which order.

const count = 1_000;
const maxBlockMs = 2_000;
/** A refresh that began before the deadline, with its pause. */
const refreshMs = 1_300;

function producerFor({ runtime, bootstrap }: FakeCluster, options: Partial<ProducerOptions<string, string>> = {}) {
  return new Producer<string, string>({ bootstrap, runtime, keySerde: stringSerde, valueSerde: stringSerde, maxBlockMs, ...options });
}

const metadataRequests = ({ requests }: FakeCluster) => requests.filter((request) => request.startsWith("Metadata@")).length;

/** Each with its failure, when it has one, and the time that it took. */
function sendMany(cluster: FakeCluster, producer: Producer<string, string>, options: { readonly signal?: AbortSignal } = {}) {
  const { clock } = cluster;
  return Array.from({ length: count }, async (_, i) => {
    const sentMs = clock.monotonicMs();
    const failure = await producer.send({ topic: "t", value: `value ${i}` }, options).then(
      () => null,
      (error: unknown) => error,
    );
    return { failure, tookMs: clock.monotonicMs() - sentMs };
  });
}

describe("sends that wait for a topic", () => {
  test.each([
    ["does not exist", async () => undefined, { code: "UNKNOWN_TOPIC_OR_PARTITION" }],
    [
      "nobody can be asked for",
      async (cluster: FakeCluster) => void (await Promise.all([cluster.kill(1), cluster.kill(2)])),
      ConnectionLost,
    ],
  ] as const)("that %s fail at their deadline, however many there are, and close waits no longer", async (_what, prepare, expected) => {
    const cluster = new FakeCluster();
    await prepare(cluster);
    const producer = producerFor(cluster);
    const sends = sendMany(cluster, producer);
    await cluster.clock.advance(maxBlockMs / 2);
    sends.push(...sendMany(cluster, producer));
    const closedMs = cluster.clock.monotonicMs();
    await cluster.clock.until(producer.close());
    expect(cluster.clock.monotonicMs() - closedMs).toBeLessThanOrEqual(maxBlockMs + refreshMs);
    for (const { failure, tookMs } of await Promise.all(sends)) {
      if (expected === ConnectionLost) expect(failure).toBeInstanceOf(ConnectionLost);
      else expect(failure).toMatchObject(expected);
      expect(tookMs).toBeGreaterThan(maxBlockMs - refreshMs);
      expect(tookMs).toBeLessThanOrEqual(maxBlockMs + refreshMs);
    }
  });

  test("fail together when the topic is refused for good: the brokers are asked once", async () => {
    const cluster = new FakeCluster();
    cluster.intercept = ({ api, request }) => {
      if (api !== "Metadata") return undefined;
      const answer = cluster.metadata(request);
      return { ...answer, topics: answer.topics.map((topic) => ({ ...topic, errorCode: "TOPIC_AUTHORIZATION_FAILED" })) };
    };
    const outcomes = await cluster.clock.until(Promise.all(sendMany(cluster, producerFor(cluster))));
    for (const { failure, tookMs } of outcomes) {
      expect(failure).toMatchObject({ code: "TOPIC_AUTHORIZATION_FAILED" });
      expect(tookMs).toBe(0);
    }
    expect(metadataRequests(cluster)).toBe(1);
  });

  test("that may not wait at all ask once more each time: the topic may have been created meanwhile", async () => {
    const cluster = new FakeCluster();
    const producer = producerFor(cluster, { maxBlockMs: 0 });
    for (const { failure } of await cluster.clock.until(Promise.all(sendMany(cluster, producer))))
      expect(failure).toMatchObject({ code: "UNKNOWN_TOPIC_OR_PARTITION" });
    await cluster.clock.advance(10_000);
    cluster.topic("t", [1]);
    expect((await cluster.clock.until(producer.send({ topic: "t", value: "x" }))).offset).toBe(0);
  });

  test.each([
    ["first", 0],
    ["in the middle", 1],
    ["last", 2],
  ])("end at once with their signal, wherever they stand (%s); the others keep their order", async (_where, aborted) => {
    const cluster = new FakeCluster();
    const producer = producerFor(cluster);
    const abort = new AbortController();
    const sends = ["a", "b", "c"].map((value, i) => producer.send({ topic: "t", value }, i === aborted ? { signal: abort.signal } : {}));
    const outcome = sends[aborted]?.catch((error: unknown) => error);
    await cluster.clock.advance(500);
    abort.abort(new Error("changed my mind"));
    await cluster.clock.settle();
    expect(await Promise.race([outcome, "still waiting"])).toMatchObject({ message: "changed my mind" });
    const later = producer.send({ topic: "t", value: "d" });
    const [partition] = cluster.topic("t", [2]);
    await cluster.clock.until(Promise.all([...sends.filter((_, i) => i !== aborted), later]));
    expect(partition?.values()).toEqual(["a", "b", "c"].filter((_, i) => i !== aborted).concat("d"));
    await cluster.clock.until(producer.close());
  });

  test("of one signal end together, and flush does not wait for them", async () => {
    const cluster = new FakeCluster();
    const producer = producerFor(cluster);
    const abort = new AbortController();
    const sends = sendMany(cluster, producer, { signal: abort.signal });
    const flushed = producer.flush();
    await cluster.clock.advance(100);
    abort.abort(new Error("changed my mind"));
    await cluster.clock.settle();
    for (const { failure, tookMs } of await Promise.all(sends)) {
      expect(failure).toMatchObject({ message: "changed my mind" });
      expect(tookMs).toBe(100);
    }
    await flushed;
    expect(cluster.clock.monotonicMs()).toBe(1_100);
  });
});

test("a send that is aborted while it waits for room takes none", async () => {
  const cluster = new FakeCluster();
  const [partition] = cluster.topic("t", [1]);
  cluster.hang(1);
  const producer = producerFor(cluster, { bufferBytesMax: 400, maxBlockMs: 60_000 });
  const abort = new AbortController();
  const sends = ["a", "b", "c", "d", "e"].map((value, i) =>
    producer.send({ topic: "t", value }, i === 2 || i === 3 ? { signal: abort.signal } : {}).catch((error: unknown) => error),
  );
  await cluster.clock.advance(100);
  abort.abort(new Error("changed my mind"));
  await cluster.clock.settle();
  for (const i of [2, 3]) expect(await Promise.race([sends[i], "still waiting"])).toMatchObject({ message: "changed my mind" });
  cluster.wake(1);
  await cluster.clock.until(Promise.all(sends));
  expect(partition?.values()).toEqual(["a", "b", "e"]);
  const nearlyAll = "x".repeat(200);
  expect(await cluster.clock.until(producer.send({ topic: "t", value: nearlyAll })), "the buffer is empty again").toMatchObject({
    offset: 3,
  });
});

test("a send whose signal aborts just when it gets its room is either told so or written, and not both", async () => {
  const cluster = new FakeCluster();
  const [partition] = cluster.topic("t", [1]);
  const producer = producerFor(cluster, { bufferBytesMax: 400 });
  const nearlyAll = "x".repeat(200);
  await cluster.clock.until(producer.send({ topic: "t", value: nearlyAll }));
  const abort = new AbortController();
  const first = producer.send({ topic: "t", value: nearlyAll }).then(() => abort.abort(new Error("changed my mind")));
  const second = producer.send({ topic: "t", value: "second" }, { signal: abort.signal }).catch((error: unknown) => error);
  const third = producer.send({ topic: "t", value: nearlyAll });
  await cluster.clock.until(Promise.all([first, third]));
  expect(await second).toMatchObject({ message: "changed my mind" });
  expect(partition?.values()).toEqual([nearlyAll, nearlyAll, nearlyAll]);
});
