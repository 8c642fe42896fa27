import { sessionTimeoutMs } from "../world.ts";
import type { Scheme } from "./scheme.ts";

/**
 * A leader's process is suspended for longer than its session, with answers on their way to it: a follower's fetch that commits what a
 * producer waits for, and the coordinator's answer that the session was alive when it was asked. Or its machine sleeps: then not even its
 * monotonic clock has moved when it wakes.
 */
export const stoppedMidAcknowledgement: Scheme = {
  name: "stopped-mid-acknowledgement",
  aims: "acknowledging with a session that was proved long ago",
  async run(stage) {
    const cast = stage.cast();
    const { world } = stage;
    if (cast === null || cast.members.length < 2) return false;
    const { leader, members, partition } = cast;
    world.network.setDelays({ delayMinMs: 10, delayMaxMs: 60 });
    world.coordinatorDelayMs = stage.random.next() < 0.5 ? 200 : 900;
    await stage.sleep(stage.between(300, 900));
    const before = stage.storedEnd(leader, partition);
    stage.burst(partition, 10);
    // the followers have them, and their next fetches are on the way
    await stage.when(() => members.every((member) => stage.storedEnd(member, partition) > before), 300);
    const isStopped = stage.to(leader, (each) => (stage.random.next() < 0.5 ? each.pause() : each.sleep()));
    world.network.setDelays({ delayMinMs: 0.1, delayMaxMs: 2 });
    world.coordinatorDelayMs = 0;
    if (!isStopped) return true;
    await stage.sleep(sessionTimeoutMs + stage.between(200, 1500));
    leader.resume();
    return true;
  },
};
