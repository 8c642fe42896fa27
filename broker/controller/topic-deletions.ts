import type { WriteOperation } from "../../coordinator-client/coordinator.ts";
import type { TopicDeletion } from "../../coordinator-client/znodes/topic-deletion.ts";
import type { BrokerId, TopicId } from "../../protocol/base/ids.ts";
import type { DeletionRecord } from "./cluster-store.ts";
import { withDeletions, withoutTopic } from "./controller-state.ts";
import { nothingDirty } from "./dirty-set.ts";
import { inTransactions } from "./fenced-writer.ts";
import type { TermContext } from "./term-context.ts";

/** Which brokers report that they have nothing left of these topics. */
type Acknowledgements = ReadonlyMap<BrokerId, ReadonlySet<TopicId>>;

/**
 * Records kept at most; more, and the oldest go. Dropping a record deletes nothing: the logs of a broker that comes back later become
 * strays.
 */
export const deletionsMax = 10_000;
/** A broker that was away for longer finds strays. */
export const deletionMaxAgeMs = 90 * 86_400_000;

/**
 * After these answers: the brokers that still have to learn of each deletion. An empty list: none, and the record is deleted. Deletions
 * without an answer are left out.
 */
export function afterAcknowledgements(
  deletions: ReadonlyMap<TopicId, TopicDeletion>,
  acknowledged: Acknowledgements,
): Map<TopicId, readonly BrokerId[]> {
  const changed = new Map<TopicId, readonly BrokerId[]>();
  for (const [id, { brokers }] of deletions) {
    const left = brokers.filter((broker) => acknowledged.get(broker)?.has(id) !== true);
    if (left.length < brokers.length || left.length === 0) changed.set(id, left);
  }
  return changed;
}

/** Records that are too old, and of the others the oldest beyond the bound. */
export function expiredDeletions(deletions: ReadonlyMap<TopicId, TopicDeletion>, nowMs: number, max = deletionsMax): TopicId[] {
  const byAge = [...deletions].sort(([, a], [, b]) => a.timestampMs - b.timestampMs);
  return byAge
    .filter(([, { timestampMs }], place) => nowMs - timestampMs > deletionMaxAgeMs || place < byAge.length - max)
    .map(([id]) => id);
}

/**
 * Deletes topics, and remembers each deletion until no broker has anything left of it:
 * 1. A marker below `/admin/delete_topics`: from here on the deletion will be done, if not by this controller.
 * 2. The topic's nodes are deleted, from the leaves up. The last transaction deletes the topic's own node and the marker, and creates the
 *    record of the deletion. A controller that dies before it leaves the marker, one that dies after it the record, and the next one
 *    continues.
 * 3. The brokers are notified. They delete their replicas by the topic's id, so a topic re-created under the same name keeps its log.
 * 4. Each broker that held replicas reports when nothing is left of them there, and is removed from the record; with the last one the
 *    record is deleted.
 */
export class TopicDeletions {
  readonly #context: TermContext;
  /** Reported by brokers, and not on record yet. */
  #acknowledged = new Map<BrokerId, ReadonlySet<TopicId>>();

  constructor(context: TermContext) {
    this.#context = context;
  }

  /** Writes the markers; from here on the deletion will be done, if not by this controller. */
  async mark(names: readonly string[]): Promise<void> {
    const { store, writer } = this.#context;
    for (const name of names) {
      await writer.settle({
        failure: () => `the deletion of ${name} could not be marked`,
        attempt: async () => {
          const result = await writer.write([store.createDeletionMarker(name)]);
          const isMarked = result.kind === "written" || (result.kind === "conflict" && result.reason === "node-exists");
          return isMarked ? { done: undefined } : "unsettled";
        },
      });
    }
  }

  /** Deletion is disabled: the marker is deleted, the topic stays. */
  async unmark(name: string): Promise<void> {
    const { store, writer } = this.#context;
    await writer.write([store.deleteDeletionMarker(name)]);
  }

