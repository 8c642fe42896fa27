import { describe, expect, test } from "vitest";
import {
  classicGroupRecord,
  classicGroupTombstone,
  groupMetadataValue,
  offsetCommitValue,
  offsetRecord,
  offsetTombstone,
  readVersioned,
} from "../../../broker/group/group-records.ts";
import { zeroTopicId } from "../../../protocol/base/ids.ts";
import { partitionOfKey } from "../../../protocol/base/partition-of-key.ts";

/** Pieces of hex, as one would write them down from Kafka's message definitions: a text has an int16 length, bytes have an int32 one. */
const hex = (...pieces: string[]) => pieces.join("").replaceAll(" ", "");

describe("the records of __consumer_offsets", () => {
  test("an offset in a topic of which nobody knows the id has a key of version 1 and a value of version 3", () => {
    const value = {
      offset: 258,
      leaderEpoch: 7,
      metadata: "md",
      commitTimestamp: 1_700_000_000_000,
      expireTimestamp: -1,
      topicId: zeroTopicId,
    };
    const record = offsetRecord("grp", "topic", 5, value);
    expect(record.key.toString("hex")).toBe(hex("0001", "0003 677270", "0005 746f706963", "00000005"));
    expect(record.value?.toString("hex")).toBe(hex("0003", "0000000000000102", "00000007", "0002 6d64", "0000018bcfe56800"));
  });

  test("an offset in a topic whose id is known has a value of version 4, as Kafka 4 has it", () => {
    const topicId = "AAECAwQFBgcICQoLDA0ODw";
    const value = { offset: 258, leaderEpoch: 7, metadata: "md", commitTimestamp: 256, expireTimestamp: -1, topicId };
    const record = offsetRecord("grp", "topic", 5, value);
    expect(record.value?.toString("hex")).toBe(
      hex(...["0004", "0000000000000102", "00000007", "03 6d64", "0000000000000100"], ...["01 00 10", "000102030405060708090a0b0c0d0e0f"]),
    );
    expect(readVersioned(offsetCommitValue, record.value!)).toEqual(value);
  });

  test("an offset with an expiry of its own has a value of version 1, without the leader epoch", () => {
    const value = { offset: 258, leaderEpoch: 7, metadata: "", commitTimestamp: 256, expireTimestamp: 512, topicId: zeroTopicId };
    const record = offsetRecord("grp", "topic", 5, value);
    expect(record.value?.toString("hex")).toBe(hex("0001", "0000000000000102", "0000", "0000000000000100", "0000000000000200"));
    expect(readVersioned(offsetCommitValue, record.value!)).toEqual({ ...value, leaderEpoch: -1 });
  });

  test("a group has a key of version 2 and a value of version 3", () => {
    const member = {
      memberId: "m1",
      groupInstanceId: null,
      clientId: "c",
      clientHost: "/h",
      rebalanceTimeout: 300,
      sessionTimeout: 200,
      subscription: Buffer.from([1, 2]),
      assignment: Buffer.from([3]),
    };
    const value = {
      protocolType: "consumer",
      generation: 4,
      protocol: "range",
      leader: "m1",
      currentStateTimestamp: 256,
      members: [member],
    };
    const record = classicGroupRecord("grp", value);
    expect(record.key.toString("hex")).toBe(hex("0002", "0003 677270"));
    expect(record.value?.toString("hex")).toBe(
      hex(
        ...["0003", "0008 636f6e73756d6572", "00000004", "0005 72616e6765", "0002 6d31", "0000000000000100", "00000001"],
        ...["0002 6d31", "ffff", "0001 63", "0002 2f68", "0000012c", "000000c8", "00000002 0102", "00000001 03"],
      ),
    );
    expect(readVersioned(groupMetadataValue, record.value!)).toEqual(value);
  });

  test("an empty group has neither protocol nor leader", () => {
    const empty = { protocolType: "consumer", generation: 5, protocol: null, leader: null, currentStateTimestamp: -1, members: [] };
    expect(classicGroupRecord("g", empty).value?.toString("hex")).toBe(
      hex("0003", "0008 636f6e73756d6572", "00000005", "ffff", "ffff", "ffffffffffffffff", "00000000"),
    );
  });

  test("tombstones have the same keys", () => {
    expect(offsetTombstone("grp", "topic", 5)).toEqual({
      key: Buffer.from(hex("0001 0003 677270 0005 746f706963 00000005"), "hex"),
      value: null,
    });
    expect(classicGroupTombstone("grp")).toEqual({ key: Buffer.from(hex("0002 0003 677270"), "hex"), value: null });
  });

  test("values of older and newer versions are read, unknown ones are not", () => {
    const oldest = Buffer.from(hex("0000", "0000000000000009", "0001 78", "0000000000000100"), "hex");
    expect(readVersioned(offsetCommitValue, oldest)).toMatchObject({ offset: 9, metadata: "x", leaderEpoch: -1, commitTimestamp: 256 });
    const flexible = Buffer.from(hex("0004", "0000000000000009", "00000002", "02 78", "0000000000000100", "00"), "hex");
    expect(readVersioned(offsetCommitValue, flexible)).toMatchObject({ offset: 9, metadata: "x", leaderEpoch: 2 });
    expect(() => readVersioned(offsetCommitValue, Buffer.from("0005", "hex"))).toThrow("version 5");
  });
});

test("a group's partition is what Java's hash of its id says", () => {
  // "polygenelubricants" hashes to the smallest integer, which has no absolute value: Kafka counts it as 0
  const known = { "": 0, a: 47, "console-consumer-12345": 6, polygenelubricants: 0, grüße: 23 };
  expect(Object.fromEntries(Object.keys(known).map((id) => [id, partitionOfKey(id, 50)]))).toEqual(known);
});
