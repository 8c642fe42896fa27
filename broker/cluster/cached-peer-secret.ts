import type { Coordinator } from "../../coordinator-client/coordinator.ts";
import { readPeerSecret } from "../../coordinator-client/known-peer-secret.ts";
import type { Clock } from "../../protocol/base/clock.ts";
import { InvariantViolation } from "../../protocol/base/invariant.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import type { PeerSecret } from "../runtime/peer-port.ts";

export interface CachedPeerSecretParts {
  readonly coordinator: Pick<Coordinator, "read">;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Strangers can make us read it again: this often at most. */
const pauseBetweenReadsMs = 1_000;

/**
 * The secret as it was read at the start, so that links open while the coordinator is away. It is read again when a proof does not match: a
 * node that was changed, or that was removed and re-created by a broker that started later, reaches every broker that way.
 */
export class CachedPeerSecret implements PeerSecret {
  readonly #parts: CachedPeerSecretParts;
  #value: string;
  #lastReadMs = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | null = null;

  constructor(value: string, parts: CachedPeerSecretParts) {
    this.#value = value;
    this.#parts = parts;
  }

  get value(): string {
    return this.#value;
  }

  reread(): Promise<void> {
    const nowMs = this.#parts.clock.monotonicMs();
    if (this.#reading === null && nowMs - this.#lastReadMs >= pauseBetweenReadsMs) {
      this.#lastReadMs = nowMs;
      this.#reading = this.#read().finally(() => {
        this.#reading = null;
      });
    }
    return this.#reading ?? Promise.resolve();
  }

  async #read(): Promise<void> {
    const { coordinator, log } = this.#parts;
    try {
      const found = await readPeerSecret(coordinator);
      // removed, and not re-created: the secret that all running brokers know stays valid
      if (found === null || found === this.#value) return;
      this.#value = found;
      log.info({}, "the secret that brokers prove themselves with was changed");
    } catch (error) {
      if (error instanceof InvariantViolation) throw error;
      log.warn({ err: error }, "cannot look whether the secret that brokers prove themselves with was changed");
    }
  }
}
