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
  expect(refusal(() => new Producer({ bootstrap, transactionalId: "t" } as never))).toContain("transactionalId: not there yet");
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
  ])("assign(%j)", async (assignments, text) => {
    const refused = consumer().assign(assignments as never);
    await expect(refused).rejects.toThrow(InvalidArgument);
    await expect(refused).rejects.toThrow(text);
  });
});
