import { expect, test, vi } from "vitest";
import { cluster, created, options, topic } from "./requests.ts";

/** The coordinator's bound is brought down once the topic is there. */
const bound = vi.hoisted(() => ({ bytes: 1_000_000 }));
vi.mock("../../../coordinator-client/session/write-size.ts", async (original) => ({
  ...(await original<typeof import("../../../coordinator-client/session/write-size.ts")>()),
  get writeMaxBytes() {
    return bound.bytes;
  },
  measureWrite: (operations: readonly { readonly path: string; readonly data?: Buffer }[]) => {
    let bytes = 0;
    let firstTooLarge: number | null = null;
    for (const [index, { path, data }] of operations.entries()) {
      bytes += 64 + path.length + (data?.length ?? 0);
      if (bytes > bound.bytes) firstTooLarge ??= index;
    }
    return { bytes, firstTooLarge };
  },
}));

const count = 200;
const before = [10_001, 10_002, 10_003];
const after = [10_004, 10_005, 10_006];
const move = { ...options, mayChangeReplicationFactor: true };

const wanted = (from: number, to: number, replicas: readonly number[] | null) =>
  Array.from({ length: to - from }, (_, index) => ({ topic: "t", partition: from + index, replicas }));

async function begun() {
  bound.bytes = 1_000_000;
  const world = await cluster([...before, ...after]);
  await created(world, topic("t", Array.from({ length: count }, () => before))); // biome-ignore format: the assignment
  bound.bytes = 17_000;
  const alter = async (some: ReturnType<typeof wanted>) =>
    (await world.run(world.controller.alterPartitionReassignments(some, move))).map(({ error }) => error);
  const stored = () => world.ensemble.tree.read("/brokers/topics/t")!.data;
  const epoch = () => world.ensemble.tree.read("/controller_epoch")!.data.toString();
  const adding = () => Object.keys(JSON.parse(stored().toString()).adding_replicas).length;
  return { world, alter, stored, epoch, adding };
}

test("what would make the topic's znode too large is refused, and the controller stays", async () => {
  const { world, alter, stored, epoch, adding } = await begun();
  const term = epoch();
  const answers = await alter(wanted(0, count, after));
  const accepted = answers.filter((error) => error === "NONE").length;
  expect(accepted).toBeGreaterThan(100);
  expect(answers).toEqual([...Array(accepted).fill("NONE"), ...Array(count - accepted).fill("POLICY_VIOLATION")]);
  expect(adding()).toBe(accepted);
  expect(stored().length).toBeLessThan(bound.bytes);
  // there is room for what makes it smaller
  expect(new Set(await alter(wanted(0, accepted, null)))).toEqual(new Set(["NONE"]));
  expect(adding()).toBe(0);
  await world.pass(2_000);
  expect(epoch()).toBe(term);
});

test("where only the states are too many for one transaction, they are written in several", async () => {
  const { alter, adding } = await begun();
  bound.bytes = 20_000;
  expect(new Set(await alter(wanted(0, count, [...before].reverse())))).toEqual(new Set(["NONE"]));
  expect(new Set(await alter(wanted(0, 100, after)))).toEqual(new Set(["NONE"]));
  expect(adding()).toBe(100);
});

test("a topic, or more partitions of one, that would make the znode too large are refused, and the controller stays", async () => {
  const { world, stored, epoch } = await begun();
  const term = epoch();
  const before = stored();
  const many = Array.from({ length: 2_000 }, () => after);
  const answers = await world.run(world.controller.createTopics([topic("many", many)], options));
  expect(answers).toMatchObject([{ error: "POLICY_VIOLATION" }]);
  expect(world.exists("/brokers/topics/many")).toBe(false);
  const more = [{ name: "t", count: count + many.length, assignments: many }];
  expect(await world.run(world.controller.createPartitions(more, options))).toMatchObject([{ error: "POLICY_VIOLATION" }]);
  expect(stored()).toEqual(before);
  await world.pass(2_000);
  expect(epoch()).toBe(term);
});
