import { describe, expect, test } from "vitest";
import { newTransaction, type Transaction } from "../../../broker/transaction/transaction.ts";
import {
  readTransaction,
  readTransactionKey,
  transactionRecord,
  transactionTombstone,
} from "../../../broker/transaction/transaction-records.ts";
import { MalformedFrame } from "../../../protocol/wire/reader.ts";

/** Pieces of hex, as one would write them down from Kafka's message definitions. */
const hex = (...pieces: string[]) => pieces.join("").replaceAll(" ", "");

const open: Transaction = {
  ...newTransaction("pay", 258, 60_000, 1_000),
  producerEpoch: 7,
  state: "Ongoing",
  partitions: new Map([
    ["in", new Set([3, 1])],
    ["o", new Set([0])],
  ]),
  startedMs: 512,
};

describe("the records of __transaction_state", () => {
  test("what has no field of its own in version 1 is written in version 0, as Kafka 3 has it", () => {
    const { key, value } = transactionRecord(open);
    expect(key.toString("hex")).toBe(hex("0000", "0003 706179"));
    expect(value?.toString("hex")).toBe(
      hex(
        ...["0000", "0000000000000102", "0007", "0000ea60", "01", "00000002"],
        ...["0002 696e", "00000002 00000003 00000001", "0001 6f", "00000001 00000000"],
        ...["00000000000003e8", "0000000000000200"],
      ),
    );
    expect(readTransactionKey(key)).toBe("pay");
    expect(readTransaction("pay", value!)).toEqual(open);
  });

  test("producer ids before and after, and the client's version, are tagged fields of version 1", () => {
    const ending = {
      ...open,
      state: "PrepareCommit",
      nextProducerId: 5,
      clientVersion: 2,
      partitions: new Map(),
      lastProducerEpoch: 6,
    } as const;
    const { value } = transactionRecord(ending);
    expect(value?.toString("hex")).toBe(
      hex(
        ...["0001", "0000000000000102", "0007", "0000ea60", "02", "01", "00000000000003e8", "0000000000000200"],
        ...["02", "01 08 0000000000000005", "02 02 0002"],
      ),
    );
    expect(readTransaction("pay", value!)).toEqual(ending);
  });

  test("an id without partitions says null, and a tombstone says nothing", () => {
    const { value } = transactionRecord(newTransaction("pay", 1, 1, 1));
    expect(value?.subarray(-20, -16).toString("hex")).toBe("ffffffff");
    expect(transactionTombstone("pay").value).toBeNull();
  });

  test("what Kafka writes besides is read over: the same id before, an epoch for two-phase commit", () => {
    const bytes = hex(
      ...["0001", "0000000000000102", "0007", "0000ea60", "04", "00", "00000000000003e8", "0000000000000200"],
      ...["03", "00 08 0000000000000102", "02 02 0002", "03 02 0009"],
    );
    expect(readTransaction("pay", Buffer.from(bytes, "hex"))).toMatchObject({
      previousProducerId: -1,
      lastProducerEpoch: 6,
      clientVersion: 2,
      state: "CompleteCommit",
    });
  });

  test("a later version, an unknown state and a producer without an id are not guessed at; a later kind of key is passed over", () => {
    const value = transactionRecord(open).value!;
    const changed = (at: number, byte: number) => {
      const copy = Buffer.from(value);
      copy[at] = byte;
      return copy;
    };
    expect(() => readTransaction("pay", changed(1, 2))).toThrow(MalformedFrame);
    expect(() => readTransaction("pay", changed(16, 8))).toThrow(MalformedFrame);
    expect(() => readTransaction("pay", changed(2, 0xff))).toThrow(MalformedFrame);
    expect(() => readTransaction("pay", value.subarray(0, 30))).toThrow(MalformedFrame);
    expect(readTransactionKey(Buffer.from("0001", "hex"))).toBeNull();
  });
});
