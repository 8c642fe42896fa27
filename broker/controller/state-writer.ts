import type { PartitionRecord } from "../../protocol/peer/messages.ts";
import { pipelined } from "../runtime/pipelined.ts";
import { type ControllerState, type PartitionChange, type PartitionName, withPartitions } from "./controller-state.ts";
import { dirtyPartitions } from "./dirty-set.ts";
import { assertDecision, type Decision, withOutlived } from "./elections.ts";
import { inTransactions } from "./fenced-writer.ts";
import type { PlannedMoves } from "./planned-moves.ts";
import type { TellingOrder } from "./state-book.ts";
import type { TermContext } from "./term-context.ts";

/** Transactions, and reads, in flight together. */
const transactionsAtOnceMax = 8;
const readsAtOnceMax = 128;

/** See `applyInSteps`. */
export const partitionsInStepMax = 32;

/** Writes decisions about partitions to the coordinator and then to the book. */
export class StateWriter {
  readonly #context: TermContext;

  readonly #moves: PlannedMoves;

  constructor(context: TermContext, moves: PlannedMoves) {
    this.#context = context;
    this.#moves = moves;
  }

  /**
   * Decides for each of the partitions and writes the outcome, many in one transaction and several transactions in flight. A state that
   * turns out to have changed (a leader wrote its in-sync set meanwhile), and one whose write got no answer, is read and decided again: our
   * own success then shows as nothing left to do.
   */
  apply(partitions: Iterable<PartitionName>, decide: Decision): Promise<void> {
    return this.#apply(partitions, decide, false);
  }

  async #apply(partitions: Iterable<PartitionName>, decide: Decision, isPlanned: boolean): Promise<void> {
    const { store, writer, book } = this.#context;
    await writer.settleAll([...partitions], {
      failure: (left) => `${left.length} partition states did not settle`,
      attempt: async (left) => {
        const changes = decisions(book.current, left, decide);
        const transactions = inTransactions(changes, (change) => [store.setState(change)]);
        return (await pipelined(transactions, transactionsAtOnceMax, (transaction) => this.#write(transaction, isPlanned))).flat();
      },
      readAgain: (left) => this.#readAgain(left, isPlanned),
    });
  }

  /**
   * As `apply`, for leaderships that move though nobody failed. They move in steps, each when the brokers have taken up the one before: a
   * partition takes no records for as long as the brokers need for all that is in the same update. In each step:
   * 1. The new states are written. The old leaders have not heard of it, and go on in their epochs.
   * 2. They stop to take records, and let the in-sync replicas fetch what they have. What comes meanwhile waits.
   * 3. The new leaders, and those that follow them, learn of it.
   * 4. Then the old leaders do, and send the producers that wait to the new ones, which are ready for them.
   */
  async applyInSteps(partitions: readonly PartitionName[], decide: Decision): Promise<void> {
    for (let from = 0; from < partitions.length; from += partitionsInStepMax) {
      if (from > 0) await this.#moves.takenUp();
      await this.#apply(partitions.slice(from, from + partitionsInStepMax), decide, true);
    }
  }

  /** Reads these states again, before a decision that rests on when they were written. */
  async refresh(partitions: readonly PartitionName[]): Promise<void> {
    if (partitions.length === 0) return;
    await this.#context.writer.barrier();
    await this.#readAgain(partitions, false);
  }

  /**
   * Returns the partitions that have to be read and decided again. One conflict fails a whole transaction, so the others are sent once more
   * without it.
   */
  async #write(transaction: readonly PartitionChange[], isPlanned: boolean): Promise<PartitionName[]> {
    const { store, writer } = this.#context;
    const again: PartitionName[] = [];
    const name = ({ topic, record }: PartitionChange) => ({ topic, partition: record.partition });
    let left = transaction;
    while (left.length > 0) {
      const result = await writer.write(left.map((change) => store.setState(change)));
      if (result.kind === "unknown") return [...again, ...left.map(name)];
      if (result.kind === "written") {
        // the book still has the old leaders
        if (isPlanned) await this.#moves.handOver(left);
        writer.assertTerm();
        this.#adopt(
          left.map(({ topic, record }, index) => ({ topic, record: { ...record, stateVersion: result.results[index]!.version } })),
          isPlanned,
        );
        return again;
      }
      again.push(...left.slice(result.failedIndex, result.failedIndex + 1).map(name));
      left = left.filter((_, index) => index !== result.failedIndex);
    }
    return again;
  }

  /** `isPlanned`: what is found may be our own step, whose answer was lost, and the old leaders have not heard of it. */
  async #readAgain(partitions: readonly PartitionName[], isPlanned: boolean): Promise<PartitionName[]> {
    const found = await this.readStates(partitions);
    if (isPlanned) await this.#moves.handOver(found);
    this.#context.writer.assertTerm();
    this.#adopt(found, isPlanned);
    return found.map(({ topic, record }) => ({ topic, partition: record.partition }));
  }

  /** As the coordinator has them now; not in the book yet. Those that no longer exist are left out. */
  async readStates(partitions: readonly PartitionName[]): Promise<PartitionChange[]> {
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
    return found;
  }

  #adopt(changes: readonly PartitionChange[], isPlanned: boolean): void {
    const { book } = this.#context;
    const named = changes.map(({ topic, record }) => ({ topic, partition: record.partition }));
    const order = isPlanned ? toldInOrder(book.current, changes) : null;
    book.commit(withPartitions(book.current, changes), dirtyPartitions(named), order);
  }
}

/** Old leaders are told after the new ones. */
function toldInOrder({ topics }: ControllerState, changes: readonly PartitionChange[]): TellingOrder {
  const moved = changes.map(({ topic, record }) => ({ from: topics.get(topic)?.partitions[record.partition]?.leader, to: record.leader }));
  const first = new Set(moved.map(({ to }) => to));
  return { first, last: new Set(moved.flatMap(({ from, to }) => (from === undefined || from === to || first.has(from) ? [] : [from]))) };
}

export function decisions(state: ControllerState, partitions: readonly PartitionName[], decide: Decision): PartitionChange[] {
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
