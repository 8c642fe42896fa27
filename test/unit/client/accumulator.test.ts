import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Accumulator } from "../../../client/producer/accumulator.ts";
import type { ProducerBatch } from "../../../client/producer/producer-batch.ts";
import { bytesSerde, jsonSerde, msgpackSerde, type Serde, serializeWith, stringSerde } from "../../../client/serialization/serde.ts";
import { recordBytesAtMost } from "../../../protocol/records/encode-batch.ts";
import { textRecord } from "./fake-cluster.ts";

const limits = {
  batchBytesMax: 300,
  lingerMs: 10,
  deliveryTimeoutMs: 1_000,
  maxInFlightPerPartition: 1,
  numbers: "none" as const,
  isAnswered: true,
};
const leader = () => ({ leader: 1, leaderEpoch: 0 });

function append(accumulator: Accumulator, partition: number, value: string, nowMs: number): void {
  const send = { timestampMs: 0, reservedBytes: 0, resolve: () => {}, reject: () => {} };
  const record = textRecord(value);
  accumulator.append("t", partition, { record, recordBytes: recordBytesAtMost(record) }, send, nowMs);
}

const readyKeys = (accumulator: Accumulator, nowMs: number, hurry = false, leaderOf: Parameters<Accumulator["ready"]>[1] = leader) =>
  accumulator.ready(nowMs, leaderOf, hurry).byBroker.get(1) ?? [];

describe("the accumulator", () => {
  test("holds a batch for the linger, unless it is full, another is behind it, or there is hurry", () => {
    const accumulator = new Accumulator(limits);
    append(accumulator, 0, "x", 100);
    expect(accumulator.ready(105, leader, false)).toMatchObject({ nextCheckMs: 110, leaderless: [] });
    expect(readyKeys(accumulator, 105)).toEqual([]);
    expect(readyKeys(accumulator, 105, true)).toEqual(["t-0"]);
    expect(readyKeys(accumulator, 110)).toEqual(["t-0"]);
    const others = new Accumulator(limits);
    append(others, 1, "y".repeat(400), 105);
    expect(readyKeys(others, 105)).toEqual(["t-1"]);
  });

  test("lets what lingers go along with a request that goes anyway, behind what is due", () => {
    const accumulator = new Accumulator(limits);
    const led = (_topic: string, partition: number) => ({ leader: partition === 2 ? 9 : 1, leaderEpoch: 0 });
    append(accumulator, 0, "x", 100);
    append(accumulator, 2, "x", 100);
    append(accumulator, 1, "y".repeat(400), 105);
    expect([...accumulator.ready(105, led, false).byBroker]).toEqual([[1, ["t-1", "t-0"]]]);
  });

  test("lets nothing linger that no more company will come for", () => {
    const accumulator = new Accumulator(limits);
    append(accumulator, 0, "x", 100);
    accumulator.doNotLinger("t", 0);
    accumulator.doNotLinger("t", 1);
    expect(readyKeys(accumulator, 100)).toEqual(["t-0"]);
  });

  test("gives one batch of a partition at a time, and one that comes back goes first, after its pause", () => {
    const accumulator = new Accumulator(limits);
    for (let i = 0; i < 5; i++) append(accumulator, 0, "x".repeat(200), 0);
    const [first] = accumulator.drain(readyKeys(accumulator, 0), 1_000) as [ProducerBatch];
    expect(readyKeys(accumulator, 0)).toEqual([]);
    first.sentToEpoch = 0;
    accumulator.putBack(first, 50);
    expect(readyKeys(accumulator, 49)).toEqual([]);
    expect(accumulator.drain(readyKeys(accumulator, 50), 1_000)).toEqual([first]);
    expect(first.attempts).toBe(2);
  });

  test("an idempotent producer has five batches under way, full ones, all with one leader, and the first alone", () => {
    const accumulator = new Accumulator({ ...limits, maxInFlightPerPartition: 5, numbers: "own" as const });
    for (let i = 0; i < 9; i++) append(accumulator, 0, "x".repeat(200), 0);
    expect(accumulator.ready(0, leader, false)).toMatchObject({ identityNeeded: true, byBroker: new Map() });
    accumulator.identity = { producerId: 7, producerEpoch: 0 };
    const take = () => {
      const [batch] = accumulator.drain(readyKeys(accumulator, 0), 1_000);
      if (batch !== undefined) Object.assign(batch, { sentToBroker: 1, sentToEpoch: 0 });
      return batch;
    };
    const first = take() as ProducerBatch;
    expect(take()).toBeUndefined();
    accumulator.finished(first, "acknowledged");
    const underWay = [take(), take(), take(), take()];
    expect(underWay.map((batch) => batch?.number?.position)).toEqual([1, 2, 3, 4]);
    expect(accumulator.ready(0, () => ({ leader: 2, leaderEpoch: 1 }), true).byBroker.size).toBe(0);
    expect(take()?.number?.position).toBe(5);
    expect(take(), "five are under way").toBeUndefined();
    accumulator.finished(underWay[0] as ProducerBatch, "acknowledged");
    expect(take()?.number?.position).toBe(6);
  });

  test("sends a batch behind others once nobody fills it for now, full or not", () => {
    const accumulator = new Accumulator({ ...limits, maxInFlightPerPartition: 5, numbers: "own" as const });
    accumulator.identity = { producerId: 7, producerEpoch: 0 };
    const take = () => accumulator.drain(readyKeys(accumulator, 200), 1_000)[0];
    append(accumulator, 0, "first", 0);
    accumulator.finished(take() as ProducerBatch, "acknowledged");
    append(accumulator, 0, "x", 0);
    Object.assign(take() as ProducerBatch, { sentToBroker: 1, sentToEpoch: 0 });
    append(accumulator, 0, "y", 0);
    expect(take(), "until its company has been answered it may as well take more").toBeUndefined();
    accumulator.doNotLinger("t", 0);
    expect(take()?.number?.position).toBe(2);
  });

  test("knows what is unsettled: waiting, in flight, put back, split", () => {
    const accumulator = new Accumulator(limits);
    for (const partition of [0, 1]) for (const value of ["x", "y"]) append(accumulator, partition, value, 0);
    append(accumulator, 0, "z".repeat(300), 0);
    expect(accumulator.unsettled.length).toBe(3);
    const [first, second] = accumulator.drain(readyKeys(accumulator, 10), 1_000) as [ProducerBatch, ProducerBatch];
    expect(accumulator.unsettled.length).toBe(3);
    accumulator.putBack(first, 50);
    const halves = second.split();
    accumulator.replace(second, halves);
    expect(new Set(accumulator.unsettled)).toEqual(
      new Set([first, ...halves, accumulator.unsettled.find(({ sizeInBytes }) => sizeInBytes > 300)]),
    );
    expect(accumulator.takeExpired(Number.POSITIVE_INFINITY).length).toBe(4);
    expect(accumulator.unsettled).toEqual([]);
  });

  test("does not wait out the pause when the partition has a newer leader", () => {
    const accumulator = new Accumulator(limits);
    append(accumulator, 0, "x", 0);
    const [batch] = accumulator.drain(readyKeys(accumulator, 50), 1_000) as [ProducerBatch];
    batch.sentToEpoch = 4;
    accumulator.putBack(batch, 500);
    expect(readyKeys(accumulator, 100, false, () => ({ leader: 1, leaderEpoch: 4 }))).toEqual([]);
    expect(readyKeys(accumulator, 100, false, () => ({ leader: 1, leaderEpoch: 5 }))).toEqual(["t-0"]);
  });

  test("fills requests up to their bound, and takes turns among partitions", () => {
    const accumulator = new Accumulator(limits);
    for (let partition = 0; partition < 4; partition++) for (let i = 0; i < 3; i++) append(accumulator, partition, "x".repeat(200), 0);
    const first = accumulator.drain(readyKeys(accumulator, 0), 600).map(({ partition }) => partition);
    expect(first).toEqual([0, 1]);
    const second = accumulator.drain(readyKeys(accumulator, 0), 600).map(({ partition }) => partition);
    expect(second).toEqual([2, 3]);
  });

  test("gives up what has waited for too long, and says when the next will", () => {
    const accumulator = new Accumulator(limits);
    append(accumulator, 0, "old", 0);
    append(accumulator, 1, "young", 700);
    expect(accumulator.ready(800, () => undefined, false)).toMatchObject({
      leaderless: [{ partition: 0 }, { partition: 1 }],
      nextCheckMs: 1_000,
    });
    expect(accumulator.takeExpired(1_000).map(({ partition }) => partition)).toEqual([0]);
    expect(accumulator.unsettled.length).toBe(1);
    expect(accumulator.takeExpired(Number.POSITIVE_INFINITY).map(({ partition }) => partition)).toEqual([1]);
    expect(accumulator.ready(2_000, leader, true)).toEqual({
      byBroker: new Map(),
      leaderless: [],
      identityNeeded: false,
      nextCheckMs: null,
    });
  });
});

