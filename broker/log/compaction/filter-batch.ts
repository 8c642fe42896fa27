import {
  attributeBits,
  type BatchInfo,
  batchHeaderBytes,
  batchPrefixBytes,
  fieldAt,
  noTimestamp,
  sealBatch,
  writeInt64,
} from "../../../protocol/records/batch-header.ts";
import type { RecordCompressor, RecordCompressorAside } from "../../../protocol/records/codec.ts";
import { KeptRecords } from "./kept-records.ts";
import { plainRecords, type RecordUnpackers, type RecordView, RecordViews, recordsPerStep } from "./records-of.ts";

export interface FilterRules {
  readonly nowMs: number;
  readonly deleteRetentionMs: number;
  /** Records from there on stay: nothing is known of their keys yet. */
  readonly endOffset: number;
  /** Whether a later record of its key makes this one superfluous, or nothing can be told of it (no key). */
  readonly isOutdated: (record: RecordView) => boolean;
  readonly codecs: RecordCodecs;
  /** Between the steps of a batch with very many records. */
  readonly pause: () => Promise<void>;
}

/** What is small is packed and unpacked within the turn, the rest by other threads. */
export interface RecordCodecs extends RecordUnpackers {
  readonly compress: RecordCompressor;
  readonly compressAside: RecordCompressorAside;
}

const packedPerTurnMax = 256 * 1024;

/** What becomes of a batch. `same`: byte for byte. `dropped`: no record of it is left. */
export type Filtered = { readonly kind: "same" } | { readonly kind: "dropped" } | { readonly kind: "changed"; readonly bytes: Buffer };

/** No delete horizon is later: 71,000 years. The timestamps in its batch are told as differences to it, and those have to fit as well. */
const horizonMaxMs = 2 ** 51;

const same: Filtered = { kind: "same" };
const dropped: Filtered = { kind: "dropped" };

/**
 * Takes the outdated records out of a batch. What stays keeps offset, timestamp and all else; the batch keeps base and last offset, leader
 * epoch and the producer's fields.
 *
 * Tombstones (KIP-534): a batch with a tombstone that stays gets a delete horizon the first time it is cleaned, in the place of its base
 * timestamp; its tombstones leave with the first cleaning after that. So a consumer that reads on without pausing that long sees every
 * deletion. Throws MalformedFrame when the records cannot be read.
 */
export async function filterBatch(bytes: Buffer, batch: BatchInfo, rules: FilterRules): Promise<Filtered> {
  if (batch.recordsCount === 0) return dropped;
  const plain = await plainRecords(bytes, batch, rules.codecs);
  const horizonPassed = batch.hasDeleteHorizon && batch.baseTimestampMs <= rules.nowMs;
  const kept = new KeptRecords(plain, batch);
  const views = new RecordViews(plain, batch);
  const look = (record: RecordView) => {
    const isKnown = record.offset < rules.endOffset;
    if (isKnown && (rules.isOutdated(record) || (record.isTombstone && horizonPassed))) return;
    kept.keep(record, isKnown);
  };
  while (!views.visit(recordsPerStep, look)) await rules.pause();
  if (kept.count === 0) return dropped;
  // a batch that this round reaches in part only gets its horizon in the next one: its last tombstones were not cleaned yet
  const setsHorizon = kept.hasTombstone && kept.isWhollyKnown && !batch.hasDeleteHorizon;
  if (kept.count === batch.recordsCount && !setsHorizon) return same;
  const baseTimestampMs = setsHorizon ? deleteHorizonMs(rules, kept) : batch.baseTimestampMs;
  const records = setsHorizon ? await kept.rebased(baseTimestampMs, rules.pause) : await kept.asTheyAre(rules.pause);
  const changed = withHeader(bytes, batch, await packed(records, batch, rules.codecs));
  if (setsHorizon) changed.writeInt16BE(changed.readInt16BE(fieldAt.attributes) | attributeBits.deleteHorizon, fieldAt.attributes);
  writeInt64(changed, fieldAt.baseTimestamp, baseTimestampMs);
  if (batch.timestampType === "CreateTime") writeInt64(changed, fieldAt.maxTimestamp, kept.maxTimestampMs);
  changed.writeInt32BE(kept.count, fieldAt.recordsCount);
  sealBatch(changed, 0, changed.length);
  return { kind: "changed", bytes: changed };
}

/**
 * As far off as was asked for, as long as the differences of the records' timestamps to it are numbers that a reader takes: those of
 * another broker's batches may be anything.
 */
function deleteHorizonMs({ nowMs, deleteRetentionMs }: FilterRules, { earliestTimestampMs }: KeptRecords): number {
  return Math.min(nowMs + deleteRetentionMs, horizonMaxMs, Number.MAX_SAFE_INTEGER + earliestTimestampMs);
}

async function packed(records: Buffer, { codec }: BatchInfo, { compress, compressAside }: RecordCodecs): Promise<Buffer> {
  if (codec === null || codec === "none") return records;
  return records.length <= packedPerTurnMax ? compress(codec, records) : compressAside(codec, records);
}

/** The batch without records: what a producer's state, or the end of a segment, still needs of it. */
export function emptied(bytes: Buffer, batch: BatchInfo): Buffer {
  const header = withHeader(bytes, batch, Buffer.alloc(0));
  const attributes = header.readInt16BE(fieldAt.attributes) & ~(attributeBits.codecMask | attributeBits.deleteHorizon);
  header.writeInt16BE(attributes, fieldAt.attributes);
  writeInt64(header, fieldAt.baseTimestamp, noTimestamp);
  header.writeInt32BE(0, fieldAt.recordsCount);
  sealBatch(header, 0, header.length);
  return header;
}

function withHeader(bytes: Buffer, batch: BatchInfo, records: Buffer): Buffer {
  const changed = Buffer.concat([bytes.subarray(batch.position, batch.position + batchHeaderBytes), records]);
  changed.writeInt32BE(changed.length - batchPrefixBytes, fieldAt.batchLength);
  return changed;
}
