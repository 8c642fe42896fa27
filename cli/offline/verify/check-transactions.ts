import { type AbortedTransaction, abortedIndexFormat, type ProducerRow, refuseEntry } from "../../../broker/disk-format.ts";
import type { BatchInfo } from "../../../protocol/records/batch-header.ts";
import type { EndMarker } from "../../../protocol/records/end-marker.ts";
import type { Fault } from "./finding.ts";

/** More open transactions than that are not followed: memory stays bounded. */
const openMax = 1_000_000;

export interface TransactionRules {
  /** The producers as of the first segment, where they are known. */
  readonly rows: readonly ProducerRow[];
  readonly firstOffset: number;
  /** Compaction takes the first records of transactions, and whole ones. */
  readonly isCompacted: boolean;
}

/** The `.txnindex` of a segment. */
export interface AbortedIndexFile {
  /** Null: it is missing. */
  readonly content: Buffer | null;
  /** The next start writes it anew: it may have fewer entries. */
  readonly isRebuilt: boolean;
  readonly tell: (fault: Fault) => void;
}

/**
 * Compares the `.txnindex` files with the log: each aborted transaction has its entry, each entry its marker. Follows which transactions
 * are open, from batch to batch.
 */
export class TransactionsCheck {
  readonly #rules: TransactionRules;
  /** First offsets, by producer. */
  readonly #open = new Map<number, number>();
  /** False once a batch could not be read: whether a transaction is open is not known any more. */
  #isSure = true;
  #index: AbortedIndexFile | null = null;
  #at = 0;
  #previous = -1;

  constructor(rules: TransactionRules) {
    this.#rules = rules;
    for (const { producerId, transactionFirstOffset: first } of rules.rows) if (first !== -1) this.#open.set(producerId, first);
  }

  segment(baseOffset: number, index: AbortedIndexFile): void {
    this.#index = index;
    this.#at = 0;
    this.#previous = baseOffset - 1;
  }

  batch(batch: BatchInfo, marker: EndMarker | null): void {
    const { producerId, baseOffset, isControl, isTransactional } = batch;
    if (!isControl) {
      if (isTransactional && !this.#open.has(producerId)) this.#open.set(producerId, baseOffset);
      if (this.#open.size > openMax) this.unsure();
      return;
    }
    if (marker === null) return;
    const first = this.#open.get(producerId) ?? null;
    this.#open.delete(producerId);
    if (marker.kind === "abort") this.#aborted(producerId, first, baseOffset);
  }

  unsure(): void {
    this.#isSure = false;
    this.#open.clear();
  }

  endSegment(): void {
    this.#skipTo(Number.POSITIVE_INFINITY);
    const left = (this.#index?.content?.length ?? 0) % abortedIndexFormat.entryBytes;
    if (left > 0) this.#index?.tell({ position: this.#at, reason: `${left} bytes are no whole entry` });
  }

  #aborted(producerId: number, first: number | null, offset: number): void {
    this.#skipTo(offset);
    const entry = this.#next();
    if (entry?.offset !== offset) {
      // where the transaction began is not in the log any more, so nothing of it can be read
      if (first === null || !this.#isSure || this.#index === null) return;
      const fault = {
        offset,
        reason: `the transaction of producer ${producerId} from ${first} on was aborted at ${offset}: it has no entry`,
      };
      return this.#index.tell(this.#index.isRebuilt ? { ...fault, kind: "note" } : fault);
    }
    const position = this.#at;
    this.#at += abortedIndexFormat.entryBytes;
    this.#previous = offset;
    const fits = entry.producerId === producerId && (first === null || !this.#isSure || this.#begins(entry, first));
    if (fits) return;
    const said = `producer ${entry.producerId} from ${entry.firstOffset} on`;
    this.#index?.tell({ position, offset, reason: `the entry says ${said}, the log producer ${producerId} from ${first ?? "?"} on` });
  }

  /** Compaction may have taken its first records. */
  #begins({ firstOffset }: AbortedTransaction, first: number): boolean {
    const { isCompacted, firstOffset: logFirst } = this.#rules;
    return firstOffset === first || (firstOffset < first && (isCompacted || firstOffset < logFirst));
  }

  /** Entries whose markers are below `offset`, and were not met. */
  #skipTo(offset: number): void {
    for (let entry = this.#next(); entry !== null && entry.offset < offset; entry = this.#next()) {
      const range = `records of producer ${entry.producerId} from ${entry.firstOffset} on`;
      if (this.#isSure)
        this.#index?.tell({ position: this.#at, offset: entry.offset, reason: `${range} are aborted without a marker at ${entry.offset}` });
      this.#at += abortedIndexFormat.entryBytes;
      this.#previous = entry.offset;
    }
  }

  /** Null: there is none; one that cannot be is told, and passed over. */
  #next(): AbortedTransaction | null {
    const content = this.#index?.content ?? null;
    const { entryBytes } = abortedIndexFormat;
    for (; content !== null && this.#at + entryBytes <= content.length; this.#at += entryBytes) {
      const refused = refuseEntry(content, this.#at, this.#previous);
      if (refused === null) return abortedIndexFormat.read(content, this.#at, 0);
      this.#index?.tell({ position: this.#at, reason: refused });
    }
    return null;
  }
}
