import type { Scheme } from "./scheme.ts";

/**
 * A replica joins the ISR; the leader's write is done, and its answer is lost with the link to the coordinator. While the leader does not
 * know whether the replica is in the ISR, that replica goes away: it would lack what the leader commits without it if it became the next
 * leader.
 */
export const joinUndecided: Scheme = {
  name: "join-undecided",
  aims: "who counts while a change of the in-sync set is undecided",
  async run(stage) {
    const cast = stage.cast();
    const { world, controller } = stage;
    if (cast === null || cast.members.length < 3) return false;
    const { leader, members, partition } = cast;
    const joiner = members.find((member) => member !== leader && member !== controller) ?? members.find((member) => member !== leader);
    const epoch = stage.state(partition)?.leaderEpoch;
    if (joiner === undefined || !stage.to(joiner, (each) => each.crash("kill"))) return false;
    joiner.start();
    const isMember = () => stage.state(partition)?.isr.includes(joiner.id) === true;
    if (!(await stage.when(() => !isMember(), 1500)) || !(await stage.when(isMember, 3000))) return true;
    // at this moment the write is done; its answer is on the way
    if (stage.state(partition)?.leaderEpoch !== epoch || !world.mayTakeAway(leader, false)) return true;
    leader.cutCoordinator();
    const isGone = stage.random.next() < 0.5 && stage.to(joiner, (each) => each.crash("kill"));
    if (!isGone) stage.cut(leader, joiner);
    const endMs = world.clock.nowMs + stage.between(1800, 2900);
    while (world.clock.nowMs < endMs) {
      stage.burst(partition, 2);
      await stage.sleep(150);
    }
    leader.healCoordinator();
    if (isGone) joiner.start();
    else stage.mend(leader, joiner);
    return true;
  },
};
