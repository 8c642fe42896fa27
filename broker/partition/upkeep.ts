import { type Clock, sleep, type Timer } from "../../protocol/base/clock.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import { loop } from "../../protocol/base/loop.ts";
import type { Random } from "../../protocol/base/random.ts";
import { DamagedBatch, LogOffline } from "../log/log-contract.ts";
import type { LogStore } from "../log/store-contract.ts";
import type { PartitionConfig } from "./environment.ts";
import type { Partition } from "./partition.ts";

export interface UpkeepParts {
  readonly config: PartitionConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly logs: Pick<LogStore, "expireStrays">;
}

export interface Upkept {
  /** As they now are. */
  readonly partitions: () => Iterable<Partition>;
  /** Checks which followers lag, and which replicas do nothing. */
  readonly sweep: () => void;
  readonly writeCheckpoint: () => Promise<void>;
}

/** How often leaders check their followers, at most: a broker that died delays acknowledgements for about this long. */
const sweepMaxMs = 1000;

/** Until the first retention check: a broker that starts has other things to do. */
const firstRetentionMs = 30_000;

/** Partitions checked in one turn: thousands of them must not keep requests waiting. */
const partitionsInARow = 50;

/**
 * What a broker does for all its partitions periodically, until the signal aborts: the check for lagging followers, the checkpoints of the
 * high watermarks, retention and the expiry of inactive producers.
 */
export function startUpkeep({ config, clock, random, logger, logs }: UpkeepParts, upkept: Upkept, signal: AbortSignal): void {
  const parts = { clock, random, signal, log: logger, pauseMinMs: 100, pauseMaxMs: config.highWatermarkCheckpointMs };
  const sweepMs = Math.min(config.replicaLagTimeMaxMs / 2, sweepMaxMs);
  const sweep = async () => {
    await sleep(clock, sweepMs, signal);
    upkept.sweep();
  };
  const checkpoint = async () => {
    await sleep(clock, config.highWatermarkCheckpointMs, signal);
    await upkept.writeCheckpoint();
  };
  let untilRetentionMs = Math.min(config.retentionCheckMs, firstRetentionMs);
  const retention = async () => {
    await sleep(clock, untilRetentionMs, signal);
    untilRetentionMs = config.retentionCheckMs;
    await retentionRound([...upkept.partitions()], clock, logger, signal);
    await logs.expireStrays(config.strayRetentionMs);
  };
  const forgetProducers = async () => {
    await sleep(clock, config.producerExpirationCheckMs, signal);
    for (const { log } of upkept.partitions()) log.expireProducers(clock.nowMs(), config.producerExpirationMs());
  };
  void loop("in-sync sweep", sweep, parts);
  void loop("high watermark checkpoint", checkpoint, parts);
  void loop("retention", retention, parts);
  void loop("expiration of producers", forgetProducers, parts);
}

/**
 * Only of the partitions led here: followers adopt the leader's log start, and without a leader nothing is deleted. One after the other, so
 * that a round never takes more than one log's share of the disk.
 */
async function retentionRound(partitions: readonly Partition[], clock: Clock, logger: Logger, signal: AbortSignal): Promise<void> {
  for (const [place, partition] of partitions.entries()) {
    if (place % partitionsInARow === partitionsInARow - 1) await sleep(clock, 0, signal);
    if (signal.aborted) return;
    const leader = partition.leader();
    try {
      if (typeof leader !== "string") await leader.logStart.retain();
    } catch (error) {
      // both were reported where they happened; the other logs continue
      if (!(error instanceof LogOffline || error instanceof DamagedBatch)) throw error;
      logger.warn({ err: error, partition: partition.identity.key }, "old records could not be looked for");
    }
  }
}

/**
 * A look at all followers at once, and another one a little later: a member that is suspected may have fetched just before, for the last
 * time.
 */
export class FollowerLooks {
  readonly #clock: Clock;
  readonly #againAfterMs: number;
  readonly #look: () => void;
  #again: Timer | null = null;

  constructor(clock: Clock, suspectLagMs: number, look: () => void) {
    this.#clock = clock;
    this.#againAfterMs = suspectLagMs + 1;
    this.#look = look;
  }

  look(): void {
    this.#look();
    this.#again?.cancel();
    this.#again = this.#clock.schedule(this.#againAfterMs, this.#look);
  }

  end(): void {
    this.#again?.cancel();
  }
}
