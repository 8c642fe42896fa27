import { CoordinatorUnavailable } from "../../coordinator-client/coordinator.ts";
import { invariant } from "../../protocol/base/invariant.ts";
import type { PartitionRecord } from "../../protocol/peer/messages.ts";
import { pipelined } from "../runtime/pipelined.ts";
import type { Replicas } from "./assignment.ts";
import type { NewTopic } from "./cluster-store.ts";
import { type PartitionAssignment, storedAssignment, type TopicState, unreassigned, withTopic } from "./controller-state.ts";
import { dirtyPartitions, dirtyTopicConfig, mergeDirty } from "./dirty-set.ts";
import { firstState, withOutlived } from "./elections.ts";
import { inTransactions } from "./fenced-writer.ts";
import type { TermContext } from "./term-context.ts";

/** `too-large`: the topic's znode would be. */
export type Creation = "written" | "taken" | "too-large";

const transactionsAtOnceMax = 8;
const readsAtOnceMax = 128;

/**
 * Writes topics and more partitions: the topic's znode first, then the partitions' first states. What a dead controller left half done is
 * completed from the topic's znode.
 */
export class TopicCreator {
  readonly #context: TermContext;

  constructor(context: TermContext) {
    this.#context = context;
  }

  /** `taken`: a topic of that name is in the coordinator already. */
  async create(topic: NewTopic): Promise<Creation> {
    const creation = await this.#createNode(topic);
    if (creation !== "written") return creation;
    const { name, id, config, assignment } = topic;
    await this.#addToBook({ name, id, version: 0, config, partitions: [] }, unreassigned(assignment));
    return "written";
  }

  /** `added`: replicas of the new partitions. `taken`: the topic's znode is not what it was thought to be, or has others in their place. */
  async addPartitions(topic: TopicState, added: readonly Replicas[]): Promise<Creation> {
    const { store, writer } = this.#context;
    if ((topic.beyond ?? []).length > 0) return "taken";
    const assignment = [...storedAssignment(topic), ...unreassigned(added)];
    const isOurs = async () => {
      const stored = await store.readTopic(topic.name);
      return stored !== null && stored.version === topic.version + 1 && sameAssignment(stored.assignment, assignment);
    };
    const creation = await writer.settle<Creation>({
      failure: () => `the assignment of ${topic.name} did not settle`,
      attempt: async () => {
        const result = await writer.write([store.setAssignment(topic, assignment)]);
        if (result.kind === "unknown") return "unsettled";
        if (result.kind === "conflict" && result.reason === "too-large") return { done: "too-large" };
        // refused: what an earlier attempt wrote may be there
        return { done: result.kind === "written" || (await isOurs()) ? "written" : "taken" };
      },
      readAgain: async () => ((await isOurs()) ? { done: "written" } : "again"),
    });
    if (creation === "written") await this.#addToBook({ ...topic, version: topic.version + 1 }, assignment);
    return creation;
  }

  /**
   * A topic that another controller, or tool, has begun: with the states there are, and first ones where there are none. `topic.partitions`
   * is empty.
   */
  complete(topic: TopicState, assignment: readonly PartitionAssignment[]): Promise<TopicState> {
    return this.#complete(topic, assignment, false);
  }

