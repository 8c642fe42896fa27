import { setTimeout as sleep } from "node:timers/promises";
import { Consumer, type TopicPartition } from "../../../client/index.ts";
import type { History } from "../history/history.ts";
import { Handed, type Position } from "./handed.ts";

export interface MemberPlace {
  readonly bootstrap: readonly string[];
  readonly topic: string;
  readonly group: string;
  readonly history: History;
}

export interface Member {
  readonly name: string;
  start(): void;
  stop(): Promise<void>;
}

/** The brokers allow no less for the new protocol, unless they are told to. */
export const groupSessionTimeoutMs = 12_000;
const heartbeatIntervalMs = 2_000;
/** After this many commits a member leaves, and joins anew. */
const commitsOfALife = 400;
/** Batches are small, and there are many: a member that committed each for itself would not keep up with what is written. */
const betweenCommitsMs = 40;
/** Batches come with less than that in between, as long as there are any. */
const idleMs = 200;

/** A member of a group, by our own client: it commits what it was handed every few batches, and leaves and joins again now and then. */
export class OwnMember implements Member {
  readonly #protocol: "classic" | "consumer";
  readonly name: string;
  readonly #place: MemberPlace;
  #lives = 0;
  #isStopped = false;
  #consumer: Consumer | null = null;
  #running: Promise<void> = Promise.resolve();

  constructor(name: string, protocol: "classic" | "consumer", place: MemberPlace) {
    this.name = name;
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
      const member = `${this.name}.${++this.#lives}`;
      const handed = new Handed(this.#place, member);
      const consumer = this.#join(member, owned, handed);
      this.#consumer = consumer;
      try {
        await consumer.subscribe([this.#place.topic]);
        await this.#handle(consumer, member, handed);
      } catch {
        await sleep(500);
      } finally {
        await consumer.close();
        handed.tell();
        this.#tell("gives-up", member, [...owned.values()]);
      }
    }
  }

  #join(member: string, owned: Map<number, TopicPartition>, handed: Handed): Consumer {
    const given = (partitions: readonly TopicPartition[]) => {
      this.#tell("owns", member, partitions);
      for (const each of partitions) owned.set(each.partition, each);
    };
    const taken = (partitions: readonly TopicPartition[]) => {
      handed.leave(partitions);
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

  async #handle(consumer: Consumer, member: string, handed: Handed): Promise<void> {
    const idle = setInterval(() => handed.tell(), idleMs);
    let [commits, committedAtMs] = [0, 0];
    try {
      for await (const batch of consumer.batches()) {
        handed.add(batch);
        if (performance.now() - committedAtMs < betweenCommitsMs) continue;
        await this.#commit(consumer, member, handed.positions());
        committedAtMs = performance.now();
        if (this.#isStopped || ++commits >= commitsOfALife) return;
      }
    } finally {
      clearInterval(idle);
    }
  }

  async #commit(consumer: Consumer, member: string, positions: readonly Position[]): Promise<void> {
    const { group, history } = this.#place;
    const sentAt = history.now();
    const result = await consumer.commit(positions).then(
      () => ({ isAccepted: true }),
      (error: Error) => ({ isAccepted: false, error: error.message }),
    );
    for (const position of positions) history.add({ kind: "commit", group, member, ...position, sentAt, ...result });
  }

  #tell(kind: "owns" | "gives-up", member: string, partitions: readonly TopicPartition[]): void {
    const { group, history } = this.#place;
    for (const { topic, partition } of partitions) history.add({ kind, group, member, topic, partition });
  }
}
