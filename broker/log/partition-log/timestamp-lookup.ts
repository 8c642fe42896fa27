import { type Clock, sleep } from "../../../protocol/base/clock.ts";
import { InvariantViolation } from "../../../protocol/base/invariant.ts";
import { type BatchInfo, hasValidCrc, noTimestamp } from "../../../protocol/records/batch-header.ts";
import { DamagedBatch, type FoundRecord, TooManyLookups } from "../log-contract.ts";
import { walkHeaders } from "../segment/batch-walk.ts";
import type { TimeEntry } from "../segment/index-file.ts";
import type { SegmentIo } from "../segment/read-caches.ts";
import { plainRecordsAside, plainRecordsNow, type RecordView, RecordViews, recordsPerStep } from "../segment/record-views.ts";
import type { Segment } from "../segment/segment.ts";
import type { LookupTurns } from "./log-caches.ts";
import { readExactly } from "./log-reader.ts";
import type { LogState } from "./log-state.ts";
import { undisturbed } from "./undisturbed.ts";

/** Finds records by their timestamps. */
export class TimestampLookup {
  readonly #state: LogState;
  readonly #turns: LookupTurns;
  readonly #clock: Clock;
  readonly #maxima = new TimestampMaxima();

  constructor(state: LogState, turns: LookupTurns, clock: Clock) {
    this.#state = state;
    this.#turns = turns;
    this.#clock = clock;
  }

  /**
   * See `Log.findByTimestamp`. The segments' largest timestamps lead to a segment, its time index to a position in it, headers to a batch,
   * the batch to the record.
   */
  findByTimestamp(timestampMs: number): Promise<FoundRecord | null> {
    const state = this.#state;
    return undisturbed(state, async () => {
      const { startOffset, writtenEndOffset, io } = state;
      const { segments, partial, maxima, sealedTo, growing } = await this.#byTimestamp();
      const look = async (segment: Segment) => {
        const largest = await segment.largestTimestamp(io);
        if (largest === null || largest.timestampMs < timestampMs) return null;
        const isProven = segment.hasProvenIndexes;
        const floor = await segment.timeFloor(timestampMs, io);
        const from = Math.max(floor?.offset ?? segment.baseOffset, startOffset);
        const isKnown = floor !== null && from === floor.offset && !isProven;
        const fromTimestampMs = isKnown ? floor.timestampMs : null;
        return this.#findInSegment(segment, { from, fromTimestampMs, to: writtenEndOffset, timestampMs });
      };
      const early = partial === null ? null : await look(partial);
      if (early !== null) return early;
      // a batch header may claim a timestamp that none of its records has: then the next segment
      for (let at = maxima.firstReaching(timestampMs) ?? sealedTo; at < sealedTo; at++) {
        const found = await look(segments[at]!);
        if (found !== null) return found;
      }
      return growing === null ? null : look(growing);
    });
  }

  /** See `Log.findMaxTimestamp`. */
  findMaxTimestamp(): Promise<FoundRecord | null> {
    const state = this.#state;
    return undisturbed(state, async () => {
      const { startOffset, writtenEndOffset, io } = state;
      const { segments, partial, maxima, growing } = await this.#byTimestamp();
      let best: { readonly segment: Segment; readonly timestampMs: number; readonly offset: number } | null = null;
      const consider = (segment: Segment, largest: TimeEntry | null) => {
        if (largest !== null && (best === null || largest.timestampMs > best.timestampMs)) best = { segment, ...largest };
      };
      if (partial !== null) consider(partial, await this.#largestFrom(partial, startOffset));
      const bestSealed = maxima.best === null ? null : segments[maxima.best]!;
      for (const segment of [bestSealed, growing]) if (segment !== null) consider(segment, await segment.largestTimestamp(io));
      if (best === null) return null;
      // the batch with the largest timestamp ends with that offset
      const { segment, timestampMs, offset } = best as { readonly segment: Segment } & TimeEntry;
      const found = await this.#findInSegment(segment, { from: offset, fromTimestampMs: null, to: writtenEndOffset, timestampMs });
      return found ?? this.#largestBelow(timestampMs);
    });
  }

  /**
   * No record has the timestamp that a header claims: its producer set it, or compaction removed the records and left the batch. By
   * bisection, since what headers say is only an upper bound.
   */
  async #largestBelow(promisedMs: number): Promise<FoundRecord | null> {
    let best: FoundRecord | null = null;
    for (let [low, high] = [0, promisedMs]; low < high; ) {
      const middle = Math.floor((low + high) / 2);
      const found = await this.findByTimestamp(middle);
      if (found === null) high = middle;
      else [best, low] = [found, found.timestampMs + 1];
    }
    return best;
  }

