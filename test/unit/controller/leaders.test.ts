import { describe, expect, test } from "vitest";
import { assigned, cluster, created, options, seen, topic } from "./requests.ts";

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
    // it was killed, so nobody can vouch for what it still has
    expect(world.state("t")).toMatchObject({ leader: 2, isr: [2], leaderRecovering: true });
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
          isrEpochs: { 2: world.node(2).membership.epoch, 3: world.node(3).membership.epoch },
          formerSize: 1,
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
    await world.until("it leads alone", () => world.state("t").isr.join() === "3");
  });
});
