import { expect, test } from "vitest";
import type { Output } from "../../../cli/output/output.ts";
import { cancelMoves, goOnWithMoves } from "../../../cli/rebalance/carry-out.ts";
import { clearThrottle, setThrottle, type ThrottledMove } from "../../../cli/rebalance/throttle.ts";
import { type Admin, KafkaProtocolError, type ResourceChange } from "../../../client/index.ts";

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

test("what throttles moves that another command has begun meanwhile is not taken away with those that are cancelled", async () => {
  const { admin, altered, moves } = cluster();
  const shown = { json: true, output: { json: async () => undefined } as unknown as Output };
  const one = { topic: "t", partition: 0, replicas: [1, 2, 3], adding: [3], removing: [] } as never;
  // the same partition, elsewhere
  const another = { topic: "t", partition: 0, replicas: [1, 2, 4], adding: [4], removing: [] } as never;
  moves.push(one);
  admin.alterPartitionReassignments = async (wanted) => {
    moves.splice(0, 1, another);
    return wanted.map(({ topic, partition }) => ({ topic, partition, error: null }));
  };
  await cancelMoves(admin, shown);
  expect(altered).toEqual([]);
  moves.splice(0, 1, one);
  admin.alterPartitionReassignments = async (wanted) => wanted.map(({ topic, partition }) => ({ topic, partition, error: null }));
  await cancelMoves(admin, shown);
  expect(altered).not.toEqual([]);
});

test("a broker that does not tell its rates fails a throttle, and keeps none from being taken away elsewhere", async () => {
  const { admin, altered } = cluster();
  const describeConfigs = admin.describeConfigs.bind(admin);
  admin.describeConfigs = async (resources, options) => {
    const [resource] = resources;
    if (resource !== undefined && "broker" in resource && resource.broker === 3)
      throw new KafkaProtocolError("REQUEST_TIMED_OUT", "broker 3");
    return describeConfigs(resources, options);
  };
  const copies = [{ topic: "t", partition: 0, from: [1, 2], to: [3] }];
  await expect(setThrottle(admin, copies, 1000)).rejects.toThrow(/not set: broker 3 did not tell what is set/);
  expect(altered).toEqual([]);
  expect(await clearThrottle(admin, async () => false)).toBe(true);
  expect(altered).not.toEqual([]);
  // a topic that was deleted needs nothing
  admin.describeConfigs = async (resources, options) => {
    const [resource] = resources;
    if (resource === undefined || !("topic" in resource)) return describeConfigs(resources, options);
    return [{ resource, configs: undefined as never, error: new KafkaProtocolError("UNKNOWN_TOPIC_OR_PARTITION", "t") }] as never;
  };
  await setThrottle(admin, copies, 1000);
});
