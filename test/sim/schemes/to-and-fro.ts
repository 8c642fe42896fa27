import type { Scheme } from "./scheme.ts";

/** The leadership moves to another broker and comes back, and one follower hears of neither: it still fetches under the old epoch. */
export const toAndFroUnheardByFollower: Scheme = {
  name: "to-and-fro-unheard-by-follower",
  aims: "fetches under an older epoch of the same leader",
  async run(stage) {
    const cast = stage.cast();
    const { controller, world } = stage;
    if (cast === null || controller === null || cast.members.length < 3) return false;
    const { leader, members, partition, preferred } = cast;
    const deaf = members.find((member) => member !== leader && member !== controller && member !== preferred);
    const successor = members.find((member) => member !== leader && member !== deaf);
    if (deaf === undefined || successor === undefined) return false;
    stage.cut(controller, deaf);
    const leads = (id: number) => () => stage.state(partition)?.leader === id;
    const isBack = () => stage.state(partition)?.isr.includes(leader.id) === true;
    stage.to(leader, (each) => world.expireSession(each));
    if (await stage.when(() => !leads(leader.id)() && isBack(), 1500)) {
      if (leader === preferred) stage.elect(partition);
      else stage.to(successor, (each) => world.expireSession(each));
      await stage.when(leads(leader.id), 700);
      stage.burst(partition, 3);
      await stage.sleep(stage.between(100, 400));
    }
    stage.mend(controller, deaf);
    return true;
  },
};

/**
 * The same, but it is the leader that hears of neither: it keeps leading under the last of the epochs. Its followers have followed another
 * leader in between, and one of them has truncated what it had of this leader: the broker that led meanwhile was behind. Then that one
 * leads once more, with what it knows of the epochs.
 */
export const toAndFroUnheardByLeader: Scheme = {
  name: "to-and-fro-unheard-by-leader",
  aims: "a leader that leads on under a later epoch; epochs without records",
  async run(stage) {
    const cast = await stage.unpreferredCast();
    const { controller, world } = stage;
    if (cast === null || controller === null || cast.members.length < 3) return false;
    const { leader, partition, preferred } = cast;
    if (leader === controller || leader === preferred) return false;
    const epoch = stage.state(partition)?.leaderEpoch ?? 0;
    const leads = (id: number) => () => stage.state(partition)?.leader === id;
    // 1. the one that will lead fetches nothing more from the leader, the third broker does
    stage.cut(leader, preferred, { oneWay: true });
    await stage.sleep(stage.between(5, 50));
    stage.burst(partition, 8);
    await stage.sleep(stage.between(20, 200));
    // 2. it leads, unheard by the leader
    stage.cut(controller, leader);
    stage.elect(partition);
    if (await stage.when(leads(preferred.id), 700)) {
      await stage.sleep(stage.between(0, 300));
      // 3. and no longer
      stage.to(preferred, (each) => (stage.random.next() < 0.5 ? world.expireSession(each) : each.stop(3000)));
      await stage.when(leads(leader.id), 1500);
    }
    // what was on its way is lost with the link: the leader is told of the last epoch only
    world.network.reset(controller.host, leader.host);
    stage.mend(controller, leader);
    await stage.sleep(stage.between(0, 200));
    stage.burst(partition, 2);
    stage.mend(leader, preferred);
    if ((stage.state(partition)?.leaderEpoch ?? 0) < epoch + 2) return true;
    // 4. it leads again, and the others ask it where the epochs end
    if (!preferred.isUp) preferred.start();
    if (await stage.when(() => stage.state(partition)?.isr.includes(preferred.id) === true, 2500)) stage.elect(partition);
    return true;
  },
};