  /** The log's segments from its start on, as a search by timestamp visits them, one after the other. */
  async #byTimestamp(): Promise<ByTimestamp> {
    const { startOffset, segments, generation, io } = this.#state;
    const from = this.#state.segmentIndex(startOffset);
    const isPartial = segments[from]!.baseOffset < startOffset;
    const [sealedTo, last] = [segments.length - 1, segments.at(-1)!];
    const maxima = await this.#maxima.cover(segments, { from: isPartial ? from + 1 : from, to: sealedTo, generation }, io);
    const growing = isPartial && from === sealedTo ? null : last;
    return { segments, maxima, partial: isPartial ? segments[from]! : null, sealedTo, growing };
  }

  async #findInSegment(segment: Segment, search: Search): Promise<FoundRecord | null> {
    const { io } = this.#state;
    const { sizeInBytes } = segment;
    let position = await segment.floorPosition(search.from, io);
    let { fromTimestampMs } = search;
    for (;;) {
      let candidate: BatchInfo | null = null;
      let ended = false;
      const bytes = await segment.use(io, async (file) => {
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
      const found = await this.#findInBatch(bytes, candidate, search.timestampMs);
      if (found !== null) return found;
    }
  }

  /** The first record in the batch that is new enough. Null when the header claimed one that does not exist. */
  async #findInBatch(bytes: Buffer, batch: BatchInfo, timestampMs: number): Promise<FoundRecord | null> {
    const { leaderEpoch } = batch;
    const { startOffset } = this.#state;
    const found: FoundRecord[] = [];
    try {
      await this.#visitTimes(bytes, batch, (record) => {
        if (record.timestampMs < timestampMs || record.offset < startOffset) return "on";
        found.push({ ...record, leaderEpoch });
        return "enough";
      });
      return found[0] ?? null;
    } catch (error) {
      if (error instanceof InvariantViolation || error instanceof TooManyLookups) throw error;
      // a Kafka broker's batch may be compressed in a way that we cannot read: this is as close as one gets
      return found[0] ?? { offset: Math.max(batch.baseOffset, startOffset), timestampMs: batch.maxTimestampMs, leaderEpoch };
    }
  }

  /** The records of one batch, in steps, until `visit` has seen enough. Throws MalformedFrame, and TooManyLookups. */
  async #visitTimes(
    bytes: Buffer,
    batch: BatchInfo,
    visit: (record: { readonly offset: number; readonly timestampMs: number }) => "on" | "enough",
  ): Promise<void> {
    // imported only here: the codecs are large, and most brokers never need them
    const { codecsAside, decompressRecordsWithin } = await import("../../../protocol/records/compression.ts");
    const whole = { ...batch, position: 0 };
    let isEnough = false;
    const look = ({ offset, timestampMs }: RecordView) => {
      isEnough ||=
        visit({ offset, timestampMs: batch.timestampType === "LogAppendTime" ? batch.maxTimestampMs : timestampMs }) === "enough";
    };
    const walk = async (plain: Buffer) => {
      const views = new RecordViews(plain, whole);
      while (!views.visit(recordsPerStep, look) && !isEnough) await sleep(this.#clock, 0);
    };
    const plain = plainRecordsNow(bytes, whole, (codec, packed, bytesMax) =>
      decompressRecordsWithin({ unpackedBytesLeft: bytesMax }, codec, packed, bytesMax),
    );
    if (plain !== null) return walk(plain);
    return this.#turns.run(async () => walk(await plainRecordsAside(bytes, whole, codecsAside.unpack)));
  }

  /** Largest timestamp from `startOffset` on, which is within the segment, or within a batch of it. */
  async #largestFrom(segment: Segment, startOffset: number): Promise<{ readonly timestampMs: number; readonly offset: number } | null> {
    const { io } = this.#state;
    const from = await segment.floorPosition(startOffset, io);
    let best = { timestampMs: noTimestamp, offset: -1 };
    await segment.use(io, async (file) => {
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
      if (begun !== null) best = await this.#largerOf(await readExactly(file, begun.position, begun.sizeInBytes), begun, best);
    });
    return best.offset === -1 ? null : best;
  }

  /** `best`, or the newest record of a batch that the log begins inside of: its header may describe only records that are gone. */
  async #largerOf<T extends { readonly timestampMs: number; readonly offset: number }>(bytes: Buffer, batch: BatchInfo, best: T) {
    if (!hasValidCrc(bytes, 0, bytes.length)) return best;
    let newest: { timestampMs: number; offset: number } = { timestampMs: noTimestamp, offset: -1 };
    try {
      await this.#visitTimes(bytes, batch, ({ offset, timestampMs }) => {
        if (offset >= this.#state.startOffset && timestampMs > newest.timestampMs) newest = { timestampMs, offset };
        return "on";
      });
    } catch (error) {
      if (error instanceof InvariantViolation || error instanceof TooManyLookups) throw error;
      // as above: a batch that cannot be read is ignored in favour of the others
    }
    return newest.timestampMs >= best.timestampMs ? newest : best;
  }
}

