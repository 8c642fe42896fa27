import { describe, expect, test } from "vitest";
import { Admin } from "../../../client/admin/admin.ts";
import { InvalidArgument } from "../../../client/base/errors.ts";
import { Consumer } from "../../../client/consumer/consumer.ts";
import { Producer } from "../../../client/producer/producer.ts";
import { FakeCluster } from "./fake-cluster.ts";

const bootstrap = "fake:9001";

function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidArgument);
    return (error as Error).message;
  }
  throw new Error("it was accepted");
}

test.each([Producer, Consumer, Admin])("%o without bootstrap, or with something else instead, says what is needed", (Client) => {
  const makes = (options?: unknown) => refusal(() => new Client(options as never));
  const example = `new ${Client.name}({ bootstrap: "127.0.0.1:9092" })`;
  expect(makes()).toBe(`the options of ${Client.name} are undefined: it needs bootstrap at least, as in ${example}`);
  expect(makes("127.0.0.1:9092")).toContain(example);
  expect(makes({})).toBe('bootstrap is undefined: it names brokers to connect to first, such as "127.0.0.1:9092"');
  expect(makes({ bootstrap: [1] })).toContain("bootstrap is an array: it names brokers");
  expect(makes({ brokers: [bootstrap] })).toBe(`${Client.name} has no option brokers: it is called bootstrap here`);
  expect(makes({ bootstrap, requestTimeout: 1 })).toBe(`${Client.name} has no option requestTimeout; did you mean requestTimeoutMs?`);
});

test("options of other clients, and those that are not there yet, are told apart from typing errors", () => {
  expect(refusal(() => new Consumer({ bootstrap, groupId: "g" } as never))).toContain("it is called group here");
  expect(refusal(() => new Consumer({ bootstrap, fromBeginning: true } as never))).toContain('it is called offsetReset: "earliest" here');
  expect(refusal(() => new Producer({ bootstrap, ssl: true } as never))).toContain("ssl: not there yet");
  expect(refusal(() => new Producer({ bootstrap, transactionalId: "" }))).toContain("transactionalId is");
  expect(refusal(() => new Producer({ bootstrap, transactionalId: "t", acks: 1 }))).toContain("a transactionalId needs acks");
  expect(refusal(() => new Producer({ bootstrap, transactionTimeoutMs: 1000 }))).toContain("without a transactionalId");
  expect(refusal(() => new Producer({ bootstrap, groupId: "g" } as never))).toContain(
    "Producer has no option groupId: ProducerOptions lists",
  );
  expect(refusal(() => new Producer({ bootstrap, constructor: 1 } as never))).toContain("Producer has no option constructor");
  expect(refusal(() => new Admin({ bootstrap, operationTimeout: 5 } as never))).toContain("did you mean operationTimeoutMs?");
  // what is undefined is not given
  new Producer({ bootstrap, brokers: undefined } as never);
});

describe("a consumer's arguments", () => {
  const consumer = () => new Consumer({ ...new FakeCluster().options, group: "g" });

  test.each<[unknown, string]>([
    ["greetings", "a string is no list of topics: subscribe takes a list"],
    [{ topic: "greetings" }, "an object is no list of topics"],
    [[{ topic: "greetings" }], "an object is no topic"],
    [[""], "an empty text is no topic"],
    [
      undefined,
      'undefined is no list of topics: subscribe takes a list of names and expressions, as in subscribe(["orders", /^returns-/])',
    ],
  ])("subscribe(%j)", async (topics, text) => {
    const refused = consumer().subscribe(topics as never);
    await expect(refused).rejects.toThrow(InvalidArgument);
    await expect(refused).rejects.toThrow(text);
  });

  test.each<[unknown, string]>([
    ["t", "a string names no partitions: assign takes a list, as in assign([{topic, partition, from}])"],
    [{ topic: "t" }, "an object names no partitions"],
    [["t"], "an assignment needs a topic"],
    [[{ topic: "t", from: "earliest" }], '"earliest" is no place in a log: it is "beginning", "end", {offset: 42} or {timestampMs:'],
    [[{ topic: "t", from: 0 }], "0 is no place in a log"],
    [[{ topic: "t", from: null }], "null is no place in a log"],
    [[{ topic: "t", from: {} }], "{} is no place in a log"],
    [[{ topic: "t", partition: "0" }], "a string is no partition: assign takes a list"],
    [[{ topic: "t", until: "5" }], '"5" is no place in a log'],
  ])("assign(%j)", async (assignments, text) => {
    const refused = consumer().assign(assignments as never);
    await expect(refused).rejects.toThrow(InvalidArgument);
    await expect(refused).rejects.toThrow(text);
  });
});

test.each<[string, unknown, string]>([
  ["a number", 5, "group is a number: it is the group's name"],
  ["nothing", "", "the group's name is empty"],
])("a group whose name is %s", (_name, group, text) => {
  expect(refusal(() => new Consumer({ bootstrap, group } as never))).toBe(text);
});

