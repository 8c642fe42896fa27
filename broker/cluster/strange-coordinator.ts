import { type CoordinatorVerdict, faultOf, type KnownCluster } from "../../coordinator-client/known-cluster.ts";
import { type Clock, sleep } from "../../protocol/base/clock.ts";
import type { Logger } from "../../protocol/base/logger.ts";

export interface StrangeCoordinatorParts {
  readonly known: KnownCluster;
  readonly clock: Clock;
  readonly log: Logger;
  /** Told what goes into the log, for whoever started this broker. */
  readonly said?: (words: string) => void;
}

const pauseMinMs = 500;
/** A coordinator that is put right, by a restored copy or by `ottla cluster recover`, is noticed within this time. */
const pauseMaxMs = 10_000;
const sayAgainAfterMs = 10 * 60_000;

/**
 * Waits, a little longer each time, while the coordinator is not the one this broker knows, and says so: at once, when the reason changes,
 * and then seldom. Nobody is served meanwhile.
 */
export class StrangeCoordinator {
  readonly #parts: StrangeCoordinatorParts;
  #said: { readonly fault: string; readonly atMs: number } | null = null;
  #pauseMs = pauseMinMs;

  constructor(parts: StrangeCoordinatorParts) {
    this.#parts = parts;
  }

  async wait(verdict: Exclude<CoordinatorVerdict, { kind: "ours" }>, signal?: AbortSignal): Promise<void> {
    const { known, clock, log, said } = this.#parts;
    const fault = faultOf(verdict, known);
    const nowMs = clock.monotonicMs();
    if (this.#said === null || this.#said.fault !== fault || nowMs - this.#said.atMs >= sayAgainAfterMs) {
      this.#said = { fault, atMs: nowMs };
      log.error(
        { ...verdict, known: { clusterId: known.clusterId, controllerEpoch: known.controllerEpoch } },
        `not joining: ${fault}${meanwhile}`,
      );
      said?.(`not joining: ${fault}${meanwhile}`);
    }
    const pauseMs = this.#pauseMs;
    this.#pauseMs = Math.min(pauseMs * 2, pauseMaxMs);
    await sleep(clock, pauseMs, signal).catch(() => undefined);
  }

  /** It is the right one (again). */
  isKnown(): void {
    if (this.#said !== null) this.#parts.log.warn({}, "ZooKeeper is the one that this broker knows again: it goes on");
    this.#said = null;
    this.#pauseMs = pauseMinMs;
  }
}

const meanwhile = " Until then this broker serves nobody and removes nothing; it looks again by itself.";
