import type { PartitionRecord } from "../../protocol/peer/messages.ts";
import { pipelined } from "../runtime/pipelined.ts";
import { type ControllerState, type PartitionChange, type PartitionName, withPartitions } from "./controller-state.ts";
import { dirtyPartitions } from "./dirty-set.ts";
import { assertDecision, type Decision, withOutlived } from "./elections.ts";
import { inTransactions } from "./fenced-writer.ts";
import type { TermContext } from "./term-context.ts";

/** Transactions, and reads, in flight together. */
const transactionsAtOnceMax = 8;
const readsAtOnceMax = 128;

/** See `applyInSteps`. */
export const partitionsInStepMax = 32;

/** Writes decisions about partitions to the coordinator and then to the book. */
export class StateWriter {
  readonly #context: TermContext;

  readonly #betweenSteps: () => Promise<void>;

  /** `betweenSteps`: see `applyInSteps`. */
  constructor(context: TermContext, betweenSteps: () => Promise<void>) {
    this.#context = context;
    this.#betweenSteps = betweenSteps;
  }

  /**
   * Decides for each of the partitions and writes the outcome, many in one transaction and several transactions in flight. A state that
   * turns out to have changed (a leader wrote its in-sync set meanwhile), and one whose write got no answer, is read and decided again: our
   * own success then shows as nothing left to do.
   */
  async apply(partitions: Iterable<PartitionName>, decide: Decision): Promise<void> {
    const { store, writer, book } = this.#context;
    await writer.settleAll([...partitions], {
      failure: (left) => `${left.length} partition states did not settle`,
      attempt: async (left) => {
        const changes = decisions(book.current, left, decide);
        const transactions = inTransactions(changes, (change) => [store.setState(change)]);
        return (await pipelined(transactions, transactionsAtOnceMax, (transaction) => this.#write(transaction))).flat();
      },
      readAgain: (left) => this.#readAgain(left),
    });
  }

  /**
   * As `apply`, for leaderships that may stay where they are for a while. A partition takes no records from when its old leader hears of
   * the move until its followers have found the new one: for as long as the brokers need for all that is in the same update. So they move
   * in steps, each when the brokers have taken up the one before. The whole takes longer, and hurts nobody.
   */
  async applyInSteps(partitions: readonly PartitionName[], decide: Decision): Promise<void> {
    for (let from = 0; from < partitions.length; from += partitionsInStepMax) {
      if (from > 0) await this.#betweenSteps();
      await this.apply(partitions.slice(from, from + partitionsInStepMax), decide);
    }
  }

  /** Reads these states again, before a decision that rests on when they were written. */
  async refresh(partitions: readonly PartitionName[]): Promise<void> {
    if (partitions.length === 0) return;
    await this.#context.writer.barrier();
    await this.#readAgain(partitions);
  }

  /**
   * Returns the partitions that have to be read and decided again. One conflict fails a whole transaction, so the others are sent once more
   * without it.
   */
  async #write(transaction: readonly PartitionChange[]): Promise<PartitionName[]> {
    const { store, writer } = this.#context;
    const again: PartitionName[] = [];
    const name = ({ topic, record }: PartitionChange) => ({ topic, partition: record.partition });
    let left = transaction;
    while (left.length > 0) {
      const result = await writer.write(left.map((change) => store.setState(change)));
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

  /** Partitions whose state no longer exists are left out. */
  async #readAgain(partitions: readonly PartitionName[]): Promise<PartitionName[]> {
    const { store, writer, book } = this.#context;
    const states = await pipelined(partitions, readsAtOnceMax, ({ topic, partition }) => store.readState(topic, partition));
    writer.assertTerm();
    const found: PartitionChange[] = [];
    for (const [index, { topic, partition }] of partitions.entries()) {
      const read = states[index] ?? null;
      const known = book.current.topics.get(topic)?.partitions[partition];
      if (read === null || known === undefined) continue;
      const isrEpochs = withOutlived(book.current, read.state, read.modifiedZxid, known);
      found.push({ topic, record: { ...known, ...read.state, isrEpochs } });
    }
    this.#adopt(found);
    return found.map(({ topic, record }) => ({ topic, partition: record.partition }));
  }

  #adopt(changes: readonly PartitionChange[]): void {
    const { book } = this.#context;
    const named = changes.map(({ topic, record }) => ({ topic, partition: record.partition }));
    book.commit(withPartitions(book.current, changes), dirtyPartitions(named));
  }
}

function decisions(state: ControllerState, partitions: readonly PartitionName[], decide: Decision): PartitionChange[] {
  return partitions.flatMap(({ topic: name, partition }) => {
    const topic = state.topics.get(name);
    const record: PartitionRecord | undefined = topic?.partitions[partition];
    if (topic === undefined || record === undefined) return [];
    const next = decide(state, topic, record);
    if (next === null) return [];
    assertDecision(record, next);
    return [{ topic: name, record: next }];
  });
}
