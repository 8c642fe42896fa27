import { batchHeaderBytes, noTimestamp, readBatchInfo } from "../../../protocol/records/batch-header.ts";
import type { LogDirectory } from "../log-directory.ts";
import type { LogState } from "../log-state.ts";
import type { Segment } from "../segment/segment.ts";
import { undisturbed } from "../undisturbed.ts";
import { type CleaningPlan, dirtyRatio, planCleaning } from "./plan.ts";

export interface CleaningMoment {
  /** Exclusive: what is above may still be taken back. */
  readonly highWatermark: number;
  readonly nowMs: number;
}

export interface DueCleaning {
  readonly plan: CleaningPlan;
  readonly ratio: number;
  /** How often the log had been cut when this was found: it is true of no other. */
  readonly cuts: number;
  /** Where the log lay then. Whoever cleans that directory is the one who may clean the log, until it moves. */
  readonly directory: LogDirectory;
}

/**
 * Whether a log is worth compacting now: enough of it is new (`min.cleanable.dirty.ratio`), or something waits for longer than
 * `max.compaction.lag.ms`.
 */
export function assessLog(state: LogState, { highWatermark, nowMs }: CleaningMoment): Promise<DueCleaning | null> {
  return undisturbed(state, async () => {
    const { settings, segments, startOffset, endOffset, cleanedEndOffset, recoveryPoint, cuts, directory } = state;
    if (settings.cleanupPolicy === "delete") return null;
    const facts = { segments, startOffset, endOffset, cleanedEndOffset };
    // what is not on the disk may be gone after a crash, while a copy made from it is there
    const committed = planCleaning({ ...facts, limitOffset: Math.min(highWatermark, recoveryPoint) });
    if (committed.dirtyBytes === 0) return null;
    const dirty = segments.filter(({ baseOffset }, i) => {
      const end = segments[i + 1]?.baseOffset ?? endOffset;
      return end > committed.firstDirtyOffset && baseOffset < committed.endOffset;
    });
    const { minCompactionLagMs, maxCompactionLagMs, minCleanableDirtyRatio } = settings;
    const young = minCompactionLagMs > 0 ? await firstYoung(state, dirty, nowMs - minCompactionLagMs) : null;
    const plan = young === null ? committed : planCleaning({ ...facts, limitOffset: Math.min(young.baseOffset, committed.endOffset) });
    if (plan.dirtyBytes === 0) return null;
    const ratio = dirtyRatio(plan);
    if (ratio > minCleanableDirtyRatio) return { plan, ratio, cuts, directory };
    const isOverdue = maxCompactionLagMs < Number.MAX_SAFE_INTEGER && (await anyBeginsBefore(state, dirty, nowMs - maxCompactionLagMs));
    return isOverdue ? { plan, ratio, cuts, directory } : null;
  });
}

async function firstYoung({ directory }: LogState, segments: readonly Segment[], olderThanMs: number): Promise<Segment | null> {
  for (const segment of segments) {
    const largest = await segment.largestTimestamp(directory);
    if (largest !== null && largest.timestampMs > olderThanMs) return segment;
  }
  return null;
}

/** By their first batches, as in Kafka: timestamps may come in any order, and those that say nothing (0 or less) do not count. */
async function anyBeginsBefore(state: LogState, segments: readonly Segment[], limitMs: number): Promise<boolean> {
  for (const segment of segments) {
    const timestampMs = await firstTimestamp(state, segment);
    if (timestampMs > 0 && timestampMs < limitMs) return true;
  }
  return false;
}

async function firstTimestamp({ directory }: LogState, segment: Segment): Promise<number> {
  const header = Buffer.alloc(batchHeaderBytes);
  const count = await segment.use(directory, (file) => file.read(header, 0, header.length, 0));
  if (count < header.length) return noTimestamp;
  const batch = readBatchInfo(header, 0);
  // under a delete horizon the base timestamp is none of a record
  return batch === null ? noTimestamp : batch.hasDeleteHorizon ? batch.maxTimestampMs : batch.baseTimestampMs;
}
