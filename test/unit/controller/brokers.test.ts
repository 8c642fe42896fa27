import { describe, expect, test } from "vitest";
import { clusterView } from "../../../broker/cluster/cluster-image.ts";
import { sleep } from "../../../protocol/base/clock.ts";
import { assigned, cluster, created, options, seen, topic } from "./requests.ts";
import type { World } from "./world.ts";

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

  describe("a broker that the controller sees registered again all at once", () => {
    /** Broker 1 controls, and does not hear of broker 2 until it is back. */
    async function unseen(come: (world: World) => void) {
      const world = await cluster();
      await world.until("broker 1 is the controller", () => world.controllerId === 1);
      const [id] = await created(world, topic("led", [[2, 3]]), topic("followed", [[3, 2]]), topic("only", [[2]]));
      const before = world.node(2).membership.epoch;
      const leaders: number[] = [];
      world.node(1).coordinator.cut();
      come(world);
      await world.until("a new life", () => world.node(2).membership.epoch > before);
      world.node(1).coordinator.heal();
      await world.until("a new epoch", () => {
        leaders.push(world.state("only").leader);
        return world.state("only").leaderEpoch > 0 && world.state("led").leaderEpoch > 0;
      });
      await world.until("broker 2 follows in its new life", () => assigned(world, 2, id!)?.leader === 3);
      expect(new Set(leaders)).toEqual(new Set([2]));
      expect(world.controllerId).toBe(1);
      const epochs = { 2: world.node(2).membership.epoch, 3: world.node(3).membership.epoch };
      return { world, before, epochs, id: id! };
    }

    test("stays in sync if only its session was lost; nothing is without a leader in between", async () => {
      const { world, epochs } = await unseen((each) => each.node(2).coordinator.expireSession());
      expect(world.state("led")).toMatchObject({ leader: 3, leaderEpoch: 1, isr: [2, 3], isrEpochs: epochs });
      expect(world.state("followed")).toMatchObject({ leader: 3, leaderEpoch: 0, isr: [3, 2], isrEpochs: epochs });
      expect(world.state("only")).toMatchObject({ leader: 2, leaderEpoch: 1, isr: [2], leaderRecovering: false });
    });

    test("is out of the in-sync sets of others if it ended uncleanly; and a late write that takes it in for its earlier life is undone", async () => {
      const { world, before, epochs, id } = await unseen((each) => {
        each.kill(2, { expire: false });
        each.startNode(2);
      });
      expect(world.state("led")).toMatchObject({ leader: 3, leaderEpoch: 1, isr: [3] });
      expect(world.state("followed")).toMatchObject({ leader: 3, leaderEpoch: 0, isr: [3], isrEpochs: { 3: epochs[3] } });
      expect(world.state("only")).toMatchObject({ leader: 2, leaderEpoch: 1, isr: [2], leaderRecovering: false });
      const { leaderEpoch, stateVersion } = assigned(world, 3, id)!;
      const late = {
        topic: "led",
        topicId: id,
        partition: 0,
        leader: 3,
        leaderEpoch,
        isr: [3, 2],
        formerSize: 1,
        expectedVersion: stateVersion,
      };
      expect(await world.run(world.node(3).isrStore.writeIsr({ ...late, isrEpochs: { ...epochs, 2: before } }))).toMatchObject({
        kind: "written",
      });
      expect(world.state("led").isr).toEqual([3, 2]);
      await world.until("it is out again", () => world.state("led").isr.length === 1);
      await world.until("the leader knows", () => assigned(world, 3, id)?.isr.length === 1);
    });

    test("is not elected on the strength of such a write when that leader dies before anyone hears of it", async () => {
      const { world, before, epochs, id } = await unseen((each) => {
        each.kill(2, { expire: false });
        each.startNode(2);
      });
      const { leaderEpoch, stateVersion } = assigned(world, 3, id)!;
      world.isLost = (_from, _to, kind) => kind === "isr-changed";
      const late = {
        topic: "led",
        topicId: id,
        partition: 0,
        leader: 3,
        leaderEpoch,
        isr: [3, 2],
        formerSize: 1,
        expectedVersion: stateVersion,
      };
      await world.run(world.node(3).isrStore.writeIsr({ ...late, isrEpochs: { ...epochs, 2: before } }));
      world.kill(3);
      await world.until("nobody leads", () => world.state("led").leader === -1);
      expect(world.state("led").isr).toEqual([3]);
      await world.pass(1_000);
      expect(world.state("led").leader).toBe(-1);
      world.startNode(3);
      await world.until("who has all records leads", () => world.state("led").leader === 3);
    });

    test("nor by another controller, which loads what there is", async () => {
      const { world, before, epochs, id } = await unseen((each) => {
        each.kill(2, { expire: false });
        each.startNode(2);
      });
      const { leaderEpoch, stateVersion } = assigned(world, 3, id)!;
      world.isLost = (_from, _to, kind) => kind === "isr-changed";
      const late = {
        topic: "led",
        topicId: id,
        partition: 0,
        leader: 3,
        leaderEpoch,
        isr: [3, 2],
        formerSize: 1,
        expectedVersion: stateVersion,
      };
      await world.run(world.node(3).isrStore.writeIsr({ ...late, isrEpochs: { ...epochs, 2: before } }));
      world.kill(1);
      world.kill(3);
      await world.until("nobody leads", () => world.state("led").leader === -1);
      expect(world.state("led").isr).toEqual([3]);
      world.startNode(3);
      await world.until("who has all records leads", () => world.state("led").leader === 3);
    });
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
    expect(assigned(world, 3, id!, 0)).toMatchObject({ leader: 3 });
    await world.until("the leader took it out", () => [0, 1].every((each) => world.state("t", each).isr.length === 1));
    expect(world.state("t", 1)).toMatchObject({ leader: 3, isr: [3], leaderEpoch: 0 });
    // or the leader would take it back into the in-sync set at its next fetch, and wait for it when it is gone
    const view = clusterView({
      brokerId: 3,
      images: world.node(3).images,
      membership: { epoch: 1 },
      session: { provedUntilMs: 0 },
      watch: { suspects: new Map(), stallInDoubt: null, isCutOffFromUs: () => false, doubt: () => {} },
    });
    expect([view.brokerEpoch(2), view.brokerEpoch(1)]).toEqual([null, world.node(1).membership.epoch]);
    expect(view.peerAddress(2)).not.toBeNull();
    const [answer] = await world.run(
      world.controller.createTopics([{ ...topic("u", []), numPartitions: 1, replicationFactor: 3 }], options),
    );
    expect(answer?.error).toBe("INVALID_REPLICATION_FACTOR");
    await world.run(world.node(2).close());
    await world.until("the others see it gone", () => !world.node(1).images.current.brokers.has(2));
  });

  test("brokers that stop together move nothing to each other, and leave the in-sync sets as they are", async () => {
    const world = await cluster();
    await created(
      world,
      topic("t", [
        [2, 3, 1],
        [3, 1, 2],
        [1, 2, 3],
      ]),
    );
    const states = () => [0, 1, 2].map((partition) => world.state("t", partition));
    const before = states();
    // their signals do not arrive in one instant
    const stopped = [1, 2, 3].map((id) => sleep(world.node(id).clock, 50 * id).then(() => world.node(id).controlledShutdown()));
    const moved = await world.run(Promise.all(stopped));
    expect(moved, "told at once that there is nobody to wait for").toEqual([false, false, false]);
    expect(states()).toEqual(before);
  });

  test("what one led that has stopped, the other leads that stops with it, as long as it is there", async () => {
    const world = await cluster();
    await created(world, topic("t", [[2, 3]]));
    expect(await world.run(Promise.all([2, 3].map((id) => world.node(id).controlledShutdown()))), "3 led nothing").toEqual([false, true]);
    expect(world.state("t")).toMatchObject({ leader: 2, isr: [2, 3] });
    await world.run(world.node(2).close());
    await world.until("the other leads", () => world.state("t").leader === 3);
  });

  test("of two that stop together, nothing moves to the other while there is a third", async () => {
    const world = await cluster();
    await created(
      world,
      topic("t", [
        [2, 3, 1],
        [3, 2, 1],
      ]),
    );
    expect(await world.run(Promise.all([2, 3].map((id) => world.node(id).controlledShutdown())))).toEqual([true, true]);
    for (const partition of [0, 1]) expect(world.state("t", partition)).toMatchObject({ leader: 1, leaderEpoch: 1 });
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
