import { InvariantViolation, invariant } from "../../../protocol/base/invariant.ts";
import { type BatchInfo, noProducerId } from "../../../protocol/records/batch-header.ts";
import { readEndMarker } from "../../../protocol/records/end-marker.ts";
import { MalformedFrame } from "../../../protocol/wire/reader.ts";
import { DamagedBatch } from "../log-contract.ts";
import { abortedWithin } from "../partition-log/aborted-lookup.ts";
import type { LogFlusher } from "../partition-log/log-flusher.ts";
import type { LogState } from "../partition-log/log-state.ts";
import { relativeOffsetMax } from "../segment/index-file.ts";
import { plainRecords, type RecordView, RecordViews, recordsPerStep } from "../segment/record-views.ts";
import { type Segment, segmentPath } from "../segment/segment.ts";
import { CleanedSegment } from "./cleaned-segment.ts";
import { CleanedTransactions } from "./cleaned-transactions.ts";
import { assessLog, type CleaningMoment, type CleaningPlan, type DueCleaning, groupSegments } from "./cleaning-plan.ts";
import { dropped, emptied, type FilterRules, filterBatch, type RecordCodecs, withDeleteHorizon } from "./filter-batch.ts";
import { OffsetMap } from "./offset-map.ts";
import type { Pace } from "./pace.ts";
import { CleaningFailed, readBatches } from "./read-batches.ts";
import { swapSegments } from "./swap.ts";

/** Segments made into one at a time: their files are renamed while reads wait. */
const groupSegmentsMax = 64;
/** Batches that could not be read and were reported, by offset. */
const reportedMax = 1000;
/** Aborted transactions of one segment that are held in memory: some tens of megabytes. */
const abortedMax = 500_000;

export interface CleaningTools {
  readonly pace: Pace;
  readonly nowMs: number;
  /** Memory for the keys of one round. */
  readonly mapBytesMax: number;
  readonly mapLoadFactor: number;
}

export interface CleaningReport {
  readonly firstDirtyOffset: number;
  /** How far this round got: of the records before it, each is the last one of its key. */
  readonly endOffset: number;
  readonly keys: number;
  readonly mapBytes: number;
  readonly bytesBefore: number;
  readonly bytesAfter: number;
  readonly recordsWithoutKey: number;
}

/** The log was cut, deleted or closed while it was being compacted. */
class RoundOver extends Error {
  override readonly name = "RoundOver";
}

interface Round {
  readonly tools: CleaningTools;
  readonly map: OffsetMap;
  readonly isWanted: () => boolean;
  readonly codecs: RecordCodecs;
  readonly transactions: CleanedTransactions;
  /** Exclusive: records from there on are not in the map, and stay. */
  mapEndOffset: number;
  recordsWithoutKey: number;
}

interface Group {
  readonly segments: readonly Segment[];
  /** Where the next segment begins. */
  readonly endOffset: number;
}

/**
 * Compaction of one log. One round: learn the last offset of each key between the first dirty offset and as far as memory reaches; then
 * copy all segments up to there without the records that are superseded, and swap in the copies.
 */
export class LogCompaction {
  readonly #state: LogState;
  readonly #flusher: LogFlusher;
  readonly #reported = new Set<number>();
  #underWay: Promise<unknown> | null = null;
  /** How often the log had been cut when it could not be compacted: it is not retried before the next cut. */
  #uncleanableSince = -1;

  constructor(state: LogState, flusher: LogFlusher) {
    this.#state = state;
    this.#flusher = flusher;
  }

  /** Null: the log is not to be compacted, at this time. */
  async assess(moment: CleaningMoment): Promise<DueCleaning | null> {
    const isUncleanable = this.#uncleanableSince === this.#state.cuts;
    return isUncleanable || this.#state.settings.cleanupPolicy === "delete" ? null : assessLog(this.#state, moment);
  }

  /** Resolves when no round is running. A running one ends soon once the log is closed. */
  async ended(): Promise<void> {
    await this.#underWay?.catch(() => undefined);
  }

