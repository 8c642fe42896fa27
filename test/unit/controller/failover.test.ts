import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FencedWriter } from "../../../broker/controller/fenced-writer.ts";
import { CoordinatorUnavailable } from "../../../coordinator-client/coordinator.ts";
import { encodePartitionState } from "../../../coordinator-client/znodes/partition-state.ts";
import { sleep } from "../../../protocol/base/clock.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { World } from "./world.ts";

const options = { timeoutMs: 10_000, validateOnly: false };
const creation = (name: string, numPartitions: number, replicationFactor: number) => ({
  name,
  numPartitions,
  replicationFactor,
  assignments: [],
  configs: [],
});

async function cluster(ids: readonly number[] = [1, 2, 3]): Promise<World> {
  const world = new World();
  await world.start(...ids);
  return world;
}

const statePath = "/brokers/topics/t/partitions/0/state";

/** Every live broker's image agrees with the states in the coordinator. */
function isSettled(world: World, name: string): boolean {
  const assignment = world.assignment(name);
  return world.aliveIds.every((id) => {
    const partitions = world.node(id).images.current.topics.get(name)?.partitions ?? [];
    return (
      partitions.length === assignment.length &&
      partitions.every(({ partition, leader, leaderEpoch }) => {
        if (!world.exists(`/brokers/topics/${name}/partitions/${partition}/state`)) return false;
        const state = world.state(name, partition);
        return leader >= 0 && state.leader === leader && state.leaderEpoch === leaderEpoch && world.node(leader).isAlive;
      })
    );
  });
}

describe("another controller", () => {
  test("takes over what the dead one had, and whatever it led", async () => {
    const world = await cluster();
    await world.run(world.controller.createTopics([creation("t", 6, 3)], options));
    const first = world.controllerId!;
    world.kill(first);
    await world.controllerAfter(first);
    await world.until("everything is led by the living", () => isSettled(world, "t"));
    const epochs = world.aliveIds.map((id) => world.node(id).images.current.controllerEpoch);
    expect(epochs).toEqual([2, 2]);
    expect(await world.run(world.controller.createTopics([creation("u", 2, 2)], options))).toMatchObject([{ error: "NONE" }]);
  });

  test("is found when the one that was elected has a disk that stalls, and that one knows who it is", async () => {
    const world = await cluster([1, 2]);
    const first = world.controllerId!;
    const stalled = first === 1 ? 2 : 1;
    const disk = Promise.withResolvers<void>();
    world.stalls.set(stalled, disk.promise);
    world.kill(first);
    await world.until("the one that stalls is elected", () => world.controllerId === stalled);
    world.startNode(3);
    const beganMs = world.sim.nowMs;
    await world.controllerAfter(stalled);
    expect(world.controllerId).toBe(3);
    expect(world.sim.nowMs - beganMs).toBeLessThan(6_000);
    await world.until("it knows the controller", () => world.node(stalled).controller.holder === 3);
    world.kill(3);
    await world.pass(1_000);
    expect(world.controllerId, "nobody whose disk can be told of it").toBeNull();
    world.stalls.delete(stalled);
    disk.resolve();
    await world.until("its disk goes on", () => world.node(stalled).controller.isController);
  });

  test("says why an election cannot be told, once for each reason", async () => {
    const said: unknown[] = [];
    const log = { ...silentLogger, warn: (fields: object, message: string) => void said.push([message, fields]) };
    const world = new World({ log });
    const { coordinator, controller } = world.startNode(1);
    let reason: string | null = "the first";
    const { read } = coordinator;
    coordinator.read = (path) =>
      reason !== null && path === "/controller" ? Promise.reject(new CoordinatorUnavailable(reason)) : read.call(coordinator, path);
    await world.pass(5_000);
    reason = "the second";
    await world.pass(5_000);
    reason = null;
    await world.until("it is elected", () => controller.isController);
    const message = "the outcome of an election cannot be told: trying again";
    expect(said).toEqual(["the first", "the second"].map((each) => [message, { err: new CoordinatorUnavailable(each) }]));
  });

  test("is found however slow the disks are", async () => {
    const world = await cluster([1]);
    world.kill(1);
    const node = world.startNode(2);
    const slow = async () => {
      for (;;) {
        world.stalls.set(2, sleep(world.sim.forOwner("disk"), 17_000));
        await world.stalls.get(2);
      }
    };
    void slow();
    await world.until("it is elected", () => node.controller.isController);
  });

  test("is found when the dead one is only missed, not seen off", async () => {
    const world = await cluster();
    await world.run(world.controller.createTopics([creation("t", 3, 3)], options));
    const first = world.controllerId!;
    world.kill(first, { expire: false });
    await world.until("everything is led by the living", () => world.controllerId !== first && isSettled(world, "t"));
  });

  test("completes a creation, wherever the first one stopped", async () => {
    for (let steps = 1; steps < 50; steps += 2) {
      const world = await cluster();
      const first = world.controllerId!;
      void world.controller.createTopics([creation("t", 120, 2)], options).catch(() => undefined);
      for (let step = 0; step < steps; step++) await world.step();
      world.kill(first);
      await world.controllerAfter(first);
      await world.run(world.controller.electLeaders("preferred", [], options));
      if (world.exists("/brokers/topics/t")) await world.until(`whole after ${steps} steps`, () => isSettled(world, "t"));
      else expect(world.ensemble.tree.paths().filter((path) => path.includes("/topics/t"))).toEqual([]);
    }
  });

  test("completes a deletion, wherever the first one stopped", async () => {
    for (let steps = 1; steps < 50; steps += 2) {
      const world = await cluster();
      await world.run(world.controller.createTopics([creation("t", 120, 2)], options));
      const first = world.controllerId!;
      void world.controller.deleteTopics([{ name: "t", id: null }], options).catch(() => undefined);
      for (let step = 0; step < steps; step++) await world.step();
      const isMarked = world.exists("/admin/delete_topics/t") || !world.exists("/brokers/topics/t");
      world.kill(first);
      await world.controllerAfter(first);
      await world.run(world.controller.electLeaders("preferred", [], options));
      if (isMarked) {
        await world.until(`gone after ${steps} steps`, () => !world.ensemble.tree.paths().some((path) => path.endsWith("/t")));
        const left = () => world.aliveIds.some((id) => world.node(id).images.current.topics.has("t") || world.diskOf(id).size > 0);
        await world.until("no log is left", () => !left());
      } else await world.until("whole", () => isSettled(world, "t"));
    }
  });
});

