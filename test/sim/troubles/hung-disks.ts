import { randomInt } from "../../../protocol/base/random.ts";
import { logDirectories, type SimBroker } from "../sim-broker.ts";
import { again, type Trouble, type TroubleParts } from "./trouble.ts";

const hangMinMs = 50;
/** Far above what others wait for (`log.dir.stall.timeout.ms`). */
const hangMaxMs = 8_000;

/**
 * Nothing that a broker asks of one of its disks comes back for a while, or of both; then all of it does. The broker goes on meanwhile:
 * it answers, is elected, is told to stop, or is killed.
 */
export class HungDisks implements Trouble {
  readonly #parts: TroubleParts;
  readonly #hanging = new Map<SimBroker, () => void>();
  #stop: () => void = () => {};

  constructor(parts: TroubleParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#stop = again(this.#parts, 100, 6_000, () => this.#hang());
  }

  heal(): void {
    this.#stop();
    for (const broker of [...this.#hanging.keys()]) this.#goOn(broker);
  }

  #hang(): void {
    const { world, random, count } = this.#parts;
    const broker = world.brokers[randomInt(random, world.brokers.length)]!;
    const which = [...logDirectories.map((directory) => `${directory}/`), "/"][randomInt(random, logDirectories.length + 1)]!;
    const forMs = hangMinMs * (hangMaxMs / hangMinMs) ** random.next();
    if (this.#hanging.has(broker)) return;
    world.trace.line(`${broker.host} ${which} hangs for ${Math.round(forMs)} ms`);
    this.#hanging.set(broker, broker.hangDisk(which));
    world.clock.schedule("faults", forMs, () => this.#goOn(broker));
    count("hungDisk");
  }

  #goOn(broker: SimBroker): void {
    const goOn = this.#hanging.get(broker);
    if (goOn === undefined) return;
    this.#hanging.delete(broker);
    this.#parts.world.trace.line(`${broker.host}: the disk goes on`);
    goOn();
  }
}
