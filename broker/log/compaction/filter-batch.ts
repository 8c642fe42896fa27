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
import { plainRecords, type RecordUnpackers, type RecordView, RecordViews, recordsPerStep } from "../segment/record-views.ts";

export interface FilterRules {
  readonly nowMs: number;
  readonly deleteRetentionMs: number;
  /** Records from there on are kept: nothing is known of their keys yet. */
  readonly endOffset: number;
  /** Whether a later record of its key supersedes this one, or it cannot be decided (no key). */
  readonly isOutdated: (record: RecordView) => boolean;
  readonly codecs: RecordCodecs;
  /** Between the steps of a batch with very many records. */
  readonly pause: () => Promise<void>;
}

/** Small batches are compressed and decompressed within the turn, the rest by other threads. */
export interface RecordCodecs extends RecordUnpackers {
  readonly compress: RecordCompressor;
  readonly compressAside: RecordCompressorAside;
}

const packedPerTurnMax = 256 * 1024;

/** The result for a batch. `same`: byte for byte. `dropped`: no record of it is left. */
export type Filtered = { readonly kind: "same" } | { readonly kind: "dropped" } | { readonly kind: "changed"; readonly bytes: Buffer };

/**
 * No delete horizon is later: 71,000 years. The timestamps in its batch are encoded as differences to it, and those have to fit as well.
 */
const horizonMaxMs = 2 ** 51;

const same: Filtered = { kind: "same" };
export const dropped: Filtered = { kind: "dropped" };

/**
 * Removes the superseded records from a batch. The remaining records keep offset, timestamp and all else; the batch keeps base and last
 * offset, leader epoch and the producer's fields.
 *
 * Tombstones (KIP-534): a batch with a tombstone that is kept gets a delete horizon the first time it is cleaned, in place of its base
 * timestamp; its tombstones are removed by the first cleaning after that time. So a consumer that never pauses for that long sees every
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
 * A batch of which everything is kept for now, with the time from which on nothing of it has to be (KIP-534): of a marker that ends a
 * transaction of which nothing is left.
 */
export async function withDeleteHorizon(bytes: Buffer, batch: BatchInfo, rules: FilterRules): Promise<Buffer> {
  const plain = await plainRecords(bytes, batch, rules.codecs);
  const kept = new KeptRecords(plain, batch);
  const views = new RecordViews(plain, batch);
  while (!views.visit(recordsPerStep, (record) => kept.keep(record, true))) await rules.pause();
  const horizonMs = deleteHorizonMs(rules, kept);
  const changed = withHeader(bytes, batch, await packed(await kept.rebased(horizonMs, rules.pause), batch, rules.codecs));
  changed.writeInt16BE(changed.readInt16BE(fieldAt.attributes) | attributeBits.deleteHorizon, fieldAt.attributes);
  writeInt64(changed, fieldAt.baseTimestamp, horizonMs);
  sealBatch(changed, 0, changed.length);
  return changed;
}

/**
 * As far off as requested, as long as the differences of the records' timestamps to it are numbers that a reader accepts: those of another
 * broker's batches may be anything.
 */
function deleteHorizonMs({ nowMs, deleteRetentionMs }: FilterRules, { earliestTimestampMs }: KeptRecords): number {
  return Math.min(nowMs + deleteRetentionMs, horizonMaxMs, Number.MAX_SAFE_INTEGER + earliestTimestampMs);
}

async function packed(records: Buffer, { codec }: BatchInfo, { compress, compressAside }: RecordCodecs): Promise<Buffer> {
  if (codec === null || codec === "none") return records;
  return records.length <= packedPerTurnMax ? compress(codec, records) : compressAside(codec, records);
}

/** The batch without records: what the producer state, or the end of a segment, still needs of it. */
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

/**
 * Which records of a batch are kept. Neighbours are stored as one range, and nothing else of a record: a batch may have millions, which
 * would take gigabytes as objects.
 */
