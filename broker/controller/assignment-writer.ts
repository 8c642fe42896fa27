import { writeMaxBytes } from "../../coordinator-client/session/write-size.ts";
import { pipelined } from "../runtime/pipelined.ts";
import {
  type PartitionChange,
  type PartitionName,
  storedAssignment,
  type TopicState,
  withAssignment,
  withPartitions,
  withTopic,
} from "./controller-state.ts";
import { dirtyPartitions } from "./dirty-set.ts";
import type { Decision } from "./elections.ts";
import { DidNotSettle, sizeOf } from "./fenced-writer.ts";
import { decisions, type StateWriter } from "./state-writer.ts";
import type { TermContext } from "./term-context.ts";

/** Partitions in one transaction, and in one step: each is a state, besides the topic's znode. */
const partitionsTogetherMax = 100;
const topicsAtOnceMax = 8;

/** For the check of the epoch, and what the members of a znode cost that have no partition yet. Bytes. */
const spareBytes = 500;

/** What it was decided with, by partition. */
export type DecisionFor = (partition: PartitionName) => Decision;

/**
 * Why a decision was not written. `too-large`: the topic's znode would be. `gone`: the topic is, or has another id. `fewer`: another tool
 * took partitions out of the znode. `unsettled`: others were first, again and again.
 */
export type NotWrittenReason = "too-large" | "gone" | "fewer" | "unsettled";

export interface NotWritten extends PartitionName {
  readonly reason: NotWrittenReason;
}

/** Writes decisions that change who has a partition: in the topic's znode and in the partitions' states, both or neither. */
export class AssignmentWriter {
  readonly #context: TermContext;
  readonly #states: Pick<StateWriter, "readStates">;
  readonly #letUrgentPass: () => Promise<void>;

  constructor(context: TermContext, states: Pick<StateWriter, "readStates">, letUrgentPass: () => Promise<void>) {
    this.#context = context;
    this.#states = states;
    this.#letUrgentPass = letUrgentPass;
  }

  /** Decided for each on what it then is. Elections go between two steps. Returns those that are left as they were. */
  async apply(partitions: readonly PartitionName[], decideFor: DecisionFor): Promise<NotWritten[]> {
    const notWritten: NotWritten[] = [];
    for (let from = 0; from < partitions.length; from += partitionsTogetherMax) {
      if (from > 0) await this.#letUrgentPass();
      const byTopic = [...Map.groupBy(partitions.slice(from, from + partitionsTogetherMax), ({ topic }) => topic)];
      const left = await pipelined(byTopic, topicsAtOnceMax, ([topic, ofOne]) => this.#applyIn(topic, ofOne, decideFor));
      notWritten.push(...left.flat());
    }
    return notWritten;
  }

  /**
   * The znode is written with the version that it was last known to have: nobody's change of it is overwritten unseen. After a conflict,
   * or a lost answer, what is there is read and decided again. What does not settle is left: what is there has been read by then, and
   * nothing is in flight.
   */
  async #applyIn(name: string, partitions: readonly PartitionName[], decideFor: DecisionFor): Promise<NotWritten[]> {
    const { writer, log } = this.#context;
    const notWritten: NotWritten[] = [];
    const leave = (left: readonly PartitionName[], reason: NotWrittenReason) =>
      notWritten.push(...left.map(({ topic, partition }) => ({ topic, partition, reason })));
    let left = partitions;
    try {
      await writer.settleAll(partitions, {
        failure: ({ length }) => `the assignment of ${length} partitions of ${name} did not settle`,
        attempt: async (wanted) => {
          const { again, tooLarge } = await this.#write(name, wanted, decideFor);
          leave(tooLarge, "too-large");
          left = again;
          return left;
        },
        readAgain: async (wanted) => {
          const reason = await this.#readAgain(name, wanted);
          if (reason === null) return wanted;
          leave(wanted, reason);
          return [];
        },
      });
    } catch (error) {
      if (!(error instanceof DidNotSettle)) throw error;
      log.warn({ topic: name, partitions: left.length }, error.message);
      leave(left, "unsettled");
    }
    return notWritten;
  }

