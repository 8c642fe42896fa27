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

/** Of the largest epoch not above the one asked for. */
export function epochEnd(partition: FakePartition, epoch: number): { leaderEpoch: number; endOffset: number } {
  const above = partition.batches.find((batch) => leaderEpochAt(batch, 0) > epoch);
  const upTo = partition.batches.filter((batch) => leaderEpochAt(batch, 0) <= epoch).at(-1);
  const endOffset = above === undefined ? partition.endOffset : upTo === undefined ? partition.startOffset : lastOffsetAt(upTo, 0) + 1;
  return { leaderEpoch: upTo === undefined ? epoch : leaderEpochAt(upTo, 0), endOffset };
}
