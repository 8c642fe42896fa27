import { describe, expect, test } from "vitest";
import { clusterView } from "../../../broker/cluster/cluster-view.ts";
import { World } from "./world.ts";

const options = { timeoutMs: 10_000, validateOnly: false };

function topic(name: string, assignment: readonly (readonly number[])[], configs: Readonly<Record<string, string>> = {}) {
  return {
    name,
    numPartitions: -1,
    replicationFactor: -1,
    assignments: assignment.map((brokerIds, partition) => ({ partition, brokerIds })),
    configs: Object.entries(configs).map(([configName, value]) => ({ name: configName, value })),
  };
}

async function cluster(ids: readonly number[] = [1, 2, 3], worldOptions: ConstructorParameters<typeof World>[0] = {}): Promise<World> {
  const world = new World(worldOptions);
  await world.start(...ids);
  return world;
}

async function created(world: World, ...topics: ReturnType<typeof topic>[]) {
  const answers = await world.run(world.controller.createTopics(topics, options));
  expect(answers.map(({ error }) => error)).toEqual(topics.map(() => "NONE"));
  return answers.map(({ topicId }) => topicId);
}

/** What broker `id` thinks of a partition. */
const seen = (world: World, id: number, name: string, partition = 0) =>
  world.node(id).images.current.topics.get(name)?.partitions[partition];
const assigned = (world: World, id: number, topicId: string, partition = 0) =>
  world.node(id).roles.assigned.get(`${topicId}:${partition}`)?.state;

