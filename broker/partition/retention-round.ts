import { type Clock, sleep } from "../../protocol/base/clock.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import { DamagedBatch, LogOffline } from "../log/log-contract.ts";
import type { Partition } from "./partition.ts";

export interface RetentionRoundParts {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly logger: Logger;
}

/** Partitions looked at in a row: thousands of them must not keep requests waiting. */
const partitionsInARow = 50;

/** One after the other, so that a round never takes more than one log's share of the disk. */
export async function retentionRound(partitions: readonly Partition[], { clock, signal, logger }: RetentionRoundParts): Promise<void> {
  for (const [place, partition] of partitions.entries()) {
    if (place % partitionsInARow === partitionsInARow - 1) await sleep(clock, 0, signal);
    if (signal.aborted) return;
    try {
      await partition.retain();
    } catch (error) {
      // both were told where they happened; the other logs go on
      if (!(error instanceof LogOffline || error instanceof DamagedBatch)) throw error;
      logger.warn({ err: error, partition: partition.identity.key }, "old records could not be looked for");
    }
  }
}
