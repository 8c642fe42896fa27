import { type BrokerId, newTopicId, type TopicId } from "../../protocol/base/ids.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import type { Random } from "../../protocol/base/random.ts";
import type { BrokerRecord } from "../../protocol/peer/messages.ts";
import type { ClusterStore } from "./cluster-store.ts";
import { type Config, type ControllerState, withBrokerConfig, withBrokers, withTopics } from "./controller-state.ts";
import { type FencedWriter, pipelined } from "./fenced-writer.ts";
import type { StateBook } from "./state-book.ts";
import type { CompletedTopic, TopicCreator } from "./topic-creator.ts";

export interface LoaderParts {
  readonly store: ClusterStore;
  readonly writer: FencedWriter;
  readonly book: StateBook;
  readonly creator: TopicCreator;
  readonly random: Random;
  readonly log: Logger;
}

const topicsAtOnceMax = 16;
const readsAtOnceMax = 128;

/** Reads the whole cluster into the book, in the session in which the controller epoch was raised: whatever was written before that is seen. */
export class ClusterLoader {
  readonly #parts: LoaderParts;
  #recoveredEpochs: ReadonlyMap<BrokerId, number> = new Map();

  constructor(parts: LoaderParts) {
    this.#parts = parts;
  }

  /** Answers the replicas that only an earlier life of their broker was leader or in sync for (see `earlierLives`). */
  async load(): Promise<EarlierLives> {
    const { store, book, writer, log } = this.#parts;
    book.commit(withBrokers(book.current, await this.readBrokers()), null);
    for (const id of await store.brokerConfigIds()) {
      const stored = await store.readConfig({ kind: "broker", id });
      if (stored !== null) book.commit(withBrokerConfig(book.current, id === null ? "" : String(id), stored.config), null);
    }
    const names = await store.topicNames();
    const loaded = (await pipelined(names, topicsAtOnceMax, (name) => this.#loadTopic(name))).filter((topic) => topic !== null);
    writer.assertTerm();
    book.commit(
      withTopics(
        book.current,
        loaded.map(({ topic }) => topic),
      ),
      null,
    );
    log.info({ brokers: [...book.current.brokers.keys()], topics: names.length }, "cluster loaded");
    return loaded.flatMap((topic) => earlierLives(book.current.brokers, topic));
  }

  async readBrokers(): Promise<ReadonlyMap<number, BrokerRecord>> {
    const { store, writer } = this.#parts;
    const ids = await store.brokerIds();
    const brokers = await pipelined(ids, readsAtOnceMax, (id) => store.readBroker(id));
    writer.assertTerm();
    const found = brokers.filter((broker) => broker !== null);
    this.#recoveredEpochs = new Map(found.map(({ broker, recoveredEpoch }) => [broker.id, recoveredEpoch]));
    return new Map(found.map(({ broker }) => [broker.id, broker]));
  }

  /** Of a broker as last read: its process began after an unclean stop, later than this transaction. What was in sync then may lack records now. */
  hasRecoveredSince(id: BrokerId, zxid: number): boolean {
    return (this.#recoveredEpochs.get(id) ?? -1) > zxid;
  }

  /** With whatever its creation left undone; null: gone since. */
  async #loadTopic(name: string): Promise<CompletedTopic | null> {
    const { store, creator } = this.#parts;
    const found = await this.#readWithId(name);
    if (found === null) return null;
    const config: Config = (await store.readConfig({ kind: "topic", name }))?.config ?? {};
    const { id, version, assignment } = found;
    return creator.complete({ name, id, version, config, partitions: [] }, assignment);
  }

  /** A topic without an id was written by another tool: it gets one. One without the id's own node, too. */
  async #readWithId(name: string) {
    const { store, writer, random } = this.#parts;
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

export type EarlierLives = readonly {
  readonly broker: BrokerId;
  readonly topic: string;
  readonly topicId: TopicId;
  readonly partition: number;
  /** When the state was written that names it. */
  readonly modifiedZxid: number;
}[];

/**
 * Replicas named as leader or in sync by a state that was written before the broker's present registration: nobody saw that broker go and come back (there was no controller), but what it had
 * in memory, or not yet on its disk, is gone. It must not go on leading under the same epoch, nor count as in sync.
 */
export function earlierLives(brokers: ControllerState["brokers"], { topic, modified }: CompletedTopic): EarlierLives {
  return topic.partitions.flatMap(({ partition, leader, isr }) => {
    const modifiedZxid = modified.get(partition);
    if (modifiedZxid === undefined) return [];
    return [...new Set([leader, ...isr])]
      .filter((id) => (brokers.get(id)?.epoch ?? -1) > modifiedZxid)
      .map((broker) => ({ broker, topic: topic.name, topicId: topic.id, partition, modifiedZxid }));
  });
}
