import type { Retention } from "./plan.ts";
import type { StoredBatch, StoredLog } from "./stored-log.ts";

/** A leader counts bytes that others do not have yet; when those are truncated, less is left than retention has to leave. */
const cutBytesMax = 2500;

/** A second opinion on retention: what is gone from the front of a log was old enough, or enough is left. */
export class RetentionCheck {
  readonly #retention: Retention;
  /** Largest timestamp of each batch that was seen, by its base offset. */
  readonly #timestamps = new Map<number, number>();

  constructor(retention: Retention) {
    this.#retention = retention;
  }

  seen(batches: readonly StoredBatch[]): void {
    for (const { baseOffset, maxTimestampMs } of batches) this.#timestamps.set(baseOffset, maxTimestampMs);
  }

  /**
   * Why offsets from `goneBefore` to `startOffset` should still be there; null: they need not. `logs`: of all replicas; the leader, whose
   * log is the longest, decides.
   */
  refuse(startOffset: number, goneBefore: number, logs: readonly StoredLog[], nowMs: number): string | null {
    const retention = this.#retention;
    if (retention.kind === "bytes") {
      const left = Math.max(...logs.map((log) => bytesFrom(log, startOffset)));
      return left + cutBytesMax >= retention.bytes ? null : `${left} bytes are left from offset ${startOffset} on, of ${retention.bytes}`;
    }
    for (const [offset, timestampMs] of this.#timestamps)
      if (offset >= goneBefore && offset < startOffset && nowMs - timestampMs < retention.ms)
        return `offset ${offset} is gone after ${nowMs - timestampMs} ms, of ${retention.ms}`;
    return null;
  }
}

function bytesFrom({ batches }: StoredLog, startOffset: number): number {
  return batches.reduce((sum, { baseOffset, sizeInBytes }) => sum + (baseOffset >= startOffset ? sizeInBytes : 0), 0);
}
