import { setTimeout as sleep } from "node:timers/promises";
import { Consumer, type ConsumerBatch, type TopicPartition } from "../../../client/index.ts";
import type { History } from "../history/history.ts";

export interface MemberPlace {
  readonly bootstrap: readonly string[];
  readonly topic: string;
  readonly group: string;
  readonly history: History;
}

export interface Member {
  start(): void;
  stop(): Promise<void>;
}

/** The brokers allow no less for the new protocol, unless they are told to. */
export const groupSessionTimeoutMs = 12_000;
const heartbeatIntervalMs = 2_000;
/** After this many batches a member leaves, and joins anew. */
const batchesOfALife = 400;
const betweenBatchesMs = 40;

/** A member of a group, by our own client: it commits what it was handed, batch by batch, and leaves and joins again now and then. */
export class OwnMember implements Member {
  readonly #protocol: "classic" | "consumer";
  readonly #name: string;
  readonly #place: MemberPlace;
  #lives = 0;
  #isStopped = false;
  #consumer: Consumer | null = null;
  #running: Promise<void> = Promise.resolve();

  constructor(name: string, protocol: "classic" | "consumer", place: MemberPlace) {
    this.#name = name;
    this.#protocol = protocol;
    this.#place = place;
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#consumer?.close();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      const owned = new Map<number, TopicPartition>();
      const member = `${this.#name}.${++this.#lives}`;
      const consumer = this.#join(member, owned);
      this.#consumer = consumer;
      try {
        await consumer.subscribe([this.#place.topic]);
        await this.#handle(consumer, member);
      } catch {
        await sleep(500);
      } finally {
        await consumer.close();
        this.#tell("gives-up", member, [...owned.values()]);
      }
    }
  }

  #join(member: string, owned: Map<number, TopicPartition>): Consumer {
    const given = (partitions: readonly TopicPartition[]) => {
      this.#tell("owns", member, partitions);
      for (const each of partitions) owned.set(each.partition, each);
    };
    const taken = (partitions: readonly TopicPartition[]) => {
      this.#tell("gives-up", member, partitions);
      for (const { partition } of partitions) owned.delete(partition);
    };
    return new Consumer({
      bootstrap: this.#place.bootstrap,
      clientId: member,
      group: this.#place.group,
      groupProtocol: this.#protocol,
      ...(this.#protocol === "classic" ? { sessionTimeoutMs: groupSessionTimeoutMs, heartbeatIntervalMs } : {}),
      autoCommit: false,
      offsetReset: "earliest",
      onAssigned: given,
      onRevoked: taken,
      onLost: taken,
    });
  }

  async #handle(consumer: Consumer, member: string): Promise<void> {
    let batches = 0;
    for await (const batch of consumer.batches()) {
      await this.#commit(consumer, member, batch);
      if (this.#isStopped || ++batches >= batchesOfALife) return;
      await sleep(betweenBatchesMs);
    }
  }

  async #commit(consumer: Consumer, member: string, { topic, partition, records }: ConsumerBatch): Promise<void> {
    const { group, history } = this.#place;
    const [from, to] = [records[0]?.offset ?? 0, (records.at(-1)?.offset ?? -1) + 1];
    history.add({ kind: "handed", group, member, topic, partition, from, to });
    const sentAt = history.now();
    const result = await consumer.commit([{ topic, partition, offset: to }]).then(
      () => ({ isAccepted: true }),
      (error: Error) => ({ isAccepted: false, error: error.message }),
    );
    history.add({ kind: "commit", group, member, topic, partition, offset: to, sentAt, ...result });
  }

  #tell(kind: "owns" | "gives-up", member: string, partitions: readonly TopicPartition[]): void {
    const { group, history } = this.#place;
    for (const { topic, partition } of partitions) history.add({ kind, group, member, topic, partition });
  }
}
