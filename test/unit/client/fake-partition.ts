import type { KafkaErrorCode } from "../../../protocol/errors/kafka-errors.ts";
import { assignOffsets } from "../../../protocol/records/assign-offsets.ts";
import { lastOffsetAt, leaderEpochAt } from "../../../protocol/records/batch-header.ts";
import { decompressRecords } from "../../../protocol/records/compression.ts";
import { decodeBatch } from "../../../protocol/records/decode-batch.ts";
import { encodeBatch } from "../../../protocol/records/encode-batch.ts";
import type { RecordToEncode } from "../../../protocol/records/record.ts";
import { parsedBatch } from "../../support/parsed-batch.ts";
import { FakeSequences } from "./fake-sequences.ts";

export class FakePartition {
  leader: number;
  leaderEpoch = 0;
  batches: Buffer[] = [];
  startOffset = 0;
  readonly sequences = new FakeSequences();

  constructor(leader: number) {
    this.leader = leader;
  }

  get endOffset(): number {
    const last = this.batches.at(-1);
    return last === undefined ? this.startOffset : lastOffsetAt(last, 0) + 1;
  }

  append(batch: Buffer): number {
    const baseOffset = this.endOffset;
    const own = Buffer.from(batch);
    assignOffsets(parsedBatch(own), { baseOffset, leaderEpoch: this.leaderEpoch, logAppendTimeMs: null });
    this.batches.push(own);
    this.sequences.appended(own, baseOffset);
    return baseOffset;
  }

  /** As a leader does it for a producer. */
  produce(batch: Buffer): number | KafkaErrorCode {
    const judged = this.sequences.judge(batch);
    if (judged === null) return this.append(batch);
    return typeof judged === "string" ? judged : judged.duplicateOf;
  }

  appendRecords(records: readonly RecordToEncode[]): number {
    return this.append(encodeBatch(records));
  }

  values(): (string | null)[] {
    return this.batches.flatMap((batch) =>
      [...decodeBatch(batch, 0, { decompress: decompressRecords })].map(({ value }) => value?.toString() ?? null),
    );
  }
}

/** Of the largest epoch not above the one asked for; null: the log begins after that epoch. */
export function epochEnd(partition: FakePartition, epoch: number): { leaderEpoch: number; endOffset: number } | null {
  const above = partition.batches.find((batch) => leaderEpochAt(batch, 0) > epoch);
  const upTo = partition.batches.filter((batch) => leaderEpochAt(batch, 0) <= epoch).at(-1);
  if (upTo === undefined) return null;
  return { leaderEpoch: leaderEpochAt(upTo, 0), endOffset: above === undefined ? partition.endOffset : lastOffsetAt(upTo, 0) + 1 };
}

/** Where a reader's log parts from the leader's, as the broker tells it; null: they agree, as far as epochs show. */
export function divergence(partition: FakePartition, fetchOffset: number, lastFetchedEpoch: number): EpochAndEnd | null {
  if (lastFetchedEpoch < 0) return null;
  const end = epochEnd(partition, lastFetchedEpoch);
  if (end === null) return fetchOffset > partition.startOffset ? { epoch: -1, endOffset: partition.startOffset } : null;
  if (end.leaderEpoch === lastFetchedEpoch && end.endOffset >= fetchOffset) return null;
  return { epoch: end.leaderEpoch, endOffset: end.endOffset };
}

interface EpochAndEnd {
  readonly epoch: number;
  readonly endOffset: number;
}
