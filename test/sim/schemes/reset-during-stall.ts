import type { Scheme } from "./scheme.ts";

/**
 * Producers resend what was not answered. 1. A leader is cut off from its followers, so that records wait. 2. The producer's connections
 * break, and it resends them: they wait a second time. 3. The leader loses its session, and with it the leadership: all waiting requests
 * must be answered.
 */
export const resetDuringStall: Scheme = {
  name: "reset-during-stall",
  aims: "appends that wait again, when the leadership ends",
  async run(stage) {
    const cast = stage.cast();
    const { world, controller } = stage;
    if (cast === null || cast.members.length < 2) return false;
    const { leader, partition } = cast;
    const others = world.brokers.filter((broker) => broker !== leader && broker !== controller);
    for (const other of others) stage.cut(leader, other);
    if (controller !== null && controller !== leader) stage.cut(controller, leader, { oneWay: false });
    for (let times = 0; times < 5; times++) {
      stage.burst(partition, 3);
      await stage.sleep(15);
    }
    // it must ask this broker again, and hear of no other
    for (const other of world.brokers) if (other !== leader) stage.cut("producer", other);
    world.network.reset("producer", leader.host);
    await stage.sleep(stage.between(150, 400));
    if (controller !== null && controller !== leader) stage.mend(controller, leader);
    stage.to(leader, (each) => world.expireSession(each));
    await stage.sleep(stage.between(800, 1300));
    for (const other of others) stage.mend(leader, other);
    for (const other of world.brokers) if (other !== leader) stage.mend("producer", other);
    return true;
  },
};
