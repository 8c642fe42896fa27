import { randomInt } from "../../../protocol/base/random.ts";
import { again, type Trouble, type TroubleParts } from "./trouble.ts";

const hosts = ["b1", "b2", "b3", "b1", "b2", "b3", "producer", "hasty"];

/**
 * Clocks are set by at least a second, and are wrong by up to ten minutes: tombstones and records are deleted by age although others'
 * clocks say that they are new.
 */
const leastMs = 1000;
export const wallClockOffMaxMs = 600_000;

/**
 * Somebody sets the wall clocks of machines, forward and back, while everything runs on them. They stay wrong to the end: convergence must
 * not depend on them, except for records that are kept for some seconds.
 */
export class WallClocks implements Trouble {
  readonly #parts: TroubleParts;
  #stop: () => void = () => {};

  constructor(parts: TroubleParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#stop = again(this.#parts, 100, 3000, () => this.#set());
  }

  heal(): void {
    this.#stop();
    const { plan, clock } = this.#parts.world;
    // by a clock that is minutes ahead, the last records would be too old before anybody has read them
    if (plan.retention?.kind === "ms") for (const host of hosts) clock.setWallClock(host, 0);
  }

  #set(): void {
    const { world, random, count } = this.#parts;
    const host = hosts[randomInt(random, hosts.length)]!;
    if (world.brokers.some((broker) => broker.host === host && broker.isAsleep)) return;
    const offMs = Math.round(leastMs * (wallClockOffMaxMs / leastMs) ** random.next());
    const aheadMs = [offMs, -offMs, 0][randomInt(random, 3)]!;
    world.trace.line(`the clock of ${host} is set to be ${aheadMs} ms ahead`);
    world.clock.setWallClock(host, aheadMs);
    count("setClock");
  }
}
