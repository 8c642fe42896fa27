import type { Scheme } from "./scheme.ts";

/**
 * A new leader does not know yet what the last one acknowledged, and a replica without those records tries to join the ISR.
 * 1. A follower stops, having everything.
 * 2. The preferred replica gets more records, but is not told that they are committed.
 * 3. It leads, cut off from the last leader, which stays in sync.
 * 4. The follower is back: it has what the new leader knows to be committed, and not what was acknowledged.
 */
export const joinBelowEpochStart: Scheme = {
  name: "join-below-epoch-start",
  aims: "joining without reaching the start of the leader's epoch",
  async run(stage) {
    const cast = await stage.unpreferredCast();
    const { world } = stage;
    if (cast === null || cast.members.length < 3 || world.minInsyncReplicas > 2) return false;
    const { leader, members, partition, preferred } = cast;
    const third = members.find((member) => member !== leader && member !== preferred);
    // the next leader must hear of it from the controller, and the current leader must not be heard
    if (leader === stage.controller) world.deleteController();
    const isApart = await stage.when(() => stage.controller !== null && stage.controller !== leader, 500);
    if (leader === preferred || third === undefined || !isApart || stage.state(partition)?.leader !== leader.id) return false;
    world.workload.spare(partition, true);
    await stage.sleep(100); // what is committed is known everywhere
    // removed from the ISR when it registers again, or for its lag; it must not be back in it before the records come
    const isController = third === stage.controller;
    const isAway = stage.to(third, (each) => (isController ? each.pause() : each.crash("kill")));
    if (isAway) {
      if (!isController) third.start();
      stage.cut(leader, third);
      const isOut = await stage.when(() => stage.state(partition)?.isr.length === 2, 2700);
      third.resume();
      if (isOut && stage.state(partition)?.leader === leader.id) {
        const before = { committed: world.checker.committedCount(), end: stage.storedEnd(preferred, partition) };
        // so slow that a change of the ISR is done before the records arrive
        world.network.setDelays({ delayMinMs: 5, delayMaxMs: 15 });
        stage.burst(partition, 6);
        // at this moment it fetches more, which tells the leader that it has these; the answer would say that they are committed
        await stage.when(() => stage.storedEnd(preferred, partition) > before.end, 400);
        stage.cut(leader, preferred, { oneWay: true });
        await stage.when(() => world.checker.committedCount() > before.committed, 400);
        stage.cut(leader, preferred);
        stage.elect(partition);
        await stage.when(() => stage.state(partition)?.leader === preferred.id, 500);
        await stage.sleep(stage.between(200, 600));
        world.network.setDelays({ delayMinMs: 0.1, delayMaxMs: 2 });
        stage.mend(leader, preferred);
      }
      stage.mend(leader, third);
    }
    world.workload.spare(partition, false);
    return isAway;
  },
};
