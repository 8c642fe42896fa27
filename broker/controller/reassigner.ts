import { type BrokerId, partitionKey } from "../../protocol/base/ids.ts";
import type { PartitionRecord } from "../../protocol/peer/messages.ts";
import type { AssignmentWriter } from "./assignment-writer.ts";
import type { PartitionNamed, ReassignmentUnderWay, ReplicasWanted, Verdict } from "./controller-service.ts";
import { type PartitionName, partitionsWhere } from "./controller-state.ts";
import { type Decision, prefer } from "./elections.ts";
import { complete, forgetRemoved, leadByWanted, reassign, reassignmentFault } from "./reassignment.ts";
import { decisions, type StateWriter } from "./state-writer.ts";
import type { TermContext } from "./term-context.ts";

const done: Verdict = { error: "NONE", message: null };

/** Brings partitions to other replicas: see `reassignment.ts`. Each method is one event of the term. */
export class Reassigner {
  readonly #context: Pick<TermContext, "book" | "log">;
  readonly #assignments: AssignmentWriter;
  readonly #states: StateWriter;
  /** Those under way, by key: to be looked at whenever something has changed. */
  readonly #underWay = new Map<string, PartitionName>();
  /** Those with brokers that are to delete what they have, and the change in which they are told. */
  readonly #removed = new Map<string, PartitionName & { readonly changeNumber: number }>();
  /** The last change that a broker has carried out. */
  readonly #carriedOut = new Map<BrokerId, number>();

  constructor(context: Pick<TermContext, "book" | "log">, assignments: AssignmentWriter, states: StateWriter) {
    this.#context = context;
    this.#assignments = assignments;
    this.#states = states;
  }

  get isIdle(): boolean {
    return this.#underWay.size === 0;
  }

  /** After loading: what earlier controllers have begun goes on. */
  load(): void {
    const { current } = this.#context.book;
    this.#watch(partitionsWhere(current, ({ reassignment }) => reassignment !== undefined));
    this.#watchRemoved(partitionsWhere(current, ({ removed }) => removed !== undefined));
  }

  /** A broker has carried out this change, and all before it. True: `forgetRemoved` has something to do. */
  acknowledged(id: BrokerId, changeNumber: number): boolean {
    if (this.#removed.size === 0) return false;
    this.#carriedOut.set(id, changeNumber);
    return [...this.#removed.values()].some((one) => this.#doneWith(one).size > 0);
  }

  async forgetRemoved(): Promise<void> {
    const done = [...this.#removed.values()].filter((one) => this.#doneWith(one).size > 0);
    await this.#assignments.apply(done, ({ topic, partition }) => {
      const one = this.#removed.get(partitionKey(topic, partition));
      return forgetRemoved(one === undefined ? new Set() : this.#doneWith(one));
    });
    for (const [key, name] of this.#removed) if (this.#recordOf(name)?.removed === undefined) this.#removed.delete(key);
  }

  #doneWith(one: PartitionName & { readonly changeNumber: number }): ReadonlySet<BrokerId> {
    const brokers = this.#recordOf(one)?.removed ?? [];
    return new Set(brokers.filter((id) => (this.#carriedOut.get(id) ?? -1) >= one.changeNumber));
  }

  async alter(wanted: readonly ReplicasWanted[], mayChangeReplicationFactor: boolean): Promise<(Verdict & PartitionNamed)[]> {
    const { book, log } = this.#context;
    const byKey = Map.groupBy(wanted, ({ topic, partition }) => partitionKey(topic, partition));
    const faults = wanted.map((one) => {
      if (byKey.get(partitionKey(one.topic, one.partition))!.length > 1)
        return { error: "INVALID_REQUEST", message: "The partition is named twice in one request." } as const;
      return reassignmentFault(book.current, book.current.topics.get(one.topic), one, mayChangeReplicationFactor);
    });
    const accepted = wanted.filter((_, index) => faults[index] === null);
    this.#watch(accepted);
    if (accepted.length > 0) log.info({ partitions: accepted.length, first: accepted.slice(0, 10) }, "partitions are to be reassigned");
    await this.#assignments.apply(accepted, ({ topic, partition }) => reassign(byKey.get(partitionKey(topic, partition))![0]!.replicas));
    this.#watchRemoved(accepted);
    // where only the order is new, or nobody has to be waited for
    await this.progress();
    const isOver = (name: PartitionName) => this.#recordOf(name)?.reassignment === undefined;
    await this.#states.applyInSteps(this.#dueFor(prefer, accepted.filter(isOver)), prefer);
    return wanted.map(({ topic, partition }, index) => ({ topic, partition, ...(faults[index] ?? done) }));
  }

  list(partitions: readonly PartitionNamed[] | null): ReassignmentUnderWay[] {
    const wanted = partitions ?? [...this.#underWay.values()];
    return wanted.flatMap(({ topic, partition }) => {
      const record = this.#recordOf({ topic, partition });
      if (record?.reassignment === undefined) return [];
      const { adding, removing } = record.reassignment;
      // given up: it was being added, and is being removed by now
      return [{ topic, partition, replicas: record.replicas, adding: adding.filter((id) => !removing.includes(id)), removing }];
    });
  }

  /** Does what can be done now. To be called whenever something has changed, as long as it is not idle. */
  async progress(): Promise<void> {
    const { log } = this.#context;
    const before = this.#current();
    await this.#states.applyInSteps(this.#dueFor(leadByWanted, before), leadByWanted);
    const completed = this.#dueFor(complete, before);
    await this.#assignments.apply(completed, () => complete);
    this.#watchRemoved(completed);
    const left = this.#current().length;
    if (left < before.length) log.info({ completed: before.length - left, left }, "reassignments of partitions are over");
  }

  #dueFor(decide: Decision, names: readonly PartitionName[]): PartitionName[] {
    return names.filter((name) => decisions(this.#context.book.current, [name], decide).length > 0);
  }

  /** Forgets those that are over, also because their topic was deleted. */
  #current(): PartitionName[] {
    for (const [key, name] of this.#underWay) if (this.#recordOf(name)?.reassignment === undefined) this.#underWay.delete(key);
    return [...this.#underWay.values()];
  }

  #watch(partitions: readonly PartitionName[]): void {
    for (const { topic, partition } of partitions) this.#underWay.set(partitionKey(topic, partition), { topic, partition });
  }

  #watchRemoved(partitions: readonly PartitionName[]): void {
    const { changeNumber } = this.#context.book;
    for (const { topic, partition } of partitions)
      if (this.#recordOf({ topic, partition })?.removed !== undefined)
        this.#removed.set(partitionKey(topic, partition), { topic, partition, changeNumber });
  }

  #recordOf({ topic, partition }: PartitionName): PartitionRecord | undefined {
    return this.#context.book.current.topics.get(topic)?.partitions[partition];
  }
}
