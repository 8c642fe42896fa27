import { type BrokerId, newTopicId, type TopicId } from "../../protocol/base/ids.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import type { Random } from "../../protocol/base/random.ts";
import type { BrokerRecord } from "../../protocol/peer/messages.ts";
import type { ClusterStore } from "./cluster-store.ts";
import { type Config, type ControllerState, withBrokerConfig, withBrokers } from "./controller-state.ts";
import { type FencedWriter, pipelined } from "./fenced-writer.ts";
import type { StateBook } from "./state-book.ts";
import type { TopicCreator } from "./topic-creator.ts";

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
    const earlier = await pipelined(names, topicsAtOnceMax, (name) => this.loadTopic(name));
    writer.assertTerm();
    log.info({ brokers: [...book.current.brokers.keys()], topics: names.length }, "cluster loaded");
    return earlier.flat();
  }

  async readBrokers(): Promise<ReadonlyMap<number, BrokerRecord>> {
    const { store, writer } = this.#parts;
    const ids = await store.brokerIds();
    const brokers = await pipelined(ids, readsAtOnceMax, (id) => store.readBroker(id));
    writer.assertTerm();
    return new Map(brokers.flatMap((broker) => (broker === null ? [] : [[broker.id, broker] as const])));
  }

  /** Takes a topic into the book, with whatever its creation left undone. */
  async loadTopic(name: string): Promise<EarlierLives> {
    const { store, creator, book } = this.#parts;
    const topic = await this.#readWithId(name);
    if (topic === null) return [];
    const config: Config = (await store.readConfig({ kind: "topic", name }))?.config ?? {};
    const { id, version, assignment } = topic;
    const modified = await creator.completePartitions({ name, id, version, config, partitions: [] }, assignment, 0, false);
    return earlierLives(book.current, name, modified);
  }

  /** A topic without an id was written by another tool: it gets one. */
  async #readWithId(name: string) {
    const { store, writer, random } = this.#parts;
    for (;;) {
      const topic = await store.readTopic(name);
      if (topic === null) return null;
      const { id, version, assignment } = topic;
      if (id !== null) return { id, version, assignment };
      await writer.write([store.setAssignment({ name, id: newTopicId(random), version }, assignment)]);
    }
  }
}

export type EarlierLives = readonly { readonly broker: BrokerId; readonly topicId: TopicId; readonly partition: number }[];

/**
 * Replicas named as leader or in sync by a state that was written before the broker's present registration: nobody saw that broker go and come back (there was no controller), but what it had
 * in memory, or not yet on its disk, is gone. It must not go on leading under the same epoch, nor count as in sync.
 */
export function earlierLives(state: ControllerState, name: string, modified: ReadonlyMap<number, number>): EarlierLives {
  const topic = state.topics.get(name);
  return (topic?.partitions ?? []).flatMap(({ partition, leader, isr }) => {
    const modifiedZxid = modified.get(partition);
    if (modifiedZxid === undefined) return [];
    const named = new Set([leader, ...isr]);
    return [...named]
      .filter((id) => (state.brokers.get(id)?.epoch ?? -1) > modifiedZxid)
      .map((broker) => ({ broker, topicId: topic!.id, partition }));
  });
}
