import { invariant } from "../../../protocol/base/invariant.ts";
import { type BatchInfo, noTimestamp } from "../../../protocol/records/batch-header.ts";
import { type OffsetEntry, offsetIndexFormat, relativeOffsetMax, type TimeEntry, timeIndexFormat } from "./index-file.ts";

export interface RollLimits {
  readonly segmentBytes: number;
  readonly segmentMs: number;
  readonly segmentIndexBytes: number;
}

/** What is known of a segment that is being written: enough to place the next batch. */
export interface LayoutState {
  readonly baseOffset: number;
  readonly sizeInBytes: number;
  readonly lastIndexedPosition: number;
  readonly offsetEntries: number;
  readonly timeEntries: number;
  /** Timestamp of the time index's last entry; -1 without one. */
  readonly lastTimeEntryMs: number;
  readonly maxTimestampMs: number;
  /** Last offset of the first batch that has the maximum. */
  readonly offsetOfMaxTimestamp: number;
  /** Largest timestamp of the segment's first batch; -1 when it has none. */
  readonly firstTimestampMs: number;
  /** Wall clock, when the segment was created or opened: used where records have no timestamps. */
  readonly openedAtMs: number;
}

export function emptyLayout(baseOffset: number, openedAtMs: number): LayoutState {
  return {
    baseOffset,
    sizeInBytes: 0,
    lastIndexedPosition: 0,
    offsetEntries: 0,
    timeEntries: 0,
    lastTimeEntryMs: noTimestamp,
    maxTimestampMs: noTimestamp,
    offsetOfMaxTimestamp: baseOffset,
    firstTimestampMs: noTimestamp,
    openedAtMs,
  };
}

const segmentBytesMax = 2 ** 31 - 1;

/**
 * Whether a batch must go to a new segment: this one or its indexes are full, it is old enough, or the offset is too far from its base. An
 * empty segment is rolled only for an offset out of reach.
 */
export function mustRoll(state: LayoutState, batch: BatchInfo, limits: RollLimits, nowMs: number): boolean {
  if (batch.lastOffset - state.baseOffset > relativeOffsetMax) return true;
  if (state.sizeInBytes === 0) return false;
  const sizeInBytes = state.sizeInBytes + batch.sizeInBytes;
  if (sizeInBytes > limits.segmentBytes || sizeInBytes > segmentBytesMax) return true;
  if (state.offsetEntries >= Math.floor(limits.segmentIndexBytes / offsetIndexFormat.entryBytes)) return true;
  // one slot stays free for the entry that closes the segment
  if (state.timeEntries >= Math.floor(limits.segmentIndexBytes / timeIndexFormat.entryBytes) - 1) return true;
  const timed = state.firstTimestampMs !== noTimestamp && batch.maxTimestampMs !== noTimestamp;
  const ageMs = timed ? batch.maxTimestampMs - state.firstTimestampMs : nowMs - state.openedAtMs;
  return ageMs > limits.segmentMs;
}

export interface Placed {
  readonly state: LayoutState;
  readonly offsetEntry: OffsetEntry | null;
  readonly timeEntry: TimeEntry | null;
}

/**
 * The batch comes next in the segment. An index entry is due once more than `indexIntervalBytes` were written since the last. Recovery
 * places batches by the same rule, so it finds the same indexes.
 */
export function place(state: LayoutState, batch: BatchInfo, indexIntervalBytes: number): Placed {
  invariant(batch.baseOffset >= state.baseOffset, "a batch lies in its segment", () => ({ state, batch }));
  const position = state.sizeInBytes;
  const newer = batch.maxTimestampMs > state.maxTimestampMs;
  const maxTimestampMs = newer ? batch.maxTimestampMs : state.maxTimestampMs;
  const offsetOfMaxTimestamp = newer ? batch.lastOffset : state.offsetOfMaxTimestamp;
  const indexed = position - state.lastIndexedPosition > indexIntervalBytes;
  const timed = indexed && maxTimestampMs > state.lastTimeEntryMs;
  return {
    state: {
      ...state,
      sizeInBytes: position + batch.sizeInBytes,
      lastIndexedPosition: indexed ? position : state.lastIndexedPosition,
      offsetEntries: state.offsetEntries + (indexed ? 1 : 0),
      timeEntries: state.timeEntries + (timed ? 1 : 0),
      lastTimeEntryMs: timed ? maxTimestampMs : state.lastTimeEntryMs,
      maxTimestampMs,
      offsetOfMaxTimestamp,
      firstTimestampMs: position === 0 ? batch.maxTimestampMs : state.firstTimestampMs,
    },
    offsetEntry: indexed ? { offset: batch.lastOffset, position } : null,
    timeEntry: timed ? { timestampMs: maxTimestampMs, offset: offsetOfMaxTimestamp } : null,
  };
}

/**
 * The time index's last entry, due when the segment is closed, so that its largest timestamp can be read from the index alone. Null when it
 * exists already.
 */
export function closingEntry(state: LayoutState): TimeEntry | null {
  if (state.maxTimestampMs <= state.lastTimeEntryMs) return null;
  return { timestampMs: state.maxTimestampMs, offset: state.offsetOfMaxTimestamp };
}

export function withClosingEntry(state: LayoutState): LayoutState {
  return closingEntry(state) === null ? state : { ...state, timeEntries: state.timeEntries + 1, lastTimeEntryMs: state.maxTimestampMs };
}
