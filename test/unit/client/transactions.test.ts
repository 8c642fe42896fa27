import { describe, expect, test } from "vitest";
import { InvalidTransactionState, ProducerFailed, TransactionFailed, TransactionOutcomeUnknown } from "../../../client/base/errors.ts";
import { Producer } from "../../../client/producer/producer.ts";
import type { ProducerOptions } from "../../../client/producer/producer-options.ts";
import { readBatchInfo } from "../../../protocol/records/batch-header.ts";
import { FakeCluster } from "./fake-cluster.ts";
import type { FakePartition } from "./fake-partition.ts";
import { FakeTransactions } from "./fake-transactions.ts";

type Options = Partial<ProducerOptions<Uint8Array | string, Uint8Array | string>>;

function world(version: 1 | 2, options: Options = {}) {
  const cluster = new FakeCluster();
  const partitions = cluster.topic("t", [1, 2]) as [FakePartition, FakePartition];
  const coordinator = new FakeTransactions(cluster, version);
  const producer = new Producer({ ...cluster.options, transactionalId: "id", ...options });
  const done = <T>(promise: Promise<T>) => cluster.clock.until(promise);
  const failure = (promise: Promise<unknown>) => done(promise.then(() => null).catch((error: unknown) => error));
  return { cluster, partitions, coordinator, producer, done, failure };
}

const record = (value: string, partition = 0) => ({ topic: "t", partition, value });

/** Of the data batches: epoch, first sequence. */
const numbersOf = ({ batches }: FakePartition) =>
  batches.flatMap((batch) => {
    const info = readBatchInfo(batch, 0);
    return info === null || info.isControl ? [] : [[info.producerEpoch, info.baseSequence]];
  });

describe("a transaction of version 1", () => {
  test("adds its partitions together before it writes to them, and again in the next; the epoch stays and numbers go on", async () => {
    const { coordinator, partitions, producer, done } = world(1);
    await done(producer.partitionsOf("t"));
    for (let i = 0; i < 2; i++) {
      await done(
        producer.transaction(async (tx) => {
          tx.send(record("a", 0));
          tx.send(record("b", 1));
        }),
      );
    }
    const each = ["add t-0 t-1", "produce t-0 @11", "produce t-1 @11", "commit 0"];
    expect(coordinator.asked).toEqual(["init", ...each, ...each]);
    expect(numbersOf(partitions[0])).toEqual([
      [0, 0],
      [0, 1],
    ]);
    expect(partitions[0].batches.every((batch) => readBatchInfo(batch, 0)?.isTransactional)).toBe(true);
  });

  test("while the one before is being ended, it is asked again soon", async () => {
    const { cluster, coordinator, producer, done } = world(1);
    await done(producer.initTransactions());
    let refusals = 0;
    coordinator.refuse = (api) => (api === "AddPartitionsToTxn" && refusals++ < 3 ? "CONCURRENT_TRANSACTIONS" : undefined);
    const beganMs = cluster.clock.monotonicMs();
    await done(producer.transaction(async (tx) => void tx.send(record("a"))));
    expect(cluster.clock.monotonicMs() - beganMs).toBeLessThan(100);
    expect(refusals).toBe(4);
  });

  test("a send that fails: the commit refuses and says why; after the abort the epoch is raised, and the next begins at 0", async () => {
    const { coordinator, partitions, producer, done, failure } = world(1);
    const tx = await done(producer.beginTransaction());
    await done(tx.send(record("a")));
    coordinator.refuse = (api) => (api === "Produce" ? "INVALID_RECORD" : undefined);
    await failure(tx.send(record("b")));
    coordinator.refuse = () => undefined;
    const refused = await failure(tx.commit());
    expect(refused).toBeInstanceOf(TransactionFailed);
    expect((refused as Error).message).toContain("INVALID_RECORD");
    expect(await failure(tx.send(record("c")))).toBeInstanceOf(TransactionFailed);
    await done(tx.abort());
    await done(producer.transaction(async (next) => void next.send(record("d"))));
    expect(coordinator.asked.filter((text) => !text.startsWith("produce"))).toEqual([
      "init",
      "add t-0",
      "abort 0",
      "raise",
      "add t-0",
      "commit 1",
    ]);
    expect(numbersOf(partitions[0])).toEqual([
      [0, 0],
      [1, 0],
    ]);
  });

  test("positions of a group are added first, and committed with it or not at all", async () => {
    const { coordinator, producer, done, failure } = world(1);
    const group = { groupId: "g", memberId: "m", generation: 3, groupInstanceId: null };
    await done(producer.transaction((tx) => tx.sendOffsets({ groupMetadata: () => group }, [{ topic: "in", partition: 0, offset: 7 }])));
    const thrown = new Error("mine");
    const rejected = await failure(
      producer.transaction(async (tx) => {
        await tx.sendOffsets(group, [{ topic: "in", partition: 0, offset: 8 }]);
        throw thrown;
      }),
    );
    expect(rejected).toBe(thrown);
    expect(coordinator.asked).toEqual(["init", "add-group g", "offsets g @4", "commit 0", "add-group g", "offsets g @4", "abort 0"]);
    expect(coordinator.committed).toEqual(new Map([["in-0", 7]]));
  });

  test("a member that the group does not know makes it fail, and not the producer", async () => {
    const { coordinator, producer, done, failure } = world(1);
    coordinator.refuse = (api) => (api === "TxnOffsetCommit" ? "ILLEGAL_GENERATION" : undefined);
    const group = { groupId: "g", memberId: "m", generation: 3, groupInstanceId: null };
    const failed = await failure(producer.transaction((tx) => tx.sendOffsets(group, [{ topic: "in", partition: 0, offset: 7 }])));
    expect(failed).toBeInstanceOf(TransactionFailed);
    coordinator.refuse = () => undefined;
    await done(producer.transaction((tx) => tx.sendOffsets(group, [{ topic: "in", partition: 0, offset: 7 }])));
    expect(coordinator.committed.get("in-0")).toBe(7);
  });
});