test("a consumer that was given nothing to read says so, instead of waiting for ever", async () => {
  const cluster = new FakeCluster();
  cluster.topic("t", [1]);
  const text = "there is nothing to read: call assign, or with a group subscribe, before";
  const consumer = new Consumer({ ...cluster.options, stopAtEnd: true });
  expect(refusal(() => consumer.batches())).toBe(text);
  await expect(consumer.run({}, async () => {})).rejects.toThrow(text);
  // that the call is not awaited is no mistake
  const assigned = consumer.assign([{ topic: "t", from: "beginning" }]);
  await cluster.clock.until(Promise.all([assigned, consumer.run({}, async () => {})]));
  await consumer.close();
  const closed = new Consumer(cluster.options);
  await closed.close();
  expect((await closed.batches().next()).done).toBe(true);
});

describe("a run's arguments", () => {
  type Run = (...args: unknown[]) => Promise<unknown>;
  const handler = () => undefined;

  test.each<[string, (run: Run, runBatches: Run) => Promise<unknown>, string]>([
    [
      "eachMessage as in kafkajs",
      (run) => run({ eachMessage: handler }),
      "run has no option eachMessage: the handler comes after the options",
    ],
    ["eachMessage beside a handler", (run) => run({ eachMessage: handler }, handler), "the handler comes after the options, run({"],
    ["eachBatch", (_, runBatches) => runBatches({ eachBatch: handler }), "runBatches has no option eachBatch: the handler comes after"],
    ["a handler alone", (run) => run(handler), "the options of run are a function: it is run({ concurrency: 4 }, async (record) => { … })"],
    ["no handler", (run) => run({}), "the handler of run is undefined: it is run({"],
    ["partitionsConsumedConcurrently", (run) => run({ partitionsConsumedConcurrently: 3 }, handler), "it is called concurrency here"],
    ["autoCommit", (run) => run({ autoCommit: false }, handler), "run has no option autoCommit: that is an option of the Consumer"],
    ["a name nearly right", (run) => run({ concurency: 3 }, handler), "run has no option concurency; did you mean concurrency?"],
    ["a name of its own", (run) => run({ colour: 3 }, handler), "run has no option colour: RunOptions lists those that there are"],
    ["an order of batches", (_, runBatches) => runBatches({ orderBy: "key" }, handler), "runBatches has no option orderBy"],
  ])("%s", async (_name, call, text) => {
    const consumer = new Consumer({ ...new FakeCluster().options, group: "g" });
    const refused = call(
      (...args) => consumer.run(...(args as [never, never])),
      (...args) => consumer.runBatches(...(args as [never, never])),
    );
    await expect(refused).rejects.toThrow(InvalidArgument);
    await expect(refused).rejects.toThrow(text);
  });
});

describe("an admin's arguments", () => {
  const admin = new Admin({ bootstrap });
  const topic = { name: "t" };

  test.each<[string, (wrong: Record<string, (...args: unknown[]) => Promise<unknown>>) => Promise<unknown> | undefined, string]>([
    [
      "createTopics as in kafkajs",
      (a) => a.createTopics?.({ topics: [{ topic: "t" }] }),
      "an object is no list: it is createTopics([{ name:",
    ],
    ["a topic of text", (a) => a.createTopicIfMissing?.("t"), "a string is no topic to create: it is { name:"],
    [
      "numPartitions",
      (a) => a.createTopicIfMissing?.({ ...topic, numPartitions: 3 }),
      "has no numPartitions: it is called partitions here",
    ],
    ["topic", (a) => a.createTopics?.([{ topic: "t" }]), "has no topic: it is called name here"],
    [
      "configEntries",
      (a) => a.createTopicIfMissing?.({ ...topic, configEntries: [] }),
      "it is called configs, an object of names and values here",
    ],
    ["a field nearly right", (a) => a.createTopicIfMissing?.({ ...topic, replicationFactors: 3 }), "did you mean replicationFactor?"],
    ["a name of its own", (a) => a.createTopicIfMissing?.({ ...topic, colour: 3 }), "a topic to create has no colour: it is { name:"],
    [
      "a number of text",
      (a) => a.createTopicIfMissing?.({ ...topic, partitions: "3" }),
      "partitions of topic t is a string, no whole number",
    ],
    [
      "a setting that is a number",
      (a) => a.createTopicIfMissing?.({ ...topic, configs: { x: 5 } }),
      "x of topic t is a number: values of settings are text",
    ],
    ["settings in a list", (a) => a.createTopicIfMissing?.({ ...topic, configs: [] }), "configs of topic t is an array"],
    [
      "deleteTopics as in kafkajs",
      (a) => a.deleteTopics?.({ topics: ["t"] }),
      'an object is no list: it is deleteTopics(["one", "another"])',
    ],
    ["deleteTopics of one", (a) => a.deleteTopics?.("t"), "a string is no list: it is deleteTopics("],
    ["describeTopics of objects", (a) => a.describeTopics?.([{ name: "t" }]), "an object is no name: describeTopics takes a list of names"],
    ["describeGroups of one", (a) => a.describeGroups?.("g"), "a string is no list: it is describeGroups("],
    [
      "listGroupOffsets as fetchOffsets",
      (a) => a.listGroupOffsets?.({ groupId: "g" }),
      'an object is no group\'s name: it is listGroupOffsets("billing")',
    ],
    ["listOffsets of one", (a) => a.listOffsets?.("t"), "a string is no list: it is listOffsets([{ topic:"],
  ])("%s", async (_name, call, text) => {
    const refused = call(admin as never);
    await expect(refused).rejects.toThrow(InvalidArgument);
    await expect(refused).rejects.toThrow(text);
  });
});
