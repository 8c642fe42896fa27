import { describe, expect, test } from "vitest";
import type { ClusterNotes } from "../../../../broker/cluster/cluster-notes.ts";
import type { DirectoryInventory, InventoriedLog } from "../../../../cli/offline/inventory.ts";
import { NoPlan, planRecovery } from "../../../../cli/recover/recovery-plan.ts";

const orders = "AAAAAAAAAAAAAAAAAAAAAA";
const users = "BBBBBBBBBBBBBBBBBBBBBA";

function log(partition: number, lastEpoch: number, endOffset: number, more: Partial<InventoriedLog> = {}): InventoriedLog {
  return {
    topic: "orders",
    partition,
    topicId: orders,
    lastEpoch,
    endOffset,
    epochMax: lastEpoch,
    isDamaged: false,
    producerIdMax: -1,
    ...more,
  };
}

function notes(more: Partial<ClusterNotes> = {}): ClusterNotes {
  const topic = { name: "orders", id: orders, assignment: [[1, 2, 3]], config: { "retention.ms": "7" } };
  return { clusterId: "c", controllerEpoch: 4, writtenMs: 1, topics: [topic], brokerConfigs: { "": { "log.retention.ms": "9" } }, ...more };
}

function directory(brokerId: number, logs: readonly InventoriedLog[], more: Partial<DirectoryInventory> = {}): DirectoryInventory {
  return {
    directory: `/d${brokerId}`,
    clusterId: "c",
    brokerId,
    controllerEpoch: 5,
    notes: notes(),
    logs,
    leftAside: [],
    doubts: [],
    ...more,
  };
}

const plan = (inventories: readonly DirectoryInventory[], without: readonly number[] = []) =>
  planRecovery({ inventories, without: new Set(without), nowMs: 1_000 });

describe("which replicas count as in sync", () => {
  test("those with the last batch of the highest epoch, and of these the longest", () => {
    const { topics } = plan([directory(1, [log(0, 3, 900)]), directory(2, [log(0, 4, 700)]), directory(3, [log(0, 4, 750)])]);
    expect(topics[0]!.states).toEqual([{ leaderEpoch: 1004, isr: [3], isUnclean: false }]);
  });

  test("all that are as long as the longest; the epoch is above any that a log knows, even without a record", () => {
    const { topics } = plan([
      directory(1, [log(0, 3, 900)]),
      directory(2, [log(0, 3, 900, { epochMax: 6 })]),
      directory(3, [log(0, 3, 899)]),
    ]);
    expect(topics[0]!.states).toEqual([{ leaderEpoch: 1006, isr: [1, 2], isUnclean: false }]);
  });

  test("a sound one rather than a damaged one that is as long; a damaged one rather than one that lacks what is behind the damage", () => {
    const damaged = { isDamaged: true };
    const alike = plan([directory(1, [log(0, 4, 900, damaged)]), directory(2, [log(0, 4, 900)]), directory(3, [log(0, 4, 100)])]);
    expect(alike.topics[0]!.states[0]!.isr).toEqual([2]);
    const longer = plan([directory(1, [log(0, 4, 900, damaged)]), directory(2, [log(0, 4, 800)]), directory(3, [log(0, 4, 100)])]);
    expect(longer.topics[0]!.states[0]!.isr).toEqual([1]);
  });

  test("a replica that should have a log and has none is told of, and may have had more than all others", () => {
    const { topics, warnings } = plan([directory(1, [log(0, 4, 900)]), directory(2, [log(0, 4, 900)]), directory(3, [])]);
    expect(topics[0]!.states[0]).toEqual({ leaderEpoch: 1004, isr: [1, 2], isUnclean: true });
    expect(warnings.join()).toMatch(/broker 3 has no log of orders-0 in the directories that were named/);
    const aside = plan([1, 2, 3].map((id) => directory(id, [log(0, 4, 900)], id === 1 ? { leftAside: ["/d1/users-0.00-stray"] } : {})));
    expect(aside.warnings.join()).toMatch(/set aside are not looked into: \/d1\/users-0/);
  });

  test("a partition without any log is a new one; a log on a broker that is no replica does not count", () => {
    const assignment = [[1], [2]];
    const two = notes({ topics: [{ name: "orders", id: orders, assignment, config: {} }] });
    const { topics } = plan([directory(1, [log(0, 1, 5), log(1, 1, 5)], { notes: two }), directory(2, [], { notes: two })]);
    expect(topics[0]!.states).toEqual([{ leaderEpoch: 1001, isr: [1], isUnclean: false }, null]);
  });
});

