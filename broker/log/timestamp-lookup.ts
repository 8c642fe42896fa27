import { sleep } from "../../protocol/base/clock.ts";
import { InvariantViolation } from "../../protocol/base/invariant.ts";
import { type BatchInfo, hasValidCrc, noTimestamp } from "../../protocol/records/batch-header.ts";
import { plainRecordsAside, plainRecordsNow, type RecordView, RecordViews, recordsPerStep } from "./compaction/records-of.ts";
import { DamagedBatch, type FoundRecord } from "./log-contract.ts";
import type { LogDirectory } from "./log-directory.ts";
import { readExactly } from "./log-reader.ts";
import type { LogState } from "./log-state.ts";
import { walkHeaders } from "./segment/batch-walk.ts";
import type { TimeEntry } from "./segment/index-format.ts";
import { TooManyLookups } from "./segment/lookup-turns.ts";
import type { Segment } from "./segment/segment.ts";
import type { CoveredSegments } from "./segment/timestamp-maxima.ts";
import { undisturbed } from "./undisturbed.ts";

/**
 * See `Log.findByTimestamp`. The segments' largest timestamps lead to a segment, its time index to a place in it, headers to a batch, the
 * batch to the record.
 */
export function findByTimestamp(state: LogState, timestampMs: number): Promise<FoundRecord | null> {
  return undisturbed(state, async () => {
    const { startOffset, writtenEndOffset, directory } = state;
    const { segments, partial, maxima, sealedTo, growing } = await byTimestamp(state);
    const look = async (segment: Segment) => {
      const largest = await segment.largestTimestamp(directory);
      if (largest === null || largest.timestampMs < timestampMs) return null;
      const isProven = segment.hasProvenIndexes;
      const floor = await segment.timeFloor(timestampMs, directory);
      const from = Math.max(floor?.offset ?? segment.baseOffset, startOffset);
      const isKnown = floor !== null && from === floor.offset && !isProven;
      const fromTimestampMs = isKnown ? floor.timestampMs : null;
      return findInSegment(state, segment, { from, fromTimestampMs, to: writtenEndOffset, timestampMs });
    };
    const early = partial === null ? null : await look(partial);
    if (early !== null) return early;
    // a producer's header may promise a timestamp that none of its records has: then the next segment
    for (let at = maxima.firstReaching(timestampMs) ?? sealedTo; at < sealedTo; at++) {
      const found = await look(segments[at]!);
      if (found !== null) return found;
    }
    return growing === null ? null : look(growing);
  });
}

/** See `Log.findMaxTimestamp`. */
export function findMaxTimestamp(state: LogState): Promise<FoundRecord | null> {
  return undisturbed(state, async () => {
    const { startOffset, writtenEndOffset, directory } = state;
    const { segments, partial, maxima, growing } = await byTimestamp(state);
    let best: { readonly segment: Segment; readonly timestampMs: number; readonly offset: number } | null = null;
    const consider = (segment: Segment, largest: TimeEntry | null) => {
      if (largest !== null && (best === null || largest.timestampMs > best.timestampMs)) best = { segment, ...largest };
    };
    if (partial !== null) consider(partial, await largestFrom(state, partial, startOffset));
    const bestSealed = maxima.best === null ? null : segments[maxima.best]!;
    for (const segment of [bestSealed, growing]) if (segment !== null) consider(segment, await segment.largestTimestamp(directory));
    if (best === null) return null;
    // the batch with the largest timestamp ends with that offset
    const { segment, timestampMs, offset } = best as { readonly segment: Segment } & TimeEntry;
    const found = await findInSegment(state, segment, { from: offset, fromTimestampMs: null, to: writtenEndOffset, timestampMs });
    return found ?? largestBelow(state, timestampMs);
  });
}

/**
 * No record has the timestamp that a header promises: its producer said so, or compaction took the records and left the batch. By halves,
 * since what headers say is no more than a bound.
 */
