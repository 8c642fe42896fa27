import { describe, expect, test } from "vitest";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { assigned, cluster, created, options, seen, topic } from "./requests.ts";

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

  test("a deleted topic leaves no znode and no log, and one re-created under its name keeps its own", async () => {
    const world = await cluster();
    await created(world, topic("u", [[3]]));
    const before = world.ensemble.tree.paths();
    const [first] = await created(world, topic("t", [[1, 2]]));
    const answers = await world.run(world.controller.deleteTopics([{ name: null, id: first! }], options));
    expect(answers).toMatchObject([{ name: "t", id: first, error: "NONE" }]);
    await world.until("nobody is left who has to be told", () => world.ensemble.tree.paths().length === before.length);
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

  test("a broker that was away learns of a deletion and of the re-created topic", async () => {
    const world = await cluster();
    const [first] = await created(world, topic("t", [[1, 3]]));
    world.kill(3);
    await world.until("the dead follower left", () => world.state("t").isr.length === 1);
    await world.run(world.controller.deleteTopics([{ name: "t", id: null }], options));
    const [second] = await created(world, topic("t", [[1, 2]]));
    expect([...world.diskOf(3).keys()]).toEqual([`${first}:0`]);
    world.startNode(3);
    await world.until("the old log is gone", () => world.diskOf(3).size === 0);
    expect(seen(world, 3, "t")).toMatchObject({ replicas: [1, 2] });
    expect(second).not.toBe(first);
  });

  test("a marker of another tool deletes a topic", async () => {
    const world = await cluster();
    await created(world, topic("t", [[1, 2]]));
    const tool = world.ensemble.open({ sessionTimeoutMs: 6_000, log: silentLogger });
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

  test("the brokers' own topics keep the partitions that they were made with, whoever writes more into the coordinator", async () => {
    const world = await cluster();
    const name = "__consumer_offsets";
    await created(
      world,
      topic(name, [
        [1, 2],
        [2, 3],
      ]),
    );
    const more = [{ name, count: 3, assignments: null }];
    for (const validateOnly of [true, false]) {
      const [refused] = await world.run(world.controller.createPartitions(more, { ...options, validateOnly }));
      expect(refused).toMatchObject({ error: "INVALID_PARTITIONS", message: expect.stringContaining("keeps the 2 partitions") });
    }
    const tool = world.ensemble.open({ sessionTimeoutMs: 6_000, log: silentLogger });
    await world.run(tool.connected());
    const path = `/brokers/topics/${name}`;
    const node = JSON.parse(world.ensemble.tree.read(path)!.data.toString());
    const data = Buffer.from(JSON.stringify({ ...node, partitions: { ...node.partitions, 2: [3, 1] } }));
    await world.run(tool.write([{ kind: "set", path, data, version: -1 }]));
    const previous = world.controllerId!;
    world.kill(previous);
    await world.controllerAfter(previous);
    const alive = [1, 2, 3].filter((id) => id !== previous);
    await world.until("the new controller has told them", () =>
      alive.every((id) => !world.node(id).images.current.brokers.has(previous) && seen(world, id, name)?.leader !== previous),
    );
    for (const id of alive) expect(world.node(id).images.current.topics.get(name)?.partitions).toHaveLength(2);
    expect(world.exists(`${path}/partitions/2`)).toBe(false);
  });

  test("a topic whose name can be none is left out, whoever wrote it, and the others are there", async () => {
    const world = await cluster();
    await created(world, topic("t", [[1, 2]]));
    const tool = world.ensemble.open({ sessionTimeoutMs: 6_000, log: silentLogger });
    await world.run(tool.connected());
    const data = Buffer.from('{"version":3,"partitions":{"0":[1]},"adding_replicas":{},"removing_replicas":{}}');
    for (const name of ["n".repeat(250), "a b"])
      await world.run(tool.write([{ kind: "create", path: `/brokers/topics/${name}`, data, mode: "persistent" }]));
    const previous = world.controllerId!;
    world.kill(previous);
    await world.controllerAfter(previous);
    const alive = [1, 2, 3].filter((id) => id !== previous);
    await world.until("the new controller has told them", () => alive.every((id) => !world.node(id).images.current.brokers.has(previous)));
    for (const id of alive) expect([...world.node(id).images.current.topics.keys()]).toEqual(["t"]);
  });
});