describe("brokers that are missing", () => {
  test("stop the plan, by name: they may have what nobody else has", () => {
    expect(() => plan([directory(1, [log(0, 1, 5)])])).toThrow(NoPlan);
    expect(() => plan([directory(1, [log(0, 1, 5)])])).toThrow(/brokers 2, 3 are missing.*--without 2 --without 3/);
  });

  test("are given up when that is said, and others may then have to cut below what they knew to be committed", () => {
    const { topics } = plan([directory(1, [log(0, 1, 5)]), directory(2, [log(0, 1, 4)])], [3]);
    expect(topics[0]!.states).toEqual([{ leaderEpoch: 1001, isr: [1], isUnclean: true }]);
    expect(() => plan([directory(1, [log(0, 1, 5)]), directory(2, [log(0, 1, 4)])], [2, 3])).toThrow(/broker 2 is said to be lost/);
    expect(plan([directory(1, []), directory(2, [])], [3]).warnings.join()).toMatch(/orders-0 .* begins empty/);
  });
});

describe("the cluster", () => {
  const all = (more: Partial<DirectoryInventory> = {}) => [1, 2, 3].map((id) => directory(id, [log(0, 1, 5)], more));

  test("goes on under the newest controller epoch that anyone has seen, with settings and ids as noted", () => {
    const inventories = [...all().slice(0, 2), directory(3, [log(0, 1, 5)], { controllerEpoch: 8 })];
    expect(plan(inventories)).toMatchObject({
      clusterId: "c",
      controllerEpoch: 1008,
      topics: [{ name: "orders", id: orders, assignment: [[1, 2, 3]], config: { "retention.ms": "7" } }],
      brokerConfigs: { "": { "log.retention.ms": "9" } },
      warnings: [],
    });
  });

  test("by the newest notes: of the higher epoch, then the later", () => {
    const old = notes({ controllerEpoch: 3, writtenMs: 99, topics: [] });
    const late = notes({ writtenMs: 2, brokerConfigs: {} });
    const inventories = [directory(1, [], { notes: old }), directory(2, [], { notes: late }), directory(3, [])];
    expect(plan(inventories)).toMatchObject({ topics: [{ name: "orders" }], brokerConfigs: {} });
  });

  test("is one: disks of two are refused", () => {
    expect(() => plan([...all(), directory(4, [], { clusterId: "other" })])).toThrow(/\/d1 is of cluster c, but \/d4 is of cluster other/);
    expect(() => plan([])).toThrow(/no log directory/);
  });

  test("gives out producer ids behind all that were given out", () => {
    expect(plan(all()).firstProducerId).toBe(1000);
    const used = [1, 2, 3].map((id) => directory(id, [log(0, 1, 5, { producerIdMax: 5_000 })]));
    expect(plan(used).firstProducerId).toBe(5_001);
  });
});

describe("topics that the newest notes lack", () => {
  const stray = (name: string, topicId: string) => log(1, 2, 7, { topic: name, topicId });

  test("are newer than the notes: replicas where logs lie, and nothing is deleted before somebody has set how", () => {
    const inventories = [1, 2, 3].map((id) => directory(id, [log(0, 1, 5), ...(id < 3 ? [stray("users", users)] : [])]));
    const { topics, warnings } = plan(inventories);
    expect(topics[1]).toEqual({
      name: "users",
      id: users,
      assignment: [
        [1, 2],
        [2, 1],
      ],
      config: { "retention.ms": "-1", "retention.bytes": "-1" },
      states: [null, { leaderEpoch: 1002, isr: [1, 2], isUnclean: false }],
    });
    expect(warnings.join()).toMatch(/of users nobody knows the settings/);
  });

  test("were deleted when older notes have them, or are older ones of the same name", () => {
    const known = notes({ controllerEpoch: 1, topics: [{ name: "users", id: users, assignment: [[1]], config: {} }] });
    const inventories = [
      directory(1, [log(0, 1, 5), stray("users", users)], { notes: known }),
      directory(2, [log(0, 1, 5), stray("orders", users)]),
      directory(3, []),
    ];
    expect(plan(inventories).topics.map(({ name }) => name)).toEqual(["orders"]);
    expect(plan(inventories).warnings.join()).toMatch(/was deleted/);
    expect(plan(inventories.map((each) => ({ ...each, notes: notes() }))).warnings.join()).toMatch(/name of a newer topic|nobody knows/);
  });

  test("groups' own topic is compacted, whatever is known", () => {
    const offsets = { ...log(0, 1, 5), topic: "__consumer_offsets", topicId: users };
    const { topics } = plan([1, 2, 3].map((id) => directory(id, [offsets], { notes: null })));
    expect(topics[0]).toMatchObject({ name: "__consumer_offsets", config: { "cleanup.policy": "compact" } });
  });
});
