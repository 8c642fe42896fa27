import { describe, expect, test } from "vitest";
import { type ControllerState, emptyState, type TopicState, withTopic } from "../../../broker/controller/controller-state.ts";
import { dirtyPartitions, nothingDirty } from "../../../broker/controller/dirty-set.ts";
import { Reassigner } from "../../../broker/controller/reassigner.ts";
import { RemovedReplicas } from "../../../broker/controller/removed-replicas.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import type { PartitionRecord } from "../../../protocol/peer/messages.ts";

const count = 5_000;

const record = (partition: number): PartitionRecord => ({
  partition,
  leader: 1,
  leaderEpoch: 1,
  isr: [1],
  isrEpochs: {},
  replicas: [2, 1],
  reassignment: { adding: [2], removing: [1] },
  stateVersion: 1,
  leaderRecovering: false,
});

/** Counts in how many partitions it looks. */
function counted() {
  const partitions = Array.from({ length: count }, (_, partition) => record(partition));
  const topic: TopicState = { name: "t", id: "t-id", version: 0, partitions, config: {} };
  let looks = 0;
  const watched = (state: ControllerState): ControllerState => {
    const topics = new Map(state.topics);
    topics.get = (name) => {
      looks++;
      return Map.prototype.get.call(topics, name);
    };
    return { ...state, topics };
  };
  const book = { current: watched(withTopic(emptyState, topic)), changeNumber: 1 };
  const nothing = { apply: async () => [], applyInSteps: async () => undefined };
  const reassigner = new Reassigner({ book, log: silentLogger } as never, nothing as never, nothing as never);
  const looked = async () => {
    looks = 0;
    await reassigner.progress();
    return looks;
  };
  return { reassigner, looked, book };
}

describe("of thousands of reassignments", () => {
  test("some are looked at in one turn, until none is due", async () => {
    const { reassigner, looked } = counted();
    reassigner.load();
    for (const begin of [() => {}, () => reassigner.lookAtAll(), () => reassigner.changed({ ...nothingDirty, brokers: true }, 2)]) {
      begin();
      let turns = 0;
      for (; reassigner.hasDue; turns++) expect(await looked()).toBeLessThanOrEqual(10_000);
      expect(turns).toBe(3);
    }
    expect(reassigner.isIdle).toBe(false);
  });

  test("only those that a change is about are looked at for it", async () => {
    const { reassigner, looked } = counted();
    reassigner.load();
    while (reassigner.hasDue) await looked();
    reassigner.changed(dirtyPartitions([{ topic: "t", partition: 7 }, { topic: "other", partition: 0 }]), 2); // biome-ignore format: pairs
    expect(reassigner.hasDue).toBe(true);
    expect(await looked()).toBeLessThan(10);
    expect(reassigner.hasDue).toBe(false);
  });

  test("those of a topic that is gone are forgotten", async () => {
    const { reassigner, looked, book } = counted();
    reassigner.load();
    book.current = emptyState;
    while (reassigner.hasDue) await looked();
    expect(reassigner.isIdle).toBe(true);
  });
});

describe("brokers that are to delete logs", () => {
  const name = (partition: number) => ({ topic: "t", partition });
  const done = (removed: RemovedReplicas) =>
    [...removed.done().values()].map(({ name: { partition }, brokers }) => [partition, [...brokers]]);

  test("are done with what they were told in a change that they have carried out", () => {
    const removed = new RemovedReplicas();
    removed.note(name(0), [1, 2], 5);
    removed.note(name(1), [2], 7);
    expect([removed.carriedOut(3, 9), removed.carriedOut(1, 4), removed.carriedOut(2, 6)]).toEqual([false, false, true]);
    expect(done(removed)).toEqual([[0, [2]]]);
    removed.note(name(0), [1], 8);
    expect(done(removed)).toEqual([]);
    expect([removed.carriedOut(2, 6), removed.carriedOut(1, 5), removed.carriedOut(2, 7)]).toEqual([false, true, true]);
    expect(done(removed).toSorted()).toEqual([[0, [1]], [1, [2]]]); // biome-ignore format: pairs
  });

  test("that get the partition again, and lose it again, are told anew", () => {
    const removed = new RemovedReplicas();
    removed.note(name(0), [1], 5);
    removed.note(name(0), [], 6);
    removed.note(name(0), [1], 7);
    removed.note(name(0), [1], 8);
    expect([removed.carriedOut(1, 6), removed.carriedOut(1, 7)]).toEqual([false, true]);
  });
});
