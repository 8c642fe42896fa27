import fc from "fast-check";
import { expect, test } from "vitest";
import { openBatch } from "../../../protocol/records/decode-batch.ts";
import { compacted } from "./compacted-batches.ts";
import { commitIn, end } from "./transactions.ts";
import { World } from "./world.ts";

const topics = ["t", "u"] as const;
const groupIds = ["g", "h"] as const;

/** What happened, told in the order of the log. */
type Fact =
  | { readonly kind: "plain" | "deleted"; readonly place: string; readonly offset: number }
  | { readonly kind: "pending"; readonly place: string; readonly offset: number; readonly producerId: number }
  | { readonly kind: "end"; readonly producerId: number; readonly commits: boolean };

/** By place: the position that counts, and whether an open transaction may change it. Written from what a transaction is. */
function expected(facts: readonly Fact[]): Record<string, string> {
  const found: Record<string, string> = {};
  for (const place of new Set(facts.flatMap((fact) => (fact.kind === "end" ? [] : [fact.place])))) {
    let committed: number | null = null;
    let isUnstable = false;
    facts.forEach((fact, at) => {
      if (fact.kind === "end" || fact.place !== place) return;
      if (fact.kind === "deleted") {
        committed = null;
        isUnstable = false;
      } else if (fact.kind === "plain") committed = fact.offset;
      else {
        const { producerId: writer } = fact as Extract<Fact, { readonly kind: "pending" }>;
        const marker = facts.slice(at).find((later) => later.kind === "end" && later.producerId === writer);
        if (marker === undefined) isUnstable = true;
        else if (marker.kind === "end" && marker.commits) committed = fact.offset;
      }
    });
    if (committed !== null || isUnstable) found[place] = `${committed}${isUnstable ? " unstable" : ""}`;
  }
  return found;
}

function found({ offsets, pending }: World["machine"]): Record<string, string> {
  const shown: Record<string, string> = {};
  for (const groupId of groupIds)
    for (const topic of topics) {
      const committed = offsets.find(groupId, topic, 0)?.offset ?? null;
      const isUnstable = pending.hasAt({ groupId, topic, partition: 0 });
      if (committed !== null || isUnstable) shown[`${groupId} ${topic}`] = `${committed}${isUnstable ? " unstable" : ""}`;
    }
  return shown;
}

const groupId = fc.constantFrom(...groupIds);
const topic = fc.constantFrom(...topics);
const producerId = fc.integer({ min: 1, max: 3 });
const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("plain" as const), groupId, topic }) },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant("pending" as const), groupId, topics: fc.uniqueArray(topic, { minLength: 1 }), producerId }),
  },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("end" as const), producerId, commits: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("delete offsets" as const), groupId, topic }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("delete group" as const), groupId }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("compact" as const), dropsTombstones: fc.boolean(), dropsMarkers: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("move" as const) }) },
);

class Run {
  readonly facts: Fact[] = [];
  readonly world: World;
  #next = 1;

  constructor(world: World) {
    this.world = world;
  }

  async take(next: typeof step extends fc.Arbitrary<infer S> ? S : never): Promise<void> {
    const { world, facts } = this;
    const offset = this.#next++;
    switch (next.kind) {
      case "plain":
        await world.commit({ offsets: { [next.topic]: offset } }, next.groupId);
        facts.push({ kind: "plain", place: `${next.groupId} ${next.topic}`, offset });
        break;
      case "pending": {
        const given = Object.fromEntries(next.topics.map((name) => [name, offset]));
        expect(await commitIn(world, next.producerId, given, { groupId: next.groupId })).toEqual(next.topics.map(() => "NONE"));
        for (const name of next.topics)
          facts.push({ kind: "pending", place: `${next.groupId} ${name}`, offset, producerId: next.producerId });
        break;
      }
      case "end":
        expect(end(world, next.producerId, next.commits ? "commit" : "abort").error).toBeNull();
        facts.push(next);
        break;
      case "delete offsets":
        await world.ask((machine) => machine.deleteOffsets(next.groupId, [{ name: next.topic, partitions: [{ partitionIndex: 0 }] }]));
        facts.push({ kind: "deleted", place: `${next.groupId} ${next.topic}`, offset });
        break;
      case "delete group":
        await world.ask((machine) => machine.deleteGroup(next.groupId));
        for (const name of topics) facts.push({ kind: "deleted", place: `${next.groupId} ${name}`, offset });
        break;
      case "compact":
        world.partition.batches = compacted(world.partition.batches, next);
        await world.move();
        break;
      case "move":
        await world.move();
    }
  }
}

test("whatever is committed, ended, deleted, compacted and moved, each position is the last one that counts", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const run = new Run(await World.loaded());
      for (const next of steps) {
        await run.take(next);
        expect(found(run.world.machine)).toEqual(expected(run.facts));
      }
      for (const id of [1, 2, 3]) await run.take({ kind: "end", producerId: id, commits: id !== 2 });
      await run.take({ kind: "compact", dropsTombstones: true, dropsMarkers: true });
      expect(found(run.world.machine)).toEqual(expected(run.facts));
      expect(run.world.pendingMemory.usedBytes).toBe(0);
    }),
    { numRuns: 300 },
  );
});

test("compaction takes nothing of an open transaction, nor what is behind it", async () => {
  const world = await World.loaded();
  await world.commit({ offsets: { t: 1 } });
  await world.commit({ offsets: { t: 2 } });
  await commitIn(world, 1, { t: 3 });
  for (let offset = 4; offset < 50; offset++) await world.commit({ offsets: { u: offset } });
  const before = world.partition.batches.length;
  world.partition.batches = compacted(world.partition.batches, { dropsMarkers: true, dropsTombstones: true });
  expect(world.partition.batches.length, "only the first position of t").toBe(before - 1);
  await world.move();
  end(world, 1, "commit");
  expect(await world.offsets()).toEqual({ t: 3, u: 49 });
  world.partition.batches = compacted(world.partition.batches, { dropsMarkers: true, dropsTombstones: true });
  expect(world.partition.batches.map(({ bytes }) => openBatch(bytes).isControl)).toEqual([false, false, true]);
  await world.move();
  expect(await world.offsets()).toEqual({ t: 3, u: 49 });
});
