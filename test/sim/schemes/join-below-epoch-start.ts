import type { Scheme } from "./scheme.ts";

/**
 * A new leader does not know yet what the last one acknowledged, and a replica without those records asks to join.
 * 1. A follower stops, having everything. 2. The preferred replica gets more records, but not the word that they are committed. 3. It leads, cut off from the last leader, which stays in sync.
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
    if (leader === preferred || third === undefined) return false;
    world.workload.spare(partition, true);
    await stage.sleep(100); // what is committed is known everywhere
    const isDown = stage.to(third, (each) => each.crash("kill"));
    if (isDown) {
      third.start();
      // taken out of the in-sync set when it registers; it must not be back in it before the records come
      stage.cut(leader, third);
      if (await stage.when(() => stage.state(partition)?.isr.length === 2, 1500)) {
        const before = world.checker.committedCount();
        stage.burst(partition, 6);
        await stage.when(() => world.checker.committedCount() >= before + 3, 400);
        stage.cut(leader, preferred);
        stage.elect(partition);
        await stage.when(() => stage.state(partition)?.leader === preferred.id, 500);
        await stage.sleep(stage.between(200, 600));
        stage.mend(leader, preferred);
      }
      stage.mend(leader, third);
    }
    world.workload.spare(partition, false);
    return isDown;
  },
};