async function largestBelow(state: LogState, promisedMs: number): Promise<FoundRecord | null> {
  let best: FoundRecord | null = null;
  for (let [low, high] = [0, promisedMs]; low < high; ) {
    const middle = Math.floor((low + high) / 2);
    const found = await findByTimestamp(state, middle);
    if (found === null) high = middle;
    else [best, low] = [found, found.timestampMs + 1];
  }
  return best;
}

interface ByTimestamp {
  readonly segments: readonly Segment[];
  /** Begins below the log's start. */
  readonly partial: Segment | null;
  readonly maxima: CoveredSegments;
  /** Up to here the maxima cover the others. */
  readonly sealedTo: number;
  readonly growing: Segment | null;
}

/** The log's segments from its start on, as a search by timestamp takes them, one after the other. */
async function byTimestamp(state: LogState): Promise<ByTimestamp> {
  const { startOffset, segments, generation, directory } = state;
  const from = state.segmentIndex(startOffset);
  const isPartial = segments[from]!.baseOffset < startOffset;
  const [sealedTo, last] = [segments.length - 1, segments.at(-1)!];
  const maxima = await state.maxima.cover(segments, { from: isPartial ? from + 1 : from, to: sealedTo, generation }, directory);
  return { segments, maxima, partial: isPartial ? segments[from]! : null, sealedTo, growing: isPartial && from === sealedTo ? null : last };
}

interface Search {
  /** Batches that end below are passed over. */
  readonly from: number;
  /** Largest timestamp of the batch with `from`, by an index that may be damaged. Null: not known. */
  readonly fromTimestampMs: number | null;
  readonly to: number;
  readonly timestampMs: number;
}

async function findInSegment(state: LogState, segment: Segment, search: Search): Promise<FoundRecord | null> {
  const { sizeInBytes } = segment;
  let position = await segment.floorPosition(search.from, state.directory);
  let { fromTimestampMs } = search;
  for (;;) {
    let candidate: BatchInfo | null = null;
    let ended = false;
    const bytes = await segment.use(state.directory, async (file) => {
      const walked = await walkHeaders(file, position, sizeInBytes, (batch) => {
        ended = batch.lastOffset >= search.to;
        if (ended) return { refuse: "written after the search began" };
        if (batch.lastOffset < search.from) return "on";
        if (fromTimestampMs !== null && (batch.baseOffset > search.from || batch.maxTimestampMs !== fromTimestampMs))
          return { refuse: `by the time index the batch has the timestamp ${fromTimestampMs}, and has ${batch.maxTimestampMs}` };
        fromTimestampMs = null;
        if (batch.maxTimestampMs < search.timestampMs) return "on";
        candidate = batch;
        return "stop";
      });
      const damaged = (at: number, offset: number, reason: string) =>
        new DamagedBatch({ kind: "batch", path: segment.logPath, position: at, offset, reason });
      if (walked.damage !== null && !ended) throw damaged(walked.endPosition, search.from, walked.damage);
      position = walked.endPosition;
      const found = candidate as BatchInfo | null;
      if (found === null) return null;
      const batch = await readExactly(file, found.position, found.sizeInBytes);
      if (!hasValidCrc(batch, 0, batch.length)) throw damaged(found.position, found.baseOffset, "CRC-32C does not match the batch");
      return batch;
    });
    if (bytes === null || candidate === null) return null;
    const found = await findInBatch(bytes, candidate, search.timestampMs, state);
    if (found !== null) return found;
  }
}

/** The first record in the batch that is new enough. Null when the header promised one that is not there. */
async function findInBatch(bytes: Buffer, batch: BatchInfo, timestampMs: number, state: LogState): Promise<FoundRecord | null> {
  const { leaderEpoch } = batch;
  const { startOffset } = state;
  const found: FoundRecord[] = [];
  try {
    await visitTimes(bytes, batch, state.directory, (record) => {
      if (record.timestampMs < timestampMs || record.offset < startOffset) return "on";
      found.push({ ...record, leaderEpoch });
      return "enough";
    });
    return found[0] ?? null;
  } catch (error) {
    if (error instanceof InvariantViolation || error instanceof TooManyLookups) throw error;
    // a batch of a Kafka broker's may be packed as we do not read it: it is as near as one gets
    return found[0] ?? { offset: Math.max(batch.baseOffset, startOffset), timestampMs: batch.maxTimestampMs, leaderEpoch };
  }
}

