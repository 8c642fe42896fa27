import { describe, expect, test } from "vitest";
import { StateMemory } from "../../../broker/state-machine/state-memory.ts";
import { machineConfig, place, producer, timeoutMs, World } from "./world.ts";

describe("time", () => {
  test("a transaction that is open for too long is aborted; the EndTxn that comes after meets that", async () => {
    const world = await World.start();
    await world.init();
    await world.add(producer("100/0"));
    await world.clock.advance(timeoutMs - 1_000);
    expect(world.orders).toEqual([]);
    await world.clock.advance(machineConfig.timeoutCheckMs + 1_000);
    expect(world.orders).toMatchObject([{ kind: "abort", producerEpoch: 1 }]);
    expect(await world.end(producer("100/0"), "commit")).toBe("INVALID_TXN_STATE");
    expect(await world.end(producer("100/0"), "abort")).toBe("100/1");
  });

  test("is monotonic: steps of the wall clock abort nothing, and a move begins the timeout anew", async () => {
    const world = await World.start();
    await world.init();
    await world.add(producer("100/0"));
    world.clock.stepMs += 365 * 24 * 3_600_000;
    await world.clock.advance(timeoutMs - 20_000);
    expect(world.orders).toEqual([]);
    await world.move();
    await world.clock.advance(timeoutMs - 20_000);
    expect(world.orders).toEqual([]);
    await world.clock.advance(40_000);
    expect(world.orders).toMatchObject([{ kind: "abort" }]);
  });

  test("an unused id expires with a tombstone; its producer, when it wakes up, begins with another producer id", async () => {
    const world = await World.start();
    await world.init();
    await world.clock.advance(machineConfig.expirationMs - 3_600_000);
    expect(world.states()).toEqual(["Empty 100/0"]);
    await world.clock.advance(2 * 3_600_000);
    expect(world.states()).toEqual(["Empty 100/0", "tombstone"]);
    expect(world.memory.usedBytes).toBe(0);
    expect(await world.add(producer("100/0"))).toBe("INVALID_PRODUCER_ID_MAPPING");
    expect(await world.end(producer("100/0"), "commit")).toBe("INVALID_PRODUCER_ID_MAPPING");
    expect(await world.verify(producer("100/0"), [place(0)])).toBe("INVALID_PRODUCER_ID_MAPPING");
    expect(await world.init(producer("100/0"))).toBe("101/0");
  });

  test("an id with a transaction never expires, and age counts across moves", async () => {
    const world = await World.start();
    await world.init();
    await world.add(producer("100/0"));
    await world.end(producer("100/0"), "commit");
    await world.clock.advance(2 * machineConfig.expirationMs);
    expect(world.states().at(-1)).toBe("PrepareCommit 100/1");
    await world.markAll();
    await world.clock.advance(machineConfig.expirationMs / 2);
    await world.move();
    await world.clock.advance(machineConfig.expirationMs / 2 + 2 * 3_600_000);
    expect(world.states().at(-1)).toBe("tombstone");
  });
});

describe("memory", () => {
  test("a new id and more partitions are refused beyond the bound; a transaction can be ended always", async () => {
    const world = new World();
    world.memory = new StateMemory(2_000);
    await world.load();
    await world.init();
    const p = producer("100/0");
    expect(await world.add(p)).toBe("NONE");
    const many = Array.from({ length: 20 }, (_, number) => place(number));
    expect(await world.add(p, many)).toBe("COORDINATOR_NOT_AVAILABLE");
    const other = await world.run((machine, now) =>
      machine.initProducer("x".repeat(1_000), { timeoutMs, expected: null, freshId: 5 }, now),
    );
    expect(other).toEqual({ error: "COORDINATOR_NOT_AVAILABLE" });
    expect(await world.end(p, "commit")).toBe("100/1");
    await world.markAll();
    expect(world.states().at(-1)).toBe("CompleteCommit 100/1");
  });

  test("partitions are refused before the record about their end would not fit into a batch", async () => {
    const world = await World.start();
    await world.init();
    world.partition.batchBytesMax = 800;
    const p = producer("100/0");
    const added: string[] = [];
    for (let number = 0; number < 200; number++) added.push(await world.add(p, [place(number)]));
    expect(new Set(added)).toEqual(new Set(["NONE", "MESSAGE_TOO_LARGE"]));
    expect(await world.end(p, "commit")).toBe("100/1");
    await world.markAll();
    expect(world.states().at(-1)).toBe("CompleteCommit 100/1");
  });

  test("a transaction's record does not grow to a whole batch, which each small request would write again", async () => {
    const world = await World.start();
    await world.init();
    const many = (from: number, count: number) => Array.from({ length: count }, (_, number) => place(from + number));
    expect(await world.add(producer("100/0"), many(0, 60_000))).toBe("NONE");
    expect(await world.add(producer("100/0"), many(60_000, 10_000))).toBe("MESSAGE_TOO_LARGE");
    expect(world.partition.endOffset).toBe(2);
  });

  test("is given back when the leadership ends", async () => {
    const world = await World.start();
    await world.init();
    const { memory } = world;
    expect(memory.usedBytes).toBeGreaterThan(0);
    await world.move();
    expect(memory.usedBytes).toBe(0);
    expect(world.memory.usedBytes).toBeGreaterThan(0);
  });
});