describe("a transaction of version 2", () => {
  test("adds nothing by itself; the next has the epoch of the last one's end, and begins at 0", async () => {
    const { coordinator, partitions, producer, done } = world(2);
    const group = { groupId: "g", memberId: "", generation: -1, groupInstanceId: null };
    for (let i = 0; i < 2; i++) {
      await done(
        producer.transaction(async (tx) => {
          await tx.send(record("a"));
          await tx.send(record("b"));
          await tx.sendOffsets(group, [{ topic: "in", partition: 0, offset: i }]);
        }),
      );
    }
    const each = ["produce t-0 @12", "produce t-0 @12", "offsets g @5"];
    expect(coordinator.asked).toEqual(["init", ...each, "commit 0", ...each, "commit 1"]);
    expect(numbersOf(partitions[0])).toEqual([
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 1],
    ]);
  });

  test("is not chosen where brokers could, but the cluster does not act by it", async () => {
    const { cluster, coordinator, producer, done } = world(1);
    cluster.features = { "transaction.version": 1 };
    await done(producer.transaction(async (tx) => void tx.send(record("a"))));
    expect(coordinator.asked).toContain("add t-0");
  });

  test("an abort leaves nothing behind: what waits is not sent, and the next goes on under the raised epoch", async () => {
    const { cluster, coordinator, partitions, producer, done } = world(2, { lingerMs: 5_000 });
    const tx = await done(producer.beginTransaction());
    const waiting = tx.send(record("never")).catch((error: unknown) => error);
    await cluster.clock.settle();
    await done(tx.abort());
    expect(await waiting).toBeInstanceOf(TransactionFailed);
    await done(producer.transaction(async (next) => void next.send(record("a"))));
    expect(partitions[0].values()).toContain("a");
    expect(partitions[0].values()).not.toContain("never");
    expect(coordinator.asked.filter((text) => text.startsWith("produce"))).toHaveLength(1);
  });
});

