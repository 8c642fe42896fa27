import { type TopicId, zeroTopicId } from "../../protocol/base/ids.ts";
import { invariant } from "../../protocol/base/invariant.ts";
import type { OffsetSpec } from "../metadata/offset-lookup.ts";

/** Where to begin, or go on. */
export type StartPosition = "beginning" | "end" | { readonly offset: number } | { readonly timestampMs: number };

/** What is done when the position is not in the log: go to its beginning or end, or fail. */
export type ResetPolicy = "earliest" | "latest" | "none";

/** A partition needs one thing at a time: a position, a check that its position is still in the log (KIP-320), or records. */
export type PartitionPhase =
  | { readonly kind: "locating"; readonly spec: OffsetSpec }
  | { readonly kind: "validating" }
  | { readonly kind: "fetching" };

/** Topics of the same name before this one that are remembered. */
const formerTopicsMax = 16;
/** Brokers agree on a topic's id within seconds. What the metadata has said for so long is not old, whatever we took it for. */
const staleMetadataMaxMs = 30_000;

/** A place in one topic; of another topic of that name it says nothing. */
export interface Place {
  /** -1: no position yet. */
  readonly offset: number;
  /** Of the record before it; -1: not known. */
  readonly leaderEpoch: number;
  readonly topicId: TopicId;
}

/**
 * Offsets are the consumer's: `position` is the next record handed out, `fetchPosition` the next one fetched; between them lies what is
 * buffered.
 */
export class AssignedPartition {
  readonly topic: string;
  readonly partition: number;
  position = -1;
  fetchPosition = -1;
  /** Leader epoch of the record before `fetchPosition`; -1: not known, so nothing can be validated. */
  fetchEpoch = -1;
  /** Of the record before `position`. */
  positionEpoch = -1;
  /** Leader epoch under which the position was last found to be in the log. */
  validatedEpoch = -1;
  /** Of the topic that the offsets belong to; the zero id: not known. */
  topicId: TopicId;
  /** Of the topic that the last record handed out was of; the zero id: none was yet. */
  handedOutTopicId: TopicId = zeroTopicId;
  /** Of the topics of the same name before it, the oldest first. Metadata that names one of them again is old. */
  readonly #formerTopicIds: TopicId[] = [];
  /** Since when the metadata has named a former topic; null: it does not. Monotonic. */
  #staleSinceMs: number | null = null;
  /** As of the last fetch; -1: not known. */
  highWatermark = -1;
  logStartOffset = -1;
  isPaused = false;
  /** Changing hands within a group: nothing is fetched, nothing handed out. Unlike a pause not the application's business. */
  isHeld = false;
  /** Iteration leaves the partition here, exclusive; null: never. See `stopAt`. */
  stopOffset: number | null = null;
  /** The position is behind `stopOffset`, and nobody has said yet that it is in the log. */
  #isBehindStop = false;
  /** What was fetched under an older generation is void: the position was moved since. */
  generation = 0;
  phase: PartitionPhase;
  /** After a failure: no request before (monotonic). */
  notBeforeMs = 0;
  failures = 0;
  #lastingFailure: Error | null = null;
  /** Bytes fetched and not handed out. */
  bufferedBytes = 0;

  constructor(topic: string, partition: number, from: StartPosition, topicId: TopicId = zeroTopicId) {
    this.topic = topic;
    this.partition = partition;
    this.topicId = topicId;
    this.phase = { kind: "fetching" };
    this.moveTo(from);
  }

  /**
   * The iteration leaves the partition at `offset`. A position behind that may not be in the log at all: it is asked for once, so that the
   * reset policy has its say.
   */
  stopAt(offset: number | null): void {
    this.stopOffset = offset;
    this.#isBehindStop = offset !== null && this.position > offset;
  }

  get isStopped(): boolean {
    const isLocated = this.phase.kind !== "locating";
    return isLocated && this.stopOffset !== null && this.position >= this.stopOffset && !this.#isBehindStop;
  }

  /** All up to where the iteration leaves it was fetched. */
  get isFetchedToStop(): boolean {
    return this.stopOffset !== null && this.fetchPosition >= this.stopOffset && !this.#isBehindStop;
  }

  /** The leader answered a fetch from its position. */
  foundInLog(): void {
    this.#isBehindStop = false;
  }

  /** The next record is at `from`; what is buffered is void. */
  moveTo(from: StartPosition): void {
    this.generation++;
    this.bufferedBytes = 0;
    this.positionEpoch = -1;
    this.fetchEpoch = -1;
    this.notBeforeMs = 0;
    this.#lastingFailure = null;
    this.failures = 0;
    if (typeof from === "object" && "offset" in from) {
      this.#place(from.offset);
      this.stopAt(this.stopOffset);
      this.phase = { kind: "fetching" };
      return;
    }
    this.#isBehindStop = false;
    const spec = from === "beginning" ? "earliest" : from === "end" ? "latest" : from;
    this.phase = { kind: "locating", spec };
  }

  /**
   * `leaderEpoch` of the record before the position, as committed with it; -1: not known. The next fetch tells if the log has parted from
   * it.
   */
  knowsEpochBefore(leaderEpoch: number): void {
    this.positionEpoch = leaderEpoch;
    this.fetchEpoch = leaderEpoch;
  }

