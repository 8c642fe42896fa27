import type { Scheme } from "./scheme.ts";

/**
 * A group commits while the coordinator's broker is cut off from its followers: the commit must not be answered before they have it. Then
 * the broker goes away, and one of them is the coordinator, with what it has.
 */
export const commitUnreplicated: Scheme = {
  name: "commit-unreplicated",
  aims: "commits that are answered before they are replicated",
  needs: "hasGroup",
  async run(stage) {
    const { world, controller } = stage;
    const led = world.observer.partitions().filter(({ topic, state }) => topic === "__consumer_offsets" && state.isr.length > 1);
    const about = led[Math.floor(stage.random.next() * led.length)];
    const leader = world.brokers.find(({ id }) => id === about?.state.leader);
    if (about === undefined || leader === undefined || !world.brokers.every(({ isReady }) => isReady)) return false;
    const others = world.brokers.filter((broker) => broker !== leader);
    for (const other of others) stage.cut(leader, other);
    // the partition whose offset is committed: led by others, because this broker's records wait as well
    for (let times = 0; times < 6; times++) {
      for (let partition = 0; partition < 2; partition++) if (stage.state(partition)?.leader !== leader.id) stage.burst(partition, 4);
      await stage.sleep(stage.between(20, 80));
    }
    const isGone = stage.to(leader, (each) => (stage.random.next() < 0.5 ? each.crash("kill") : world.expireSession(each)));
    await stage.when(
      () => world.observer.find(about.topic, about.partition)?.state.leader !== leader.id,
      leader === controller ? 4000 : 1500,
    );
    for (const other of others) stage.mend(leader, other);
    if (isGone && !leader.isUp) leader.start();
    return isGone;
  },
};
