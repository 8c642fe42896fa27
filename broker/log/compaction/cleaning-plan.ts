import { batchHeaderBytes, noTimestamp, readBatchInfo } from "../../../protocol/records/batch-header.ts";
import type { LogDirectory } from "../files/log-directory.ts";
import type { LogState } from "../partition-log/log-state.ts";
import { undisturbed } from "../partition-log/undisturbed.ts";
import type { Segment } from "../segment/segment.ts";

export interface CleaningMoment {
  /** Exclusive: records above it may still be truncated. */
  readonly highWatermark: number;
  readonly nowMs: number;
}

export interface DueCleaning {
  readonly plan: CleaningPlan;
  readonly ratio: number;
  /** How often the log had been cut when this was found: it holds for this generation of the log only. */
  readonly cuts: number;
  /** Where the log was then. Only that directory's cleaner may clean the log, until it moves. */
  readonly directory: LogDirectory;
}

/**
 * Whether a log is worth compacting now: enough of it is new (`min.cleanable.dirty.ratio`), or a record has waited for longer than
 * `max.compaction.lag.ms`.
 */
export function assessLog(state: LogState, { highWatermark, nowMs }: CleaningMoment): Promise<DueCleaning | null> {
  return undisturbed(state, async () => {
    const { settings, segments, startOffset, endOffset, cleanedEndOffset, recoveryPoint, cuts, directory, producers } = state;
    if (settings.cleanupPolicy === "delete") return null;
    const facts = { segments, startOffset, endOffset, cleanedEndOffset };
    // of a transaction that is not decided nobody knows which records count
    const stable = producers.firstUnstableOffset(highWatermark) ?? highWatermark;
    // what is not on disk may be gone after a crash, while a copy made from it survives
    const committed = planCleaning({ ...facts, limitOffset: Math.min(highWatermark, stable, recoveryPoint) });
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

async function firstYoung({ io }: LogState, segments: readonly Segment[], olderThanMs: number): Promise<Segment | null> {
  for (const segment of segments) {
    const largest = await segment.largestTimestamp(io);
    if (largest !== null && largest.timestampMs > olderThanMs) return segment;
  }
  return null;
}

/** By their first batches, as in Kafka: timestamps may come in any order, and those without meaning (0 or less) do not count. */
async function anyBeginsBefore(state: LogState, segments: readonly Segment[], limitMs: number): Promise<boolean> {
  for (const segment of segments) {
    const timestampMs = await firstTimestamp(state, segment);
    if (timestampMs > 0 && timestampMs < limitMs) return true;
  }
  return false;
}

async function firstTimestamp({ io }: LogState, segment: Segment): Promise<number> {
  const header = Buffer.alloc(batchHeaderBytes);
  const count = await segment.use(io, (file) => file.read(header, 0, header.length, 0));
  if (count < header.length) return noTimestamp;
  const batch = readBatchInfo(header, 0);
  // with a delete horizon, the base timestamp is not that of a record
  return batch === null ? noTimestamp : batch.hasDeleteHorizon ? batch.maxTimestampMs : batch.baseTimestampMs;
}

/** What is known of a log when deciding whether to compact it. */
export interface LogFacts {
  /** Ascending; the last one is being written. */
  readonly segments: readonly { readonly baseOffset: number; readonly sizeInBytes: number }[];
  readonly startOffset: number;
  readonly endOffset: number;
  /** How far the last cleaning got. */
  readonly cleanedEndOffset: number;
  /** What may be compacted ends there at the latest: below it everything is committed, on disk and old enough. */
  readonly limitOffset: number;
}

export interface CleaningPlan {
  readonly firstDirtyOffset: number;
  /** A segment's base: everything from there on stays as it is. */
  readonly endOffset: number;
  readonly cleanBytes: number;
  readonly dirtyBytes: number;
  /** Above `endOffset`: too young, not committed, or being written. */
  readonly uncleanableBytes: number;
}

/** What a cleaning of this log would have to do. Only whole segments are cleaned, and never the active one. */
export function planCleaning({ segments, startOffset, endOffset, cleanedEndOffset, limitOffset }: LogFacts): CleaningPlan {
  // a checkpoint may be older than a truncation, or than a deletion of old segments
  const isInLog = cleanedEndOffset >= startOffset && cleanedEndOffset <= endOffset;
  const firstDirtyOffset = isInLog ? cleanedEndOffset : startOffset;
  const within = segments.findLastIndex(({ baseOffset }) => baseOffset <= limitOffset);
  const end = Math.max(Math.min(within, segments.length - 1), 0);
  const dirty = Math.min(
    Math.max(
      segments.findLastIndex(({ baseOffset }) => baseOffset <= firstDirtyOffset),
      0,
    ),
    end,
  );
  return {
    firstDirtyOffset,
    endOffset: segments[end]!.baseOffset,
    cleanBytes: bytesOf(segments.slice(0, dirty)),
    dirtyBytes: segments[end]!.baseOffset > firstDirtyOffset ? bytesOf(segments.slice(dirty, end)) : 0,
    uncleanableBytes: bytesOf(segments.slice(end)),
  };
}

/** The share of the cleanable part that was never cleaned. */
export function dirtyRatio({ cleanBytes, dirtyBytes }: CleaningPlan): number {
  return dirtyBytes === 0 ? 0 : dirtyBytes / (cleanBytes + dirtyBytes);
}

function bytesOf(segments: readonly { readonly sizeInBytes: number }[]): number {
  return segments.reduce((sum, { sizeInBytes }) => sum + sizeInBytes, 0);
}

export interface GroupLimits {
  readonly segmentBytes: number;
  readonly segmentIndexBytes: number;
  /** How far a segment's last offset may be from its base. */
  readonly offsetsMax: number;
  /** Reads wait while a group's files are renamed, so they must not be too many. */
  readonly segmentsMax: number;
}

export interface GroupedSegment {
  readonly baseOffset: number;
  /** Exclusive. */
  readonly endOffset: number;
  readonly sizeInBytes: number;
  readonly indexBytes: number;
  readonly timeIndexBytes: number;
}

/** Neighbours whose cleaned rest fits into one segment whatever is left of them. */
export function groupSegments<S extends GroupedSegment>(segments: readonly S[], limits: GroupLimits): readonly (readonly S[])[] {
  const groups: S[][] = [];
  for (const segment of segments) {
    const group = groups.at(-1);
    if (group !== undefined && fits([...group, segment], limits)) group.push(segment);
    else groups.push([segment]);
  }
  return groups;
}

function fits(group: readonly GroupedSegment[], { segmentBytes, segmentIndexBytes, offsetsMax, segmentsMax }: GroupLimits): boolean {
  const sum = (of: (segment: GroupedSegment) => number) => group.reduce((total, segment) => total + of(segment), 0);
  return (
    group.length <= segmentsMax &&
    sum((segment) => segment.sizeInBytes) <= segmentBytes &&
    sum((segment) => segment.indexBytes) <= segmentIndexBytes &&
    sum((segment) => segment.timeIndexBytes) <= segmentIndexBytes &&
    group.at(-1)!.endOffset - 1 - group[0]!.baseOffset <= offsetsMax
  );
}
