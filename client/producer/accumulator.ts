import { type BrokerId, noBroker } from "../../protocol/base/ids.ts";
import { invariant } from "../../protocol/base/invariant.ts";
import type { RecordToEncode } from "../../protocol/records/record.ts";
import type { WrittenPartition } from "../transaction/transactions.ts";
import { BatchBuffers } from "./batch-buffers.ts";
import { BusyQueues } from "./busy-queues.ts";
import { Numbering, type ProducerIdentity } from "./numbering.ts";
import { PartitionQueue, type TopicPartitionKey } from "./partition-queue.ts";
import type { PendingSend } from "./pending-send.ts";
import { ProducerBatch } from "./producer-batch.ts";

export interface AccumulatorLimits {
  /** A batch is full at this size (before compression). */
  readonly batchBytesMax: number;
  /** How long a batch that is not full waits for more records. */
  readonly lingerMs: number;
  readonly deliveryTimeoutMs: number;
  /**
   * Batches of one partition in flight at once. More than 1 only for an idempotent producer, and then at most the five that a broker
   * remembers.
   */
  readonly maxInFlightPerPartition: number;
  /** By whom batches are numbered: nobody, the producer is not idempotent; by itself; or as the coordinator of its transactions has it. */
  readonly numbers: "none" | "own" | "coordinated";
  /** An acknowledgement is a broker's answer: with acks 0 it only says that the bytes are queued. */
  readonly isAnswered: boolean;
}

export interface KnownLeader {
  readonly leader: BrokerId;
  readonly leaderEpoch: number;
}

export interface Ready {
  /** By leader, partitions with a batch to send now. */
  readonly byBroker: ReadonlyMap<BrokerId, readonly TopicPartitionKey[]>;
  /** Batches that could be sent, had their partitions a known leader: the first of each partition. */
  readonly leaderless: readonly ProducerBatch[];
  /** Something waits for another `identity`. */
  readonly identityNeeded: boolean;
  /** When to check again if nothing happens before (monotonic); null: no need. */
  readonly nextCheckMs: number | null;
}

/** A record, and the most that it can take in a batch. */
export interface SizedRecord {
  readonly record: RecordToEncode;
  readonly recordBytes: number;
}

const anyPartition = () => true;

/** A batch begins with this much room. */
const batchBytesMin = 1024;
/** With more batches under way, a partition that was idle begins small again: together they could take far more than their records. */
const remembersSizeUpTo = 64;

/** Records wait here, in batches per partition, until they may be sent. Pure state: time and leaders come as arguments. */
export class Accumulator {
  readonly #limits: AccumulatorLimits;
  /** Of every partition ever written to: the broker remembers its numbers as well. */
  readonly #queues = new Map<TopicPartitionKey, PartitionQueue>();
  /** The same by topic and partition, so that no record costs a new string. */
  readonly #byTopic = new Map<string, PartitionQueue[]>();
  readonly #busy = new BusyQueues();
  readonly #buffers: BatchBuffers;
  /** A number, and not a set of them: see `BusyQueues`. */
  #unsettledBatches = 0;

  /** The latest that was fetched; null: none yet. Without one an idempotent producer sends nothing. */
  identity: ProducerIdentity | null = null;

  constructor(limits: AccumulatorLimits) {
    this.#limits = limits;
    this.#buffers = new BatchBuffers(limits.batchBytesMax);
  }

