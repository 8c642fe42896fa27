import type { VersionedMarker } from "../../../broker/log/log-contract.ts";
import type { AppendOptions, ConsumerRead, ConsumerReadOptions, GuardingLeader } from "../../../broker/partition/client-contract.ts";
import type { AppendedState, StatePartitions, StateStanding } from "../../../broker/partition/internal-topic-partitions.ts";
import { TransactionGuards } from "../../../broker/partition/transaction-guards.ts";
import type { KafkaErrorCode, Outcome } from "../../../protocol/errors/kafka-errors.ts";
import { writeInt64 } from "../../../protocol/records/batch-header.ts";
import { decodeBatch, openBatch } from "../../../protocol/records/decode-batch.ts";
import { encodeEndMarker } from "../../../protocol/records/end-marker.ts";

interface StoredBatch {
  readonly bytes: Buffer;
  readonly baseOffset: number;
  readonly endOffset: number;
}

/** A partition whose replication is moved by hand: appends are committed when the test says so, or at once. */
export class FakePartition implements StatePartitions {
  batches: StoredBatch[] = [];
  highWatermark = 0;
  /** Every append is committed at once. */
  isReplicated = true;
  isProved = true;
  /** What the next appends are refused with. */
  refusal: KafkaErrorCode | null = null;
  batchBytesMax = 1_048_588;
  appends = 0;
  isGuarded = false;
  /** Every marker is one that the log has already. */
  knowsMarkers = false;
  readonly #open = new Map<number, number>();
  #waiting: { readonly endOffset: number; readonly resolve: (end: KafkaErrorCode) => void }[] = [];
  #watchers = new Set<() => void>();
  readonly #guards = new TransactionGuards();

  get endOffset(): number {
    return this.batches.at(-1)?.endOffset ?? 0;
  }

  /** With `isGuarded` as a leader does: a transaction begins under a guard only. */
  append(_ref: unknown, records: Buffer, guard?: AppendOptions["guard"]): Outcome<AppendedState> {
    const { isTransactional, isControl, producerId } = openBatch(records);
    if (this.isGuarded && isTransactional && !isControl && !this.#open.has(producerId)) {
      const mayBegin = guard === "waived" || (guard !== undefined && this.#guards.isHeld(guard));
      if (!mayBegin) return { error: "INVALID_TXN_STATE" };
    }
    if (this.refusal !== null && this.refusal !== "NONE") return { error: this.refusal };
    if (records.length > this.batchBytesMax) return { error: "MESSAGE_TOO_LARGE" };
    this.appends++;
    if (isControl) this.#open.delete(producerId);
    else if (isTransactional && !this.#open.has(producerId)) this.#open.set(producerId, this.endOffset);
    const baseOffset = this.endOffset;
    writeInt64(records, 0, baseOffset);
    const endOffset = openBatch(records).lastOffset + 1;
    this.batches.push({ bytes: records, baseOffset, endOffset });
    const committed = new Promise<KafkaErrorCode>((resolve) => this.#waiting.push({ endOffset, resolve }));
    if (this.isReplicated) this.commit(endOffset);
    return { error: null, endOffset, committed };
  }

  /** As a log that knows nothing of producers: every marker is appended, unless `knowsMarkers`. */
  appendMarker(_ref: unknown, { transactionVersion, ...marker }: VersionedMarker): Outcome<AppendedState> {
    if (this.knowsMarkers) return { error: null, endOffset: this.endOffset, committed: Promise.resolve("NONE") };
    this.#guards.markerWritten({ ...marker, transactionVersion });
    return this.append(_ref, encodeEndMarker(marker, 0));
  }

  guards(): Outcome<{ readonly leader: GuardingLeader }> {
    return { error: null, leader: { guards: this.#guards, openTransactionOf: (producerId) => this.#open.get(producerId) ?? null } };
  }

  /** The in-sync replicas have everything up to here. */
  commit(endOffset = this.endOffset): void {
    this.highWatermark = Math.max(this.highWatermark, endOffset);
    const reached = this.#waiting.filter((one) => one.endOffset <= this.highWatermark);
    this.#waiting = this.#waiting.filter((one) => one.endOffset > this.highWatermark);
    for (const { resolve } of reached) resolve("NONE");
    for (const wake of [...this.#watchers]) wake();
  }

  /** The leadership is over: what was not committed is gone with it, except the first `kept` offsets of it. */
  loseLeadership(keptEndOffset = this.highWatermark): void {
    for (const { resolve } of this.#waiting) resolve("NOT_LEADER_OR_FOLLOWER");
    this.#waiting = [];
    this.batches = this.batches.filter(({ endOffset }) => endOffset <= keptEndOffset);
  }

  standing(): Outcome<StateStanding> {
    const { endOffset, highWatermark, isProved, batchBytesMax } = this;
    return { error: null, startOffset: 0, endOffset, highWatermark, isProved, batchBytesMax };
  }

  async read(_ref: unknown, { fetchOffset, maxBytes }: ConsumerReadOptions): Promise<Outcome<ConsumerRead>> {
    const chunks: Buffer[] = [];
    let sizeInBytes = 0;
    for (const { bytes, endOffset } of this.batches) {
      if (endOffset <= fetchOffset || endOffset > this.highWatermark) continue;
      if (sizeInBytes > 0 && sizeInBytes + bytes.length > maxBytes) break;
      chunks.push(bytes);
      sizeInBytes += bytes.length;
    }
    const { highWatermark } = this;
    return { error: null, highWatermark, lastStableOffset: highWatermark, logStartOffset: 0, chunks, sizeInBytes, diverging: null };
  }

  changed(_refs: unknown, _deadlineMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.#watchers.delete(wake);
        resolve();
      };
      this.#watchers.add(wake);
      signal?.addEventListener("abort", wake, { once: true });
    });
  }

  /** Every record, in order. */
  records(): { readonly key: Buffer; readonly value: Buffer | null }[] {
    return this.batches.flatMap(({ bytes }) => [...decodeBatch(bytes)].map(({ key, value }) => ({ key: key!, value })));
  }
}
