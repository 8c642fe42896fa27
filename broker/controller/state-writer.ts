import type { PartitionRecord } from "../../protocol/peer/messages.ts";
import type { ClusterStore } from "./cluster-store.ts";
import { type ControllerState, type PartitionChange, withPartitions } from "./controller-state.ts";
import { dirtyPartitions } from "./dirty-set.ts";
import type { Decision } from "./elections.ts";
import { type FencedWriter, inTransactions, pipelined } from "./fenced-writer.ts";
import { withOutlived } from "./isr-standing.ts";
import type { StateBook } from "./state-book.ts";

export interface PartitionName {
  readonly topic: string;
  readonly partition: number;
}

/** Transactions, and reads, under way together. */
const transactionsAtOnceMax = 8;
const readsAtOnceMax = 128;

/** Carries decisions about partitions into the coordinator and then into the book. */
export class StateWriter {
  readonly #store: ClusterStore;
  readonly #writer: FencedWriter;
  readonly #book: StateBook;

  constructor(store: ClusterStore, writer: FencedWriter, book: StateBook) {
    this.#store = store;
    this.#writer = writer;
    this.#book = book;
  }

  /**
   * Decides for each of the partitions and writes the outcome, many in one transaction and several transactions under way. A state that
   * turns out to have changed (a leader wrote its in-sync set meanwhile), and one whose write got no answer, is read and decided again: our
   * own success then shows as nothing left to do.
   */
  async apply(partitions: Iterable<PartitionName>, decide: Decision): Promise<void> {
    let pending = [...partitions];
    if (pending.length === 0) return;
    const ifSome = <O>(outcome: O) => (pending.length > 0 ? outcome : { done: undefined });
    await this.#writer.settle({
      failure: () => `${pending.length} partition states did not settle`,
      attempt: async () => {
        const changes = decisions(this.#book.current, pending, decide);
        const transactions = inTransactions(changes, (change) => [this.#store.setState(change)]);
        pending = (await pipelined(transactions, transactionsAtOnceMax, (transaction) => this.#write(transaction))).flat();
        return ifSome("unsettled" as const);
      },
      readAgain: async () => {
        pending = await this.#readAgain(pending);
        return ifSome("again" as const);
      },
    });
  }

  /** Reads these states anew, before a decision that rests on when they were written. */
  async refresh(partitions: readonly PartitionName[]): Promise<void> {
    if (partitions.length === 0) return;
    await this.#writer.barrier();
    await this.#readAgain(partitions);
  }

  /**
   * Answers the partitions that have to be read and decided again. One conflict fails a whole transaction, so the others are sent once more
   * without it.
   */
  async #write(transaction: readonly PartitionChange[]): Promise<PartitionName[]> {
    const again: PartitionName[] = [];
    const name = ({ topic, record }: PartitionChange) => ({ topic, partition: record.partition });
    let left = transaction;
    while (left.length > 0) {
      const result = await this.#writer.write(left.map((change) => this.#store.setState(change)));
      if (result.kind === "unknown") return [...again, ...left.map(name)];
      if (result.kind === "written") {
        this.#adopt(
          left.map(({ topic, record }, index) => ({ topic, record: { ...record, stateVersion: result.results[index]!.version } })),
        );
        return again;
      }
      again.push(...left.slice(result.failedIndex, result.failedIndex + 1).map(name));
      left = left.filter((_, index) => index !== result.failedIndex);
    }
    return again;
  }

  /** Partitions whose state is not there any more are left out. */
  async #readAgain(partitions: readonly PartitionName[]): Promise<PartitionName[]> {
    const states = await pipelined(partitions, readsAtOnceMax, ({ topic, partition }) => this.#store.readState(topic, partition));
    this.#writer.assertTerm();
    const found: PartitionChange[] = [];
    for (const [index, { topic, partition }] of partitions.entries()) {
      const read = states[index] ?? null;
      const known = this.#book.current.topics.get(topic)?.partitions[partition];
      if (read === null || known === undefined) continue;
      const isrEpochs = withOutlived(this.#book.current, read.state, read.modifiedZxid, known);
      found.push({ topic, record: { ...known, ...read.state, isrEpochs } });
    }
    this.#adopt(found);
    return found.map(({ topic, record }) => ({ topic, partition: record.partition }));
  }

  #adopt(changes: readonly PartitionChange[]): void {
    const named = changes.map(({ topic, record }) => ({ topic, partition: record.partition }));
    this.#book.commit(withPartitions(this.#book.current, changes), dirtyPartitions(named));
  }
}

function decisions(state: ControllerState, partitions: readonly PartitionName[], decide: Decision): PartitionChange[] {
  return partitions.flatMap(({ topic: name, partition }) => {
    const topic = state.topics.get(name);
    const record: PartitionRecord | undefined = topic?.partitions[partition];
    const next = topic === undefined || record === undefined ? null : decide(state, topic, record);
    return next === null ? [] : [{ topic: name, record: next }];
  });
}

/** All partitions that `wanted` holds for. */
export function partitionsWhere(state: ControllerState, wanted: (record: PartitionRecord) => boolean): PartitionName[] {
  return [...state.topics.values()].flatMap(({ name, partitions }) =>
    partitions.filter(wanted).map(({ partition }) => ({ topic: name, partition })),
  );
}