  /**
   * Null: the log was cut, moved, deleted or closed since it was found to be due, so that the map no longer holds; or another round is
   * still running; or the broker stops. Rejects DamagedBatch or CleaningFailed when this log cannot be cleaned.
   *
   * Race: (1) the map has key K at offset 90; (2) an unclean election cuts the log at 50; (3) the copy without K at 10 replaces the
   * segment: K would be lost. So a cut ends the round, also a cut before the round began: the plan was made for what was committed then.
   *
   * Segments that retention removes are below those that stay: the map stays valid. But (1) a piece of a segment is read; (2) retention
   * renames its file; (3) the next piece is missing. That is not a disk failure, and the next round has other segments.
   *
   * Each directory has a cleaner, and a log is cleaned by that of its directory. (1) One cleaner is in the middle of a round, or has found
   * the log to be due; (2) the log moves to another directory; (3) the cleaner there finds it due as well. The first one's round ends with
   * its next step, as the log is no longer its own, and what it found is dropped; until then the second one leaves the log alone.
   */
  async clean(due: DueCleaning, tools: CleaningTools): Promise<CleaningReport | null> {
    if (this.#underWay !== null || due.directory !== this.#state.directory) return null;
    const round = this.#guarded(due, tools);
    this.#underWay = round;
    try {
      return await round;
    } finally {
      this.#underWay = null;
    }
  }

  async #guarded({ plan, cuts }: DueCleaning, tools: CleaningTools): Promise<CleaningReport | null> {
    const state = this.#state;
    const { directory, departures } = state;
    const isHere = () => !state.closed && state.directory === directory && directory.health.offline === null;
    const isWanted = () => isHere() && state.cuts === cuts && state.truncating === null;
    try {
      if (!isWanted()) return null;
      return await this.#round(plan, tools, isWanted);
    } catch (error) {
      if (error instanceof InvariantViolation) throw error;
      if (error instanceof RoundOver || !isWanted() || tools.pace.isOver || state.departures !== departures) return null;
      if (error instanceof DamagedBatch) state.damage.add(error.damage);
      if (error instanceof DamagedBatch || error instanceof CleaningFailed) {
        this.#uncleanableSince = cuts;
        throw error;
      }
      throw directory.health.failed(error);
    }
  }