describe("topics", () => {
  test("a created topic is led, replicated and known everywhere when the answer comes", async () => {
    const world = await cluster();
    const [id] = await created(
      world,
      topic(
        "t",
        [
          [1, 2],
          [2, 3],
        ],
        { "min.insync.replicas": "2" },
      ),
    );
    expect(world.state("t", 0)).toMatchObject({ leader: 1, isr: [1, 2], leaderEpoch: 0 });
    for (const broker of [1, 2, 3]) expect(seen(world, broker, "t", 1)).toMatchObject({ leader: 2, isr: [2, 3] });
    expect(assigned(world, 2, id!, 0)).toMatchObject({ leader: 1 });
    expect(assigned(world, 3, id!, 0)).toBeUndefined();
    expect(world.node(2).roles.assigned.get(`${id}:0`)?.settings.minInsyncReplicas).toBe(2);
    expect(JSON.parse(world.ensemble.tree.read("/config/topics/t")!.data.toString())).toEqual({
      version: 1,
      config: { "min.insync.replicas": "2" },
    });
  });

  test("what cannot be created says why, and changes nothing", async () => {
    const world = await cluster();
    await created(world, topic("a.b", [[1]]));
    const paths = world.ensemble.tree.paths();
    const wanted = { name: "t", numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] };
    const answers = await world.run(
      world.controller.createTopics(
        [
          { ...wanted, name: "a.b" },
          { ...wanted, name: "a_b" },
          { ...wanted, name: "a/b" },
          { ...wanted, name: "u", replicationFactor: 4 },
          { ...wanted, name: "v", numPartitions: 0 },
          { ...wanted, name: "w", configs: [{ name: "min.insync.replicas", value: "many" }] },
          { ...wanted, name: "x" },
          { ...wanted, name: "x" },
        ],
        options,
      ),
    );
    expect(answers.map(({ error }) => error)).toEqual([
      "TOPIC_ALREADY_EXISTS",
      "INVALID_TOPIC_EXCEPTION",
      "INVALID_TOPIC_EXCEPTION",
      "INVALID_REPLICATION_FACTOR",
      "INVALID_PARTITIONS",
      "INVALID_CONFIG",
      "INVALID_REQUEST",
      "INVALID_REQUEST",
    ]);
    const [validated] = await world.run(world.controller.createTopics([wanted], { ...options, validateOnly: true }));
    expect(validated).toMatchObject({ error: "NONE", numPartitions: 1, replicationFactor: 1 });
    expect(world.ensemble.tree.paths()).toEqual(paths);
  });

  test("a large topic goes through in several transactions", async () => {
    const world = await cluster();
    const [answer] = await world.run(
      world.controller.createTopics([{ ...topic("big", []), numPartitions: 1_000, replicationFactor: 3 }], options),
    );
    expect(answer).toMatchObject({ error: "NONE", numPartitions: 1_000, replicationFactor: 3 });
    for (const broker of [1, 2, 3]) {
      expect(world.node(broker).images.current.topics.get("big")?.partitions).toHaveLength(1_000);
      expect(world.node(broker).roles.assigned.size).toBe(1_000);
    }
  });

  test("a deleted topic leaves no znode and no log, and one made anew under its name keeps its own", async () => {
    const world = await cluster();
    await created(world, topic("u", [[3]]));
    const before = world.ensemble.tree.paths();
    const [first] = await created(world, topic("t", [[1, 2]]));
    const answers = await world.run(world.controller.deleteTopics([{ name: null, id: first! }], options));
    expect(answers).toMatchObject([{ name: "t", id: first, error: "NONE" }]);
    expect(world.ensemble.tree.paths()).toEqual(before);
    for (const broker of [1, 2]) expect(world.node(broker).roles.deleted).toEqual([`${first}:0`]);
    const [second] = await created(world, topic("t", [[1, 2]]));
    expect(second).not.toBe(first);
    expect(assigned(world, 1, second!)).toMatchObject({ leader: 1 });
    expect(world.node(1).roles.deleted).toEqual([`${first}:0`]);
    const unknown = await world.run(
      world.controller.deleteTopics(
        [
          { name: "nope", id: null },
          { name: null, id: first! },
        ],
        options,
      ),
    );
    expect(unknown.map(({ error }) => error)).toEqual(["UNKNOWN_TOPIC_OR_PARTITION", "UNKNOWN_TOPIC_ID"]);
  });

  test("a broker that was away learns of a deletion and of the topic made anew", async () => {
    const world = await cluster();
    const [first] = await created(world, topic("t", [[1, 3]]));
    world.kill(3);
    await world.until("the dead follower left", () => world.state("t").isr.length === 1);
    await world.run(world.controller.deleteTopics([{ name: "t", id: null }], options));
    const [second] = await created(world, topic("t", [[1, 2]]));
    expect([...world.diskOf(3).keys()]).toEqual([`${first}:0`]);
    world.startNode(3);
    await world.until("the stray log is gone", () => world.diskOf(3).size === 0);
    expect(seen(world, 3, "t")).toMatchObject({ replicas: [1, 2] });
    expect(second).not.toBe(first);
  });

  test("a marker of another tool deletes a topic", async () => {
    const world = await cluster();
    await created(world, topic("t", [[1, 2]]));
    const tool = world.ensemble.open({ sessionTimeoutMs: 6_000, log: (await import("../../../protocol/base/logger.ts")).silentLogger });
    await world.run(tool.connected());
    await world.run(tool.write([{ kind: "create", path: "/admin/delete_topics/t", data: Buffer.alloc(0), mode: "persistent" }]));
    await world.until("the topic is gone", () => !world.exists("/brokers/topics/t") && !world.exists("/admin/delete_topics/t"));
    await world.until("the brokers know", () => [1, 2, 3].every((id) => !world.node(id).images.current.topics.has("t")));
  });

  test("with deletion disabled nothing is deleted", async () => {
    const world = await cluster([1], { settings: { topicDeletionEnabled: false } });
    await created(world, topic("t", [[1]]));
    const [answer] = await world.run(world.controller.deleteTopics([{ name: "t", id: null }], options));
    expect(answer?.error).toBe("TOPIC_DELETION_DISABLED");
    expect(world.exists("/brokers/topics/t/partitions/0/state")).toBe(true);
  });

  test("more partitions are added to those there are", async () => {
    const world = await cluster();
    const [id] = await created(world, topic("t", [[1, 2]]));
    const answers = await world.run(
      world.controller.createPartitions(
        [
          { name: "t", count: 3, assignments: null },
          { name: "nope", count: 3, assignments: null },
        ],
        options,
      ),
    );
    expect(answers.map(({ error }) => error)).toEqual(["NONE", "UNKNOWN_TOPIC_OR_PARTITION"]);
    expect(world.assignment("t").map((replicas) => replicas[0])).toEqual([1, 2, 3]);
    for (const broker of [1, 2, 3]) expect(seen(world, broker, "t", 2)).toMatchObject({ leader: 3 });
    expect(assigned(world, 3, id!, 2)).toMatchObject({ leader: 3 });
    const [again] = await world.run(world.controller.createPartitions([{ name: "t", count: 3, assignments: null }], options));
    expect(again?.error).toBe("INVALID_PARTITIONS");
  });
});

