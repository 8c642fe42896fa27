import { expect, test } from "vitest";
import { DeadLetterFailed, SerializationFailed } from "../../../client/base/errors.ts";
import { deadLetterHeaders } from "../../../client/consumer/dead-letters.ts";
import { Producer } from "../../../client/producer/producer.ts";
import { jsonSerde, type Serde } from "../../../client/serialization/serde.ts";
import { decompressRecords } from "../../../protocol/records/compression.ts";
import { decodeBatch } from "../../../protocol/records/decode-batch.ts";
import type { FakePartition } from "./fake-partition.ts";
import { Conducted, named, readingAll, world } from "./run-fixture.ts";

const lettersIn = (log: FakePartition) =>
  log.batches
    .flatMap((batch) => [...decodeBatch(batch, 0, { decompress: decompressRecords })])
    .map(({ key, value, headers }) => ({
      key: key?.toString() ?? null,
      value: value?.toString() ?? null,
      headers: headers.map((header) => `${header.key}=${header.value?.toString() ?? null}`),
    }));

test("a record whose handler failed for the last time is kept as it was, with where it is from and why; what comes after it is handled", async () => {
  const { cluster, logs } = world({ records: 3 });
  const [dead] = cluster.topic("dead", [2]) as [FakePartition];
  logs[0]?.appendRecords([{ key: Buffer.from([0, 255]), value: null, timestampMs: 77, headers: [{ key: "own", value: null }] }]);
  const warned: object[] = [];
  const none = () => {};
  const logger = {
    debug: none,
    info: none,
    warn: (fields: object, message: string) => void warned.push({ ...fields, message }),
    error: none,
  };
  const consumer = await readingAll(cluster, { stopAtEnd: true, logger });
  const work = new Conducted(cluster);
  work.fails = (value) => (value === "0:1" || value === null ? new TypeError("no such customer") : null);
  await cluster.clock.until(consumer.run({ retries: 2, deadLetter: { topic: "dead" } }, work.handle));
  expect(work.finished).toEqual(["0:0", "0:2"]);
  const told = { topic: "t", partition: 0, attempts: 3, err: expect.any(TypeError), message: "sent to the dead letter topic" };
  expect(warned.filter((line) => "message" in line && line.message === told.message)).toEqual([
    { ...told, client: expect.any(String), offset: 1 },
    { ...told, client: expect.any(String), offset: 3 },
  ]);
  const [first, second] = lettersIn(dead);
  expect(first).toEqual({
    key: null,
    value: "0:1",
    headers: [
      "__ottla.errors.topic=t",
      "__ottla.errors.partition=0",
      "__ottla.errors.offset=1",
      "__ottla.errors.timestamp=1001",
      "__ottla.errors.exception=TypeError",
      "__ottla.errors.message=no such customer",
      "__ottla.errors.attempts=3",
    ],
  });
  expect(second).toMatchObject({ value: null, headers: ["own=null", "__ottla.errors.topic=t", ...new Array(6).fill(expect.any(String))] });
  const { links } = cluster;
  await cluster.clock.until(consumer.close());
  expect(
    [...links.values()].flatMap((each) => [...each]),
    "its own producer is closed with the run",
  ).toEqual([]);
});

test("a record that cannot be deserialized goes there without a call of the handler; without a topic for them it ends the run", async () => {
  const { cluster } = world({ records: 5 });
  const [dead] = cluster.topic("dead", [1]) as [FakePartition];
  const valueSerde: Serde<string> = {
    ...jsonSerde<string>(),
    deserialize: (bytes) => {
      if (bytes.toString() === "0:2") throw new Error("not what it should be");
      return bytes.toString();
    },
  };
  const consumer = await readingAll(cluster, { stopAtEnd: true, valueSerde });
  const work = new Conducted(cluster);
  await expect(cluster.clock.until(consumer.run({ retries: 5 }, work.handle))).rejects.toThrow(SerializationFailed);
  expect([work.began, consumer.position("t", 0)]).toEqual([["0:0", "0:1"], 2]);
  await cluster.clock.until(consumer.runBatches({ retries: 5, deadLetter: { topic: "dead" } }, () => undefined));
  expect(consumer.position("t", 0)).toBe(5);
  expect(lettersIn(dead)).toMatchObject([{ value: "0:2" }]);
  expect(lettersIn(dead)[0]?.headers).toContain(`${deadLetterHeaders.attempts}=0`);
});

test("it counts as processed once it is acknowledged, not before", async () => {
  const { cluster } = world({ records: 2 });
  cluster.topic("dead", [1]);
  const producer = new Producer({ bootstrap: cluster.bootstrap, runtime: cluster.runtime });
  let acknowledge = () => {};
  cluster.intercept = ({ api, request, broker }) =>
    api !== "Produce"
      ? undefined
      : (respond) => {
          acknowledge = () => respond(cluster.produce(request, broker));
        };
  const consumer = await readingAll(cluster);
  const work = new Conducted(cluster);
  work.fails = (value) => (value === "0:0" ? new Error("broken") : null);
  const stop = new AbortController();
  const running = consumer.run({ deadLetter: { topic: "dead", producer }, signal: stop.signal }, work.handle);
  await cluster.clock.advance(1_000);
  expect(work.began).toEqual(["0:0"]);
  acknowledge();
  await cluster.clock.advance(1_000);
  expect(work.finished).toEqual(["0:1"]);
  stop.abort();
  await cluster.clock.until(running);
  await cluster.clock.until(producer.close());
});

test("when it cannot be sent, the run ends there", async () => {
  const { cluster } = world({ records: 6 });
  const refused = { send: () => Promise.reject(new Error("no room")) };
  const consumer = await readingAll(cluster);
  const failure = consumer.runBatches({ batchRecordsMax: 3, deadLetter: { topic: "dead", producer: refused } }, (_batch, { processed }) => {
    processed(0);
    throw new Error("broken");
  });
  const error = await cluster.clock.until(failure.catch((each: unknown) => each));
  expect(error).toBeInstanceOf(DeadLetterFailed);
  expect((error as Error).message).toBe(
    "t-0 at offset 1 could not be sent to dead after its handler had failed: broken; sending failed with: no room",
  );
  expect(consumer.position("t", 0)).toBe(1);
});

test("of a batch, all that was not marked as processed goes there", async () => {
  const { cluster } = world({ records: 6 });
  const [dead] = cluster.topic("dead", [1]) as [FakePartition];
  const consumer = await readingAll(cluster, { stopAtEnd: true });
  let calls = 0;
  const options = { batchRecordsMax: 4, deadLetter: { topic: "dead" } };
  await cluster.clock.until(
    consumer.runBatches(options, (_batch, { processed }) => {
      if (calls++ > 0) return;
      processed(1);
      throw new Error("broken");
    }),
  );
  expect(lettersIn(dead).map(({ value }) => value)).toEqual(named(0, 2, 4));
  expect(calls).toBe(2);
});
