import { type ProducerRow, ProducerStates } from "../../../broker/disk-format.ts";
import type { BatchInfo } from "../../../protocol/records/batch-header.ts";
import type { EndMarker } from "../../../protocol/records/end-marker.ts";
import type { Fault } from "./finding.ts";

/** More producers than that are not rebuilt: memory stays bounded. */
const producersMax = 1_000_000;

export interface ProducerRules {
  /** The rows of each snapshot that could be read, by its offset. */
  readonly snapshots: ReadonlyMap<number, readonly ProducerRow[]>;
  readonly firstOffset: number;
  /** A producer whose last batch is older may have been forgotten (producer.id.expiration.ms). */
  readonly expiredBeforeMs: number;
  readonly stoppedCleanly: boolean;
  /** `offset`: of the snapshot concerned. */
  readonly tell: (snapshotOffset: number, fault: Fault) => void;
}

/**
 * Checks whether each `.snapshot` agrees with the batches before it: rebuilds the producer states from the batches, as they go by, and
 * compares.
 */
export class ProducersCheck {
  readonly #rules: ProducerRules;
  readonly #due: number[];
  #states = new ProducerStates();
  /** False once something was missing or unreadable: the rebuilt state may then differ from the original. */
  #isSure = true;

  constructor(rules: ProducerRules) {
    this.#rules = rules;
    this.#due = [...rules.snapshots.keys()].sort((a, b) => a - b);
    const seed = ProducerStates.from(rules.snapshots.get(rules.firstOffset) ?? [], rules.firstOffset);
    if (typeof seed !== "string") this.#states = seed;
  }

  batch(batch: BatchInfo, marker: EndMarker | null = null): void {
    this.#compareUpTo(batch.baseOffset);
    if (!this.#isSure || this.#due.length === 0) return;
    this.#states.note(batch, marker);
    if (this.#states.size > producersMax) this.unsure();
  }

  /** Batches are missing, as the cleaner takes them, or unreadable. */
  unsure(): void {
    this.#isSure = false;
    this.#states.clear();
  }

  end(endOffset: number): void {
    this.#compareUpTo(endOffset);
    const kind = this.#rules.stoppedCleanly ? "problem" : "note";
    for (const offset of this.#due.splice(0))
      this.#rules.tell(offset, { kind, offset, reason: `it is of offset ${offset}, but the log ends at ${endOffset}` });
  }

  #compareUpTo(offset: number): void {
    for (let next = this.#due[0]; next !== undefined && next <= offset; next = this.#due[0]) {
      this.#due.shift();
      this.#compare(next, this.#rules.snapshots.get(next) ?? []);
    }
  }

  #compare(offset: number, rows: readonly ProducerRow[]): void {
    const { tell, firstOffset, expiredBeforeMs } = this.#rules;
    const states = ProducerStates.from(rows, offset);
    if (typeof states === "string") tell(offset, { reason: states });
    // the segments that one below the log is of are removed, and so is it at the next start
    else if (this.#isSure && offset >= firstOffset)
      for (const fault of compareRows(rows, this.#states.rows(), { firstOffset, expiredBeforeMs })) tell(offset, fault);
  }
}

/**
 * Where a snapshot differs from the log, whose batches begin at `firstOffset`. Kafka has one row for each producer, its last; we have up to
 * five.
 */
export function compareRows(
  rows: readonly ProducerRow[],
  rebuilt: readonly ProducerRow[],
  { firstOffset, expiredBeforeMs }: Pick<ProducerRules, "firstOffset" | "expiredBeforeMs">,
): Fault[] {
  const faults: Fault[] = [];
  const [last, known] = [lastRows(rows), new Set(rebuilt.map(rowText))];
  for (const row of rows) {
    // what began before the first remaining batch cannot be found in the log
    if (row.lastOffset - row.offsetDelta < firstOffset || known.has(rowText(row))) continue;
    faults.push({
      offset: row.lastOffset,
      reason: `producer ${row.producerId}: the log has no batch with ${wordsOf(row)}, or has others after it`,
    });
  }
  for (const row of lastRows(rebuilt).values()) {
    const said = last.get(row.producerId);
    if (said === undefined) {
      if (row.timestampMs >= expiredBeforeMs)
        faults.push({ offset: row.lastOffset, reason: `producer ${row.producerId} is missing, whose last batch has ${wordsOf(row)}` });
    } else if (said.lastOffset !== row.lastOffset || said.epoch !== row.epoch) {
      faults.push({
        offset: row.lastOffset,
        reason: `producer ${row.producerId}: its last batch has ${wordsOf(row)}, not ${wordsOf(said)}`,
      });
    } else if (said.transactionFirstOffset !== row.transactionFirstOffset && said.transactionFirstOffset >= firstOffset) {
      const [inLog, inSnapshot] = [row, said].map(({ transactionFirstOffset: first }) =>
        first === -1 ? "none" : `one since offset ${first}`,
      );
      faults.push({
        offset: said.transactionFirstOffset,
        reason: `producer ${row.producerId}: of its transactions ${inLog} is open, not ${inSnapshot}`,
      });
    }
  }
  return faults;
}

function lastRows(rows: readonly ProducerRow[]): Map<number, ProducerRow> {
  return new Map(rows.map((row) => [row.producerId, row]));
}

function rowText({ producerId, epoch, lastSequence, lastOffset, offsetDelta }: ProducerRow): string {
  return [producerId, epoch, lastSequence, lastOffset, offsetDelta].join(" ");
}

function wordsOf({ epoch, lastSequence, lastOffset }: ProducerRow): string {
  return `epoch ${epoch}, last sequence ${lastSequence}, last offset ${lastOffset}`;
}
