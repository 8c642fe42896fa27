import { describe, expect, test } from "vitest";
import { newTransaction } from "../../../broker/transaction/transaction.ts";
import { transactionRecord } from "../../../broker/transaction/transaction-records.ts";
import { BatchBuilder } from "../../../protocol/records/encode-batch.ts";
import { id, machineConfig, place, producer, timeoutMs, World } from "./world.ts";

/** The id as it would be after very many transactions. */
async function worldWithEpoch(producerEpoch: number, clientVersion = 0): Promise<World> {
  const world = new World();
  const builder = new BatchBuilder();
  builder.append({ ...transactionRecord({ ...newTransaction(id, 7, timeoutMs, 1), producerEpoch, clientVersion }), timestampMs: 1 });
  world.partition.append(null, builder.build());
  await world.load();
  return world;
}

describe("a transaction of version 2", () => {
  test("begins with its first partition, and raises the epoch with its end", async () => {
    const world = await World.start();
    expect(await world.init()).toBe("100/0");
    const p = producer("100/0");
    expect(await world.add(p, [place(0), place(1)])).toBe("NONE");
    expect(await world.add(p, [place(1)])).toBe("NONE");
    expect(await world.add(p, [place(2, "u")])).toBe("NONE");
    expect(await world.end(p, "commit")).toBe("100/1");
    expect(world.orders).toMatchObject([
      {
        transactionalId: id,
        producerId: 100,
        producerEpoch: 1,
        coordinatorEpoch: 1,
        transactionVersion: 2,
        kind: "commit",
        partitions: [place(0), place(1), place(2, "u")],
      },
    ]);
    await world.mark(world.orders[0]!, [place(0), place(2, "u")]);
    expect(world.states().at(-1)).toBe("PrepareCommit 100/1");
    await world.mark(world.orders[0]!, [place(1)]);
    expect(world.states()).toEqual(["Empty 100/0", "Ongoing 100/0", "Ongoing 100/0", "PrepareCommit 100/1", "CompleteCommit 100/1"]);
  });

  test("EndTxn with a lost answer is answered again, as it was decided, by the next coordinator too", async () => {
    const world = await World.start();
    await world.init();
    const p = producer("100/0");
    await world.add(p);
    expect(await world.end(p, "commit")).toBe("100/1");
    expect(await world.end(p, "commit")).toBe("100/1");
    expect(await world.end(p, "abort")).toBe("INVALID_TXN_STATE");
    await world.move();
    expect(await world.end(p, "commit")).toBe("100/1");
    await world.markAll();
    expect(await world.end(p, "commit")).toBe("100/1");
    await world.move();
    expect(await world.end(p, "commit")).toBe("100/1");
    expect(await world.end(p, "abort")).toBe("INVALID_TXN_STATE");
    await world.add(producer("100/1"));
    expect(await world.end(p, "commit")).toBe("PRODUCER_FENCED");
  });

  test("while markers are written, the next transaction waits; what comes late of this one is fenced", async () => {
    const world = await World.start();
    await world.init();
    await world.add(producer("100/0"));
    await world.end(producer("100/0"), "abort");
    expect(await world.add(producer("100/1"))).toBe("CONCURRENT_TRANSACTIONS");
    expect(await world.verify(producer("100/1"), [place(0)])).toBe("CONCURRENT_TRANSACTIONS");
    expect(await world.add(producer("100/0"))).toBe("PRODUCER_FENCED");
    expect(await world.init()).toBe("CONCURRENT_TRANSACTIONS");
    await world.markAll();
    expect(await world.add(producer("100/0"))).toBe("PRODUCER_FENCED");
    expect(await world.verify(producer("100/0"), [place(0)])).toBe("PRODUCER_FENCED");
    expect(await world.add(producer("100/1"))).toBe("NONE");
  });

  test("an abort of nothing raises the epoch in one step, so that nothing written before can arrive", async () => {
    const world = await World.start();
    await world.init();
    expect(await world.end(producer("100/0"), "commit")).toBe("INVALID_TXN_STATE");
    expect(await world.end(producer("100/0"), "abort")).toBe("100/1");
    expect(world.states()).toEqual(["Empty 100/0", "PrepareAbort 100/1", "CompleteAbort 100/1"]);
    expect(world.orders).toEqual([]);
    expect(world.partition.appends).toBe(2);
    expect(await world.end(producer("100/0"), "abort")).toBe("100/1");
    expect(await world.end(producer("100/1"), "abort")).toBe("100/2");
  });

  test("an exhausted epoch is followed by a new producer id, told with the answer and again when it is lost", async () => {
    const world = await worldWithEpoch(32_766);
    await world.add(producer("7/32766"));
    expect(await world.end(producer("7/32766"), "commit")).toBe("100/0");
    expect(world.orders[0]).toMatchObject({ producerId: 7, producerEpoch: 32_767 });
    expect(await world.add(producer("100/0"))).toBe("CONCURRENT_TRANSACTIONS");
    await world.move();
    expect(await world.end(producer("7/32766"), "commit")).toBe("100/0");
    await world.markAll();
    expect(await world.end(producer("7/32766"), "commit")).toBe("100/0");
    expect(await world.end(producer("7/32766"), "abort")).toBe("INVALID_TXN_STATE");
    expect(await world.end(producer("100/-1"), "commit")).toBe("PRODUCER_FENCED");
    expect(world.states().slice(-2)).toEqual(["PrepareCommit 7/32767", "CompleteCommit 100/0"]);
    expect(await world.add(producer("100/0"))).toBe("NONE");
  });

  test("nobody writes with the last epoch, with which a coordinator fences", async () => {
    const world = await worldWithEpoch(32_766);
    await world.add(producer("7/32766"));
    await world.clock.advance(timeoutMs + 2 * machineConfig.timeoutCheckMs);
    await world.markAll();
    expect(world.states().at(-1)).toBe("CompleteAbort 7/32767");
    expect(await world.end(producer("7/32766"), "abort")).toBe("PRODUCER_FENCED");
    expect(await world.add(producer("7/32767"))).toBe("PRODUCER_FENCED");
    expect(await world.init(producer("7/32766"))).toBe("100/0");
  });
});