export class KeptRecords {
  readonly #plain: Buffer;
  readonly #batch: BatchInfo;
  /** Where each run of neighbours begins and ends, in turn. */
  readonly #runs: number[] = [];
  #count = 0;
  #bytes = 0;
  #hasTombstone = false;
  #isWhollyKnown = true;
  #maxTimestampMs = noTimestamp;
  #earliestTimestampMs = 0;

  constructor(plain: Buffer, batch: BatchInfo) {
    this.#plain = plain;
    this.#batch = batch;
  }

  get count(): number {
    return this.#count;
  }

  get hasTombstone(): boolean {
    return this.#hasTombstone;
  }

  get isWhollyKnown(): boolean {
    return this.#isWhollyKnown;
  }

  get maxTimestampMs(): number {
    return this.#maxTimestampMs;
  }

  /** 0 where none is before 1970. */
  get earliestTimestampMs(): number {
    return this.#earliestTimestampMs;
  }

  keep({ from, to, isTombstone, timestampMs }: RecordView, isKnown: boolean): void {
    this.#count++;
    this.#bytes += to - from;
    this.#hasTombstone ||= isTombstone;
    this.#isWhollyKnown &&= isKnown;
    this.#maxTimestampMs = Math.max(this.#maxTimestampMs, timestampMs);
    this.#earliestTimestampMs = Math.min(this.#earliestTimestampMs, timestampMs);
    if (this.#runs.at(-1) === from) this.#runs[this.#runs.length - 1] = to;
    else this.#runs.push(from, to);
  }

  /** The records as they are. */
  async asTheyAre(pause: () => Promise<void>): Promise<Buffer> {
    const bytes = Buffer.allocUnsafe(this.#bytes);
    let at = 0;
    for (let run = 0; run < this.#runs.length; run += 2) {
      if (run > 0 && run % (2 * recordsPerStep) === 0) await pause();
      at += this.#plain.copy(bytes, at, this.#runs[run], this.#runs[run + 1]);
    }
    return bytes;
  }

  /** The records with their timestamps counted from another base. */
  async rebased(baseTimestampMs: number, pause: () => Promise<void>): Promise<Buffer> {
    const plain = this.#plain;
    // a timestamp's difference has ten bytes at most, and had one; the length before it may take one more
    const bytes = Buffer.allocUnsafe(plain.length + this.#count * 10);
    let at = 0;
    let run = 0;
    const views = new RecordViews(plain, this.#batch);
    const copy = ({ from, bodyFrom, to, timestampMs }: RecordView) => {
      while (run < this.#runs.length && (this.#runs[run + 1] as number) <= from) run += 2;
      if (run >= this.#runs.length || from < (this.#runs[run] as number)) return;
      const delta = timestampMs - baseTimestampMs;
      at = writeVarlong(bytes, at, 1 + varlongBytes(delta) + to - bodyFrom);
      bytes[at++] = 0; // attributes: none are defined
      at = writeVarlong(bytes, at, delta);
      at += plain.copy(bytes, at, bodyFrom, to);
    };
    while (!views.visit(recordsPerStep, copy)) await pause();
    return bytes.subarray(0, at);
  }
}

function varlongBytes(value: number): number {
  let bytes = 1;
  for (let rest = Math.floor(magnitudeOf(value) / 64); rest > 0; rest = Math.floor(rest / 128)) bytes++;
  return bytes;
}

/**
 * Zigzag; a varint has the same bytes. The sign is the first bit, and is encoded apart from the others: doubled, a large number would no
 * longer be exact.
 */
function writeVarlong(bytes: Buffer, from: number, value: number): number {
  const magnitude = magnitudeOf(value);
  let at = from;
  let low = (magnitude % 64) * 2 + (value < 0 ? 1 : 0);
  for (let rest = Math.floor(magnitude / 64); rest > 0; rest = Math.floor(rest / 128)) {
    bytes[at++] = low | 0x80;
    low = rest % 128;
  }
  bytes[at++] = low;
  return at;
}

function magnitudeOf(value: number): number {
  return value < 0 ? -value - 1 : value;
}
