import type { WriteOperation } from "../../coordinator-client/coordinator.ts";
import type { TopicDeletion } from "../../coordinator-client/znodes/topic-deletion.ts";
import type { BrokerId, TopicId } from "../../protocol/base/ids.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import type { ClusterStore } from "./cluster-store.ts";
import { withDeletions } from "./controller-state.ts";
import { type FencedWriter, inTransactions } from "./fenced-writer.ts";
import type { StateBook } from "./state-book.ts";

/** Which brokers say that nothing is left here of these topics. */
export type DeletionAcknowledgements = ReadonlyMap<BrokerId, ReadonlySet<TopicId>>;

/**
 * Records kept at most; more, and the oldest go. What goes unacknowledged deletes nothing: it makes the logs of a broker that comes back
 * later strays.
 */
export const deletionsMax = 10_000;
/** A broker that was away for longer finds strays. */
export const deletionMaxAgeMs = 90 * 86_400_000;

/**
 * After these answers: who still has to be told of each deletion. An empty list: nobody, and the record goes. Deletions that nothing was
 * said of are left out.
 */
export function afterAcknowledgements(
  deletions: ReadonlyMap<TopicId, TopicDeletion>,
  acknowledged: DeletionAcknowledgements,
): Map<TopicId, readonly BrokerId[]> {
  const changed = new Map<TopicId, readonly BrokerId[]>();
  for (const [id, { brokers }] of deletions) {
    const left = brokers.filter((broker) => acknowledged.get(broker)?.has(id) !== true);
    if (left.length < brokers.length || left.length === 0) changed.set(id, left);
  }
  return changed;
}

/** Those that are too old, and of the others the oldest beyond the bound. */
export function outlived(deletions: ReadonlyMap<TopicId, TopicDeletion>, nowMs: number, max = deletionsMax): TopicId[] {
  const byAge = [...deletions].sort(([, a], [, b]) => a.timestampMs - b.timestampMs);
  return byAge
    .filter(([, { timestampMs }], place) => nowMs - timestampMs > deletionMaxAgeMs || place < byAge.length - max)
    .map(([id]) => id);
}

export interface DeletionRecordsParts {
  readonly store: ClusterStore;
  readonly writer: FencedWriter;
  readonly book: StateBook;
  readonly log: Logger;
  /** Wall clock. */
  readonly nowMs: () => number;
}

/**
 * The deletions on record, in the coordinator and in the book: each stays until all brokers that held replicas have said that nothing is
 * left of them.
 */
export class DeletionRecords {
  readonly #parts: DeletionRecordsParts;

  constructor(parts: DeletionRecordsParts) {
    this.#parts = parts;
  }

  async load(): Promise<void> {
    const { store, writer, book } = this.#parts;
    const deletions = await store.readDeletions();
    writer.assertTerm();
    book.commit(withDeletions(book.current, deletions), null);
    await this.trim();
  }

  async acknowledged(acknowledgements: DeletionAcknowledgements): Promise<void> {
    await this.#write(afterAcknowledgements(this.#parts.book.current.deletions, acknowledgements));
  }

  /** Drops what is beyond the bounds. */
  async trim(): Promise<void> {
    const { book, log, nowMs } = this.#parts;
    const gone = outlived(book.current.deletions, nowMs());
    if (gone.length === 0) return;
    log.warn(
      { deletions: gone.length },
      "deletions that not all brokers could be told of are forgotten: should those brokers come back, they set the logs aside",
    );
    await this.#write(new Map(gone.map((id) => [id, []])));
  }

  /** Compare-and-set is not needed: only a controller writes records, and each of its transactions checks its epoch. */
  async #write(changes: ReadonlyMap<TopicId, readonly BrokerId[]>): Promise<void> {
    const { store, writer, book } = this.#parts;
    if (changes.size === 0) return;
    let left = [...changes];
    const operationOf = ([id, brokers]: (typeof left)[number]): WriteOperation =>
      store.writeDeletion(id, { ...book.current.deletions.get(id)!, brokers });
    await writer.settle({
      failure: () => "records of deletions could not be written",
      attempt: async () => {
        const failed: typeof left = [];
        for (const transaction of inTransactions(left, (change) => [operationOf(change)])) {
          const result = await writer.write(transaction.map(operationOf));
          if (result.kind !== "written") failed.push(...transaction);
        }
        left = failed;
        return left.length > 0 ? "unsettled" : { done: undefined };
      },
      readAgain: async () => {
        const there = await store.readDeletions();
        left = left.filter(([id]) => there.has(id));
        return left.length > 0 ? "again" : { done: undefined };
      },
    });
    const deletions = new Map(book.current.deletions);
    for (const [id, brokers] of changes) {
      const known = deletions.get(id);
      if (known === undefined || brokers.length === 0) deletions.delete(id);
      else deletions.set(id, { ...known, brokers });
    }
    // nothing that brokers are told of: what is done is done
    book.commit(withDeletions(book.current, deletions), null);
  }
}
