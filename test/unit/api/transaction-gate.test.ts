import { beforeEach, describe, expect, test } from "vitest";
import { type Entrance, findTransaction, type ProducedTransaction, TransactionGate } from "../../../broker/api/transaction-gate.ts";
import { TransactionGuards } from "../../../broker/partition/transaction-guards.ts";
import type { VerificationOrder } from "../../../broker/runtime/transaction-verifier.ts";
import type { TopicPartition } from "../../../protocol/base/ids.ts";
import type { KafkaErrorCode } from "../../../protocol/errors/kafka-errors.ts";
import { encodeBatch } from "../../../protocol/records/encode-batch.ts";

class Coordinator {
  readonly asked: VerificationOrder[] = [];
  readonly #answers: ((error: KafkaErrorCode) => void)[] = [];

  verify(order: VerificationOrder): Promise<ReadonlyMap<string, KafkaErrorCode>> {
    this.asked.push(order);
    return new Promise((resolve) => {
      this.#answers.push((error) => resolve(new Map(order.partitions.map(({ topic, partition }) => [`${topic}-${partition}`, error]))));
    });
  }

  async answer(error: KafkaErrorCode = "NONE"): Promise<void> {
    this.#answers.shift()!(error);
    await settled();
  }
}

const settled = () => new Promise((resolve) => setImmediate(resolve));
const orders0: TopicPartition = { topic: "orders", partition: 0 };
const orders1: TopicPartition = { topic: "orders", partition: 1 };

let coordinator: Coordinator;
let guards: TransactionGuards;
let opened: Set<string>;
let verifies: boolean;
let gate: TransactionGate;
let entered: { readonly name: string; readonly entrances: ReadonlyMap<string, Entrance> }[];

beforeEach(() => {
  coordinator = new Coordinator();
  guards = new TransactionGuards();
  opened = new Set();
  entered = [];
  verifies = true;
  gate = new TransactionGate({
    partitions: {
      leader: ({ topic, partition }) => ({
        guards,
        openTransactionOf: (producerId, producerEpoch) =>
          producerEpoch === 1 && opened.has(`${producerId} ${topic}-${partition}`) ? 3 : null,
      }),
    },
    verifier: coordinator,
    verifies: () => verifies,
  });
});

function enter(name: string, partitions: readonly TopicPartition[], more: Partial<ProducedTransaction> = {}): boolean {
  const batch = { transactionalId: "pay", producerId: 7, producerEpoch: 1, sizeInBytes: 100, apiVersion: 11, partitions, ...more };
  return gate.enter(batch, (entrances) => {
    entered.push({ name, entrances });
    // as leaders do: what was appended has begun the transaction
    for (const [key, { error }] of entrances) if (error === null) opened.add(`${batch.producerId} ${key}`);
  });
}

