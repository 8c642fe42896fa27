import { type BatchInfo, noTimestamp } from "../../../protocol/records/batch-header.ts";
import { type RecordView, RecordViews, recordsPerStep } from "./records-of.ts";

/**
 * Which records of a batch stay. Neighbours are remembered together, and of a record no more than that: a batch may have millions, which
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
 * Zigzag; a varint has the same bytes. The sign is the first bit, and goes in apart from the others: doubled, a large number would not be
 * exact any more.
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