describe.each([1, 2] as const)("the end of a transaction, version %i", (version) => {
  test("that is not answered is asked for again with the same epoch", async () => {
    const { coordinator, producer, done } = world(version);
    let lost = 0;
    coordinator.lose = (api) => (api === "EndTxn" && lost++ === 0 ? "close" : undefined);
    await done(producer.transaction(async (tx) => void tx.send(record("a"))));
    expect(coordinator.asked.slice(-2)).toEqual(["commit 0", "commit 0 again"]);
  });

  test("is not known after the delivery timeout: nobody says that it was aborted, and commit() asks again", async () => {
    const { coordinator, producer, done, failure } = world(version, { deliveryTimeoutMs: 5_000, requestTimeoutMs: 1_000 });
    coordinator.lose = (api) => (api === "EndTxn" ? "close" : undefined);
    const tx = await done(producer.beginTransaction());
    await done(tx.send(record("a")));
    expect(await failure(tx.commit())).toBeInstanceOf(TransactionOutcomeUnknown);
    expect(await failure(tx.abort())).toBeInstanceOf(InvalidTransactionState);
    coordinator.lose = () => undefined;
    await done(tx.commit());
    expect(coordinator.asked).not.toContain("abort 0");
    await done(producer.transaction(async (next) => void next.send(record("b"))));
    expect(coordinator.state).toBe("commit");
  });

  test("is settled before the next begins, whatever the application does", async () => {
    const { coordinator, producer, done, failure } = world(version, { deliveryTimeoutMs: 5_000, requestTimeoutMs: 1_000 });
    coordinator.lose = (api) => (api === "EndTxn" ? "close" : undefined);
    expect(await failure(producer.transaction(async (tx) => void tx.send(record("a"))))).toBeInstanceOf(TransactionOutcomeUnknown);
    coordinator.lose = () => undefined;
    await done(producer.transaction(async (tx) => void tx.send(record("b"))));
    expect(coordinator.asked.filter((text) => text.startsWith("commit")).at(-2)).toBe("commit 0 again");
    expect(coordinator.asked.some((text) => text.startsWith("abort"))).toBe(false);
  });

  test("refused for being fenced, after an attempt that was not answered: it may be committed", async () => {
    const { coordinator, producer, failure } = world(version);
    let asked = 0;
    coordinator.lose = (api) => (api === "EndTxn" ? "close" : undefined);
    coordinator.refuse = (api) => (api === "EndTxn" && asked++ > 0 ? "PRODUCER_FENCED" : undefined);
    const unknown = await failure(producer.transaction(async (tx) => void tx.send(record("a"))));
    expect(unknown).toBeInstanceOf(TransactionOutcomeUnknown);
    expect((unknown as Error).cause).toBeInstanceOf(ProducerFailed);
  });

  test("goes to the coordinator wherever it has moved", async () => {
    const { coordinator, producer, done } = world(version);
    const tx = await done(producer.beginTransaction());
    await done(tx.send(record("a")));
    coordinator.broker = 2;
    await done(tx.commit());
    expect(coordinator.asked.at(-1)).toBe("commit 0");
  });
});

describe("a producer", () => {
  test("that is fenced is over, and says so from then on", async () => {
    const { coordinator, producer, done, failure } = world(1);
    await done(producer.initTransactions());
    coordinator.epoch++;
    const fenced = await failure(producer.transaction(async (tx) => void tx.send(record("a"))));
    expect(fenced).toBeInstanceOf(ProducerFailed);
    expect((fenced as ProducerFailed).isFenced).toBe(true);
    expect(await failure(producer.beginTransaction())).toBe(fenced);
  });

  test("a leader's INVALID_PRODUCER_EPOCH ends the transaction only: whether it is fenced is the coordinator's to say", async () => {
    const { coordinator, producer, done, failure } = world(1);
    coordinator.refuse = (api) => (api === "Produce" ? "INVALID_PRODUCER_EPOCH" : undefined);
    expect(await failure(producer.transaction(async (tx) => void tx.send(record("a"))))).toBeInstanceOf(TransactionFailed);
    coordinator.refuse = () => undefined;
    await done(producer.transaction(async (tx) => void tx.send(record("b"))));
    coordinator.refuse = (api) => (api === "EndTxn" ? "INVALID_PRODUCER_EPOCH" : undefined);
    expect(await failure(producer.transaction(async (tx) => void tx.send(record("c"))))).toBeInstanceOf(ProducerFailed);
  });

  test("has one transaction at a time, and sends nothing outside of it", async () => {
    const { coordinator, producer, done, failure } = world(2);
    expect(await failure(producer.send(record("before")))).toBeInstanceOf(InvalidTransactionState);
    const tx = await done(producer.beginTransaction());
    expect(await failure(producer.beginTransaction())).toBeInstanceOf(InvalidTransactionState);
    expect(await failure(producer.transaction(async () => undefined))).toBeInstanceOf(InvalidTransactionState);
    await done(producer.send(record("within")));
    await done(tx.commit());
    const next = await done(producer.beginTransaction());
    expect(await failure(tx.send(record("late")))).toBeInstanceOf(InvalidTransactionState);
    await done(next.send(record("c")));
    await done(next.commit());
    expect(coordinator.asked.filter((text) => text.startsWith("commit"))).toEqual(["commit 0", "commit 1"]);
  });

  test("a transaction in which nothing was sent asks for nothing", async () => {
    const { coordinator, producer, done } = world(1);
    expect(await done(producer.transaction(async () => 42))).toBe(42);
    expect(coordinator.asked).toEqual(["init"]);
  });

  test("that is closed aborts what is open", async () => {
    const { coordinator, producer, done } = world(2);
    const tx = await done(producer.beginTransaction());
    await done(tx.send(record("a")));
    await done(producer.close());
    expect(coordinator.asked.at(-1)).toBe("abort 0");
  });
});