describe("the transaction gate", () => {
  test("asks for a batch of the next epoch, though the transaction before is open still", async () => {
    opened.add("7 orders-0");
    expect(enter("of it", [orders0])).toBe(false);
    expect(enter("of the next", [orders0], { producerEpoch: 2 })).toBe(true);
    expect(coordinator.asked).toHaveLength(1);
    await coordinator.answer();
  });

  test("asks once for all partitions in which nothing is open, and appends in the turn of the answer", async () => {
    opened.add("7 orders-1");
    expect(enter("a", [orders0, orders1])).toBe(true);
    expect(entered).toEqual([]);
    const order = { transactionalId: "pay", producerId: 7, producerEpoch: 1, partitions: [orders0], adds: false };
    expect(coordinator.asked).toEqual([order]);
    await coordinator.answer();
    const [{ entrances }] = entered as [(typeof entered)[0]];
    expect(entrances.get("orders-1")).toEqual({ error: null, guard: undefined });
    expect(entrances.get("orders-0")).toMatchObject({ error: null, guard: { producerId: 7 } });
  });

  test("what is open is appended at once, and nobody is asked", () => {
    opened.add("7 orders-0");
    expect(enter("a", [orders0])).toBe(false);
    expect(entered).toHaveLength(1);
    expect(coordinator.asked).toEqual([]);
  });

  test("a producer's batches stay in their order, and another's go past", async () => {
    enter("first", [orders0]);
    enter("second", [orders0]);
    opened.add("8 orders-0");
    enter("another's", [orders0], { producerId: 8 });
    expect(entered.map(({ name }) => name)).toEqual(["another's"]);
    await coordinator.answer();
    expect(entered.map(({ name }) => name)).toEqual(["another's", "first", "second"]);
    expect(coordinator.asked).toHaveLength(1);
  });

  test("a guard taken before the marker does not open anything after it", async () => {
    enter("late", [orders0]);
    guards.markerWritten({ producerId: 7, producerEpoch: 1, transactionVersion: 1 });
    await coordinator.answer();
    const entrance = entered[0]!.entrances.get("orders-0")!;
    expect(entrance.error).toBeNull();
    if (entrance.error === null && typeof entrance.guard === "object") expect(guards.isHeld(entrance.guard)).toBe(false);
    else expect.fail("it has a guard");
  });

  test("nothing is kept of guards that were given back", async () => {
    const taken: boolean[] = [];
    gate.enter(
      { transactionalId: "pay", producerId: 7, producerEpoch: 1, sizeInBytes: 1, apiVersion: 12, partitions: [orders0] },
      (entrances) => {
        const entrance = entrances.get("orders-0")!;
        if (entrance.error === null && typeof entrance.guard === "object") taken.push(guards.isHeld(entrance.guard));
      },
    );
    await coordinator.answer();
    expect(taken).toEqual([true]);
    expect(coordinator.asked[0]).toMatchObject({ adds: true });
    opened.clear();
    enter("again", [orders0]);
    expect(coordinator.asked).toHaveLength(2);
  });

  test.each([
    ["NOT_COORDINATOR", 11, "NOT_ENOUGH_REPLICAS"],
    ["COORDINATOR_LOAD_IN_PROGRESS", 12, "NOT_ENOUGH_REPLICAS"],
    ["CONCURRENT_TRANSACTIONS", 11, "NOT_ENOUGH_REPLICAS"],
    ["CONCURRENT_TRANSACTIONS", 12, "CONCURRENT_TRANSACTIONS"],
    ["TRANSACTION_ABORTABLE", 11, "TRANSACTION_ABORTABLE"],
    ["TRANSACTION_ABORTABLE", 10, "INVALID_TXN_STATE"],
    ["PRODUCER_FENCED", 12, "INVALID_PRODUCER_EPOCH"],
    ["INVALID_PRODUCER_ID_MAPPING", 9, "INVALID_PRODUCER_ID_MAPPING"],
  ] as const)("%s in version %i is told to the producer as %s", async (error, apiVersion, told) => {
    enter("a", [orders0], { apiVersion });
    await coordinator.answer(error);
    expect(entered[0]!.entrances.get("orders-0")).toMatchObject({ error: told });
  });

  test("where verification is off, only those are asked about that join by being written to", async () => {
    verifies = false;
    enter("old", [orders0]);
    await settled();
    expect(entered[0]!.entrances.get("orders-0")).toEqual({ error: null, guard: "waived" });
    opened.clear();
    enter("new", [orders0], { apiVersion: 12 });
    await settled();
    expect(coordinator.asked).toHaveLength(1);
  });

  test("no more wait than there is room for", () => {
    enter("a", [orders0], { sizeInBytes: 60 * 1024 * 1024 });
    enter("b", [orders0], { sizeInBytes: 5 * 1024 * 1024, producerId: 8 });
    expect(entered.map(({ name, entrances }) => [name, entrances.get("orders-0")!.error])).toEqual([["b", "NOT_ENOUGH_REPLICAS"]]);
  });
});

describe("what of a request belongs to a transaction", () => {
  const batch = (producerId: number, isTransactional: boolean) =>
    encodeBatch([{ key: null, value: Buffer.from("v"), timestampMs: 1 }], {
      producerId,
      producerEpoch: 2,
      baseSequence: 0,
      isTransactional,
    });

  test("the partitions of its transactional batches, and their producer", () => {
    const found = findTransaction(
      "pay",
      [
        { ref: orders0, batch: batch(7, true) },
        { ref: orders1, batch: batch(7, false) },
      ],
      12,
    );
    expect(found).toMatchObject({
      kind: "one",
      transaction: { transactionalId: "pay", producerId: 7, producerEpoch: 2, partitions: [orders0], apiVersion: 12 },
    });
    expect(findTransaction(null, [{ ref: orders1, batch: batch(7, false) }], 12)).toEqual({ kind: "none" });
  });

  test.each([
    ["no transactional id", null, [batch(7, true)], "TRANSACTIONAL_ID_AUTHORIZATION_FAILED"],
    ["two producers", "pay", [batch(7, true), batch(8, true)], "INVALID_PRODUCER_ID_MAPPING"],
    ["an id that is longer than the protocol allows", "x".repeat(40_000), [batch(7, true)], "INVALID_REQUEST"],
    ["no producer", "pay", [withProducer(batch(7, true), -5n)], "INVALID_PRODUCER_ID_MAPPING"],
    ["a producer id beyond 2^53", "pay", [withProducer(batch(7, true), 2n ** 60n)], "INVALID_PRODUCER_ID_MAPPING"],
  ])("%s is refused", (_, transactionalId, batches, error) => {
    const found = findTransaction(
      transactionalId,
      batches.map((one, partition) => ({ ref: { topic: "orders", partition }, batch: one })),
      12,
    );
    expect(found).toMatchObject({ kind: "refused", error });
  });

  test("bytes that are no batch are left to the partition to refuse", () => {
    expect(findTransaction("pay", [{ ref: orders0, batch: Buffer.from("abc") }], 12)).toEqual({ kind: "none" });
  });
});

function withProducer(batch: Buffer, producerId: bigint): Buffer {
  const changed = Buffer.from(batch);
  changed.writeBigInt64BE(producerId, 43);
  return changed;
}
