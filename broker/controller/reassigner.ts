import { askedKey, type BrokerId, partitionKey } from "../../protocol/base/ids.ts";
import type { PartitionRecord } from "../../protocol/peer/messages.ts";
import { addingOf } from "../runtime/reassignment-rules.ts";
import type { AssignmentWriter, NotWrittenReason } from "./assignment-writer.ts";
import type { PartitionNamed, ReassignmentUnderWay, ReplicasWanted, Verdict } from "./controller-service.ts";
import { type PartitionName, partitionsWhere } from "./controller-state.ts";
import type { DirtySet } from "./dirty-set.ts";
import { type Decision, prefer } from "./elections.ts";
import { DidNotSettle } from "./fenced-writer.ts";
import { complete, forgetRemoved, leadByWanted, reassign, reassignmentFault } from "./reassignment.ts";
import { RemovedReplicas } from "./removed-replicas.ts";
import { decisions, type StateWriter } from "./state-writer.ts";
import type { TermContext } from "./term-context.ts";

const done: Verdict = { error: "NONE", message: null };

/** Looked at in one event. */
const partitionsAtOnceMax = 2_000;

/** Brings partitions to other replicas: see `reassignment.ts`. Each method but `changed` and `lookAtAll` is one event of the term. */
export class Reassigner {
  readonly #context: Pick<TermContext, "book" | "log">;
  readonly #assignments: AssignmentWriter;
  readonly #states: StateWriter;
  /** Those under way, by key. */
  readonly #underWay = new Map<string, PartitionName>();
  /** Those of them that have changed, and are to be looked at. */
  readonly #due = new Map<string, PartitionName>();
  /** What is left of all, where all are looked at. */
  #rest: Iterator<PartitionName> | null = null;
  #allAgain = false;
  readonly #removed = new RemovedReplicas();

  constructor(context: Pick<TermContext, "book" | "log">, assignments: AssignmentWriter, states: StateWriter) {
    this.#context = context;
    this.#assignments = assignments;
    this.#states = states;
  }

  get isIdle(): boolean {
    return this.#underWay.size === 0;
  }

  /** `progress` has something to look at. */
  get hasDue(): boolean {
    return this.#due.size > 0 || this.#rest !== null;
  }

  /** After loading: what earlier controllers have begun goes on. */
  load(): void {
    const { current, changeNumber } = this.#context.book;
    for (const name of partitionsWhere(current, ({ reassignment, removed }) => (reassignment ?? removed) !== undefined))
      this.#note(name, changeNumber);
  }

  /** The book has changed: whoever wrote it, what is under way is seen here. */
  changed({ full, partitions, brokers, offlineReplicas }: DirtySet, changeNumber: number): void {
    for (const [topic, numbers] of partitions) for (const partition of numbers) this.#note({ topic, partition }, changeNumber);
    if (full || brokers || offlineReplicas) this.lookAtAll();
  }

