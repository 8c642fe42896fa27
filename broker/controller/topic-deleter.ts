import type { TopicId } from "../../protocol/base/ids.ts";
import type { ClusterStore, DeletionRecord } from "./cluster-store.ts";
import { withDeletions, withoutTopic } from "./controller-state.ts";
import { nothingDirty } from "./dirty-set.ts";
import { type FencedWriter, inTransactions } from "./fenced-writer.ts";
import type { StateBook } from "./state-book.ts";

/**
 * Deletes topics: a marker below `/admin/delete_topics`, the nodes from the leaves up; in the last transaction the topic's node and the
 * marker go, and the record of the deletion comes; then the brokers are told. A controller that dies before the last transaction leaves the
 * marker, one that dies after it the record, and the next one goes on. Brokers delete their replicas by the topic's id, so a topic made
 * anew under the same name keeps its log.
 */
export class TopicDeleter {
  readonly #store: ClusterStore;
  readonly #writer: FencedWriter;
  readonly #book: StateBook;
  /** Wall clock. */
  readonly #nowMs: () => number;

  constructor(store: ClusterStore, writer: FencedWriter, book: StateBook, nowMs: () => number) {
    this.#nowMs = nowMs;
    this.#store = store;
    this.#writer = writer;
    this.#book = book;
  }

  /** Writes the markers; from here on the deletion will be done, if not by this controller. */
  async mark(names: readonly string[]): Promise<void> {
    for (const name of names) {
      await this.#writer.settle({
        failure: () => `the deletion of ${name} could not be marked`,
        attempt: async () => {
          const result = await this.#writer.write([this.#store.createDeletionMarker(name)]);
          const isMarked = result.kind === "written" || (result.kind === "conflict" && result.reason === "node-exists");
          return isMarked ? { done: undefined } : "unsettled";
        },
      });
    }
  }

  /** Deletion is disabled: the marker goes, the topic stays. */
  async unmark(name: string): Promise<void> {
    await this.#writer.write([this.#store.deleteDeletionMarker(name)]);
  }

  /** Deletes a marked topic; fine when half of it, or all, is gone. */
  async remove(name: string): Promise<void> {
    // once it is written, the topic's node does not say any more what was in it
    let found: DeletionRecord | null = null;
    const written = await this.#writer.settle({
      failure: () => `the topic ${name} could not be deleted`,
      attempt: async () => {
        // listed each time: what is there is what has to go, whoever was at it before
        const { below, last, record } = await this.#store.deletionOf(name, this.#nowMs());
        found = record ?? found;
        for (const transaction of [...inTransactions(below, (operations) => operations).map((groups) => groups.flat()), last]) {
          const result = await this.#writer.write(transaction);
          if (result.kind !== "written") return "unsettled";
        }
        return { done: found };
      },
    });
    const { deletions } = this.#book.current;
    const recorded = written === null ? deletions : new Map(deletions).set(written.id, written.deletion);
    const next = withDeletions(withoutTopic(this.#book.current, name), recorded);
    const id: TopicId | undefined = this.#book.current.topics.get(name)?.id ?? written?.id;
    this.#book.commit(next, id === undefined ? null : { ...nothingDirty, deletedTopics: new Map([[id, name]]) });
  }
}
