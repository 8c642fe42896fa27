import type { BatchInfo } from "../../../protocol/records/batch-header.ts";
import type { EndMarker } from "../../../protocol/records/end-marker.ts";

/** A batch of the log, as little of it as transactions need. */
export interface LoggedBatch {
  readonly baseOffset: number;
  readonly endOffset: number;
  readonly producerId: number;
  readonly epoch: number;
  /** Last one of the batch; -1 for a marker. */
  readonly lastSequence: number;
  readonly isTransactional: boolean;
  readonly marker: EndMarker | null;
}

export interface Span {
  readonly producerId: number;
  readonly firstOffset: number;
  readonly markerOffset: number;
  readonly kind: "commit" | "abort";
  /** First offset of the earliest other transaction that was open at the marker, or the offset after it. */
  readonly lastStableOffset: number;
}

export interface KnownProducer {
  readonly epoch: number;
  readonly coordinatorEpoch: number;
  readonly lastSequence: number;
  readonly openSince: number;
}

export function loggedBatch(batch: BatchInfo, marker: EndMarker | null): LoggedBatch {
  const { baseOffset, lastOffset, producerId, producerEpoch: epoch, baseSequence, isTransactional } = batch;
  const lastSequence = marker === null ? baseSequence + lastOffset - baseOffset : -1;
  return { baseOffset, endOffset: lastOffset + 1, producerId, epoch, lastSequence, isTransactional, marker };
}

/** Everything about a log's transactions, read from the list of its batches each time, from the beginning. */
export class TransactionModel {
  batches: LoggedBatch[] = [];

  get endOffset(): number {
    return this.batches.at(-1)?.endOffset ?? 0;
  }

  append(batch: LoggedBatch): void {
    this.batches.push(batch);
  }

  /** The end after a cut there: whole batches go. */
  cutTo(offset: number): void {
    this.batches = this.batches.filter(({ endOffset }) => endOffset <= offset);
  }

  /** Transactions that ended, in the order of their markers, and first offsets of those that are open, by producer. */
  read(): { readonly spans: readonly Span[]; readonly open: ReadonlyMap<number, number> } {
    const spans: Span[] = [];
    const open = new Map<number, number>();
    for (const { producerId, baseOffset, isTransactional, marker } of this.batches) {
      if (marker === null) {
        if (isTransactional && !open.has(producerId)) open.set(producerId, baseOffset);
        continue;
      }
      const firstOffset = open.get(producerId);
      open.delete(producerId);
      if (firstOffset === undefined) continue;
      const lastStableOffset = Math.min(baseOffset + 1, ...open.values());
      spans.push({ producerId, firstOffset, markerOffset: baseOffset, kind: marker.kind, lastStableOffset });
    }
    return { spans, open };
  }

  /** `forgottenBelow`: markers below there count as decided, whatever the high watermark. */
  firstUnstable(highWatermark: number, startOffset: number, forgottenBelow = 0): number | null {
    const { spans, open } = this.read();
    const undecided = spans.filter(({ markerOffset }) => markerOffset >= Math.max(highWatermark, forgottenBelow));
    const firsts = [...open.values(), ...undecided.map(({ firstOffset }) => firstOffset)];
    return firsts.length === 0 ? null : Math.max(Math.min(...firsts), startOffset);
  }

  abortedWithin(fromOffset: number, endOffset: number): Span[] {
    return this.read().spans.filter(
      ({ kind, firstOffset, markerOffset }) => kind === "abort" && firstOffset < endOffset && markerOffset >= fromOffset,
    );
  }

  producer(producerId: number): KnownProducer | null {
    const { open } = this.read();
    let known: KnownProducer | null = null;
    for (const { producerId: id, epoch, lastSequence, marker } of this.batches) {
      if (id !== producerId) continue;
      const before: KnownProducer = known ?? { epoch, coordinatorEpoch: -1, lastSequence: -1, openSince: -1 };
      known = {
        epoch,
        coordinatorEpoch: marker?.coordinatorEpoch ?? before.coordinatorEpoch,
        lastSequence: marker === null ? lastSequence : epoch === before.epoch ? before.lastSequence : -1,
        openSince: -1,
      };
    }
    return known === null ? null : { ...known, openSince: open.get(producerId) ?? -1 };
  }
}

/** What a log must answer to a marker, from Kafka's rules. */
export function expectedOfMarker(known: KnownProducer | null, marker: EndMarker & { readonly transactionVersion: number }): string {
  if (known === null) return "appended";
  const isOpen = known.openSince !== -1;
  if (marker.producerEpoch < known.epoch) return "INVALID_PRODUCER_EPOCH";
  if (marker.producerEpoch === known.epoch && isOpen && marker.transactionVersion >= 2) return "INVALID_PRODUCER_EPOCH";
  if (marker.coordinatorEpoch < known.coordinatorEpoch) return "TRANSACTION_COORDINATOR_FENCED";
  return !isOpen && marker.producerEpoch === known.epoch && marker.coordinatorEpoch === known.coordinatorEpoch ? "duplicate" : "appended";
}