  async #addToBook(before: TopicState, assignment: readonly PartitionAssignment[]): Promise<void> {
    const { book } = this.#context;
    const topic = await this.#complete(before, assignment, true);
    const added = topic.partitions.slice(before.partitions.length).map(({ partition }) => ({ topic: topic.name, partition }));
    book.commit(withTopic(book.current, topic), mergeDirty(dirtyTopicConfig(topic.name), dirtyPartitions(added)));
    book.starting.begin(topic, before.partitions.length, book.changeNumber);
  }

  /**
   * Gives every partition beyond `topic.partitions` that has no state its first one. `areNew`: none of them is expected to exist yet, so
   * there is nothing to read first.
   */
  async #complete(topic: TopicState, assignment: readonly PartitionAssignment[], areNew: boolean): Promise<TopicState> {
    const { store, writer, book } = this.#context;
    const from = topic.partitions.length;
    const records = new Map<number, PartitionRecord>();
    let nodes: ReadonlySet<number> = new Set();
    const read = async (missing: readonly number[]) => {
      const found = await this.#readThose(topic.name, missing, assignment);
      for (const [partition, record] of found) records.set(partition, record);
      const left = missing.filter((partition) => !found.has(partition));
      if (left.length > 0) nodes = await this.#partitionNodes(topic.name);
      return left;
    };
    const operationsOf = (record: PartitionRecord) => store.createPartition(topic.name, record, nodes.has(record.partition));
    const write = async (missing: readonly number[]) => {
      const first = missing.map((partition) => ({
        ...firstState(book.current, topic, partition, assignment[partition]!.replicas),
        ...assignment[partition],
      }));
      const unsettled = await pipelined(inTransactions(first, operationsOf), transactionsAtOnceMax, async (transaction) => {
        const result = await writer.write(transaction.flatMap(operationsOf));
        if (result.kind !== "written") return transaction.map(({ partition }) => partition);
        for (const record of transaction) records.set(record.partition, record);
        return [];
      });
      return unsettled.flat();
    };
    const wanted = Array.from({ length: assignment.length - from }, (_, index) => from + index);
    await writer.settleAll(areNew ? wanted : await read(wanted), {
      failure: () => `the partitions of ${topic.name} did not settle`,
      attempt: write,
      readAgain: read,
    });
    invariant(records.size === assignment.length - from, "each partition has its first state", () => ({ topic: topic.name, assignment }));
    const partitions = [...topic.partitions, ...[...records.values()].sort((a, b) => a.partition - b.partition)];
    return { ...topic, partitions };
  }

  /** The states that exist. */
  async #readThose(
    topic: string,
    partitions: readonly number[],
    assignment: readonly PartitionAssignment[],
  ): Promise<ReadonlyMap<number, PartitionRecord>> {
    const { store, writer, book } = this.#context;
    const states = await pipelined(partitions, readsAtOnceMax, (partition) => store.readState(topic, partition));
    writer.assertTerm();
    const records = new Map<number, PartitionRecord>();
    for (const [index, partition] of partitions.entries()) {
      const found = states[index] ?? null;
      if (found === null) continue;
      const isrEpochs = withOutlived(book.current, found.state, found.modifiedZxid, null);
      records.set(partition, { partition, ...assignment[partition]!, ...found.state, isrEpochs });
    }
    return records;
  }

  /** Partition nodes that exist; creates their parent node where another tool wrote only the topic's own. */
  async #partitionNodes(topic: string): Promise<ReadonlySet<number>> {
    const { store, writer } = this.#context;
    const nodes = await store.readPartitionNodes(topic);
    if (nodes !== null) return nodes;
    await writer.write([store.createPartitionsNode(topic)]);
    return new Set();
  }

  async #createNode(topic: NewTopic): Promise<Creation> {
    const { store, writer } = this.#context;
    let configExists = false;
    const read = async () => {
      const stored = await store.readTopic(topic.name);
      return stored === null ? ("again" as const) : { done: stored.id === topic.id ? ("written" as const) : ("taken" as const) };
    };
    return writer.settle<Creation>({
      failure: () => `the topic ${topic.name} did not settle`,
      attempt: async () => {
        const { operations, configIndex } = store.createTopic(topic, configExists);
        const result = await writer.write(operations);
        if (result.kind === "written") return { done: "written" };
        if (result.kind === "unknown") return "unsettled";
        if (result.reason === "too-large") return { done: "too-large" };
        if (result.failedIndex === configIndex) {
          // settings left by an earlier topic of that name
          configExists = !configExists;
          return "again";
        }
        const found = await read();
        if (found === "again" && result.reason !== "node-exists")
          throw new CoordinatorUnavailable(`the topic ${topic.name} cannot be written: ${result.reason}`);
        return found;
      },
      readAgain: read,
    });
  }
}

function sameAssignment(a: readonly PartitionAssignment[], b: readonly PartitionAssignment[]): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