describe("leaders", () => {
  test("a dead leader's partitions go to the next in sync, the dead leave every in-sync set, and the epoch rises", async () => {
    const world = await cluster();
    const [id] = await created(
      world,
      topic("t", [
        [2, 3, 1],
        [1, 2, 3],
      ]),
    );
    world.kill(2);
    await world.until("broker 3 leads", () => assigned(world, 3, id!, 0)?.leader === 3);
    await world.until("broker 1 knows the smaller set", () => assigned(world, 1, id!, 1)?.isr.length === 2);
    expect(world.state("t", 0)).toMatchObject({ leader: 3, isr: [3, 1], leaderEpoch: 1 });
    expect(world.state("t", 1)).toMatchObject({ leader: 1, isr: [1, 3], leaderEpoch: 0 });
    expect(world.node(1).images.current.brokers.has(2)).toBe(false);
  });

  test("a thousand leaderships move within a second of simulated time", async () => {
    const world = await cluster();
    const partitions = Array.from({ length: 1_000 }, () => [2, 3]);
    const [id] = await created(world, topic("t", partitions));
    const startMs = world.sim.nowMs;
    world.kill(2);
    await world.until("all are led again", () => assigned(world, 3, id!, 999)?.leader === 3 && assigned(world, 3, id!, 0)?.leader === 3);
    expect(world.sim.nowMs - startMs).toBeLessThan(1_000);
  });

  test("the last in-sync replica is waited for; another one never takes over", async () => {
    const world = await cluster();
    const [id] = await created(world, topic("t", [[2, 3]]));
    world.kill(3);
    await world.until("only broker 2 is in sync", () => world.state("t").isr.length === 1);
    world.kill(2);
    await world.until("nobody leads", () => world.state("t").leader === -1);
    world.startNode(3);
    await world.until("broker 3 is back", () => world.node(1).images.current.brokers.has(3));
    await world.pass(1_000);
    expect(world.state("t")).toMatchObject({ leader: -1, isr: [2] });
    world.startNode(2);
    await world.until("broker 2 leads", () => assigned(world, 2, id!)?.leader === 2);
    expect(world.state("t")).toMatchObject({ leader: 2, isr: [2], leaderRecovering: false });
  });

  test("where the topic allows it, or on demand, a replica outside the in-sync set leads, and that stays on record", async () => {
    const world = await cluster();
    await created(world, topic("t", [[2, 3]], { "unclean.leader.election.enable": "true" }), topic("u", [[2, 3]]));
    world.kill(3);
    await world.until("only broker 2 is in sync", () => world.state("t").isr.length === 1 && world.state("u").isr.length === 1);
    world.startNode(3);
    await world.until("broker 3 is back", () => world.node(1).images.current.brokers.has(3));
    world.kill(2);
    await world.until("broker 3 leads t", () => world.state("t").leader === 3 && world.state("u").leader === -1);
    expect(world.state("t")).toMatchObject({ isr: [3], leaderRecovering: true });
    const demanded = await world.run(world.controller.electLeaders("unclean", [{ topic: "u", partition: 0 }], options));
    expect(demanded).toMatchObject([{ error: "NONE" }]);
    expect(world.state("u")).toMatchObject({ leader: 3, isr: [3], leaderRecovering: true });
    const raw = world.ensemble.tree.read("/brokers/topics/u/partitions/0/state")!.data.toString();
    expect(JSON.parse(raw)).toMatchObject({ leader_recovery_state: 1 });
  });

  test("allowing unclean elections brings a partition back at once", async () => {
    const world = await cluster();
    await created(world, topic("t", [[2, 3]]));
    world.kill(3);
    await world.until("only broker 2 is in sync", () => world.state("t").isr.length === 1);
    world.startNode(3);
    world.kill(2);
    await world.until("nobody leads", () => world.state("t").leader === -1 && world.node(1).images.current.brokers.has(3));
    const change = {
      resource: { kind: "topic", name: "t" },
      operations: [{ name: "unclean.leader.election.enable", operation: "set", value: "true" }],
      replaceAll: false,
    } as const;
    expect(await world.run(world.controller.alterConfigs([change], options))).toMatchObject([{ error: "NONE" }]);
    expect(world.state("t")).toMatchObject({ leader: 3, isr: [3], leaderRecovering: true });
  });

  test("the preferred replica leads again once it is in sync: on demand, and by the automatic rebalance", async () => {
    for (const automatic of [false, true]) {
      const world = await cluster([1, 2, 3], { settings: { autoLeaderRebalanceEnabled: automatic } });
      const [id] = await created(world, topic("t", [[2, 3]]));
      const wanted = [{ topic: "t", partition: 0 }];
      const [needless] = await world.run(world.controller.electLeaders("preferred", wanted, options));
      expect(needless?.error).toBe("ELECTION_NOT_NEEDED");
      world.kill(2);
      await world.until("broker 3 leads", () => assigned(world, 3, id!)?.leader === 3);
      world.startNode(2);
      await world.until("broker 2 follows", () => assigned(world, 2, id!)?.leader === 3);
      const [tooEarly] = await world.run(world.controller.electLeaders("preferred", wanted, options));
      expect(tooEarly?.error).toBe("PREFERRED_LEADER_NOT_AVAILABLE");
      const { leaderEpoch, stateVersion } = assigned(world, 3, id!)!;
      const written = await world.run(
        world.node(3).isrStore.writeIsr({
          topic: "t",
          topicId: id!,
          partition: 0,
          leader: 3,
          leaderEpoch,
          isr: [3, 2],
          expectedVersion: stateVersion,
        }),
      );
      expect(written).toEqual({ kind: "written", stateVersion: stateVersion + 1 });
      await world.until("all know that it is in sync", () => seen(world, 1, "t")?.isr.length === 2);
      if (!automatic) expect(await world.run(world.controller.electLeaders("preferred", null, options))).toMatchObject([{ error: "NONE" }]);
      await world.until("broker 2 leads", () => assigned(world, 2, id!)?.leader === 2);
      expect(world.state("t")).toMatchObject({ leader: 2, isr: [3, 2] });
    }
  });

  test("a replica that its broker cannot take up gives its leadership away", async () => {
    const world = await cluster();
    world.node(2).roles.failing.add("t-0");
    await created(world, topic("t", [[2, 3]]));
    await world.until("broker 3 leads", () => world.state("t").leader === 3);
    expect(world.state("t").isr).toEqual([3]);
  });
});