describe("what others write at the same time", () => {
  test("a leader's own change of its in-sync set is read again before the controller decides", async () => {
    const world = await cluster();
    const explicit = { ...creation("t", -1, -1), assignments: [{ partition: 0, brokerIds: [2, 3, 1] }] };
    const [answer] = await world.run(world.controller.createTopics([explicit], options));
    // the leader's word does not reach the controller: it goes by an old state, in which broker 3 is in sync
    world.isLost = (_from, _to, kind) => kind === "isr-changed";
    const change = {
      topic: "t",
      topicId: answer!.topicId,
      partition: 0,
      leader: 2,
      leaderEpoch: 0,
      isrEpochs: {},
      formerSize: 1,
      expectedVersion: 0,
    };
    expect(await world.run(world.node(2).isrStore.writeIsr({ ...change, isr: [2, 1] }))).toEqual({ kind: "written", stateVersion: 1 });
    world.kill(2);
    await world.until("broker 1 leads", () => world.state("t").leader === 1);
    expect(world.state("t")).toMatchObject({ isr: [1], leaderEpoch: 1 });
  });

  test("a leader whose state was changed finds out whether it still leads", async () => {
    const world = await cluster();
    const explicit = { ...creation("t", -1, -1), assignments: [{ partition: 0, brokerIds: [2, 3, 1] }] };
    const [answer] = await world.run(world.controller.createTopics([explicit], options));
    const change = {
      topic: "t",
      topicId: answer!.topicId,
      partition: 0,
      leader: 2,
      leaderEpoch: 0,
      isrEpochs: {},
      formerSize: 1,
      expectedVersion: 0,
      isr: [2, 1],
    };
    world.kill(3);
    await world.until("the dead follower left", () => world.state("t").isr.length === 2);
    expect(await world.run(world.node(2).isrStore.writeIsr(change))).toMatchObject({ kind: "conflict", isr: [2, 1], stateVersion: 1 });
    const stranger = world.node(1).coordinator;
    const data = encodePartitionState({ leader: 1, leaderEpoch: 5, isr: [1], isrEpochs: {}, controllerEpoch: 1, leaderRecovering: false });
    await world.run(stranger.write([{ kind: "set", path: statePath, data, version: -1 }]));
    expect(await world.run(world.node(2).isrStore.writeIsr({ ...change, expectedVersion: 1 }))).toEqual({ kind: "fenced" });
  });

  test("a lost answer to a leader's write is told by reading", async () => {
    for (const done of [true, false]) {
      const world = await cluster();
      const explicit = { ...creation("t", -1, -1), assignments: [{ partition: 0, brokerIds: [2, 3] }] };
      const [answer] = await world.run(world.controller.createTopics([explicit], options));
      const change = {
        topic: "t",
        topicId: answer!.topicId,
        partition: 0,
        leader: 2,
        leaderEpoch: 0,
        isrEpochs: {},
        formerSize: 1,
        expectedVersion: 0,
        isr: [2],
      };
      world.node(2).coordinator.loseNextAnswer({ done });
      const results = [];
      for (let attempt = 0; attempt < 100; attempt++) {
        results.push(await world.run(world.node(2).isrStore.writeIsr(change)));
        if (results.at(-1)!.kind !== "unknown") break;
        await world.pass(100);
      }
      // asked again with the same version, our own success shows as a conflict that holds our own set
      const last = results.at(-1)!;
      expect(last.kind === "written" || (last.kind === "conflict" && last.isr.length === 1)).toBe(true);
      expect(world.state("t")).toMatchObject({ leader: 2, isr: [2], leaderEpoch: 0 });
      await world.until("the controller knows", () => world.node(1).images.current.topics.get("t")?.partitions[0]?.isr.length === 1);
    }
  });

  test("a deposed controller changes nothing", async () => {
    const world = await cluster();
    await world.run(world.controller.createTopics([creation("t", 1, 2)], options));
    const { coordinator, clock } = world.node(1);
    const epoch = world.ensemble.tree.read("/controller_epoch")!;
    const term = { controllerEpoch: 1, epochVersion: epoch.version - 1, sessionNumber: coordinator.sessionNumber };
    const writer = new FencedWriter(coordinator, term, clock, new AbortController().signal);
    const operation = { kind: "create", path: "/brokers/topics/x", data: Buffer.alloc(0), mode: "persistent" } as const;
    await expect(world.run(writer.write([operation]))).rejects.toThrow("superseded");
    await expect(world.run(writer.write([operation]))).rejects.toThrow("over");
    expect(world.exists("/brokers/topics/x")).toBe(false);
  });

  test("a controller that is replaced behind its back resigns at its next write", async () => {
    const world = await cluster();
    const first = world.controllerId!;
    const tool = world.node(first === 1 ? 2 : 1).coordinator;
    // what a faster detection of dead controllers will do: raise the epoch and take the node over
    await world.run(
      tool.write([
        { kind: "set", path: "/controller_epoch", data: Buffer.from("7"), version: -1 },
        { kind: "delete", path: "/controller", version: -1 },
        { kind: "create", path: "/controller", data: Buffer.from('{"version":1,"brokerid":9,"timestamp":"1"}'), mode: "persistent" },
      ]),
    );
    const [answer] = await world.run(world.node(first).controller.createTopics([creation("t", 1, 1)], options));
    expect(answer?.error).toBe("NOT_CONTROLLER");
    expect(world.exists("/brokers/topics/t")).toBe(false);
    await world.until("it has resigned", () => !world.node(first).controller.isController);
  });

  test("brokers refuse a controller of an older epoch", async () => {
    const world = await cluster();
    const { images, handlers, membership } = world.node(2);
    const update = {
      controllerId: 9,
      controllerEpoch: images.current.controllerEpoch - 1,
      brokerEpoch: membership.epoch,
      sequence: 99,
      full: true,
      more: false,
      brokers: [],
      leavingBrokers: [],
      suspectedBrokers: [],
      startingLeaders: [],
      topics: [],
      deletedTopics: [],
      brokerConfigs: {},
      offlineReplicas: [],
    };
    const { body } = await world.run(handlers["metadata-update"](update, Buffer.alloc(0), "test"));
    expect(body.error).toBe("STALE_CONTROLLER_EPOCH");
    const other = await world.run(handlers["metadata-update"]({ ...update, controllerEpoch: 99, brokerEpoch: 5 }, Buffer.alloc(0), "test"));
    expect(other.body.error).toBe("STALE_BROKER_EPOCH");
    expect(images.current.brokers.size).toBe(3);
  });
});

