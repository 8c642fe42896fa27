import { expect, test } from "vitest";
import { setThrottle } from "../../../cli/rebalance/throttle.ts";
import type { Admin, ResourceChange } from "../../../client/index.ts";

/** Brokers 1 to 3 with rates of their own, and a topic with a list of its own. */
function cluster() {
  const altered: ResourceChange[] = [];
  const admin = {
    describeCluster: async () => ({ brokers: [1, 2, 3].map((id) => ({ id, rack: null, host: "", port: 0 })) }),
    describeConfigs: async ([resource]: readonly ({ broker: number } | { topic: string })[]) => {
      const isTopic = resource !== undefined && "topic" in resource;
      const configs = isTopic
        ? [{ name: "leader.replication.throttled.replicas", value: "7:7", source: "topic" }]
        : [{ name: "leader.replication.throttled.rate", value: "50000000", source: "dynamic-broker" }];
      return [{ resource, configs, error: null }];
    },
    incrementalAlterConfigs: async (changes: readonly ResourceChange[]) => {
      altered.push(...changes);
      return changes.map(({ resource }) => ({ resource, error: null }));
    },
  };
  return { admin: admin as unknown as Admin, altered };
}

test("a throttle that cannot be set changes nothing: what is throttled already keeps its rates", async () => {
  const { admin, altered } = cluster();
  const many = Array.from({ length: 3000 }, (_, partition) => ({ topic: "t", partition, from: [1, 2], to: [3] }));
  await expect(setThrottle(admin, many, 1000)).rejects.toThrow(/of its own/);
  expect(altered).toEqual([]);
});
