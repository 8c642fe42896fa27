import { partitionKey } from "../../protocol/base/ids.ts";
import { invariant } from "../../protocol/base/invariant.ts";
import type { Numbering, ProducerIdentity } from "./numbering.ts";
import type { ProducerBatch } from "./producer-batch.ts";

/** Names a queue. */
export type TopicPartitionKey = string & { readonly brand?: "TopicPartitionKey" };

/**
 * The batches of one partition, oldest first, except those in flight. Pure state.
 *
 * Order and uniqueness with several requests in flight (`numbering` is null when the producer is not idempotent: then sending one at a time
 * keeps the order):
 * 1. A batch is numbered when it is first taken, in the order of taking, and keeps its number and its bytes through retries: the broker
 *    knows what it has. A lost answer and a repeated request are the same to it.
 * 2. When the first of five fails temporarily, the other four come back out of order (or, sent to a broker that is not the leader, with the
 *    same error). All return to their places, and nothing is sent before the last of them is back: `isProven` is reset, so one is sent at a
 *    time until one is acknowledged. A retried batch is never overtaken.
 * 3. While the leader is not known to have anything under this numbering, one batch is in flight: a broker that does not know a producer
 *    accepts whatever number comes first.
 * 4. Batches in flight all go to one leader in one epoch; the next leader gets none before those are concluded.
 * 5. A batch that failed for good leaves a gap, for it may or may not be in the log. What was numbered after it is still sent under its
 *    number: it is accepted if the lost one was written, and out of order if not. What was not numbered yet waits until none of those is
 *    left, and starts a new numbering.
 * 6. Out of order, with nothing before it unsettled, is that gap (or the leader lost its log). A batch that no attempt can have left in the
 *    log is renumbered, and so are all later ones of which the same is true. A batch that may be in the log keeps its number, for under
 *    another it could be there twice: it is accepted as a duplicate, or fails.
 */
export class PartitionQueue {
  readonly key: TopicPartitionKey;
  readonly topic: string;
  readonly partition: number;
  /** Waiting; only the last still takes records. */
  readonly batches: ProducerBatch[] = [];
  readonly inFlight: ProducerBatch[] = [];
  /** Of `BusyQueues`. */
  isBusy = false;
  previous: PartitionQueue | null = null;
  next: PartitionQueue | null = null;
  /** Of the last batch that was taken: the next one will probably be about as large. */
  lastBatchBytes = 0;
  /** After a failure: nothing is sent before (monotonic), unless the leader has changed meanwhile. */
  notBeforeMs = 0;
  readonly #numbering: Numbering | null;
  readonly #inFlightMax: number;
  #recordsTaken = 0;

  constructor(topic: string, partition: number, inFlightMax: number, numbering: Numbering | null) {
    this.key = partitionKey(topic, partition);
    this.topic = topic;
    this.partition = partition;
    this.#inFlightMax = inFlightMax;
    this.#numbering = numbering;
  }

  get isIdle(): boolean {
    return this.inFlight.length === 0 && this.batches.length === 0;
  }

  /**
   * Whether the first batch may be sent as far as the others are concerned. Behind others it is sent when it is full, or when nobody fills
   * it for now: until then it may as well take more records.
   */
  mayTake(batchBytesMax: number): boolean {
    const [head] = this.batches;
    if (head === undefined || this.inFlight.length >= this.#window) return false;
    if (this.inFlight.length === 0) return true;
    if (this.#numbering?.hasGap === true && this.#mustNumber(head)) return false;
    return head.ordinal >= 0 || this.batches.length > 1 || !head.lingers || head.sizeInBytes >= batchBytesMax;
  }

  /** The first batch cannot be numbered under the present identity. */
  needsIdentity(offered: ProducerIdentity | null): boolean {
    const [head] = this.batches;
    return head !== undefined && this.#numbering !== null && this.#mustNumber(head) && !this.#numbering.canNumber(offered);
  }

  take(offered: ProducerIdentity | null): ProducerBatch {
    const head = this.batches.shift();
    invariant(head !== undefined, "who takes has looked");
    if (head.ordinal < 0) {
      head.ordinal = this.#recordsTaken;
      this.#recordsTaken += head.sends.length;
    }
    if (this.#numbering !== null && this.#mustNumber(head)) head.number = this.#numbering.number(head.sends.length, offered);
    this.inFlight.push(head);
    this.lastBatchBytes = head.sizeInBytes;
    head.attempts++;
    return head;
  }

  /** Nothing that was taken before it is unsettled. */
  isNext({ ordinal }: ProducerBatch): boolean {
    const isBefore = (other: ProducerBatch) => other.ordinal >= 0 && other.ordinal < ordinal;
    return !this.inFlight.some(isBefore) && !this.batches.some(isBefore);
  }

  /** `batches`, the one in flight or its parts, return to their places. */
  putBack(batch: ProducerBatch, batches: readonly ProducerBatch[], notBeforeMs: number): void {
    this.#land(batch);
    const behind = this.batches.findIndex(({ ordinal }) => ordinal < 0 || ordinal > batch.ordinal);
    this.batches.splice(behind < 0 ? this.batches.length : behind, 0, ...batches);
    this.notBeforeMs = Math.max(this.notBeforeMs, notBeforeMs);
    if (this.#numbering !== null) this.#numbering.isProven = false;
  }

  acknowledged(batch: ProducerBatch): void {
    this.#land(batch);
    this.notBeforeMs = 0;
    if (this.#numbering !== null && batch.number !== null && this.#numbering.isCurrent(batch.number) && this.isNext(batch))
      this.#numbering.isProven = true;
  }

  failed(batch: ProducerBatch): void {
    this.#land(batch);
    this.notBeforeMs = 0;
    this.lost(batch);
  }

  /** The batch has failed, in flight or not. */
  lost({ number }: ProducerBatch): void {
    if (number !== null) this.#numbering?.lost(number);
  }

  /** The leader accepts nothing more under this batch's numbering. `another`: not under its id either. */
  refuseNumbering({ number }: ProducerBatch, another: boolean): void {
    if (number === null || this.#numbering?.isCurrent(number) !== true) return;
    if (another) this.#numbering.abandonId();
    else this.#numbering.startAnew();
  }

  get #window(): number {
    return this.#numbering === null || this.#numbering.isProven ? this.#inFlightMax : 1;
  }

  #mustNumber({ number, mayBeInLog }: ProducerBatch): boolean {
    return number === null || (!mayBeInLog && this.#numbering?.isCurrent(number) === false);
  }

  #land(batch: ProducerBatch): void {
    const at = this.inFlight.indexOf(batch);
    invariant(at >= 0, "what is concluded was under way", () => ({ topic: this.topic, partition: this.partition }));
    this.inFlight.splice(at, 1);
  }
}
