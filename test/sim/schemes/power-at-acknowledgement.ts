import type { Scheme } from "./scheme.ts";

/**
 * The power of all brokers fails at the moment in which records are acknowledged: with `flush.messages=1` they are on the disks by then.
 */
export const powerAtAcknowledgement: Scheme = {
  name: "power-at-acknowledgement",
  aims: "records that are acknowledged before they are on the disk",
  needs: "isFlushed",
  async run(stage) {
    const cast = stage.cast();
    const { world } = stage;
    if (cast === null) return false;
    const before = world.checker.committedCount();
    stage.burst(cast.partition, 5);
    if (!(await stage.when(() => world.checker.committedCount() > before, 500)) || world.isInDanger) return false;
    // the topic's records are on the disks, those of the groups are not
    world.group?.commitsMayBeGone();
    for (const broker of world.brokers) {
      world.losses++;
      broker.crash("power");
    }
    await stage.sleep(stage.between(5, 200));
    for (const broker of world.brokers) if (!broker.isUp) broker.start();
    return true;
  },
};
