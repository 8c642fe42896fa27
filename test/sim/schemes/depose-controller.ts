import type { Scheme } from "./scheme.ts";

/**
 * Somebody deletes `/controller`, as operators of Kafka do. 1. The controller is in the middle of an election. 2. Its process is suspended.
 * 3. Another broker becomes controller, and is suspended as well, before it has done anything. 4. The first one continues what it had
 * started: under an epoch that is over.
 */
export const deposeController: Scheme = {
  name: "depose-controller",
  aims: "what a deposed controller still writes",
  async run(stage) {
    const cast = stage.cast();
    const { world, controller } = stage;
    if (cast === null || controller === null || cast.leader === controller) return false;
    const { leader } = cast;
    world.coordinatorDelayMs = 5;
    stage.to(leader, (each) => world.expireSession(each));
    await stage.sleep(stage.between(2, 60));
    const isStopped = stage.to(controller, (each) => each.pause());
    if (isStopped) {
      world.deleteController();
      const next = () => world.brokers.find(({ id }) => id === world.observer.controllerId);
      await stage.when(() => ![undefined, controller].includes(next()), 500);
      const successor = next();
      const isSuccessorStopped = successor !== controller && stage.to(successor, (each) => each.pause());
      controller.resume();
      await stage.sleep(stage.between(50, 300));
      if (isSuccessorStopped) successor?.resume();
    }
    world.coordinatorDelayMs = 0;
    return true;
  },
};
