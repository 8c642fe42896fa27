import type { TreeObserver } from "./observer.ts";
import type { SimBroker } from "./sim-broker.ts";

export interface TrustParts {
  readonly brokers: () => readonly SimBroker[];
  readonly observer: () => TreeObserver;
  /** Topics of which records may be lost whatever the rules say. */
  readonly isForsaken: (topic: string) => boolean;
}

/** Which replicas may lack committed records, and which brokers the rules therefore let the faults take away. */
export class Trust {
  readonly #parts: TrustParts;
  /** `broker:topic-partition` of replicas that lost unsynced bytes, and have not been out of the ISR since. */
  readonly #lacking = new Set<string>();
  /**
   * The same for any unclean shutdown. The records are there, but a broker cannot know it, nor prefer such a replica to one that lost some.
   */
  readonly #unproved = new Set<string>();
  /** Whether a replica is still the one with the rotten bit. */
  readonly #rotten = new Map<string, () => boolean>();

  constructor(parts: TrustParts) {
    this.#parts = parts;
  }

  /** It may lack records, whatever the coordinator says. */
  distrust(broker: SimBroker): void {
    for (const { topic, partition } of this.#parts.observer().partitions()) this.#lacking.add(`${broker.id}:${topic}-${partition}`);
  }

  /** Its process ended other than by a clean shutdown. */
  endedUncleanly(broker: number): void {
    for (const { topic, partition } of this.#parts.observer().partitions()) this.#unproved.add(`${broker}:${topic}-${partition}`);
  }

  /** Its replica of a partition is damaged, in the ISR or not, for as long as it is the replica that `isStill` checks. */
  rotted(broker: SimBroker, key: string, isStill: () => boolean): void {
    this.#lacking.add(`${broker.id}:${key}`);
    this.#rotten.set(`${broker.id}:${key}`, isStill);
  }

  /** A replica that is seen outside the ISR has to prove itself to its leader before it joins again. */
  look(): void {
    if (this.#unproved.size + this.#lacking.size === 0) return;
    for (const { id, isReady } of this.#parts.brokers()) {
      if (!isReady) continue;
      for (const { topic, partition, state } of this.#parts.observer().partitions()) {
        const key = `${id}:${topic}-${partition}`;
        if (state.isr.includes(id) || this.#rotten.get(key)?.() === true) continue;
        this.#lacking.delete(key);
        this.#unproved.delete(key);
      }
    }
  }

  mayLackRecords(broker: number, topic: string, partition: number): boolean {
    return this.#lacking.has(`${broker}:${topic}-${partition}`);
  }

  /**
   * Whether the rules let this broker be taken away now, by whatever means. Records that may be on no disk live on in the brokers that hold
   * them in sync. So while one broker may lack some, each partition needs another one that is up, connected to the coordinator, and known
   * to have them all. `losing`: its unsynced bytes are lost too.
   */
  mayTakeAway(broker: SimBroker, losing: boolean): boolean {
    const brokers = this.#parts.brokers();
    return this.#parts
      .observer()
      .partitions()
      .every(({ topic, partition, state }) => {
        if (this.#parts.isForsaken(topic)) return true;
        if (!losing && !brokers.some(({ id }) => this.mayLackRecords(id, topic, partition))) return true;
        const isKeeper = ({ id }: SimBroker) =>
          state.isr.includes(id) && !this.#unproved.has(`${id}:${topic}-${partition}`) && !this.mayLackRecords(id, topic, partition);
        return brokers.some((other) => other !== broker && isWell(other) && isKeeper(other));
      });
  }

  /** Some broker may lack records: those that have them must not be disturbed. */
  get isInDanger(): boolean {
    return this.#parts
      .observer()
      .partitions()
      .some(
        ({ topic, partition }) =>
          !this.#parts.isForsaken(topic) && this.#parts.brokers().some(({ id }) => this.mayLackRecords(id, topic, partition)),
      );
  }
}

function isWell(broker: SimBroker): boolean {
  return (
    broker.isReady &&
    !broker.hasDiskFailure &&
    !broker.isStopping &&
    !broker.isPaused &&
    !broker.isCoordinatorCut &&
    broker.coordinator?.state === "connected"
  );
}