  hold(): void {
    this.isHeld = true;
    this.dropBuffered();
  }

  /** A position was looked up. `leaderEpoch` is that of the record there, so nothing about the one before. */
  located(offset: number): void {
    invariant(this.phase.kind === "locating", "only a partition without position is given one");
    this.#place(offset);
    this.phase = { kind: "fetching" };
    this.failures = 0;
  }

  /** The log was found to part from ours at `endOffset`: everything from there on is fetched anew. */
  truncatedTo(endOffset: number, epoch: number): void {
    this.generation++;
    this.bufferedBytes = 0;
    this.#place(Math.min(this.position, endOffset));
    this.fetchEpoch = epoch;
    this.positionEpoch = epoch;
    this.phase = { kind: "fetching" };
  }

  #place(offset: number): void {
    this.position = offset;
    this.fetchPosition = offset;
  }

  /** A batch up to `nextOffset` was fetched. */
  fetched(nextOffset: number, leaderEpoch: number): void {
    this.fetchPosition = Math.max(this.fetchPosition, nextOffset);
    this.fetchEpoch = leaderEpoch;
    this.failures = 0;
  }

  /** Everything below `nextOffset` was handed out. */
  consumed(nextOffset: number, leaderEpoch: number): void {
    this.position = Math.max(this.position, nextOffset);
    this.positionEpoch = leaderEpoch;
    this.handedOutTopicId = this.topicId;
  }

  /**
   * What the metadata's topic id means: it is ours, of a topic that was deleted before ours was made, or of one that was made after ours
   * was deleted.
   */
  judgeTopicId(topicId: TopicId, nowMs: number): "ours" | "old" | "new" {
    if (this.topicId === zeroTopicId) this.topicId = topicId;
    if (!this.isFormerTopic(topicId)) {
      this.#staleSinceMs = null;
      return topicId === zeroTopicId || topicId === this.topicId ? "ours" : "new";
    }
    this.#staleSinceMs ??= nowMs;
    return nowMs - this.#staleSinceMs < staleMetadataMaxMs ? "old" : "new";
  }

  /** It had our name before our topic was made. */
  isFormerTopic(topicId: TopicId): boolean {
    return this.#formerTopicIds.includes(topicId);
  }

  /**
   * The topic was deleted and made again: no offset, epoch or end of the old one means anything in the new one. An iteration that was to
   * stop at the old end stops.
   */
  beginAnew(topicId: TopicId, from: StartPosition): void {
    const others = this.#formerTopicIds.filter((former) => former !== topicId && former !== this.topicId);
    this.#formerTopicIds.splice(0, Infinity, ...others.slice(1 - formerTopicsMax), this.topicId);
    this.topicId = topicId;
    this.#staleSinceMs = null;
    this.validatedEpoch = -1;
    this.highWatermark = -1;
    this.logStartOffset = -1;
    this.#place(-1); // until the new one is found: a commit meanwhile would put the old one onto the new topic
    this.moveTo(from);
    if (this.stopOffset !== null) this.stopOffset = 0;
  }

  /** The metadata has this leader epoch now: a newer one than the position was checked under calls for a new check. */
  leaderEpochIs(epoch: number): void {
    if (epoch <= this.validatedEpoch || this.phase.kind !== "fetching") return;
    if (this.fetchEpoch >= 0 && this.fetchEpoch < epoch && this.validatedEpoch >= 0) this.phase = { kind: "validating" };
    else this.validatedEpoch = epoch;
  }

  /** What is buffered is given up, to be fetched again later. */
  dropBuffered(): void {
    this.generation++;
    this.bufferedBytes = 0;
    this.fetchPosition = this.position;
    this.fetchEpoch = this.positionEpoch;
  }

  /**
   * After a failure that trying again does not mend: nothing more is asked for until the position is moved, or another iteration begins.
   * `lasting`: it fails with this then, unasked.
   */
  block(lasting: Error | null = null): void {
    this.notBeforeMs = Number.POSITIVE_INFINITY;
    this.#lastingFailure = lasting;
  }

  /** Asks again, and answers null; or what only another position mends. */
  unblock(): Error | null {
    if (this.#lastingFailure === null && this.notBeforeMs === Number.POSITIVE_INFINITY) this.notBeforeMs = 0;
    return this.#lastingFailure;
  }

  validated(epoch: number): void {
    this.validatedEpoch = Math.max(this.validatedEpoch, epoch);
    if (this.phase.kind === "validating") this.phase = { kind: "fetching" };
    this.failures = 0;
  }
}

/** What an OffsetForLeaderEpoch answer, or the diverging epoch in a fetch's, means for a position. */
export type EpochVerdict = { readonly kind: "in-log" } | { readonly kind: "truncated"; readonly endOffset: number; readonly epoch: number };

/** `endOffset` -1: the leader has no history of epochs to compare with; if the position is not in its log, the fetch itself will say so. */
export function judgeEpochEnd(fetchPosition: number, answer: { readonly epoch: number; readonly endOffset: number }): EpochVerdict {
  if (answer.endOffset < 0 || answer.endOffset >= fetchPosition) return { kind: "in-log" };
  return { kind: "truncated", endOffset: answer.endOffset, epoch: answer.epoch };
}
