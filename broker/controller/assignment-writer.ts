import { pipelined } from "../runtime/pipelined.ts";
import {
  type PartitionChange,
  type PartitionName,
  type TopicState,
  withAssignment,
  withPartitions,
  withTopic,
} from "./controller-state.ts";
import { dirtyPartitions } from "./dirty-set.ts";
import type { Decision } from "./elections.ts";
import { decisions, type StateWriter } from "./state-writer.ts";
import type { TermContext } from "./term-context.ts";

/** Partitions in one transaction, and in one step: each is a state, besides the topic's znode. */
const partitionsTogetherMax = 100;
const topicsAtOnceMax = 8;

/** What it was decided with, by partition. */
export type DecisionFor = (partition: PartitionName) => Decision;

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

  /** Decided for each on what it then is. Elections go between two steps. */
  async apply(partitions: readonly PartitionName[], decideFor: DecisionFor): Promise<void> {
    for (let from = 0; from < partitions.length; from += partitionsTogetherMax) {
      if (from > 0) await this.#letUrgentPass();
      const byTopic = [...Map.groupBy(partitions.slice(from, from + partitionsTogetherMax), ({ topic }) => topic)];
      await pipelined(byTopic, topicsAtOnceMax, ([topic, ofOne]) => this.#applyIn(topic, ofOne, decideFor));
    }
  }

  /**
   * The znode is written with the version that it was last known to have: nobody's change of it is overwritten unseen. After a conflict,
   * or a lost answer, what is there is read and decided again.
   */
  #applyIn(name: string, partitions: readonly PartitionName[], decideFor: DecisionFor): Promise<void> {
    const { store, writer, book } = this.#context;
    return writer.settle({
      failure: () => `the assignment of ${name} did not settle`,
      attempt: async () => {
        const topic = book.current.topics.get(name);
        const changes = partitions.flatMap((partition) => decisions(book.current, [partition], decideFor(partition)));
        if (topic === undefined || changes.length === 0) return { done: undefined };
        const next = withChanges(topic, changes);
        // one that only forgets what is done leaves the state as it is
        const isNewState = ({ record }: PartitionChange) => record.leaderEpoch > topic.partitions[record.partition]!.leaderEpoch;
        const states = changes.filter(isNewState);
        const result = await writer.write([store.setAssignment(topic, next.partitions), ...states.map((change) => store.setState(change))]);
        if (result.kind !== "written") return "unsettled";
        const [znode, ...newStates] = result.results;
        const versions = new Map(states.map(({ record }, index) => [record.partition, newStates[index]!.version]));
        const written = changes.map(({ record }) => ({
          topic: name,
          record: { ...record, stateVersion: versions.get(record.partition) ?? record.stateVersion },
        }));
        book.commit(withTopic(book.current, { ...withChanges(topic, written), version: znode!.version }), dirtyPartitions(named(written)));
        return { done: undefined };
      },
      readAgain: async () => ((await this.#readAgain(name, partitions)) ? "again" : { done: undefined }),
    });
  }

  /** False: the topic is gone. */
  async #readAgain(name: string, partitions: readonly PartitionName[]): Promise<boolean> {
    const { store, writer, book } = this.#context;
    const found = await store.readTopic(name);
    const states = await this.#states.readStates(partitions);
    writer.assertTerm();
    const known = book.current.topics.get(name);
    if (found === null || known === undefined || found.id !== known.id) return false;
    const all = known.partitions.map(({ partition }) => ({ topic: name, partition }));
    book.commit(withAssignment(withPartitions(book.current, states), name, found), dirtyPartitions(all));
    return true;
  }
}

function withChanges(topic: TopicState, changes: readonly PartitionChange[]): TopicState {
  const partitions = [...topic.partitions];
  for (const { record } of changes) partitions[record.partition] = record;
  return { ...topic, partitions };
}

function named(changes: readonly PartitionChange[]): PartitionName[] {
  return changes.map(({ topic, record }) => ({ topic, partition: record.partition }));
}
