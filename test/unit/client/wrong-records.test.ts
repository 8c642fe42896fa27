import { describe, expect, test } from "vitest";
import { InvalidArgument, SerializationFailed } from "../../../client/base/errors.ts";
import { Producer } from "../../../client/producer/producer.ts";
import { decodeBatch } from "../../../protocol/records/decode-batch.ts";
import { FakeCluster } from "./fake-cluster.ts";

/** As a program without types sends: what becomes of it, and what is stored. */
async function sent(...records: unknown[]) {
  const cluster = new FakeCluster();
  const [partition] = cluster.topic("t", [1]);
  const { bootstrap, runtime } = cluster;
  const producer = new Producer({ bootstrap, runtime });
  const outcomes = await cluster.clock.until(Promise.allSettled(records.map((record) => producer.send(record as never))));
  await cluster.clock.until(producer.close());
  const failures = outcomes.map((outcome) => (outcome.status === "rejected" ? (outcome.reason as Error) : null));
  return { failures, stored: partition?.batches.flatMap((bytes) => [...decodeBatch(bytes)]) ?? [] };
}

describe("a record that only JavaScript can write is refused, and nothing is stored", () => {
  test.each<[string, unknown, string]>([
    ["messages, as kafkajs has them", { topic: "t", messages: [{ value: "x" }] }, "sendMany([{topic, key, value}, …])"],
    ["messages beside a value", { topic: "t", value: "x", messages: [] }, "a record has no messages"],
    ["timestamp, as others call it", { topic: "t", value: "x", timestamp: "1700000000000" }, "it is called timestampMs here"],
    ["acks of a record", { topic: "t", value: "x", acks: 1 }, "a record has no acks: that is an option of the Producer"],
    ["compression of a record", { topic: "t", value: "x", compression: 1 }, "a record has no compression: that is an option"],
    ["no value", { topic: "t", key: "k" }, "the value null where a tombstone is meant"],
    ["a value that is undefined", { topic: "t", value: undefined }, "the record has no value"],
    ["no topic", { value: "x" }, "a record needs a topic, as in send({topic, key, value})"],
    ["no object", "x", "a record is an object"],
    ["nothing", undefined, "a record is an object"],
    [
      "text in a list of headers",
      { topic: "t", value: "x", headers: [{ key: "a", value: "bc" }] },
      "the value of one of the headers is a string",
    ],
    ["a header without a key", { topic: "t", value: "x", headers: [{ value: null }] }, "the key of one of the headers is undefined"],
    ["headers of text", { topic: "t", value: "x", headers: "abc" }, "headers is a string: headers are an object {name: text, bytes, null"],
    ["headers in a Map", { topic: "t", value: "x", headers: new Map([["a", "b"]]) }, "headers is a Map"],
    ["a number in a header", { topic: "t", value: "x", headers: { a: 1 } }, "header a is a number"],
    ["a partition of text", { topic: "t", value: "x", partition: "0" }, "a string is no partition: it is a number from 0"],
    ["a time of text", { topic: "t", value: "x", timestampMs: "5" }, "a string is no timestampMs: it is a number, milliseconds since 1970"],
    ["a Date", { topic: "t", value: "x", timestampMs: new Date(5) }, "a Date is no timestampMs"],
    ["an object in a header", { topic: "t", value: "x", headers: { a: { length: 3 } } }, "header a is an object"],
  ])("%s", async (_name, record, text) => {
    const { failures, stored } = await sent(record);
    expect(failures[0]).toBeInstanceOf(InvalidArgument);
    expect(failures[0]?.message).toContain(text);
    expect(stored).toEqual([]);
  });

  test.each<[unknown, string]>([
    [{ a: 1 }, "value is an object; give the producer a valueSerde such as jsonSerde()"],
    [[1], "value is an array; give"],
    [7, "value is a number; give"],
    [true, "value is a boolean; give"],
    [new ArrayBuffer(1), "value is an ArrayBuffer; give"],
  ])("a value that is neither text nor bytes, without a serde: %j", async (value, text) => {
    const { failures, stored } = await sent({ topic: "t", value });
    expect(failures[0]).toBeInstanceOf(SerializationFailed);
    expect(failures[0]?.message).toContain(text);
    expect(stored).toEqual([]);
  });
});

test("a record as it was read can be sent elsewhere as it is", async () => {
  const read = { topic: "s", partition: 0, offset: 7, key: null, value: Buffer.from("x"), headers: [], timestampMs: 5 };
  const { failures, stored } = await sent({ ...read, topic: "t" });
  expect(failures).toEqual([null]);
  expect(stored.map(({ timestampMs }) => timestampMs)).toEqual([5]);
});

test("a serde that makes no bytes is named; so is a list that is none", async () => {
  const cluster = new FakeCluster();
  cluster.topic("t", [1]);
  const { bootstrap, runtime } = cluster;
  const producer = new Producer({ bootstrap, runtime, keySerde: { serialize: () => "text" as never } });
  await expect(cluster.clock.until(producer.send({ topic: "t", key: "k", value: "x" }))).rejects.toThrow(
    "keySerde makes a string of it, not bytes",
  );
  const kafkajs = { topic: "t", messages: [{ value: "x" }] } as never;
  await expect(producer.sendMany(kafkajs)).rejects.toThrow("sendMany takes a list of records, as in sendMany([{topic, key, value}, …])");
});

test("what is allowed is stored as it is: tombstones that are meant, and every form of headers", async () => {
  const { failures, stored } = await sent(
    { topic: "t", key: "k", value: null },
    { topic: "t", value: "x", headers: { a: "b", many: ["1", Buffer.from("2")], none: null, bytes: new Uint8Array([51]) } },
    {
      topic: "t",
      value: "y",
      headers: [
        { key: "a", value: Buffer.from("b") },
        { key: "n", value: null },
      ],
    },
  );
  expect(failures).toEqual([null, null, null]);
  expect(stored.map(({ value }) => value?.toString() ?? null)).toEqual([null, "x", "y"]);
  expect(stored.map(({ headers }) => headers.map(({ key, value }) => `${key}=${value}`).join(" "))).toEqual([
    "",
    "a=b many=1 many=2 none=null bytes=3",
    "a=b n=null",
  ]);
});