describe("brokers that come and go", () => {
  test("a registration that blinks is a death and an arrival", async () => {
    const world = await cluster();
    const [id] = await created(world, topic("t", [[2, 3]]), topic("only", [[2]]));
    const epoch = world.node(2).membership.epoch;
    world.node(2).coordinator.expireSession();
    await world.until("a new life", () => world.node(2).membership.epoch > epoch);
    await world.until("broker 3 leads", () => world.state("t").leader === 3);
    await world.until("broker 2 follows in its new life", () => assigned(world, 2, id!)?.leader === 3);
    expect(world.state("t").isr).toEqual([3]);
    expect(world.node(2).roles.standDowns).toBe(1);
    await world.until(
      "the only replica leads again, in a new epoch",
      () => world.state("only").leader === 2 && world.state("only").leaderEpoch > 0,
    );
  });

  test("a life that ended unseen, while there was no controller, does not go on leading", async () => {
    const world = await cluster();
    await world.until("broker 1 is the controller", () => world.controllerId === 1);
    const [id] = await created(world, topic("t", [[2, 3]]));
    const before = world.node(2).membership.epoch;
    // all messages of a controller are lost, so that nobody acts on the restart; then that controller dies
    world.kill(2);
    world.kill(1);
    world.startNode(2);
    await world.until("another controller", () => world.controllerId === 2 || world.controllerId === 3);
    await world.until("broker 3 leads", () => world.state("t").leader === 3 && assigned(world, 3, id!)?.leader === 3);
    expect(world.state("t").isr).toEqual([3]);
    expect(world.node(2).membership.epoch).toBeGreaterThan(before);
  });

  test("a controlled shutdown moves every leadership first, and no new partition comes to the broker", async () => {
    const world = await cluster();
    const [id] = await created(
      world,
      topic("t", [
        [2, 3],
        [3, 2],
      ]),
      topic("only", [[2]]),
    );
    expect(await world.run(world.node(2).controlledShutdown())).toBe(true);
    expect(assigned(world, 3, id!, 0)).toMatchObject({ leader: 3, isr: [3] });
    expect(world.state("t", 1)).toMatchObject({ leader: 3, isr: [3], leaderEpoch: 0 });
    // or the leader would take it back into the in-sync set at its next fetch, and wait for it when it is gone
    const view = clusterView({ images: world.node(3).images, membership: { epoch: 1 }, session: { provedUntilMs: 0 } });
    expect([view.brokerEpoch(2), view.brokerEpoch(1)]).toEqual([null, world.node(1).membership.epoch]);
    expect(view.peerAddress(2)).not.toBeNull();
    const [answer] = await world.run(
      world.controller.createTopics([{ ...topic("u", []), numPartitions: 1, replicationFactor: 3 }], options),
    );
    expect(answer?.error).toBe("INVALID_REPLICATION_FACTOR");
    await world.run(world.node(2).close());
    await world.until("the others see it gone", () => !world.node(1).images.current.brokers.has(2));
  });

  test("a leader that nobody else is in sync with is told so", async () => {
    const world = await cluster();
    await created(world, topic("t", [[2, 3]]));
    world.kill(3);
    await world.until("only broker 2 is in sync", () => world.state("t").isr.length === 1);
    expect(await world.run(world.node(2).controlledShutdown())).toBe(false);
    expect(world.state("t")).toMatchObject({ leader: 2, isr: [2] });
  });

  test("updates that are lost are said again, and admin requests wait no longer than they were allowed", async () => {
    const world = await cluster();
    world.isLost = (_, to, kind) => to === 3 && kind === "metadata-update";
    const startMs = world.sim.nowMs;
    const [answer] = await world.run(world.controller.createTopics([topic("t", [[1, 3]])], { ...options, timeoutMs: 2_000 }));
    expect(answer?.error).toBe("NONE");
    expect(world.sim.nowMs - startMs).toBeGreaterThanOrEqual(2_000);
    expect(seen(world, 3, "t")).toBeUndefined();
    world.isLost = () => false;
    await world.until("broker 3 knows", () => seen(world, 3, "t")?.leader === 1);
  });
});

