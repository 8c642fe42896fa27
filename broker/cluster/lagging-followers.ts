import type { Clock, Timer } from "../../protocol/base/clock.ts";
import type { BrokerId } from "../../protocol/base/ids.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import { isMoving } from "../runtime/reassignment-rules.ts";
import type { ClusterImage, ImageSource } from "./cluster-image.ts";

export interface LaggingFollowersParts {
  readonly brokerId: BrokerId;
  readonly images: ImageSource;
  readonly clock: Clock;
  readonly log: Logger;
}

/** A follower that starts, or whose leader moves, catches up within seconds as a rule. */
const patienceMs = 5_000;

interface Lag {
  readonly sinceMs: number;
  isTold: boolean;
}

/**
 * Tells which followers that live are missing in the in-sync sets of what this broker leads: a line when it has lasted for a while, and
 * one when they are in all of them again. Not one for each partition, of which there may be thousands.
 */
export class LaggingFollowers {
  readonly #parts: LaggingFollowersParts;
  readonly #lags = new Map<BrokerId, Lag>();
  #timer: Timer | null = null;

  constructor(parts: LaggingFollowersParts) {
    this.#parts = parts;
  }

  /** Looks a while after each change; a thousand changes in that time cost no more than one. */
  start(signal: AbortSignal): void {
    const unsubscribe = this.#parts.images.onChange(() => this.#lookLater());
    signal.addEventListener("abort", () => {
      unsubscribe();
      this.#timer?.cancel();
    });
  }

  #lookLater(): void {
    this.#timer ??= this.#parts.clock.schedule(patienceMs / 2, () => {
      this.#timer = null;
      this.#look();
    });
  }

  #look(): void {
    const { brokerId, images, clock, log } = this.#parts;
    const nowMs = clock.monotonicMs();
    const missing = missingFollowers(images.current, brokerId);
    for (const [follower, { sinceMs, isTold }] of this.#lags) {
      if (missing.has(follower)) continue;
      this.#lags.delete(follower);
      if (isTold) log.info({ follower, forMs: Math.round(nowMs - sinceMs) }, "a follower is in sync again");
    }
    for (const [follower, partitions] of missing) {
      const lag = this.#lags.get(follower) ?? { sinceMs: nowMs, isTold: false };
      this.#lags.set(follower, lag);
      if (lag.isTold || nowMs - lag.sinceMs < patienceMs) continue;
      lag.isTold = true;
      log.warn({ follower, partitions }, "a follower does not keep up: it is not in sync, and acks=all does not wait for it");
    }
    if ([...this.#lags.values()].some(({ isTold }) => !isTold)) this.#lookLater();
  }
}

/** Followers that live, and of how many partitions that `leader` leads they are not in sync, though no reassignment says why. */
function missingFollowers({ brokers, leavingBrokers, topics }: ClusterImage, leader: BrokerId): ReadonlyMap<BrokerId, number> {
  const missing = new Map<BrokerId, number>();
  for (const { partitions } of topics.values()) {
    for (const { leader: led, isr, replicas, reassignment } of partitions) {
      if (led !== leader || isr.length >= replicas.length) continue;
      for (const id of replicas)
        if (!isMoving({ reassignment }, id) && !isr.includes(id) && brokers.has(id) && !leavingBrokers.has(id))
          missing.set(id, (missing.get(id) ?? 0) + 1);
    }
  }
  return missing;
}
