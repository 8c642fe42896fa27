import { newTopicId, zeroTopicId } from "../../protocol/base/ids.ts";
import type { KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import type { PartitionRecord } from "../../protocol/peer/messages.ts";
import { collidingTopic, isInternalTopic, topicNameFault } from "../runtime/topic-names.ts";
import { type CreationLimits, type PlanInput, planPartitions, planTopic } from "./assignment.ts";
import { initialConfig, type SettingRules } from "./config-changes.ts";
import type { AdminOptions, ControllerService, PartitionsCreation, TopicCreation, Verdict } from "./controller-service.ts";
import { type PartitionName, partitionsWhere, type TopicState, usableBrokers } from "./controller-state.ts";
import { electAnyone, prefer } from "./elections.ts";
import type { StateWriter } from "./state-writer.ts";
import type { TermContext } from "./term-context.ts";
import type { TopicCreator } from "./topic-creator.ts";
import type { TopicDeletions } from "./topic-deletions.ts";

/** The parts that carry out the requests. */
export interface AdminWriters {
  readonly creator: TopicCreator;
  readonly deletions: TopicDeletions;
  readonly states: StateWriter;
}

export interface AdminSettings {
  readonly limits: CreationLimits;
  /** `delete.topic.enable` */
  readonly topicDeletionEnabled: boolean;
  readonly topicRules: SettingRules;
}

type Answer<K extends keyof ControllerService> = ControllerService[K] extends (...args: never[]) => Promise<infer R> ? R : never;
type CreationAnswer = Answer<"createTopics">[number];

/** What admin requests do, each as one event of the controller: nothing else changes meanwhile. */
export class AdminOperations {
  readonly #context: Pick<TermContext, "book" | "random">;
  readonly #writers: AdminWriters;
  readonly #settings: AdminSettings;

  constructor(context: Pick<TermContext, "book" | "random">, writers: AdminWriters, settings: AdminSettings) {
    this.#context = context;
    this.#writers = writers;
    this.#settings = settings;
  }

  async createTopics(topics: readonly TopicCreation[], { validateOnly }: AdminOptions): Promise<Answer<"createTopics">> {
    const answers: CreationAnswer[] = [];
    const byName = Map.groupBy(topics, ({ name }) => name);
    for (const creation of topics) {
      const isTwice = byName.get(creation.name)!.length > 1;
      answers.push(
        isTwice
          ? notCreated(creation, "INVALID_REQUEST", `The topic ${creation.name} is named twice in one request.`)
          : await this.#createTopic(creation, validateOnly),
      );
    }
    return answers;
  }

  async #createTopic(creation: TopicCreation, validateOnly: boolean): Promise<CreationAnswer> {
    const { book, random } = this.#context;
    const { name } = creation;
    const nameFault = topicNameFault(name);
    if (nameFault !== null) return notCreated(creation, "INVALID_TOPIC_EXCEPTION", nameFault);
    const { topics } = book.current;
    if (topics.has(name)) return notCreated(creation, "TOPIC_ALREADY_EXISTS", `Topic '${name}' already exists.`);
    const colliding = collidingTopic(name, topics.keys());
    if (colliding !== null)
      return notCreated(
        creation,
        "INVALID_TOPIC_EXCEPTION",
        `Topic '${name}' collides with ${colliding}: "." and "_" are the same in metric names.`,
      );
    const planned = planTopic(creation, this.#planInput());
    if (planned.error !== null) return notCreated(creation, planned.error, planned.message);
    const configured = initialConfig(creation.configs, this.#settings.topicRules);
    if (configured.fault !== null) return notCreated(creation, "INVALID_CONFIG", configured.fault);
    const { assignment } = planned;
    const shape = { name, numPartitions: assignment.length, replicationFactor: assignment[0]!.length };
    if (validateOnly) return { error: "NONE", message: null, topicId: zeroTopicId, ...shape };
    const id = newTopicId(random);
    const creating = await this.#writers.creator.create({ name, id, assignment, config: configured.config });
    if (creating === "too-large")
      return notCreated(creation, "POLICY_VIOLATION", "With so many replicas the topic's znode in ZooKeeper would be too large.");
    if (creating === "taken") return notCreated(creation, "TOPIC_ALREADY_EXISTS", `Topic '${name}' already exists.`);
    return { error: "NONE", message: null, topicId: id, ...shape };
  }

  async deleteTopics(
    topics: Parameters<ControllerService["deleteTopics"]>[0],
    { validateOnly }: AdminOptions,
  ): Promise<Answer<"deleteTopics">> {
    const { deletions } = this.#writers;
    const state = this.#context.book.current;
    const answers = topics.map(({ name, id }): Answer<"deleteTopics">[number] => {
      const known = state.topics.get(name ?? state.topicNames.get(id ?? "") ?? "");
      if (known === undefined)
        return name === null
          ? { name, id, error: "UNKNOWN_TOPIC_ID", message: "There is no topic with this id." }
          : { name, id, error: "UNKNOWN_TOPIC_OR_PARTITION", message: `There is no topic ${name}.` };
      const named = { name: known.name, id: known.id };
      if (!this.#settings.topicDeletionEnabled)
        return { ...named, error: "TOPIC_DELETION_DISABLED", message: "delete.topic.enable is false." };
      return { ...named, error: "NONE", message: null };
    });
    if (validateOnly) return answers;
    const names = new Set(answers.filter(({ error }) => error === "NONE").map(({ name }) => name!));
    await deletions.mark([...names]);
    for (const name of names) await deletions.remove(name);
    return answers;
  }

  async createPartitions(topics: readonly PartitionsCreation[], { validateOnly }: AdminOptions): Promise<Answer<"createPartitions">> {
    const answers: Answer<"createPartitions">[number][] = [];
    for (const creation of topics) answers.push({ name: creation.name, ...(await this.#createPartitions(creation, validateOnly)) });
    return answers;
  }

  async #createPartitions(creation: PartitionsCreation, validateOnly: boolean): Promise<Verdict> {
    const { book } = this.#context;
    const topic = book.current.topics.get(creation.name);
    if (topic === undefined) return { error: "UNKNOWN_TOPIC_OR_PARTITION", message: `There is no topic ${creation.name}.` };
    if (isInternalTopic(topic.name))
      return {
        error: "INVALID_PARTITIONS",
        message: `${topic.name} keeps the ${topic.partitions.length} partitions it was made with: what brokers keep in it is found by that number, and with another all of it would be lost.`,
      };
    // as in Kafka: how many replicas its partitions are to have is seen when it is over
    if (topic.partitions.some(({ reassignment }) => reassignment !== undefined))
      return { error: "REASSIGNMENT_IN_PROGRESS", message: `Partitions of ${topic.name} are being reassigned.` };
    const planned = planPartitions(
      creation,
      topic.partitions.map(({ replicas }) => replicas),
      this.#planInput(),
    );
    if (planned.error !== null) return { error: planned.error, message: planned.message };
    const adding = validateOnly ? "written" : await this.#writers.creator.addPartitions(topic, planned.assignment);
    if (adding === "too-large")
      return {
        error: "POLICY_VIOLATION",
        message: `With so many partitions the znode of ${topic.name} in ZooKeeper would be too large.`,
      };
    if (adding === "taken")
      return {
        error: "REASSIGNMENT_IN_PROGRESS",
        message: `The assignment of ${topic.name} was changed by another tool at the same time.`,
      };
    return { error: "NONE", message: null };
  }

  async electLeaders(
    kind: "preferred" | "unclean",
    partitions: readonly PartitionName[] | null,
    { validateOnly }: AdminOptions,
  ): Promise<Answer<"electLeaders">> {
    const { book } = this.#context;
    const wanted = partitions ?? partitionsWhere(book.current, () => true);
    const before = wanted.map(({ topic, partition }) => electionFault(kind, book.current.topics.get(topic), partition));
    const electing = wanted.filter((_, index) => before[index] === null);
    const { states } = this.#writers;
    if (!validateOnly) await (kind === "preferred" ? states.applyInSteps(electing, prefer) : states.apply(electing, electAnyone));
    const answers = wanted.map(({ topic, partition }, index): Answer<"electLeaders">[number] => {
      const fault = before[index] ?? (validateOnly ? null : electionFault(kind, book.current.topics.get(topic), partition));
      // requested, and now there is nothing left to elect: done
      if (before[index] === null && (fault === null || fault.error === "ELECTION_NOT_NEEDED"))
        return { topic, partition, error: validateOnly || fault !== null ? "NONE" : notAvailable(kind), message: null };
      return { topic, partition, ...(fault ?? { error: "NONE" as const, message: null }) };
    });
    // when all partitions were requested, those that needed no election are left out of the answer, as in Kafka
    return partitions === null ? answers.filter(({ error }) => error !== "ELECTION_NOT_NEEDED") : answers;
  }

  #planInput(): PlanInput {
    const { book, random } = this.#context;
    return { places: usableBrokers(book.current), limits: this.#settings.limits, random };
  }
}

/** Null: an election should be held. */
function electionFault(kind: "preferred" | "unclean", topic: TopicState | undefined, partition: number): Verdict | null {
  const record: PartitionRecord | undefined = topic?.partitions[partition];
  if (record === undefined) return { error: "UNKNOWN_TOPIC_OR_PARTITION", message: null };
  const isNeeded = kind === "preferred" ? record.leader !== record.replicas[0] : record.leader < 0;
  return isNeeded ? null : { error: "ELECTION_NOT_NEEDED", message: "The partition has the leader that was asked for." };
}

function notAvailable(kind: "preferred" | "unclean"): KafkaErrorCode {
  return kind === "preferred" ? "PREFERRED_LEADER_NOT_AVAILABLE" : "ELIGIBLE_LEADERS_NOT_AVAILABLE";
}

function notCreated({ name }: TopicCreation, error: KafkaErrorCode, message: string): CreationAnswer {
  return { name, error, message, topicId: zeroTopicId, numPartitions: -1, replicationFactor: -1 };
}