  /** Batches not yet acknowledged or failed, including those in flight. */
  get unsettled(): readonly ProducerBatch[] {
    return [...this.#busy].flatMap(({ batches, inFlight }) => [...inFlight, ...batches]);
  }

  /** True when a batch became full or was started, so that it is worth checking what is ready. */
  append(topic: string, partition: number, { record, recordBytes }: SizedRecord, send: PendingSend, nowMs: number): boolean {
    const queue = this.#queue(topic, partition);
    const { batchBytesMax, deliveryTimeoutMs } = this.#limits;
    const last = queue.batches.at(-1);
    if (last?.tryAppend(record, recordBytes, send, batchBytesMax)) return last.sizeInBytes >= batchBytesMax;
    // a little room, for the next one is rarely exactly as large
    const bytesExpected = Math.min(Math.max(queue.lastBatchBytes * 1.1, batchBytesMin + recordBytes), batchBytesMax);
    const room = this.#buffers.take(Math.ceil(bytesExpected));
    const batch = new ProducerBatch(topic, partition, nowMs, nowMs + deliveryTimeoutMs, room);
    const taken = batch.tryAppend(record, recordBytes, send, batchBytesMax);
    invariant(taken, "an empty batch takes any record");
    queue.batches.push(batch);
    this.#unsettledBatches++;
    return true;
  }

  /** What waits for the partition need not wait for more records. */
  doNotLinger(topic: string, partition: number): void {
    const last = this.#byTopic.get(topic)?.[partition]?.batches.at(-1);
    if (last !== undefined) last.lingers = false;
  }

  /**
   * `hurry`: nothing lingers (flushing, closing, or others wait for room in the buffer). `mayWrite`: asked of partitions whose batches
   * would go out now; the others wait.
   */
  ready(
    nowMs: number,
    leaderOf: (topic: string, partition: number) => KnownLeader | undefined,
    hurry: boolean,
    mayWrite: (partition: WrittenPartition) => boolean = anyPartition,
  ): Ready {
    const byBroker = new Map<BrokerId, TopicPartitionKey[]>();
    const lingering = new Map<BrokerId, TopicPartitionKey[]>();
    const leaderless: ProducerBatch[] = [];
    let identityNeeded = false;
    let nextCheckMs: number | null = null;
    const checkAt = (atMs: number) => {
      nextCheckMs = nextCheckMs === null ? atMs : Math.min(nextCheckMs, atMs);
    };
    for (let queue = this.#busy.first; queue !== null; queue = queue.next) {
      const { key } = queue;
      const head = queue.batches[0];
      if (head === undefined) continue;
      checkAt(head.deadlineMs);
      if (!queue.mayTake(this.#limits.batchBytesMax)) continue;
      if (queue.needsIdentity(this.identity)) {
        identityNeeded = true;
        continue;
      }
      const known = leaderOf(queue.topic, queue.partition);
      if (isElsewhere(queue, known)) continue;
      const sendAtMs = this.#sendAtMs(queue, head, known, hurry);
      if (sendAtMs > nowMs) {
        checkAt(sendAtMs);
        if (known !== undefined && queue.notBeforeMs <= nowMs && mayWrite(queue)) add(lingering, known.leader, key);
        continue;
      }
      if (known === undefined || known.leader === noBroker) {
        leaderless.push(head);
        continue;
      }
      if (mayWrite(queue)) add(byBroker, known.leader, key);
    }
    // a request that is sent anyway includes batches that only linger: more in one request, and fewer requests
    for (const [leader, keys] of byBroker) keys.push(...(lingering.get(leader) ?? []));
    return { byBroker, leaderless, identityNeeded, nextCheckMs };
  }

  #sendAtMs(queue: PartitionQueue, head: ProducerBatch, known: KnownLeader | undefined, hurry: boolean): number {
    const leaderChanged = known !== undefined && head.attempts > 0 && known.leaderEpoch > head.sentToEpoch;
    const notBeforeMs = leaderChanged ? 0 : queue.notBeforeMs;
    const isFull = queue.batches.length > 1 || head.attempts > 0 || !head.lingers || head.sizeInBytes >= this.#limits.batchBytesMax;
    return Math.max(notBeforeMs, isFull || hurry ? 0 : head.createdAtMs + this.#limits.lingerMs);
  }

  /**
   * The first batches of these partitions, one of each while they fit into a request of `bytesMax` (one in any case). They are in flight
   * from here on.
   */
  drain(keys: readonly TopicPartitionKey[], bytesMax: number): readonly ProducerBatch[] {
    const drained: ProducerBatch[] = [];
    let bytes = 0;
    for (const key of keys) {
      const queue = this.#queues.get(key);
      const head = queue?.batches[0];
      if (queue === undefined || head === undefined) continue;
      if (!queue.mayTake(this.#limits.batchBytesMax) || queue.needsIdentity(this.identity)) continue;
      const size = head.encodedBytes > 0 ? head.encodedBytes : head.sizeInBytes;
      if (drained.length > 0 && bytes + size > bytesMax) continue;
      bytes += size;
      drained.push(queue.take(this.identity));
      this.#busy.moveToEnd(queue);
    }
    return drained;
  }

  /** Everything that was taken before it is settled. */
  isNext(batch: ProducerBatch): boolean {
    return this.#queueOf(batch).isNext(batch);
  }

  /** To be retried, ahead of everything that came later, not before `notBeforeMs`. */
  putBack(batch: ProducerBatch, notBeforeMs: number): void {
    this.#queueOf(batch).putBack(batch, [batch], notBeforeMs);
  }

  /** Instead of it, these hold its waiting records. */
  replace(batch: ProducerBatch, parts: readonly ProducerBatch[]): void {
    this.#queueOf(batch).putBack(batch, parts, 0);
    this.#unsettledBatches += parts.length - 1;
  }

  /** The leader accepts nothing more under this batch's numbering: see `PartitionQueue`. */
  refuseNumbering(batch: ProducerBatch, another: boolean): void {
    this.#queueOf(batch).refuseNumbering(batch, another);
  }

  /** A batch in flight was acknowledged or failed. */
  finished(batch: ProducerBatch, how: "acknowledged" | "failed"): void {
    const queue = this.#queueOf(batch);
    if (how === "acknowledged") queue.acknowledged(batch);
    else queue.failed(batch);
    this.#unsettledBatches--;
    this.#dropIfIdle(queue);
    // its only request was answered, so the broker has read all of it. One that was sent before, too, may still be in another link's buffer
    if (how === "acknowledged" && this.#limits.isAnswered && batch.attempts === 1) this.#buffers.give(batch.room);
  }

  /** Removes and returns the waiting batches that have expired (all of them, when `nowMs` is infinity). */
  takeExpired(nowMs: number): readonly ProducerBatch[] {
    const expired: ProducerBatch[] = [];
    for (const queue of this.#busy) {
      const alive = queue.batches.findIndex(({ deadlineMs }) => deadlineMs > nowMs);
      for (const batch of queue.batches.splice(0, alive < 0 ? queue.batches.length : alive)) {
        queue.lost(batch);
        expired.push(batch);
      }
      this.#dropIfIdle(queue);
    }
    this.#unsettledBatches -= expired.length;
    return expired;
  }

  #dropIfIdle(queue: PartitionQueue): void {
    if (queue.isBusy && queue.isIdle) this.#busy.remove(queue);
  }

  #queueOf({ topic, partition }: ProducerBatch): PartitionQueue {
    const queue = this.#byTopic.get(topic)?.[partition];
    invariant(queue?.isBusy === true, "what is under way has a queue", () => ({ topic, partition }));
    return queue;
  }

  #queue(topic: string, partition: number): PartitionQueue {
    const queue = this.#byTopic.get(topic)?.[partition] ?? this.#newQueue(topic, partition);
    if (queue.isBusy) return queue;
    // its last pause is over with what it was for
    queue.notBeforeMs = 0;
    // a batch that grows from nothing is copied at each step
    if (this.#unsettledBatches >= remembersSizeUpTo) queue.lastBatchBytes = 0;
    this.#busy.add(queue);
    return queue;
  }

  #newQueue(topic: string, partition: number): PartitionQueue {
    const { maxInFlightPerPartition, numbers } = this.#limits;
    const numbering = numbers === "none" ? null : new Numbering(numbers === "coordinated");
    const queue = new PartitionQueue(topic, partition, maxInFlightPerPartition, numbering);
    this.#queues.set(queue.key, queue);
    const ofTopic = this.#byTopic.get(topic);
    if (ofTopic === undefined) {
      const fresh: PartitionQueue[] = [];
      fresh[partition] = queue;
      this.#byTopic.set(topic, fresh);
    } else ofTopic[partition] = queue;
    return queue;
  }
}

/** The batches in flight went to another leader, or to this one in another epoch. */
function isElsewhere({ inFlight: [first] }: PartitionQueue, known: KnownLeader | undefined): boolean {
  if (first === undefined || known === undefined) return false;
  return first.sentToBroker !== known.leader || first.sentToEpoch !== known.leaderEpoch;
}

function add(keysByBroker: Map<BrokerId, TopicPartitionKey[]>, broker: BrokerId, key: TopicPartitionKey): void {
  const keys = keysByBroker.get(broker);
  if (keys === undefined) keysByBroker.set(broker, [key]);
  else keys.push(key);
}
