import type { SupportedFeatures } from "../../protocol/base/features.ts";
import { type BrokerId, newTopicId } from "../../protocol/base/ids.ts";
import type { BrokerRecord } from "../../protocol/peer/messages.ts";
import { pipelined } from "../runtime/pipelined.ts";
import { isInternalTopic, topicNameFault } from "../runtime/topic-names.ts";
import { type Config, type PartitionAssignment, type TopicState, withBrokerConfig, withBrokers, withTopics } from "./controller-state.ts";
import type { FeatureKeeper } from "./feature-keeper.ts";
import type { TermContext } from "./term-context.ts";
import type { TopicCreator } from "./topic-creator.ts";

export interface RegisteredBrokers {
  readonly brokers: ReadonlyMap<BrokerId, BrokerRecord>;
  /** See `recoveredEpochOf`. */
  readonly recoveredEpochs: ReadonlyMap<BrokerId, number>;
  readonly features: ReadonlyMap<BrokerId, SupportedFeatures>;
}

const topicsAtOnceMax = 16;
const readsAtOnceMax = 128;

/**
 * Reads the whole cluster into the book, in the session in which the controller epoch was raised: it sees whatever was written before that.
 */
export class ClusterLoader {
  readonly #context: TermContext;
  readonly #creator: TopicCreator;
  readonly #features: FeatureKeeper;

  constructor(context: TermContext, creator: TopicCreator, features: FeatureKeeper) {
    this.#context = context;
    this.#creator = creator;
    this.#features = features;
  }

  /**
   * In a coordinator that was replaced behind our back, these would be the beginning of an empty cluster. So folders, too, are created
   * under our epoch only.
   */
  async ensureFolders(): Promise<void> {
    const { store, writer } = this.#context;
    await writer.settle({
      failure: () => "the cluster's folders could not be made",
      attempt: async () => {
        const missing = await store.missingFolders();
        if (missing.length === 0) return { done: undefined };
        // another tool may create one meanwhile
        for (const path of missing) await writer.write([store.createFolder(path)]);
        return "unsettled";
      },
    });
  }

  /** Brokers before states: a state that was written before a registration seen here is not missed. */
  async load(): Promise<void> {
    const { store, book, writer, log } = this.#context;
    const { brokers, recoveredEpochs, features } = await this.readBrokers();
    book.commit(withBrokers(book.current, brokers, recoveredEpochs), null);
    await this.#features.brokersChanged(features);
    for (const id of await store.brokerConfigIds()) {
      const stored = await store.readConfig({ kind: "broker", id });
      if (stored !== null) book.commit(withBrokerConfig(book.current, id === null ? "" : String(id), stored.config), null);
    }
    const names = (await store.topicNames()).filter((name) => this.#canBe(name));
    const loaded = (await pipelined(names, topicsAtOnceMax, (name) => this.#loadTopic(name))).filter((topic) => topic !== null);
    writer.assertTerm();
    book.commit(withTopics(book.current, loaded), null);
    log.info({ brokers: [...book.current.brokers.keys()], topics: names.length }, "cluster loaded");
  }

  /** Names become folders, and go to every broker: a topic that could not be created here is not ours. */
  #canBe(name: string): boolean {
    const fault = topicNameFault(name);
    if (fault !== null)
      this.#context.log.error({ topic: name.slice(0, 300), reason: fault }, "a topic that another tool has written is left out");
    return fault === null;
  }

  async readBrokers(): Promise<RegisteredBrokers> {
    const { store, writer } = this.#context;
    const ids = await store.brokerIds();
    const brokers = await pipelined(ids, readsAtOnceMax, (id) => store.readBroker(id));
    writer.assertTerm();
    const found = brokers.filter((broker) => broker !== null);
    return {
      brokers: new Map(found.map(({ broker }) => [broker.id, broker])),
      recoveredEpochs: new Map(found.map(({ broker, recoveredEpoch }) => [broker.id, recoveredEpoch])),
      features: new Map(found.map(({ broker, features }) => [broker.id, features])),
    };
  }

  /** Completes what its creation left undone; null: deleted since. */
  async #loadTopic(name: string): Promise<TopicState | null> {
    const { store } = this.#context;
    const found = await this.#readWithId(name);
    if (found === null) return null;
    const config: Config = (await store.readConfig({ kind: "topic", name }))?.config ?? {};
    const { id, version } = found;
    const assignment = isInternalTopic(name) && version > 0 ? await this.#asMade(name, found.assignment) : found.assignment;
    const beyond = found.assignment.slice(assignment.length);
    return this.#creator.complete({ name, id, version, config, partitions: [], ...(beyond.length === 0 ? {} : { beyond }) }, assignment);
  }

  /**
   * Groups are mapped to shards by the number of partitions of their topic: with one more, each group would be looked up where it never
   * was. We never change the number, but another tool may write more partitions into the topic's node; those are ignored. The node's
   * version tells them from the partitions of a topic that was created only in part: that node has not been changed since.
   */
  async #asMade(name: string, assignment: readonly PartitionAssignment[]): Promise<readonly PartitionAssignment[]> {
    const { store, log } = this.#context;
    const made = (await store.readPartitionNodes(name))?.size ?? 0;
    if (made === 0 || made >= assignment.length) return assignment;
    log.error(
      { topic: name, partitions: made, written: assignment.length },
      "another tool added partitions to a topic of the brokers: they are left out, because what is kept in it is found by their number. Take them out of the topic's node again",
    );
    return assignment.slice(0, made);
  }

  /** A topic without an id was written by another tool: it gets one. One without the id's own node, too. */
  async #readWithId(name: string) {
    const { store, writer, random } = this.#context;
    for (;;) {
      const topic = await store.readTopic(name);
      if (topic === null) return null;
      const { id, version, assignment } = topic;
      if (id !== null && (await store.hasIdNode(name, id))) return { id, version, assignment };
      if (id !== null) await writer.write([store.createIdNode(name, id)]);
      else await writer.write([store.setAssignment({ name, id: newTopicId(random), version }, assignment)]);
    }
  }
}