  /**
   * As many in one transaction as fit. One conflict fails a whole transaction, so where it is of one partition's state (its leader wrote
   * the in-sync set meanwhile) the others are sent once more without it. `again`: to be read and decided again.
   */
  async #write(name: string, partitions: readonly PartitionName[], decideFor: DecisionFor) {
    const { store, writer, book } = this.#context;
    const again: PartitionName[] = [];
    let bytesMax = writeMaxBytes - spareBytes;
    let left = partitions.flatMap((partition) => decisions(book.current, [partition], decideFor(partition)));
    while (left.length > 0) {
      const topic = book.current.topics.get(name)!;
      const together = this.#thatFit(topic, left, bytesMax);
      if (together.length === 0) return { again, tooLarge: named(left) };
      const states = together.filter((change) => isNewState(topic, change));
      const znode = store.setAssignment(topic, storedAssignment(withChanges(topic, together)));
      const result = await writer.write([znode, ...states.map((change) => store.setState(change))]);
      if (result.kind === "written") {
        this.#adopt(
          topic,
          together,
          new Map(states.map((change, index) => [change, result.results[index + 1]!.version])),
          result.results[0]!.version,
        );
        left = left.filter((change) => !together.includes(change));
      } else if (result.kind === "conflict" && result.reason === "too-large") {
        // its paths are longer there than here, below a root of their own
        bytesMax = Math.floor(bytesMax * 0.9);
      } else {
        const changed = result.kind === "conflict" ? states[result.failedIndex - 1] : undefined;
        if (changed === undefined) return { again: [...again, ...named(left)], tooLarge: [] };
        again.push(...named([changed]));
        left = left.filter((change) => change !== changed);
      }
    }
    return { again, tooLarge: [] };
  }

  /** Those, in order, with which the transaction stays within its bound. */
  #thatFit(topic: TopicState, changes: readonly PartitionChange[], bytesMax: number): PartitionChange[] {
    const { store } = this.#context;
    let bytes = sizeOf(store.setAssignment(topic, storedAssignment(topic)));
    return changes.filter((change) => {
      const stateBytes = isNewState(topic, change) ? sizeOf(store.setState(change)) : 0;
      const added = stateBytes + bytesIn(change.record) - bytesIn(topic.partitions[change.record.partition]!);
      if (bytes + added > bytesMax) return false;
      bytes += added;
      return true;
    });
  }

  #adopt(topic: TopicState, changes: readonly PartitionChange[], stateVersions: ReadonlyMap<PartitionChange, number>, version: number) {
    const { book } = this.#context;
    const written = changes.map((change) => ({
      ...change,
      record: { ...change.record, stateVersion: stateVersions.get(change) ?? change.record.stateVersion },
    }));
    book.commit(withTopic(book.current, { ...withChanges(topic, written), version }), dirtyPartitions(named(written)));
  }

  /** Null: they can be decided again. */
  async #readAgain(name: string, partitions: readonly PartitionName[]): Promise<NotWrittenReason | null> {
    const { store, writer, book } = this.#context;
    const found = await store.readTopic(name);
    const states = await this.#states.readStates(partitions);
    writer.assertTerm();
    const known = book.current.topics.get(name);
    if (found === null || known === undefined || found.id !== known.id) return "gone";
    // the book keeps the version that it knows, so that this is not overwritten either
    if (found.assignment.length < known.partitions.length) return "fewer";
    const all = known.partitions.map(({ partition }) => ({ topic: name, partition }));
    book.commit(withAssignment(withPartitions(book.current, states), name, found), dirtyPartitions(all));
    return null;
  }
}

/** One that only forgets what is done leaves the state as it is. */
function isNewState(topic: TopicState, { record }: PartitionChange): boolean {
  return record.leaderEpoch > topic.partitions[record.partition]!.leaderEpoch;
}

/** About what a partition takes in its topic's znode: names, brackets and commas are a little more than here. */
function bytesIn({ partition, replicas, reassignment, removed = [] }: PartitionChange["record"]): number {
  const lists = [replicas, reassignment?.adding ?? [], reassignment?.removing ?? [], removed].filter(({ length }) => length > 0);
  return lists.reduce((sum, ids) => sum + `"${partition}":[${ids.join()}],`.length, 0);
}

function withChanges(topic: TopicState, changes: readonly PartitionChange[]): TopicState {
  const partitions = [...topic.partitions];
  for (const { record } of changes) partitions[record.partition] = record;
  return { ...topic, partitions };
}

function named(changes: readonly PartitionChange[]): PartitionName[] {
  return changes.map(({ topic, record }) => ({ topic, partition: record.partition }));
}
