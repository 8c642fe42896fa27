import { describe, expect, test } from "vitest";
import { emptyState, isOnline, withBrokers, withTopic } from "../../../broker/controller/controller-state.ts";
import { takeOfflineReport } from "../../../broker/controller/leader-keeper.ts";
import type { ReplicasOfflineRequest } from "../../../protocol/peer/messages.ts";
import { cluster, created, seen, topic } from "./requests.ts";
import type { World } from "./world.ts";

const failed = { kind: "offline", reason: "log directory /data/2 is offline: ENOSPC" } as const;

const report = (world: World, id: number, topicId: string, health: typeof failed | { kind: "usable" }) =>
  world.node(id).roles.report({ topicId, partition: 0 }, health);
const knownOffline = (world: World, from: number, id: number) =>
  [...(world.node(from).images.current.offlineReplicas.get(id) ?? [])].map(([key, reason]) => `${key} ${reason}`);

describe("replicas that cannot be used", () => {
  test("a leader's is led elsewhere within a second and known to all as offline; it is elected again once it is usable", async () => {
    const world = await cluster();
    const [id] = await created(world, topic("t", [[2, 3]]), topic("other", [[2, 3]]));
    const startMs = world.sim.nowMs;
    report(world, 2, id!, failed);
    await world.until("broker 3 leads", () => seen(world, 1, "t")?.leader === 3 && knownOffline(world, 1, 2).length === 1);
    await world.until("broker 3 leads alone", () => world.state("t").isr.length === 1);
    expect(world.sim.nowMs - startMs).toBeLessThan(1_000);
    expect(world.state("t")).toMatchObject({ leader: 3, isr: [3], leaderEpoch: 1 });
    expect(knownOffline(world, 3, 2)).toEqual([`${id}-0 ${failed.reason}`]);
    expect(world.state("other")).toMatchObject({ leader: 2, isr: [2, 3], leaderEpoch: 0 });

    report(world, 3, id!, failed);
    await world.until("nobody leads", () => world.state("t").leader === -1);
    report(world, 2, id!, { kind: "usable" });
    await world.until("all know", () => knownOffline(world, 1, 2).length === 0);
    expect(world.state("t")).toMatchObject({ leader: -1, isr: [3] }); // usable, but not in sync
    report(world, 3, id!, { kind: "usable" });
    await world.until("broker 3 leads again", () => world.state("t").leader === 3);
  });

  test("a follower's leaves the in-sync set under the same epoch, and a leader that takes it in all the same is corrected", async () => {
    const world = await cluster();
    const [id] = await created(world, topic("t", [[2, 3]]));
    report(world, 3, id!, failed);
    await world.until("the smaller set is known", () => seen(world, 2, "t")?.isr.length === 1);
    const { stateVersion, leaderEpoch } = seen(world, 2, "t")!;
    expect(leaderEpoch).toBe(0);
    const isrEpochs = { 2: world.node(2).membership.epoch, 3: world.node(3).membership.epoch };
    const change = {
      topic: "t",
      topicId: id!,
      partition: 0,
      leader: 2,
      leaderEpoch,
      isr: [2, 3],
      isrEpochs,
      formerSize: 1,
      expectedVersion: stateVersion,
    };
    expect(await world.run(world.node(2).isrStore.writeIsr(change))).toMatchObject({ kind: "written" });
    await world.until("it is out again", () => (seen(world, 2, "t")?.stateVersion ?? 0) > stateVersion + 1);
    expect(world.state("t")).toMatchObject({ leader: 2, isr: [2] });
  });

  test("the next controller is told, and a new registration starts from what that broker reports then", async () => {
    const world = await cluster();
    const [id] = await created(world, topic("t", [[2, 3]]));
    report(world, 2, id!, failed);
    await world.until("all know", () => [1, 2, 3].every((one) => knownOffline(world, one, 2).length === 1));
    const controllerId = world.controllerId!;
    world.kill(controllerId);
    await world.controllerAfter(controllerId);
    const [alive] = world.aliveIds;
    const epoch = world.node(alive!).images.current.controllerEpoch;
    await world.until("the next one has told all of it", () =>
      world.aliveIds.every((one) => {
        const { controllerEpoch } = world.node(one).images.current;
        return controllerEpoch > epoch - 1 && (controllerId === 2 || knownOffline(world, one, 2).length === 1);
      }),
    );
    if (world.aliveIds.includes(2)) {
      const before = world.node(2).membership.epoch;
      world.node(2).coordinator.expireSession();
      await world.until("told again under the new registration", () => {
        const node = world.node(2);
        return node.membership.epoch > before && [...world.aliveIds].every((one) => knownOffline(world, one, 2).length === 1);
      });
    }
    expect(world.state("t")).toMatchObject({ leader: 3, isr: [3] });
  });

  test("lost messages are repeated until one arrives", async () => {
    const world = await cluster();
    const [id] = await created(world, topic("t", [[2, 3]]));
    let lost = 0;
    world.isLost = (_, __, kind) => kind === "replicas-offline" && lost++ < 5;
    report(world, 2, id!, failed);
    await world.until("broker 3 leads", () => world.state("t").leader === 3);
    expect(lost).toBeGreaterThan(5);
  });
});

