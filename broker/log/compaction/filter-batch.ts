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
import type { RecordCompressor, RecordDecompressor } from "../../../protocol/records/codec.ts";
import { plainRecords, type RecordView, visitRecords } from "./records-of.ts";

export interface FilterRules {
  readonly nowMs: number;
  readonly deleteRetentionMs: number;
  /** Records from there on stay: nothing is known of their keys yet. */
  readonly endOffset: number;
  /** Whether a later record of its key makes this one superfluous, or nothing can be told of it (no key). */
  readonly isOutdated: (record: RecordView) => boolean;
  readonly compress: RecordCompressor;
  readonly decompress: RecordDecompressor;
}

/** What becomes of a batch. `same`: byte for byte. `dropped`: no record of it is left. */
export type Filtered = { readonly kind: "same" } | { readonly kind: "dropped" } | { readonly kind: "changed"; readonly bytes: Buffer };

/** No delete horizon is later: 71,000 years. The timestamps in its batch are told as differences to it, and those have to fit as well. */
const horizonMaxMs = 2 ** 51;

const same: Filtered = { kind: "same" };
const dropped: Filtered = { kind: "dropped" };

/**
 * Takes the outdated records out of a batch. What stays keeps offset, timestamp and all else; the batch keeps base and last offset, leader epoch and the producer's fields.
 *
 * Tombstones (KIP-534): a batch with a tombstone that stays gets a delete horizon the first time it is cleaned, in the place of its base timestamp; its tombstones leave with
 * the first cleaning after that. So a consumer that reads on without pausing that long sees every deletion. Throws MalformedFrame when the records cannot be read.
 */
export function filterBatch(bytes: Buffer, batch: BatchInfo, rules: FilterRules): Filtered {
  if (batch.recordsCount === 0) return dropped;
  const plain = plainRecords(bytes, batch, rules.decompress);
  const horizonPassed = batch.hasDeleteHorizon && batch.baseTimestampMs <= rules.nowMs;
  const kept: RecordView[] = [];
  let keepsTombstone = false;
  let isWhollyKnown = true;
  visitRecords(plain, batch, (record) => {
    const isKnown = record.offset < rules.endOffset;
    if (isKnown && (rules.isOutdated(record) || (record.isTombstone && horizonPassed))) return;
    kept.push(record);
    keepsTombstone ||= record.isTombstone;
    isWhollyKnown &&= isKnown;
  });
  if (kept.length === 0) return dropped;
  // a batch that this round reaches in part only gets its horizon in the next one: its last tombstones were not cleaned yet
  const setsHorizon = keepsTombstone && isWhollyKnown && !batch.hasDeleteHorizon;
  if (kept.length === batch.recordsCount && !setsHorizon) return same;
  const baseTimestampMs = setsHorizon ? deleteHorizonMs(rules, kept) : batch.baseTimestampMs;
  const records = setsHorizon ? rebased(plain, kept, baseTimestampMs) : pieces(plain, kept);
  const packed = batch.codec === null || batch.codec === "none" ? records : rules.compress(batch.codec, records);
  const changed = withHeader(bytes, batch, packed);
  if (setsHorizon) changed.writeInt16BE(changed.readInt16BE(fieldAt.attributes) | attributeBits.deleteHorizon, fieldAt.attributes);
  writeInt64(changed, fieldAt.baseTimestamp, baseTimestampMs);
  if (batch.timestampType === "CreateTime") writeInt64(changed, fieldAt.maxTimestamp, latest(kept));
  changed.writeInt32BE(kept.length, fieldAt.recordsCount);
  sealBatch(changed, 0, changed.length);
  return { kind: "changed", bytes: changed };
}

/** As far off as was asked for, as long as the differences of the records' timestamps to it are numbers that a reader takes: those of another broker's batches may be anything. */
function deleteHorizonMs({ nowMs, deleteRetentionMs }: FilterRules, kept: readonly RecordView[]): number {
  const earliestMs = kept.reduce((min, { timestampMs }) => Math.min(min, timestampMs), 0);
  return Math.min(nowMs + deleteRetentionMs, horizonMaxMs, Number.MAX_SAFE_INTEGER + earliestMs);
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

/** Neighbours that stay are copied together. */
function pieces(plain: Buffer, kept: readonly RecordView[]): Buffer {
  const runs: { from: number; to: number }[] = [];
  for (const { from, to } of kept) {
    const last = runs.at(-1);
    if (last !== undefined && last.to === from) last.to = to;
    else runs.push({ from, to });
  }
  return Buffer.concat(runs.map(({ from, to }) => plain.subarray(from, to)));
}

/** The records with their timestamps counted from another base. */
function rebased(plain: Buffer, kept: readonly RecordView[], baseTimestampMs: number): Buffer {
  const chunks: Buffer[] = [];
  for (const { timestampMs, bodyFrom, to } of kept) {
    const delta = varlong(timestampMs - baseTimestampMs);
    const bodyBytes = 1 + delta.length + (to - bodyFrom);
    // attributes: none are defined
    chunks.push(varlong(bodyBytes), Buffer.of(0), delta, plain.subarray(bodyFrom, to));
  }
  return Buffer.concat(chunks);
}

/** Zigzag; a varint has the same bytes. The sign is the first bit, and goes in apart from the others: doubled, a large number would not be exact any more. */
function varlong(value: number): Buffer {
  const bytes: number[] = [];
  const magnitude = value < 0 ? -value - 1 : value;
  let low = (magnitude % 64) * 2 + (value < 0 ? 1 : 0);
  for (let rest = Math.floor(magnitude / 64); rest > 0; rest = Math.floor(rest / 128)) {
    bytes.push(low | 0x80);
    low = rest % 128;
  }
  bytes.push(low);
  return Buffer.from(bytes);
}

function latest(kept: readonly RecordView[]): number {
  return kept.reduce((max, { timestampMs }) => Math.max(max, timestampMs), noTimestamp);
}
