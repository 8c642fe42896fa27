import { expect, test } from "vitest";
import { goOnWithMoves } from "../../../cli/rebalance/carry-out.ts";
import { setThrottle, type ThrottledMove } from "../../../cli/rebalance/throttle.ts";
import type { Admin, ResourceChange } from "../../../client/index.ts";

/** Brokers 1 to 3 with rates of their own, and a topic with a list of its own. */
function cluster() {
  const altered: ResourceChange[] = [];
  const moves: ThrottledMove[] = [];
  const mark = { name: "ottla.throttled.by.moves" };
  const admin = {
    listTopics: async () => [{ name: "t" }],
    listPartitionReassignments: async () => [...moves],
    describeCluster: async () => ({ brokers: [1, 2, 3].map((id) => ({ id, rack: null, host: "", port: 0 })) }),
    describeConfigs: async ([resource]: readonly ({ broker: number } | { topic: string })[]) => {
      const isTopic = resource !== undefined && "topic" in resource;
      const configs = isTopic
        ? [
            { name: "leader.replication.throttled.replicas", value: "7:7,0:1", source: "topic" },
            { ...mark, value: "leader:0:1", source: "topic" },
          ]
        : [{ name: "leader.replication.throttled.rate", value: "50000000", source: "dynamic-broker" }];
      return [{ resource, configs, error: null }];
    },
    incrementalAlterConfigs: async (changes: readonly ResourceChange[]) => {
      altered.push(...changes);
      return changes.map(({ resource }) => ({ resource, error: null }));
    },
  };
  return { admin: admin as unknown as Admin, altered, moves };
}

test("a throttle that cannot be set changes nothing: what is throttled already keeps its rates", async () => {
  const { admin, altered } = cluster();
  const many = Array.from({ length: 3000 }, (_, partition) => ({ topic: "t", partition, from: [1, 2], to: [3] }));
  await expect(setThrottle(admin, many, 1000)).rejects.toThrow(/of its own/);
  expect(altered).toEqual([]);
});

test("a throttle is not taken away from moves that have begun while its settings were read", async () => {
  const { admin, altered, moves } = cluster();
  const describeConfigs = admin.describeConfigs.bind(admin);
  const carrying = { admin, bootstrap: [], shown: undefined as never, stop: new AbortController().signal };
  await setThrottle(admin, [{ topic: "t", partition: 0, from: [1, 2], to: [3] }], 1000);
  altered.length = 0;
  admin.describeConfigs = async (...args) => {
    moves.push({ topic: "t", partition: 0, from: [1, 2], to: [3] });
    return describeConfigs(...args);
  };
  await goOnWithMoves(carrying, null);
  expect(altered).toEqual([]);
  moves.length = 0;
  admin.describeConfigs = describeConfigs;
  await goOnWithMoves(carrying, null);
  expect(altered).not.toEqual([]);
});