describe("a report", () => {
  const record = {
    partition: 0,
    leader: 1,
    leaderEpoch: 5,
    isr: [1, 2],
    isrEpochs: { 1: 101, 2: 102 },
    replicas: [1, 2],
    stateVersion: 7,
    leaderRecovering: false,
  };
  const broker = (id: number) => ({ id, epoch: 100 + id, rack: null, endpoints: [], peer: { host: "h", port: id } });
  const t = { name: "t", id: "t-id", version: 0, partitions: [record, { ...record, partition: 1 }], config: {} };
  const state = withTopic(withBrokers(emptyState, new Map([1, 2].map((id) => [id, broker(id)])), new Map()), t);
  const said = (sequence: number, ...partitions: number[]): ReplicasOfflineRequest => ({
    brokerId: 1,
    brokerEpoch: 101,
    controllerEpoch: 9,
    sequence,
    offline: [{ reason: "EIO", replicas: partitions.map((partition) => ({ topicId: "t-id", partition })) }],
  });
  const taken = (from: typeof state, request: ReplicasOfflineRequest) => {
    const result = takeOfflineReport(from, 9, request);
    if (result.kind !== "news") throw new Error(`not news: ${result.status.message}`);
    return result;
  };

  test("says everything: what is not in it any more can be used", () => {
    const first = taken(state, said(0, 0));
    expect(first.changed).toEqual([{ topic: "t", partition: 0 }]);
    expect([0, 1].map((partition) => isOnline(first.state, "t-id", partition, 1))).toEqual([false, true]);
    const second = taken(first.state, said(1, 1));
    expect(second.changed.map(({ partition }) => partition).sort()).toEqual([0, 1]);
    expect([0, 1].map((partition) => isOnline(second.state, "t-id", partition, 1))).toEqual([true, false]);
  });

  test("that arrives late, or for another controller or registration, changes nothing", () => {
    const { state: known } = taken(state, said(4, 0));
    const answer = (request: ReplicasOfflineRequest) => {
      const result = takeOfflineReport(known, 9, request);
      return result.kind === "answered" ? result.status.error : result.kind;
    };
    expect(answer(said(4))).toBe("NONE");
    expect(answer(said(3))).toBe("NONE");
    expect(answer(said(5))).toBe("news");
    expect(answer({ ...said(5), controllerEpoch: 8 })).toBe("STALE_CONTROLLER_EPOCH");
    expect(answer({ ...said(5), controllerEpoch: 10 })).toBe("STALE_CONTROLLER_EPOCH");
    expect(answer({ ...said(5), brokerEpoch: 100 })).toBe("STALE_BROKER_EPOCH");
  });
});