describe("serdes", () => {
  test.each<[string, Serde<unknown>, unknown]>([
    ["text", stringSerde as Serde<unknown>, "grüße 🦦"],
    ["bytes", bytesSerde as Serde<unknown>, Buffer.from([0, 255])],
    ["JSON", jsonSerde(), { a: [1, null, "x"] }],
    ["msgpack", msgpackSerde(), { at: new Date(5), bytes: Buffer.from([1]), nested: { n: 2 ** 40 } }],
  ])("%s comes back as it was", (_name, serde, value) => {
    const bytes = serializeWith(serde, value, "value") as Buffer;
    expect(serde.deserialize(bytes)).toEqual(value);
  });

  test("msgpack and JSON bring back any JSON value", () => {
    fc.assert(
      // msgpackr renames "__proto__", lest a message changes an object's prototype
      fc.property(
        fc.jsonValue().filter((value) => !JSON.stringify(value).includes("__proto__")),
        (value) => {
          for (const serde of [jsonSerde<unknown>(), msgpackSerde<unknown>()]) {
            const back = serde.deserialize(Buffer.from(serde.serialize(value)));
            expect(JSON.stringify(back)).toEqual(JSON.stringify(value));
          }
        },
      ),
    );
  });

  test("null is never serialized: it is no key, or a tombstone", () => {
    expect(serializeWith(jsonSerde<unknown>(), null, "value")).toBe(null);
    expect(serializeWith(stringSerde, undefined, "key")).toBe(null);
  });
});
