import { randomInt } from "../../../protocol/base/random.ts";
import type { LinkHandlers } from "../../../protocol/base/transport.ts";
import type { SimBroker } from "../sim-broker.ts";
import { clientPort, peerPort } from "../sim-network.ts";
import { again, type Trouble, type TroubleParts } from "./trouble.ts";

const stopGraceMs = 8000;

/**
 * Starts that fail: a broker is told to shut down before it is ready, or finds its port in use and shuts down, as `main.ts` does. Often the
 * life before has lost records with the power, and the next one comes at once: what is in between must not make such a broker look like one
 * that has everything.
 */
export class UnfinishedStarts implements Trouble {
  readonly #parts: TroubleParts;
  #stop: () => void = () => {};
  #isOver = false;
  /** By host: releases the ports that are held there. */
  readonly #squatters = new Map<string, () => void>();

  constructor(parts: TroubleParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#stop = again(this.#parts, 200, 3000, () => this.#befall());
  }

  heal(): void {
    this.#isOver = true;
    this.#stop();
    for (const leave of [...this.#squatters.values()]) leave();
  }

  #befall(): void {
    const { world, random } = this.#parts;
    const broker = world.brokers[randomInt(random, world.brokers.length)]!;
    if (this.#squatters.has(broker.host) || broker.isPaused || broker.isStopping || broker.hasDiskFailure || !this.#takeAway(broker))
      return;
    if (random.next() < 0.4) void this.#occupy(broker, random.next() < 0.5 ? clientPort : peerPort);
    else this.#stopEarly(broker);
  }

  /** False: the rules do not allow it. A broker that is down already is left so. */
  #takeAway(broker: SimBroker): boolean {
    const { world, random } = this.#parts;
    const losing = random.next() < 0.6;
    if (!broker.isUp) return true;
    if (!world.mayTakeAway(broker, losing)) return false;
    if (losing) world.losePower(broker, random.next() < 0.7 ? "power-silent" : "power");
    else broker.crash("kill");
    return true;
  }

  #stopEarly(broker: SimBroker): void {
    const { world, random, count } = this.#parts;
    const isApart = random.next() < 0.4 && !broker.isCoordinatorCut;
    const afterMs = 4 * 200 ** random.next();
    broker.start();
    const { owner } = broker;
    // it knows the cluster, has opened its logs, and waits to be registered
    if (isApart) this.#later(random.next() * 60, () => broker.owner === owner && broker.cutCoordinator());
    this.#later(afterMs, () => {
      const isUnfinished = broker.owner === owner && broker.isUp && !broker.isReady;
      if (isUnfinished) {
        broker.stop(stopGraceMs);
        count("stopEarly");
      }
      if (isApart) broker.healCoordinator();
      // soon again; and also after it was killed because it did not shut down
      for (const ms of [5 + random.next() * 300, 2500, stopGraceMs + 100]) this.#later(ms, () => broker.start());
      if (isUnfinished) world.trace.line(`${owner} was not ready`, true);
    });
  }

  /** Another program has one of its ports. The start fails and is retried by the supervisor. */
  async #occupy(broker: SimBroker, port: number): Promise<void> {
    const { world, random, count } = this.#parts;
    const squatter = `${broker.host}-squatter`;
    const accept = (link: { destroy(): void }): LinkHandlers => {
      link.destroy();
      return { onData: () => {}, onClose: () => {} };
    };
    const leave = () => {
      if (!this.#squatters.delete(broker.host)) return;
      world.trace.line(`port ${port} of ${broker.host} is free`);
      void listener.close();
    };
    this.#squatters.set(broker.host, leave);
    const listener = await world.network.transportFor(squatter).listen({ host: broker.host, port }, accept);
    world.trace.line(`port ${port} of ${broker.host} is in use`);
    count("portInUse");
    broker.start();
    this.#later(200 + random.next() * 2500, () => {
      leave();
      broker.start();
    });
  }

  #later(delayMs: number, action: () => void): void {
    this.#parts.world.clock.schedule("faults", delayMs, () => {
      if (!this.#isOver) action();
    });
  }
}
