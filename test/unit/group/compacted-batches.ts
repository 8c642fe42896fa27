import { decodeBatch, openBatch, readControlRecord } from "../../../protocol/records/decode-batch.ts";
import { encodeBatch } from "../../../protocol/records/encode-batch.ts";
import type { FakePartition } from "../state-machine/fake-partition.ts";

type Stored = FakePartition["batches"][number];

interface CompactionRules {
  /** Those that hold nothing back any more. */
  readonly dropsTombstones: boolean;
  /** Those whose transaction has no record left. */
  readonly dropsMarkers: boolean;
}

function batchesOf(stored: readonly Stored[]) {
  return stored.map((one) => ({ ...one, ...openBatch(one.bytes), records: [...decodeBatch(one.bytes)] }));
}

/**
 * What must be left of a log, in a few lines: the last record of each key, not counting those of aborted transactions; nothing from the
 * first open transaction on is touched; a marker stays as long as a record of its transaction does.
 */
export function compacted(stored: readonly Stored[], { dropsTombstones, dropsMarkers }: CompactionRules): Stored[] {
  const batches = batchesOf(stored);
  const endOf = (at: number) => {
    const { producerId, isTransactional, isControl } = batches[at]!;
    if (!isTransactional || isControl) return null;
    return batches.findIndex((later, index) => index > at && later.isControl && later.producerId === producerId);
  };
  const firstOpen = batches.findIndex((_, at) => endOf(at) === -1);
  const bound = firstOpen < 0 ? batches.length : firstOpen;
  const isAborted = (at: number) => {
    const marker = endOf(at);
    return marker !== null && readControlRecord(batches[marker]!.records[0]!).kind === "abort";
  };
  const last = new Map<string, number>();
  for (let at = 0; at < bound; at++)
    if (!batches[at]!.isControl && !isAborted(at)) for (const { key } of batches[at]!.records) last.set(key!.toString("hex"), at);
  const withData = new Set<number>();
  const kept = batches.map((batch, at) => {
    if (at >= bound || batch.isControl) return batch.records;
    const records = isAborted(at)
      ? []
      : batch.records.filter(({ key, value }) => last.get(key!.toString("hex")) === at && !(dropsTombstones && value === null));
    const marker = endOf(at);
    if (marker !== null && records.length > 0) withData.add(marker);
    return records;
  });
  return batches.flatMap((batch, at) => {
    const { bytes, baseOffset, endOffset, isControl, isTransactional, producerId, producerEpoch } = batch;
    if (at >= bound) return [{ bytes, baseOffset, endOffset }];
    if (isControl) return dropsMarkers && !withData.has(at) ? [] : [{ bytes, baseOffset, endOffset }];
    const records = kept[at]!;
    if (records.length === 0) return [];
    const producer = isTransactional ? { isTransactional, producerId, producerEpoch } : {};
    const encoded = encodeBatch(
      records.map(({ key, value, timestampMs }) => ({ key, value, timestampMs })),
      { baseOffset, ...producer },
    );
    return [{ bytes: encoded, baseOffset, endOffset }];
  });
}