interface ByTimestamp {
  readonly segments: readonly Segment[];
  /** Begins below the log's start. */
  readonly partial: Segment | null;
  readonly maxima: CoveredSegments;
  /** The maxima cover the others up to here. */
  readonly sealedTo: number;
  readonly growing: Segment | null;
}

interface Search {
  /** Batches that end below are skipped. */
  readonly from: number;
  /** Largest timestamp of the batch with `from`, by an index that may be damaged. Null: not known. */
  readonly fromTimestampMs: number | null;
  readonly to: number;
  readonly timestampMs: number;
}

/** Time indexes whose last entry is read at the same time. */
const readAtOnce = 32;

/**
 * The largest timestamp up to each sealed segment. Largest timestamps do not rise from segment to segment, but their running maxima do:
 * where a running maximum first reaches a timestamp, that segment has a record which does. So a search need not read every segment's index.
 * The first search after a start reads the last entry of each; what is known then is kept.
 */
class TimestampMaxima {
  #covered = new CoveredSegments(null, 0, -1);
  #extending: Promise<void> | null = null;

  /** Covers the sealed segments in [from, to). `generation` rises when any of them is replaced, or leaves. */
  async cover(segments: readonly Segment[], { from, to, generation }: Range, io: SegmentIo): Promise<CoveredSegments> {
    while (this.#extending !== null) await this.#extending.catch(() => undefined);
    const first = from < to ? segments[from]! : null;
    if (!this.#covered.isOf(first, from, generation)) this.#covered = new CoveredSegments(first, from, generation);
    // Race: (1) one search covers what it needs; (2) the log's start moves, and another search covers other segments; (3) the first
    // continues. So each keeps what it covered.
    const covered = this.#covered;
    if (covered.count >= to - from) return covered;
    this.#extending = covered.extend(segments, to, io).finally(() => {
      this.#extending = null;
    });
    await this.#extending;
    return covered;
  }
}

class CoveredSegments {
  /** The segment that the first maximum is of, and its place. */
  readonly #first: Segment | null;
  readonly #from: number;
  readonly #generation: number;
  readonly #maxima: number[] = [];
  #best: number | null = null;

  constructor(first: Segment | null, from: number, generation: number) {
    this.#first = first;
    this.#from = from;
    this.#generation = generation;
  }

  isOf(first: Segment | null, from: number, generation: number): boolean {
    return this.#generation === generation && this.#first === first && this.#from === from;
  }

  get count(): number {
    return this.#maxima.length;
  }

  /** Place of the first covered segment with a record that is at least as new; null: none. */
  firstReaching(timestampMs: number): number | null {
    let [low, high] = [0, this.#maxima.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#maxima[middle]! >= timestampMs) high = middle;
      else low = middle + 1;
    }
    return low < this.#maxima.length ? this.#from + low : null;
  }

  /** Place of the first segment that has the largest timestamp of all; null: none has one. */
  get best(): number | null {
    return this.#best;
  }

  async extend(segments: readonly Segment[], to: number, io: SegmentIo): Promise<void> {
    for (let at = this.#from + this.#maxima.length; at < to; ) {
      const some = segments.slice(at, Math.min(at + readAtOnce, to));
      for (const largest of await Promise.all(some.map((segment) => segment.largestTimestamp(io)))) {
        const before = this.#maxima.at(-1) ?? Number.NEGATIVE_INFINITY;
        if (largest !== null && largest.timestampMs > before) this.#best = at;
        this.#maxima.push(Math.max(before, largest?.timestampMs ?? Number.NEGATIVE_INFINITY));
        at++;
      }
    }
  }
}

interface Range {
  readonly from: number;
  readonly to: number;
  readonly generation: number;
}