describe("answers that are lost", () => {
  test("whenever the controller's answers are lost, done or not, requests end well and the cluster is whole", async () => {
    for (let steps = 0; steps < 40; steps += 2) {
      for (const done of [true, false]) {
        const world = await cluster();
        const first = world.controllerId!;
        const work = world.controller.createTopics([creation("t", 120, 2)], options);
        for (let step = 0; step < steps; step++) await world.step();
        world.node(first).coordinator.loseNextAnswer({ done });
        const [answer] = await world.run(work);
        expect(answer?.error, `after ${steps} steps`).toBe("NONE");
        await world.until("whole", () => isSettled(world, "t"));
        expect(world.assignment("t")).toHaveLength(120);
        const doomed = world.aliveIds.find((id) => id !== world.controllerId)!;
        world.kill(doomed);
        world.node(world.controllerId!).coordinator.loseNextAnswer({ done });
        await world.until("whole without the dead", () => isSettled(world, "t"));
      }
    }
  });
});

test("whatever dies, returns, blinks or loses its link, everything is led again in the end, and no epoch has two leaders", async () => {
  const action = fc.record({
    kind: fc.constantFrom("kill", "start", "blink", "lose", "break", "cut", "heal", "isolate", "wait", "create", "delete"),
    id: fc.integer({ min: 1, max: 4 }),
    steps: fc.integer({ min: 0, max: 60 }),
    slow: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 1, maxLength: 15 }), async (actions) => {
      const world = await cluster([1, 2, 3, 4]);
      await world.run(world.controller.createTopics([creation("t0", 8, 3)], options));
      let topics = 1;
      for (const { kind, id, steps, slow } of actions) {
        const node = world.node(id);
        if (kind === "kill" && node.isAlive) world.kill(id, { expire: !slow });
        if (kind === "start" && !node.isAlive) world.startNode(id);
        if (kind === "blink" && node.isAlive) node.coordinator.expireSession();
        if (kind === "lose" && node.isAlive) node.coordinator.loseNextAnswer({ done: slow });
        if (kind === "break" && node.isAlive) node.coordinator.breakConnection();
        if (kind === "cut" && node.isAlive) node.coordinator.cut();
        if (kind === "heal" && node.isAlive) node.coordinator.heal();
        if (kind === "isolate") world.isLost = (from, to) => slow && (from === id || to === id);
        if (kind === "delete" && node.isAlive) void node.controller.deleteTopics([{ name: `t${topics - 1}`, id: null }], options);
        if (kind === "create" && node.isAlive) void node.controller.createTopics([creation(`t${topics++}`, 5, 1)], options);
        for (let step = 0; step < steps; step++) await world.step();
      }
      world.isLost = () => false;
      for (const id of [1, 2, 3, 4]) {
        if (world.node(id).isAlive) world.node(id).coordinator.heal();
        else world.startNode(id);
      }
      const names = () => (world.ensemble.tree.children("/brokers/topics")?.names ?? []).filter((name) => name !== "");
      await world.until("everything is led", () => {
        return world.controllerId !== null && world.aliveIds.length === 4 && names().every((name) => isSettled(world, name));
      });
    }),
    { numRuns: 30 },
  );
}, 60_000);