describe("a transaction of version 1", () => {
  test("keeps its epoch from one to the next", async () => {
    const world = await World.start();
    await world.init();
    const p = producer("100/0");
    expect(await world.add(p, [place(0)], 0)).toBe("NONE");
    expect(await world.verify(p, [place(0), place(1)])).toBe("NONE,TRANSACTION_ABORTABLE");
    expect(await world.end(p, "commit", false)).toBe("100/0");
    expect(world.orders[0]).toMatchObject({ producerEpoch: 0, transactionVersion: 0 });
    expect(await world.add(p, [place(1)], 0)).toBe("CONCURRENT_TRANSACTIONS");
    expect(await world.verify(p, [place(0)])).toBe("CONCURRENT_TRANSACTIONS");
    await world.markAll();
    expect(await world.end(p, "commit", false)).toBe("100/0");
    expect(await world.end(p, "abort", false)).toBe("INVALID_TXN_STATE");
    expect(await world.verify(p, [place(0)])).toBe("TRANSACTION_ABORTABLE");
    expect(await world.add(p, [place(1)], 0)).toBe("NONE");
  });

  test("the old flaw that verification cannot see: a delayed AddPartitions joins the next transaction; version 2 refuses it", async () => {
    const one = await World.start();
    await one.init();
    const p = producer("100/0");
    await one.add(p, [place(0)], 0);
    await one.end(p, "abort", false);
    await one.markAll();
    await one.add(p, [place(1)], 0);
    // sent for the first transaction
    expect(await one.add(p, [place(0)], 0)).toBe("NONE");
    expect(await one.verify(p, [place(0)])).toBe("NONE");

    const two = await World.start();
    await two.init();
    await two.add(p, [place(0)]);
    await two.end(p, "abort");
    await two.markAll();
    await two.add(producer("100/1"), [place(1)]);
    expect(await two.add(p, [place(0)])).toBe("PRODUCER_FENCED");
    expect(await two.verify(p, [place(0)])).toBe("PRODUCER_FENCED");
    expect(await two.end(p, "commit")).toBe("PRODUCER_FENCED");
  });

  test("a producer that the coordinator has given up is fenced, also where the coordinator raises as version 2 does", async () => {
    for (const version of [0, 2]) {
      const world = await World.start();
      world.version = version;
      await world.init();
      await world.add(producer("100/0"), [place(0)], 0);
      await world.clock.advance(timeoutMs + 2 * machineConfig.timeoutCheckMs);
      expect(world.orders).toMatchObject([{ producerEpoch: 1, kind: "abort", transactionVersion: version }]);
      await world.markAll();
      for (const kind of ["commit", "abort"] as const) expect(await world.end(producer("100/0"), kind, false)).toBe("PRODUCER_FENCED");
      expect(await world.add(producer("100/0"), [place(0)], 0)).toBe("PRODUCER_FENCED");
    }
  });
});