  /** What any of them waits for may have come, such as a broker. */
  lookAtAll(): void {
    if (this.isIdle) return;
    if (this.#rest === null) this.#rest = this.#underWay.values();
    else this.#allAgain = true;
  }

  /** A broker has carried out this change, and all before it. True: `forgetRemoved` has something to do. */
  acknowledged(id: BrokerId, changeNumber: number): boolean {
    return this.#removed.carriedOut(id, changeNumber);
  }

  async forgetRemoved(): Promise<void> {
    const done = this.#removed.done();
    const names = [...done.values()].map(({ name }) => name);
    await this.#assignments.apply(names, ({ topic, partition }) => forgetRemoved(done.get(partitionKey(topic, partition))!.brokers));
    // of a topic that was deleted nothing is left to forget
    for (const name of names) if (this.#recordOf(name) === undefined) this.#removed.note(name, [], this.#context.book.changeNumber);
  }

  async alter(wanted: readonly ReplicasWanted[], mayChangeReplicationFactor: boolean): Promise<(Verdict & PartitionNamed)[]> {
    const { book, log } = this.#context;
    const byKey = Map.groupBy(wanted, keyOf);
    const faults = wanted.map((one) => {
      if (byKey.get(keyOf(one))!.length > 1)
        return { error: "INVALID_REQUEST", message: "The partition is named twice in one request." } as const;
      return reassignmentFault(book.current, book.current.topics.get(one.topic), one, mayChangeReplicationFactor);
    });
    const accepted = wanted.filter((_, index) => faults[index] === null);
    if (accepted.length > 0) log.info({ partitions: accepted.length, first: accepted.slice(0, 10) }, "partitions are to be reassigned");
    const notWritten = await this.#assignments.apply(accepted, (name) => reassign(byKey.get(keyOf(name))![0]!.replicas));
    const reasons = new Map(notWritten.map((one) => [keyOf(one), one.reason]));
    // where only the order is new, or nobody has to be waited for
    await this.progress();
    const isOver = (name: PartitionName) => !reasons.has(keyOf(name)) && this.#recordOf(name)?.reassignment === undefined;
    await this.#lead(accepted.filter(isOver), prefer);
    return wanted.map(({ topic, partition }, index) => ({
      topic,
      partition,
      ...(faults[index] ?? verdictFor(reasons.get(keyOf({ topic, partition })), topic)),
    }));
  }

  list(partitions: readonly PartitionNamed[] | null): ReassignmentUnderWay[] {
    const wanted = partitions ?? [...this.#underWay.values()];
    return wanted.flatMap(({ topic, partition }) => {
      const record = this.#recordOf({ topic, partition });
      if (record?.reassignment === undefined) return [];
      const { removing } = record.reassignment;
      return [{ topic, partition, replicas: record.replicas, adding: addingOf(record), removing }];
    });
  }

  /** Does what can be done now for some of those that are due. To be called for as long as there are any. */
  async progress(): Promise<void> {
    const { log } = this.#context;
    const some = this.#nextDue();
    await this.#lead(some, leadByWanted);
    const completed = this.#dueFor(complete, some);
    const left = await this.#assignments.apply(completed, () => complete);
    if (completed.length > left.length)
      log.info({ completed: completed.length - left.length, left: this.#underWay.size }, "reassignments of partitions are over");
    if (left.length > 0) log.warn({ partitions: left.length, first: left[0] }, "reassignments that could be over cannot be written yet");
  }

  /** Forgets those that are over, also because their topic was deleted. */
  #nextDue(): PartitionName[] {
    const some = new Map<string, PartitionName>();
    for (const [key, name] of this.#due) {
      if (some.size >= partitionsAtOnceMax) break;
      some.set(key, name);
      this.#due.delete(key);
    }
    while (this.#rest !== null && some.size < partitionsAtOnceMax) {
      const { value: name, done } = this.#rest.next();
      if (done !== true) {
        some.set(partitionKey(name.topic, name.partition), name);
      } else {
        this.#rest = this.#allAgain ? this.#underWay.values() : null;
        this.#allAgain = false;
        break;
      }
    }
    for (const [key, name] of some) if (this.#recordOf(name)?.reassignment === undefined) this.#underWay.delete(key);
    return [...some.values()];
  }

  /** Where leaders write in-sync sets again and again, it is left for the next time. */
  async #lead(names: readonly PartitionName[], decide: Decision): Promise<void> {
    try {
      await this.#states.applyInSteps(this.#dueFor(decide, names), decide);
    } catch (error) {
      if (!(error instanceof DidNotSettle)) throw error;
      this.#context.log.warn({ partitions: names.length }, error.message);
    }
  }

  #dueFor(decide: Decision, names: readonly PartitionName[]): PartitionName[] {
    return names.filter((name) => decisions(this.#context.book.current, [name], decide).length > 0);
  }

  #note({ topic, partition }: PartitionName, changeNumber: number): void {
    const key = partitionKey(topic, partition);
    const record = this.#recordOf({ topic, partition });
    if (record?.reassignment === undefined) {
      this.#underWay.delete(key);
      this.#due.delete(key);
    } else {
      this.#underWay.set(key, { topic, partition });
      this.#due.set(key, { topic, partition });
    }
    this.#removed.note({ topic, partition }, record?.removed ?? [], changeNumber);
  }

  #recordOf({ topic, partition }: PartitionName): PartitionRecord | undefined {
    return this.#context.book.current.topics.get(topic)?.partitions[partition];
  }
}

function keyOf({ topic, partition }: PartitionNamed): string {
  return askedKey(topic, partition);
}

function verdictFor(reason: NotWrittenReason | undefined, topic: string): Verdict {
  switch (reason) {
    case undefined:
      return done;
    case "too-large":
      return {
        error: "POLICY_VIOLATION",
        message: `With this, the topic's znode in ZooKeeper would be too large, in which every partition takes more while it is reassigned. Reassign fewer partitions of ${topic} at a time: wait until those under way are over.`,
      };
    case "gone":
      return { error: "UNKNOWN_TOPIC_OR_PARTITION", message: "The topic was deleted meanwhile." };
    case "fewer":
      return {
        error: "REASSIGNMENT_IN_PROGRESS",
        message: `Another tool took partitions out of the znode of ${topic} in ZooKeeper: nothing of the topic is reassigned until they are there again.`,
      };
    case "unsettled":
      return {
        error: "REQUEST_TIMED_OUT",
        message: "The partition was changed by others again and again, and is left as it is. Try again.",
      };
  }
}
