import type { KnownCluster } from "../../coordinator-client/known-cluster.ts";
import { invariant } from "../../protocol/base/invariant.ts";

export interface SeenControllerParts {
  readonly clusterId: string;
  /** As stored in the log directories; -1: in none of them. */
  readonly controllerEpoch: number;
  /** Durable when it resolves, in one log directory at least. */
  readonly store: (known: KnownCluster) => Promise<void>;
}

/**
 * The newest controller epoch that this broker has seen, kept over restarts. It is on disk before anything is done because of it (before an
 * update of that epoch is applied or answered, and before this broker acts as its controller). So whatever this broker did, it did under an
 * epoch that it still knows later, and by which it recognises an older coordinator.
 */
export class SeenController implements KnownCluster {
  readonly #parts: SeenControllerParts;
  #controllerEpoch: number;
  /** The epoch written to each directory since the start: a directory may be new, and lack what the others have. */
  #stored = -1;
  #last: Promise<void> = Promise.resolve();

  constructor(parts: SeenControllerParts) {
    this.#parts = parts;
    this.#controllerEpoch = parts.controllerEpoch;
  }

  get clusterId(): string {
    return this.#parts.clusterId;
  }

  get controllerEpoch(): number {
    return this.#controllerEpoch;
  }

  /** Resolves once it is durable that there was a controller of this epoch. Rejects with LogOffline. */
  note(controllerEpoch: number): Promise<void> {
    this.#last = this.#last.catch(() => undefined).then(() => this.#note(controllerEpoch));
    return this.#last;
  }

  async #note(controllerEpoch: number): Promise<void> {
    const newest = Math.max(controllerEpoch, this.#controllerEpoch);
    if (newest <= this.#stored) return;
    await this.#parts.store({ clusterId: this.clusterId, controllerEpoch: newest });
    invariant(newest >= this.#controllerEpoch, "the controller epoch on the disk only rises", () => ({
      newest,
      known: this.#controllerEpoch,
    }));
    this.#controllerEpoch = newest;
    this.#stored = newest;
  }
}