describe("InitProducerId", () => {
  test("fences whoever had the id, and aborts what it had open", async () => {
    const world = await World.start();
    await world.init();
    await world.add(producer("100/0"));
    expect(await world.init()).toBe("CONCURRENT_TRANSACTIONS");
    expect(world.orders).toMatchObject([{ producerEpoch: 1, kind: "abort" }]);
    expect(await world.end(producer("100/0"), "commit")).toBe("INVALID_TXN_STATE");
    await world.markAll();
    expect(await world.init()).toBe("100/2");
    expect(await world.end(producer("100/0"), "abort")).toBe("PRODUCER_FENCED");
    expect(await world.add(producer("100/1"))).toBe("PRODUCER_FENCED");
  });

  test("with what the producer had, the epoch rises once, however often the answer is lost (KIP-360)", async () => {
    const world = await World.start();
    await world.init();
    expect(await world.init(producer("100/0"))).toBe("100/1");
    expect(await world.init(producer("100/0"))).toBe("100/1");
    expect(await world.init(producer("100/1"))).toBe("100/2");
    expect(await world.init(producer("100/0"))).toBe("PRODUCER_FENCED");
    expect(await world.init(producer("99/2"))).toBe("PRODUCER_FENCED");
  });

  test("a late one of an earlier epoch does not abort what the present producer has open", async () => {
    const world = await World.start();
    await world.init();
    await world.init(producer("100/0"));
    await world.add(producer("100/1"));
    expect(await world.init(producer("100/0"))).toBe("PRODUCER_FENCED");
    expect(world.states().at(-1)).toBe("Ongoing 100/1");
    expect(await world.init(producer("100/1"))).toBe("CONCURRENT_TRANSACTIONS");
    await world.markAll();
    expect(await world.init(producer("100/1"))).toBe("100/2");
  });

  test("an exhausted epoch gets a new producer id, which is given again when the answer is lost", async () => {
    const world = await worldWithEpoch(32_766);
    expect(await world.init(producer("7/32766"))).toBe("100/0");
    expect(await world.init(producer("7/32766"))).toBe("100/0");
    await world.move();
    expect(await world.init(producer("7/32766"))).toBe("100/0");
    expect(await world.init()).toBe("100/1");
    expect(await world.init(producer("7/32766"))).toBe("PRODUCER_FENCED");
  });
});

describe("the coordinator", () => {
  test("sends no marker before the outcome is committed, and sends it when the commit took longer than answers wait", async () => {
    const world = await World.start();
    await world.init();
    await world.add(producer("100/0"));
    world.partition.isReplicated = false;
    expect(await world.end(producer("100/0"), "commit")).toBe("unanswered");
    await world.clock.advance(6_000);
    expect(world.orders).toEqual([]);
    world.partition.commit();
    await world.clock.advance(2_000);
    expect(world.orders).toMatchObject([{ kind: "commit" }]);
  });

  test("that takes over sends the markers again, under its own epoch; what is only prepared in a lost tail was never sent", async () => {
    const world = await World.start();
    await world.init();
    await world.add(producer("100/0"), [place(0), place(1)]);
    await world.end(producer("100/0"), "commit");
    await world.mark(world.orders[0]!, [place(0)]);
    const before = world.orders.splice(0)[0]!;
    await world.move();
    expect(before.signal.aborted).toBe(true);
    expect(world.orders).toMatchObject([{ kind: "commit", coordinatorEpoch: 2, partitions: [place(0), place(1)] }]);
    await world.markAll();
    await world.move();
    expect(world.orders).toEqual([]);

    await world.add(producer("100/1"));
    world.partition.isReplicated = false;
    void world.end(producer("100/1"), "commit");
    await world.move();
    expect(world.orders).toEqual([]);
    expect(world.states().at(-1)).toBe("Ongoing 100/1");
  });

  test("completes a transaction whose last record was refused, once its log takes records again", async () => {
    const world = await World.start();
    await world.init();
    await world.add(producer("100/0"));
    await world.end(producer("100/0"), "commit");
    world.partition.refusal = "NOT_ENOUGH_REPLICAS";
    expect(await world.mark(world.orders[0]!)).toBe("COORDINATOR_NOT_AVAILABLE");
    world.partition.refusal = null;
    await world.clock.advance(2_000);
    expect(world.states().at(-1)).toBe("CompleteCommit 100/1");
    await world.clock.advance(10_000);
    expect(world.states().filter((state) => state.startsWith("Complete"))).toHaveLength(1);
  });

  test("fenced by a later coordinator sends nothing more, unless that is itself", async () => {
    const world = await World.start();
    await world.init();
    await world.add(producer("100/0"));
    await world.end(producer("100/0"), "commit");
    const [order] = world.orders.splice(0);
    await world.run((machine) => machine.fenced(order!));
    expect(world.orders).toEqual([]);
    world.goOn();
    await world.run((machine) => machine.fenced(order!));
    expect(world.orders).toMatchObject([{ coordinatorEpoch: 2, producerEpoch: 1 }]);
  });

  test("marks of another transaction count for nothing", async () => {
    const world = await World.start();
    await world.init();
    await world.add(producer("100/0"));
    await world.end(producer("100/0"), "commit");
    const [first] = world.orders.splice(0);
    await world.mark(first!);
    await world.add(producer("100/1"));
    await world.end(producer("100/1"), "abort");
    await world.mark(first!);
    expect(world.states().at(-1)).toBe("PrepareAbort 100/2");
  });
});