  async #round(plan: CleaningPlan, tools: CleaningTools, isWanted: () => boolean): Promise<CleaningReport> {
    const { compressRecords, decompressRecordsWithin, codecsAside } = await import("../../../protocol/records/compression.ts");
    const codecs: RecordCodecs = {
      compress: compressRecords,
      compressAside: codecsAside.pack,
      decompress(codec, packed, bytesMax) {
        const plain = decompressRecordsWithin({ unpackedBytesLeft: bytesMax }, codec, packed, bytesMax);
        if (plain !== null) tools.pace.unpacked(plain.length);
        return plain;
      },
      decompressAside: codecsAside.unpack,
    };
    const { firstDirtyOffset, endOffset } = plan;
    const map = OffsetMap.within(tools.mapBytesMax, tools.mapLoadFactor, endOffset - firstDirtyOffset);
    const transactions = new CleanedTransactions();
    const round: Round = { tools, map, isWanted, codecs, transactions, mapEndOffset: endOffset, recordsWithoutKey: 0 };
    round.mapEndOffset = await this.#learn(round, firstDirtyOffset, endOffset);
    invariant(round.mapEndOffset > firstDirtyOffset, "a round of compaction goes on", () => ({ plan, mapEndOffset: round.mapEndOffset }));
    // recovery takes a gap above the recovery point that it reads in the checkpoint for lost records
    await this.#state.directory.checkpoints.write();
    let [bytesBefore, bytesAfter] = [0, 0];
    const groups = await this.#groups(round.mapEndOffset);
    for (const [i, group] of groups.entries()) {
      bytesBefore += group.segments.reduce((sum, segment) => sum + segment.sizeInBytes, 0);
      bytesAfter += await this.#rewrite(round, group, i === groups.length - 1);
    }
    await this.#state.directory.checkpoints.write();
    const { mapEndOffset, recordsWithoutKey } = round;
    return {
      firstDirtyOffset,
      endOffset: mapEndOffset,
      keys: map.keys,
      mapBytes: map.sizeInBytes,
      bytesBefore,
      bytesAfter,
      recordsWithoutKey,
    };
  }

  /** Fills the map. Returns the offset up to which it has every key. */
  async #learn(round: Round, from: number, to: number): Promise<number> {
    const { io, segments, believedGaps } = this.#state;
    const { pace } = round.tools;
    const inRange = segments.slice(this.#state.segmentIndex(from)).filter(({ baseOffset }) => baseOffset < to);
    for (const [i, segment] of inRange.entries()) {
      const position = await segment.floorPosition(from, io);
      const part = { position, nextBase: inRange[i + 1]?.baseOffset ?? to, believedGaps };
      await this.#knowAborted(round, segment, part.nextBase);
      for await (const { bytes, batches } of readBatches(io, segment, part, pace)) {
        check(round);
        for (const batch of batches) {
          if (batch.lastOffset < from || batch.isControl || round.transactions.isAborted(batch)) continue;
          const full = await this.#learnBatch(round, bytes, batch, from);
          if (full !== null) return full;
          await pace.worked(batch.sizeInBytes);
        }
      }
    }
    return to;
  }

  /** The offset of the first record that the map has no room for, or null. */
  async #learnBatch(round: Round, bytes: Buffer, batch: BatchInfo, from: number): Promise<number | null> {
    const { map, codecs, tools } = round;
    let full: number | null = null;
    await this.#whereReadable(batch, async () => {
      const views = new RecordViews(await plainRecords(bytes, batch, codecs), batch);
      const learn = ({ key, offset }: RecordView) => {
        if (full === null && key !== null && offset >= from && !map.put(key, offset)) full = offset;
      };
      while (!views.visit(recordsPerStep, learn)) await tools.pace.turn();
    });
    check(round);
    return full;
  }

  /** The segments below `endOffset`, in groups whose remaining records fit into one segment. */
  async #groups(endOffset: number): Promise<readonly Group[]> {
    const { io, folder, segments, settings } = this.#state;
    const indexSize = async (baseOffset: number, kind: "index" | "timeindex") => {
      const path = segmentPath(folder, baseOffset, kind);
      return (await io.files.exists(path)) ? io.files.size(path) : 0;
    };
    const sized = [];
    for (const [i, segment] of segments.slice(0, -1).entries()) {
      const { baseOffset, sizeInBytes } = segment;
      if (baseOffset >= endOffset) break;
      const indexBytes = await indexSize(baseOffset, "index");
      const timeIndexBytes = await indexSize(baseOffset, "timeindex");
      sized.push({ segment, baseOffset, endOffset: segments[i + 1]!.baseOffset, sizeInBytes, indexBytes, timeIndexBytes });
    }
    const { segmentBytes, segmentIndexBytes } = settings;
    const limits = { segmentBytes, segmentIndexBytes, offsetsMax: relativeOffsetMax, segmentsMax: groupSegmentsMax };
    return groupSegments(sized, limits).map((group) => ({
      segments: group.map(({ segment }) => segment),
      endOffset: group.at(-1)!.endOffset,
    }));
  }

  /** Returns the bytes that are left of the group. */
  async #rewrite(round: Round, { segments, endOffset }: Group, isLast: boolean): Promise<number> {
    const state = this.#state;
    const { io, folder, settings, believedGaps } = state;
    check(round);
    const cleaned = await CleanedSegment.create(io.files, folder, segments[0]!.baseOffset, settings.indexIntervalBytes);
    let isSwapped = false;
    try {
      for (const [i, segment] of segments.entries()) {
        const whole = { position: 0, nextBase: segments[i + 1]?.baseOffset ?? endOffset, believedGaps };
        await this.#knowAborted(round, segment, whole.nextBase);
        for await (const { bytes, batches } of readBatches(io, segment, whole, round.tools.pace)) {
          check(round);
          for (const batch of batches) {
            const endsGroup = batch.lastOffset + 1 === endOffset;
            const end = batch.isControl ? round.transactions.ended(batch, readEndMarker(bytes, batch)) : null;
            const left = await (end === null
              ? this.#filtered(round, bytes, batch, endsGroup)
              : this.#filteredMarker(round, bytes, batch, endsGroup || end.hasBatches));
            if (left !== null) await cleaned.append(left, round.tools.pace);
            if (left !== null && end === null) round.transactions.isLeft(batch);
            if (end !== null && end.aborted !== null) cleaned.noteAborted(end.aborted);
            await round.tools.pace.worked(batch.sizeInBytes);
          }
        }
      }
      await cleaned.finish();
      isSwapped = await swapSegments(state, this.#flusher, {
        group: segments,
        sizeInBytes: cleaned.sizeInBytes,
        abortedBytes: cleaned.abortedBytes,
        isStillWanted: () => round.isWanted() && segments.every((segment) => state.segments.includes(segment)),
        replaced: () => {
          if (isLast) state.cleanedTo(round.mapEndOffset);
        },
      });
      if (!isSwapped) throw new RoundOver();
      return cleaned.sizeInBytes;
    } finally {
      if (!isSwapped) await cleaned.discard();
    }
  }

  /** What is left of a batch: the same bytes where all of it is, null where nothing needs it. */
  async #filtered(round: Round, bytes: Buffer, batch: BatchInfo, endsGroup: boolean): Promise<Buffer | null> {
    const whole = bytes.subarray(batch.position, batch.position + batch.sizeInBytes);
    const isAborted = round.transactions.isAborted(batch);
    const filtered = isAborted ? dropped : await this.#whereReadable(batch, () => filterBatch(bytes, batch, this.#rules(round)));
    if (filtered === null || filtered.kind === "same") return whole;
    if (filtered.kind === "changed") return filtered.bytes;
    // The segments' ends are kept, so that each begins where the one before ended: recovery takes anything else for lost records.
    if (!endsGroup && !this.#isLastOfProducer(batch) && !this.#beginsEpoch(batch)) return null;
    return batch.recordsCount === 0 ? whole : emptied(bytes, batch);
  }

  /**
   * What is left of a marker: all of it while its transaction has batches (`mustStay`), or while its epoch is all that is known of its
   * producer. Otherwise it stays for `delete.retention.ms`, so that who has read the transaction's records by then also reads its end.
   */
  async #filteredMarker(round: Round, bytes: Buffer, batch: BatchInfo, mustStay: boolean): Promise<Buffer | null> {
    const whole = bytes.subarray(batch.position, batch.position + batch.sizeInBytes);
    if (mustStay || this.#beginsEpoch(batch) || this.#state.producers.isKnownByMarker(batch.producerId, batch.producerEpoch)) return whole;
    if (batch.hasDeleteHorizon) return batch.baseTimestampMs <= round.tools.nowMs ? null : whole;
    return withDeleteHorizon(bytes, batch, this.#rules(round));
  }

  #rules(round: Round): FilterRules {
    const { tools, codecs, mapEndOffset: endOffset } = round;
    const { deleteRetentionMs } = this.#state.settings;
    const pause = () => tools.pace.turn();
    return { nowMs: tools.nowMs, deleteRetentionMs, endOffset, isOutdated: outdatedIn(round), codecs, pause };
  }

  async #knowAborted({ transactions }: Round, { baseOffset, logPath }: Segment, endOffset: number): Promise<void> {
    const aborted = await abortedWithin(this.#state, baseOffset, endOffset, abortedMax);
    if (aborted.length > abortedMax) throw new CleaningFailed(`${logPath} has more than ${abortedMax} aborted transactions`);
    transactions.know(aborted);
  }

  /** The producer's next sequence is known from this batch, whatever is left of it. */
  #isLastOfProducer({ producerId, lastOffset }: BatchInfo): boolean {
    return producerId !== noProducerId && this.#state.producers.lastOffsetOf(producerId) === lastOffset;
  }

  /**
   * A follower that copies this log, or recovery, learns from its batches where each leader epoch began. Otherwise: (1) all records of
   * epoch 2 are compacted; (2) a replica is copied from the start, and knows epochs 1 and 3;
   * (3) it leads, and a replica that was away has epoch 2 last: it would have to truncate committed records, or, if it had uncommitted
   * records of epoch 1, would keep them.
   */
  #beginsEpoch({ baseOffset, leaderEpoch }: BatchInfo): boolean {
    return (this.#state.epochs.epochAt(baseOffset - 1) ?? -1) < leaderEpoch;
  }

  /**
   * Null, and one line in the log, when the records of a batch cannot be read: it stays as it is. Its producer compressed it that way, and
   * the CRC says that it is what was sent.
   */
  async #whereReadable<T>(batch: BatchInfo, work: () => Promise<T>): Promise<T | null> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof MalformedFrame)) throw error;
      if (this.#reported.has(batch.baseOffset) || this.#reported.size >= reportedMax) return null;
      this.#reported.add(batch.baseOffset);
      const { io, folder } = this.#state;
      io.logger.warn({ err: error, folder, offset: batch.baseOffset }, "a batch cannot be unpacked: compaction leaves it as it is");
      return null;
    }
  }
}

function check({ isWanted }: Round): void {
  if (!isWanted()) throw new RoundOver();
}

/** Records without a key have no place in a compacted log, where nothing could ever supersede them: they are dropped, as in Kafka. */
function outdatedIn(round: Round): (record: RecordView) => boolean {
  return ({ key, offset }) => {
    if (key !== null) return round.map.get(key) > offset;
    round.recordsWithoutKey++;
    return true;
  };
}
