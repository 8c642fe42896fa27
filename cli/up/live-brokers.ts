import type { Clock, Timer } from "../../protocol/base/clock.ts";
import type { BrokerProcess } from "./broker-process.ts";

/** A broker that is started again is back by then. */
const tellAfterMs = 3_000;

export interface LiveBrokersParts {
  readonly clock: Clock;
  /** Human-readable, a line each. */
  readonly tell: (line: string) => void;
  readonly size: number;
  /** That a topic gets which is made on its first use. */
  readonly copies: number;
}

/**
 * Tells what a missing broker means for topics that are made on their first use: each of their copies needs a broker of its own, and they
 * are not made with fewer. Nothing would add the missing copies later, and the topic would stay less safe than all others.
 */
export class LiveBrokers {
  readonly #parts: LiveBrokersParts;
  readonly #live = new Set<object>();
  /** All have been there: before that, who waits is told why by whoever starts them. */
  #wereAllThere = false;
  #timer: Timer | null = null;

  constructor(parts: LiveBrokersParts) {
    this.#parts = parts;
  }

  /** Returns the process. */
  watched<P extends Pick<BrokerProcess, "ready" | "exited">>(process: P): P {
    process.ready().then(
      () => this.#came(process),
      () => undefined, // reported by whoever started it
    );
    void process.exited.then(() => this.#went(process));
    return process;
  }

  /** All are about to be stopped. */
  end(): void {
    this.#timer?.cancel();
    this.#wereAllThere = false;
  }

  #came(process: object): void {
    const { size, copies } = this.#parts;
    this.#live.add(process);
    if (this.#live.size === size) this.#wereAllThere = true;
    if (this.#live.size >= copies) this.#timer?.cancel();
  }

  #went(process: object): void {
    const { clock, copies } = this.#parts;
    this.#live.delete(process);
    if (!this.#wereAllThere || this.#live.size >= copies) return;
    this.#timer?.cancel();
    this.#timer = clock.schedule(tellAfterMs, () => this.#tell());
  }

  #tell(): void {
    const { tell, size, copies } = this.#parts;
    const live = this.#live.size;
    const instead = live === 0 ? "" : `; \`ottla topic create NAME --replication-factor ${live}\` makes one with fewer copies`;
    tell(
      `${live} of ${size} brokers live: topics that are made on their first use get ${copies} copies, and wait until ${copies} live${instead}`,
    );
  }
}
