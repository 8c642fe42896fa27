import { randomInt } from "../../../protocol/base/random.ts";
import { again, type Trouble, type TroubleParts } from "./trouble.ts";

/**
 * Links between two brokers break, and may be opened again at once: requests and answers on their way are lost, and either end goes on. A
 * fetch session does not outlive that, and what was lost with it must be said again.
 */
export class BrokenLinks implements Trouble {
  readonly #parts: TroubleParts;
  #stop: () => void = () => {};

  constructor(parts: TroubleParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#stop = again(this.#parts, 20, 2000, () => this.#break());
  }

  heal(): void {
    this.#stop();
  }

  #break(): void {
    const { world, random, count } = this.#parts;
    const { brokers, network, trace } = world;
    const from = randomInt(random, brokers.length);
    const [a, b] = [brokers[from]!, brokers[(from + 1 + randomInt(random, brokers.length - 1)) % brokers.length]!];
    trace.line(`links from ${a.host} to ${b.host} break`);
    network.reset(a.host, b.host);
    count("brokenLinks");
  }
}
