import { expect, test } from "vitest";
import {
  assignmentEpochRecord,
  currentRecord,
  groupEpochRecord,
  groupTombstone,
  memberProfileRecord,
  memberTombstone,
  patternRecord,
  patternTombstone,
  readCurrent,
  readGroupEpoch,
  subscribedTopicsRecord,
  targetRecord,
} from "../../../../broker/group/consumer/consumer-group-records.ts";
import type { GroupRecord } from "../../../../broker/group/contract.ts";
import { MalformedFrame } from "../../../../protocol/wire/reader.ts";

const hex = ({ key, value }: GroupRecord) => [key.toString("hex"), value?.toString("hex") ?? null];
const topicId = "AQIDBAUGBwgJCgsMDQ4PEA"; // the bytes 1 to 16
const idHex = "0102030405060708090a0b0c0d0e0f10";

// The expected bytes were put together by hand from the definitions of Kafka 3.9's group coordinator.

test("records of a group are Kafka's: the key not flexible, the value flexible in version 0", () => {
  expect(hex(groupEpochRecord("g", 5))).toEqual(["0003" + "000167", "0000" + "00000005" + "00"]);
  expect(hex(assignmentEpochRecord("g", 6))).toEqual(["0006" + "000167", "0000" + "00000006" + "00"]);
  expect(hex(subscribedTopicsRecord("g", new Map([["t", { topicId, partitionCount: 3 }]])))).toEqual([
    "0004" + "000167",
    `000002${idHex}027400000003010000`,
  ]);
  expect(hex(groupTombstone("subscribedTopics", "g"))).toEqual(["0004" + "000167", null]);
});

test("records of a member are Kafka's", () => {
  const profile = {
    instanceId: "i",
    rackId: null,
    clientId: "c",
    clientHost: "/h",
    subscribedTopicNames: ["t"],
    subscribedTopicRegex: null,
    rebalanceTimeoutMs: 258,
    serverAssignor: null,
  };
  expect(hex(memberProfileRecord("g", "m", profile))).toEqual([
    "0005" + "000167" + "00016d",
    "0000" + "0269" + "00" + "0263" + "032f68" + "020274" + "00" + "00000102" + "00" + "00",
  ]);
  const partitions = new Map([[topicId, [1, 2]]]);
  const listed = `02${idHex}03000000010000000200`;
  expect(hex(targetRecord("g", "m", partitions))).toEqual(["0007" + "000167" + "00016d", `0000${listed}00`]);
  const current = { epoch: 4, previousEpoch: 3, state: "unrevoked", assigned: partitions, pendingRevocation: new Map() } as const;
  expect(hex(currentRecord("g", "m", current))).toEqual(["0008" + "000167" + "00016d", `0000000000040000000301${listed}0100`]);
  expect(hex(memberTombstone("current", "g", "m"))).toEqual(["0008" + "000167" + "00016d", null]);
});

test("records of an expression are Kafka 4's", () => {
  const key = "0010" + "000167" + "0003612e2a";
  expect(hex(patternRecord("g", "a.*", ["ab"], 258))).toEqual([key, "0000" + "02036162" + "0000000000000000" + "0000000000000102" + "00"]);
  expect(hex(patternTombstone("g", "a.*"))).toEqual([key, null]);
});

test("a value in a version or a state that is not known is refused, not guessed", () => {
  expect(() => readGroupEpoch(Buffer.from("00010000000500", "hex"))).toThrow(MalformedFrame);
  expect(() => readGroupEpoch(Buffer.from("0000000005", "hex"))).toThrow(MalformedFrame);
  expect(() => readCurrent(Buffer.from("0000" + "00000004" + "00000003" + "7f" + "01" + "01" + "00", "hex"))).toThrow(MalformedFrame);
});

test("tagged fields of later versions, as the epochs of partitions, are passed over", () => {
  const withEpochs = `02${idHex}02000000010100050200000007`;
  const read = readCurrent(Buffer.from(`0000000000040000000300${withEpochs}0100`, "hex"));
  expect(read).toEqual({ epoch: 4, previousEpoch: 3, state: "stable", assigned: new Map([[topicId, [1]]]), pendingRevocation: new Map() });
});
