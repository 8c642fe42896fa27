import { type BrokerId, partitionKey } from "../../protocol/base/ids.ts";
import type { PartitionName } from "./controller-state.ts";

interface Told {
  readonly name: PartitionName;
  /** In which the broker is told to delete what it has. */
  readonly changeNumber: number;
}

const never = -1;

/** The brokers that are to delete what they have of partitions, and what they have carried out. */
export class RemovedReplicas {
  /** By broker and partition; those of one broker in the order in which it is told. */
  readonly #told = new Map<BrokerId, Map<string, Told>>();
  readonly #brokers = new Map<string, readonly BrokerId[]>();
  /** The last change that a broker has carried out. */
  readonly #carriedOut = new Map<BrokerId, number>();

  /** These are on record. One that was before was told before. */
  note(name: PartitionName, brokers: readonly BrokerId[], changeNumber: number): void {
    const key = partitionKey(name.topic, name.partition);
    const before = this.#brokers.get(key) ?? [];
    if (before.length + brokers.length === 0) return;
    for (const id of before) if (!brokers.includes(id)) this.#forget(id, key);
    for (const id of brokers) {
      if (before.includes(id)) continue;
      const ofBroker = this.#told.get(id) ?? new Map<string, Told>();
      this.#told.set(id, ofBroker.set(key, { name, changeNumber }));
    }
    if (brokers.length === 0) this.#brokers.delete(key);
    else this.#brokers.set(key, brokers);
  }

  #forget(id: BrokerId, key: string): void {
    const ofBroker = this.#told.get(id);
    ofBroker?.delete(key);
    if (ofBroker?.size !== 0) return;
    this.#told.delete(id);
    this.#carriedOut.delete(id);
  }

  /** A broker has carried out this change, and all before it. True: `done` has something of it. */
  carriedOut(id: BrokerId, changeNumber: number): boolean {
    const first = this.#told.get(id)?.values().next().value;
    if (first === undefined) return false;
    this.#carriedOut.set(id, changeNumber);
    return first.changeNumber <= changeNumber;
  }

  /** By partition: the brokers that have nothing left of it. */
  done(): Map<string, { readonly name: PartitionName; readonly brokers: Set<BrokerId> }> {
    const done = new Map<string, { readonly name: PartitionName; readonly brokers: Set<BrokerId> }>();
    for (const [id, ofBroker] of this.#told) {
      const last = this.#carriedOut.get(id) ?? never;
      for (const [key, { name, changeNumber }] of ofBroker) {
        if (changeNumber > last) break;
        const one = done.get(key) ?? { name, brokers: new Set() };
        one.brokers.add(id);
        done.set(key, one);
      }
    }
    return done;
  }
}
