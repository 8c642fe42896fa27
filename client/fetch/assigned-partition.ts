import { partitionKey, type TopicId, zeroTopicId } from "../../protocol/base/ids.ts";
import { invariant } from "../../protocol/base/invariant.ts";
import type { Isolation, OffsetSpec } from "../metadata/offset-lookup.ts";
import { ReadReplica } from "./read-replica.ts";

/** Where to begin, or continue. */
export type StartPosition = "beginning" | "end" | { readonly offset: number } | { readonly timestampMs: number };

/** What to do when the position is not in the log: go to its beginning or end, or fail. */
export type ResetPolicy = "earliest" | "latest" | "none";

/** A partition needs one thing at a time: a position, a check that its position is still in the log (KIP-320), or records. */
export type PartitionPhase =
  | { readonly kind: "locating"; readonly spec: OffsetSpec }
  | { readonly kind: "validating" }
  | { readonly kind: "fetching" };

/** Topics of the same name before this one that are remembered. */
const formerTopicsMax = 16;
/** Brokers agree on a topic's id within seconds. Metadata that has named an id for this long is not stale, even if we took it for that. */
const staleMetadataMaxMs = 30_000;

/** A position in one topic; it means nothing in another topic of that name. */
export interface Place {
  /** -1: no position yet. */
  readonly offset: number;
  /** Of the record before it; -1: not known. */
  readonly leaderEpoch: number;
  readonly topicId: TopicId;
}

/**
 * Offsets are the consumer's: `position` is the next record handed out, `fetchPosition` the next one fetched; between them is what is
 * buffered.
 */
export class AssignedPartition {
  readonly topic: string;
  readonly partition: number;
  /** `topic-3` */
  readonly key: string;
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
  /** Of the topic of the last record handed out; the zero id: none yet. */
  handedOutTopicId: TopicId = zeroTopicId;
  /** Of the topics of the same name before it, the oldest first. Metadata that names one of them again is stale. */
  readonly #formerTopicIds: TopicId[] = [];
  /** Since when the metadata has named a former topic; null: it does not. Monotonic. */
  #staleSinceMs: number | null = null;
  /** As of the last fetch; -1: not known. */
  highWatermark = -1;
  /** What may be read ends there: the high watermark, or the last stable offset. */
  readableEnd = -1;
  logStartOffset = -1;
  isPaused = false;
  /** Being reassigned within the group: nothing is fetched, nothing handed out. Unlike a pause, invisible to the application. */
  isHeld = false;
  /**
   * A record waits to be handled again, and enough of what comes after it was taken: nothing is fetched, so that nothing takes the room of
   * other partitions meanwhile.
   */
  isBackedUp = false;
  /** Iteration leaves the partition here, exclusive; null: never. See `stopAt`. */
  stopOffset: number | null = null;
  /** The position is beyond `stopOffset`, and it is not known yet whether it is in the log. */
  #isBehindStop = false;
  /** What was fetched under an older generation is void: the position was moved since. */
  generation = 0;
  phase: PartitionPhase;
  /** After a failure: no request before (monotonic), unless it has another leader by then. */
  notBeforeMs = 0;
  failures = 0;
  /** The leader epoch under which something was last asked for; -1: nothing yet. */
  sentToEpoch = -1;
  /** Its leader has changed, and nothing was fetched from the new one yet. */
  isNewThere = false;
  /** A follower, in place of the leader. */
  readonly readReplica = new ReadReplica();
  #lastingFailure: Error | null = null;
  /** Bytes fetched and not handed out. */
  bufferedBytes = 0;

  constructor(topic: string, partition: number, from: StartPosition, topicId: TopicId = zeroTopicId) {
    this.topic = topic;
    this.partition = partition;
    this.key = partitionKey(topic, partition);
    this.topicId = topicId;
    this.phase = { kind: "fetching" };
    this.moveTo(from);
  }

  /**
   * The iteration leaves the partition at `offset`. A position beyond that may not be in the log at all: it is fetched once, so that the
   * reset policy applies.
   */
  stopAt(offset: number | null): void {
    this.stopOffset = offset;
    this.#isBehindStop = offset !== null && this.position > offset;
  }

  get isStopped(): boolean {
    const isLocated = this.phase.kind !== "locating";
    return isLocated && this.stopOffset !== null && this.position >= this.stopOffset && !this.#isBehindStop;
  }

  /** Everything up to where the iteration leaves it was fetched. */
  get isFetchedToStop(): boolean {
    return this.stopOffset !== null && this.fetchPosition >= this.stopOffset && !this.#isBehindStop;
  }