  /** Deletes a marked topic; fine when half of it, or all, is gone. */
  async remove(name: string): Promise<void> {
    const { store, writer, book, clock } = this.#context;
    // once it is written, the topic's node no longer says what was in it
    let found: DeletionRecord | null = null;
    const written = await writer.settle({
      failure: () => `the topic ${name} could not be deleted`,
      attempt: async () => {
        // listed each time: whatever exists is deleted, also what an earlier attempt left
        const { below, last, record } = await store.deletionOf(name, clock.nowMs());
        found = record ?? found;
        for (const transaction of [...inTransactions(below, (operations) => operations).map((groups) => groups.flat()), last]) {
          const result = await writer.write(transaction);
          if (result.kind !== "written") return "unsettled";
        }
        return { done: found };
      },
    });
    const { deletions } = book.current;
    const recorded = written === null ? deletions : new Map(deletions).set(written.id, written.deletion);
    const next = withDeletions(withoutTopic(book.current, name), recorded);
    const id: TopicId | undefined = book.current.topics.get(name)?.id ?? written?.id;
    book.commit(next, id === undefined ? null : { ...nothingDirty, deletedTopics: new Map([[id, name]]) });
  }

  /** The records that an earlier term has left. */
  async load(): Promise<void> {
    const { store, writer, book } = this.#context;
    const deletions = await store.readDeletions();
    writer.assertTerm();
    book.commit(withDeletions(book.current, deletions), null);
    await this.trim();
  }

  /** A broker reports that it has nothing left of these topics: noted, for `writeAcknowledged`. */
  acknowledged(id: BrokerId, topicIds: readonly TopicId[]): void {
    this.#acknowledged.set(id, new Set([...(this.#acknowledged.get(id) ?? []), ...topicIds]));
  }

  /** The reports of several brokers are written together. */
  async writeAcknowledged(): Promise<void> {
    const acknowledged = this.#acknowledged;
    this.#acknowledged = new Map();
    await this.#write(afterAcknowledgements(this.#context.book.current.deletions, acknowledged));
  }

  /** Drops what is beyond the bounds. */
  async trim(): Promise<void> {
    const { book, clock, log } = this.#context;
    const gone = expiredDeletions(book.current.deletions, clock.nowMs());
    if (gone.length === 0) return;
    log.warn(
      { deletions: gone.length },
      "deletions that not all brokers could be told of are forgotten: should those brokers come back, they set the logs aside",
    );
    await this.#write(new Map(gone.map((id) => [id, []])));
  }

  /** Compare-and-set is not needed: only a controller writes records, and each of its transactions checks its epoch. */
  async #write(changes: ReadonlyMap<TopicId, readonly BrokerId[]>): Promise<void> {
    const { store, writer, book } = this.#context;
    if (changes.size === 0) return;
    const operationOf = ([id, brokers]: readonly [TopicId, readonly BrokerId[]]): WriteOperation =>
      store.writeDeletion(id, { ...book.current.deletions.get(id)!, brokers });
    await writer.settleAll([...changes], {
      failure: () => "records of deletions could not be written",
      attempt: async (left) => {
        const failed: (typeof left)[number][] = [];
        for (const transaction of inTransactions(left, (change) => [operationOf(change)])) {
          const result = await writer.write(transaction.map(operationOf));
          if (result.kind !== "written") failed.push(...transaction);
        }
        return failed;
      },
      readAgain: async (left) => {
        const there = await store.readDeletions();
        return left.filter(([id]) => there.has(id));
      },
    });
    const deletions = new Map(book.current.deletions);
    for (const [id, brokers] of changes) {
      const known = deletions.get(id);
      if (known === undefined || brokers.length === 0) deletions.delete(id);
      else deletions.set(id, { ...known, brokers });
    }
    // nothing that brokers need to learn: what was done stays done
    book.commit(withDeletions(book.current, deletions), null);
  }
}