describe("settings", () => {
  const change = (name: string, operation: "set" | "delete" | "append", value: string | null) =>
    ({ resource: { kind: "topic", name: "t" }, operations: [{ name, operation, value }], replaceAll: false }) as const;

  test("a change reaches coordinator, brokers and partitions; a wrong one nobody", async () => {
    const world = await cluster();
    await created(world, topic("t", [[1, 2]]));
    const verdicts = await world.run(
      world.controller.alterConfigs(
        [
          change("retention.ms", "set", "1000"),
          change("cleanup.policy", "append", "compact"),
          change("retention.ms", "set", "soon"),
          { ...change("retention.ms", "set", "1"), resource: { kind: "topic", name: "nope" } },
          {
            resource: { kind: "broker", id: null },
            operations: [{ name: "broker.id", operation: "set", value: "7" }],
            replaceAll: false,
          },
        ],
        options,
      ),
    );
    expect(verdicts.map(({ error }) => error)).toEqual(["NONE", "NONE", "INVALID_CONFIG", "UNKNOWN_TOPIC_OR_PARTITION", "INVALID_CONFIG"]);
    const config = { "retention.ms": "1000", "cleanup.policy": "delete,compact" };
    expect(JSON.parse(world.ensemble.tree.read("/config/topics/t")!.data.toString())).toEqual({ version: 1, config });
    expect(world.node(3).images.current.topics.get("t")?.config).toEqual(config);
    expect(world.node(2).roles.settings.get("t")).toMatchObject({ retentionMs: 1000, cleanupPolicy: "compact,delete" });
    expect(world.ensemble.tree.children("/config/changes")?.names).toHaveLength(2);
  });

  test("a change of another tool is found by its notification, and old notifications are deleted", async () => {
    const world = await cluster();
    await created(world, topic("t", [[1, 2]]));
    for (let round = 0; round < 120; round++)
      await world.run(world.controller.alterConfigs([change("retention.ms", "set", String(1000 + round))], options));
    await world.until("the notifications are bounded", () => (world.ensemble.tree.children("/config/changes")?.names.length ?? 0) <= 101);
    const tool = world.node(3).coordinator;
    const data = Buffer.from(JSON.stringify({ version: 1, config: { "retention.ms": "77" } }));
    const notice = Buffer.from(JSON.stringify({ version: 2, entity_path: "topics/t" }));
    await world.run(
      tool.write([
        { kind: "set", path: "/config/topics/t", data, version: -1 },
        { kind: "create", path: "/config/changes/config_change_", data: notice, mode: "persistent-sequential" },
      ]),
    );
    await world.until("the partition knows", () => JSON.stringify(world.node(1).roles.settings.get("t"))?.includes('"retentionMs":77'));
  });
});
