import { type BelievedGaps, refuseJoin, relativeOffsetMax } from "../../../broker/disk-format.ts";
import type { BatchInfo } from "../../../protocol/records/batch-header.ts";
import type { Fault } from "./finding.ts";

export interface GapRules {
  /** The cleaner has processed everything below: offsets may be missing there. */
  readonly cleanedTo: number;
  /**
   * The topic is compacted: a replica copies the gaps of a leader whose cleaner was further ahead, so above `cleanedTo` they are only
   * noted.
   */
  readonly isCompacted: boolean;
  /** Base offsets of segments that need not begin where the one before ends; null: none need to, as Kafka's compaction ran there. */
  readonly believedGaps: BelievedGaps | null;
}

/** Checks whether a log's offsets continue from batch to batch and from segment to segment, as far as the cleaner left them dense. */
export class OffsetsCheck {
  readonly #rules: GapRules;
  #segmentBase = 0;
  /** The offset that comes next. */
  #nextOffset: number | null = null;
  /** The next batch is known only to be above `#nextOffset`: something before it could not be read. */
  #isUncertain = false;

  constructor(rules: GapRules) {
    this.#rules = rules;
  }

  /** One above the last offset seen; null in an empty log. */
  get endOffset(): number | null {
    return this.#nextOffset;
  }

  segment(baseOffset: number): Fault[] {
    this.#segmentBase = baseOffset;
    const { believedGaps } = this.#rules;
    const [endOffset, isUncertain] = [this.#nextOffset, this.#isUncertain];
    const isHole = believedGaps !== null && endOffset !== null && !isUncertain && endOffset < baseOffset;
    const refused = isHole ? refuseJoin(endOffset, baseOffset, believedGaps) : null;
    if (refused !== null) {
      this.#nextOffset = baseOffset;
      return [
        {
          offset: endOffset!,
          reason: `offsets ${endOffset} to ${baseOffset - 1} are missing before this segment: the end of the one before is gone, or a segment`,
        },
      ];
    }
    return this.#goOn(baseOffset, baseOffset, { offset: baseOffset });
  }

  batch({ position, baseOffset, lastOffset, recordsCount }: BatchInfo): Fault[] {
    const at = { position, offset: baseOffset };
    if (lastOffset < baseOffset) return this.#lost({ ...at, reason: `the batch's offsets are ${baseOffset} to ${lastOffset}` });
    if (lastOffset - this.#segmentBase > relativeOffsetMax)
      return this.#lost({ ...at, reason: `offset ${lastOffset} is too far from ${this.#segmentBase}, where the segment starts` });
    const faults = this.#goOn(baseOffset, lastOffset + 1, at);
    const span = lastOffset - baseOffset + 1;
    if (recordsCount < 0 || recordsCount > span)
      faults.push({ ...at, reason: `the batch has ${recordsCount} records for offsets ${baseOffset} to ${lastOffset}` });
    else if (recordsCount < span)
      faults.push(
        ...this.#missing(`${span - recordsCount} of the batch's offsets ${baseOffset} to ${lastOffset} are missing`, lastOffset + 1, at),
      );
    return faults;
  }

  /** Something that could not be read may have had any offsets. */
  unreadable(): void {
    this.#isUncertain = true;
  }

  #lost(fault: Fault): Fault[] {
    this.unreadable();
    return [fault];
  }

  #goOn(from: number, to: number, at: { readonly position?: number; readonly offset: number }): Fault[] {
    const [expected, isUncertain] = [this.#nextOffset, this.#isUncertain];
    this.#nextOffset = to;
    this.#isUncertain = false;
    if (expected === null || from === expected) return [];
    if (from < expected) return [{ ...at, reason: `offset ${from} comes again: the log had come to ${expected}` }];
    if (isUncertain) return [];
    return this.#missing(
      from - expected === 1 ? `offset ${expected} is missing` : `offsets ${expected} to ${from - 1} are missing`,
      from,
      at,
    );
  }

  /** `endOffset`: one above the missing ones. */
  #missing(what: string, endOffset: number, at: { readonly position?: number; readonly offset: number }): Fault[] {
    const { cleanedTo, isCompacted } = this.#rules;
    if (endOffset <= cleanedTo) return [];
    if (isCompacted)
      return [
        {
          ...at,
          kind: "note",
          reason: `${what}, above ${cleanedTo}, up to where this replica was compacted; its leader's may have been further`,
        },
      ];
    return [{ ...at, reason: `${what} (if the topic is compacted and its leader was further with that, name it with --compacted)` }];
  }
}