/** The records of one batch, in steps, until `visit` has seen enough. Throws MalformedFrame, and TooManyLookups. */
async function visitTimes(
  bytes: Buffer,
  batch: BatchInfo,
  { clock, lookups }: LogDirectory,
  visit: (record: { readonly offset: number; readonly timestampMs: number }) => "on" | "enough",
): Promise<void> {
  // only here: the codecs are large, and most brokers are never asked
  const { codecsAside, decompressRecordsWithin } = await import("../../protocol/records/compression.ts");
  const whole = { ...batch, position: 0 };
  let isEnough = false;
  const look = ({ offset, timestampMs }: RecordView) => {
    isEnough ||= visit({ offset, timestampMs: batch.timestampType === "LogAppendTime" ? batch.maxTimestampMs : timestampMs }) === "enough";
  };
  const walk = async (plain: Buffer) => {
    const views = new RecordViews(plain, whole);
    while (!views.visit(recordsPerStep, look) && !isEnough) await sleep(clock, 0);
  };
  const plain = plainRecordsNow(bytes, whole, (codec, packed, bytesMax) =>
    decompressRecordsWithin({ unpackedBytesLeft: bytesMax }, codec, packed, bytesMax),
  );
  if (plain !== null) return walk(plain);
  return lookups.run(async () => walk(await plainRecordsAside(bytes, whole, codecsAside.unpack)));
}

/** Largest timestamp from `startOffset` on, which lies within the segment, or within a batch of it. */
async function largestFrom(
  state: LogState,
  segment: Segment,
  startOffset: number,
): Promise<{ readonly timestampMs: number; readonly offset: number } | null> {
  const from = await segment.floorPosition(startOffset, state.directory);
  let best = { timestampMs: noTimestamp, offset: -1 };
  await segment.use(state.directory, async (file) => {
    let cut: BatchInfo | null = null;
    const { damage, endPosition } = await walkHeaders(file, from, segment.sizeInBytes, (batch) => {
      if (batch.lastOffset < startOffset) return "on";
      if (batch.baseOffset < startOffset) cut = batch;
      else if (batch.maxTimestampMs > best.timestampMs) best = { timestampMs: batch.maxTimestampMs, offset: batch.lastOffset };
      return "on";
    });
    if (damage !== null)
      throw new DamagedBatch({ kind: "batch", path: segment.logPath, position: endPosition, offset: startOffset, reason: damage });
    const begun = cut as BatchInfo | null;
    if (begun !== null) best = await largerOf(await readExactly(file, begun.position, begun.sizeInBytes), begun, state, best);
  });
  return best.offset === -1 ? null : best;
}

/** `best`, or the newest record of a batch that the log begins inside of: what its header says may be true only of those that are gone. */
async function largerOf<T extends { readonly timestampMs: number; readonly offset: number }>(
  bytes: Buffer,
  batch: BatchInfo,
  state: LogState,
  best: T,
) {
  if (!hasValidCrc(bytes, 0, bytes.length)) return best;
  let newest: { timestampMs: number; offset: number } = { timestampMs: noTimestamp, offset: -1 };
  try {
    await visitTimes(bytes, batch, state.directory, ({ offset, timestampMs }) => {
      if (offset >= state.startOffset && timestampMs > newest.timestampMs) newest = { timestampMs, offset };
      return "on";
    });
  } catch (error) {
    if (error instanceof InvariantViolation || error instanceof TooManyLookups) throw error;
    // as above: a batch that cannot be looked into counts with what the others have
  }
  return newest.timestampMs >= best.timestampMs ? newest : best;
}