  /** As an answer has them. */
  endsAre(
    answer: { readonly highWatermark: number; readonly lastStableOffset: number; readonly logStartOffset: number },
    by: Isolation,
  ): void {
    this.highWatermark = answer.highWatermark;
    this.readableEnd = by === "read_committed" ? answer.lastStableOffset : answer.highWatermark;
    this.logStartOffset = answer.logStartOffset;
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
   * `leaderEpoch` of the record before the position, as committed with it; -1: not known. The next fetch shows whether the log has diverged
   * from it.
   */
  knowsEpochBefore(leaderEpoch: number): void {
    this.positionEpoch = leaderEpoch;
    this.fetchEpoch = leaderEpoch;
  }

  hold(): void {
    this.isHeld = true;
    this.dropBuffered();
  }

  /** A position was looked up. `leaderEpoch` is that of the record there, not of the one before. */
  located(offset: number): void {
    invariant(this.phase.kind === "locating", "only a partition without position is given one");
    this.#place(offset);
    this.phase = { kind: "fetching" };
    this.failures = 0;
  }

  /** The log parts from what was fetched at `endOffset` or before: everything not handed out, or from there on, is fetched again. */
  truncatedTo({ endOffset, epoch }: EpochEnd): void {
    // what was handed out may be in the log though what was buffered is not: the next fetch shows that by its own, lower epoch
    const isOlder = this.position <= endOffset && this.positionEpoch >= 0 && this.positionEpoch < epoch;
    const epochBefore = isOlder ? this.positionEpoch : epoch;
    this.generation++;
    this.bufferedBytes = 0;
    this.#place(Math.min(this.position, endOffset));
    this.fetchEpoch = epochBefore;
    this.positionEpoch = epochBefore;
    this.phase = { kind: "fetching" };
  }

  /** The last record handed out is not in the log. No epoch in the answer (-1): only its offset can be compared. */
  hasLost({ endOffset, epoch }: EpochEnd): boolean {
    return this.position > endOffset || (epoch >= 0 && this.positionEpoch > epoch);
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
   * What the metadata's topic id means: it is ours, that of a topic deleted before ours was created, or of one created after ours was
   * deleted.
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

  /** It had our name before our topic was created. */
  isFormerTopic(topicId: TopicId): boolean {
    return this.#formerTopicIds.includes(topicId);
  }

  /**
   * The topic was deleted and re-created: no offset, epoch or end of the old one means anything in the new one. An iteration that was to
   * stop at the old end stops.
   */
  beginAnew(topicId: TopicId, from: StartPosition): void {
    const others = this.#formerTopicIds.filter((former) => former !== topicId && former !== this.topicId);
    this.#formerTopicIds.splice(0, Infinity, ...others.slice(1 - formerTopicsMax), this.topicId);
    this.topicId = topicId;
    this.#staleSinceMs = null;
    this.validatedEpoch = -1;
    this.highWatermark = -1;
    this.readableEnd = -1;
    this.logStartOffset = -1;
    this.#place(-1); // until the new position is found: a commit meanwhile would apply the old one to the new topic
    this.moveTo(from);
    if (this.stopOffset !== null) this.stopOffset = 0;
  }

  /** The metadata has this leader epoch now: a newer one than the position was checked under calls for a new check. */
  leaderEpochIs(epoch: number): void {
    if (this.sentToEpoch >= 0 && epoch > this.sentToEpoch) this.isNewThere = true;
    this.sentToEpoch = epoch;
    if (epoch <= this.validatedEpoch || this.phase.kind !== "fetching") return;
    if (this.fetchEpoch >= 0 && this.fetchEpoch < epoch && this.validatedEpoch >= 0) this.phase = { kind: "validating" };
    else this.validatedEpoch = epoch;
  }

  /** What is buffered is dropped, to be fetched again later. */
  dropBuffered(): void {
    this.generation++;
    this.bufferedBytes = 0;
    this.fetchPosition = this.position;
    this.fetchEpoch = this.positionEpoch;
  }

  /**
   * After a failure that a retry cannot fix: nothing more is fetched until the position is moved, or another iteration begins. `lasting`:
   * that iteration then fails with it, without a fetch.
   */
  block(lasting: Error | null = null): void {
    this.notBeforeMs = Number.POSITIVE_INFINITY;
    this.#lastingFailure = lasting;
  }

  /** Retries, and returns null; or returns the failure that only another position can fix. */
  unblock(): Error | null {
    if (this.#lastingFailure === null && this.notBeforeMs === Number.POSITIVE_INFINITY) this.notBeforeMs = 0;
    return this.#lastingFailure;
  }

  pauseUntil(notBeforeMs: number): void {
    this.failures++;
    this.notBeforeMs = notBeforeMs;
  }

  /** Under another leader than the one that failed the pause is over. */
  resumesUnder(leaderEpoch = -1): boolean {
    if (leaderEpoch <= this.sentToEpoch) return false;
    this.notBeforeMs = 0;
    return true;
  }

  validated(epoch: number): void {
    this.validatedEpoch = Math.max(this.validatedEpoch, epoch);
    if (this.phase.kind === "validating") this.phase = { kind: "fetching" };
    this.failures = 0;
  }
}

/** The largest epoch of a leader's log that is not above the one asked for, and its exclusive end. -1: not known. */
export interface EpochEnd {
  readonly epoch: number;
  readonly endOffset: number;
}

/** What an OffsetForLeaderEpoch answer, or the diverging epoch in a fetch's, means for a position. */
export type EpochVerdict = { readonly kind: "in-log" } | ({ readonly kind: "truncated" } & EpochEnd);

/** A position as the leader was asked about it: the next offset, and the epoch of the record before it. */
export interface AskedPosition {
  readonly offset: number;
  readonly epoch: number;
}

/**
 * `endOffset` -1: the leader has no history of epochs to compare with; if the position is not in its log, the fetch itself will say so.
 *
 * A log can part from ours below the position though it is longer: (1) A leads epoch 3 up to offset 120; (2) B, which has 90 of these, is
 * elected uncleanly, and we read 10 records of epoch 4; (3) A is elected uncleanly. At our position, 100, its log has epoch 3, and never
 * had epoch 4. Where ours began is not known any more, so the log may part from ours anywhere up to the position.
 */
export function judgeEpochEnd(asked: AskedPosition, { epoch, endOffset }: EpochEnd): EpochVerdict {
  const hasOtherEpoch = epoch >= 0 && epoch < asked.epoch;
  if (endOffset < 0 || (endOffset >= asked.offset && !hasOtherEpoch)) return { kind: "in-log" };
  return { kind: "truncated", endOffset: Math.min(endOffset, asked.offset), epoch };
}
