import { setTimeout as sleep } from "node:timers/promises";
import type { Consumer, EachBatchPayload } from "kafkajs";
import { patientKafkajs } from "./kafkajs-writer.ts";
import { groupSessionTimeoutMs, type Member, type MemberPlace } from "./own-member.ts";

const heartbeatInterval = 2_000;
const betweenBatchesMs = 50;

/**
 * A member of a group of the classic protocol, by kafkajs. It commits what it was handed, batch by batch: kafkajs hands over what it
 * fetched before it was taken for dead and joined anew, too, from where it had been and not where the group is.
 */
export class KafkajsMember implements Member {
  readonly name: string;
  readonly #place: MemberPlace;
  /** What kafkajs says that the coordinator took. Its promise also resolves when it is being stopped and nothing was committed. */
  readonly #accepted = new Set<string>();
  #lives = 0;
  #isStopped = false;
  #end: () => void = () => {};
  #running: Promise<void> = Promise.resolve();

  constructor(name: string, place: MemberPlace) {
    this.name = name;
    this.#place = place;
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#end();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      const member = `${this.name}.${++this.#lives}`;
      const { bootstrap, group, topic } = this.#place;
      const consumer = patientKafkajs(bootstrap, member).consumer({
        groupId: group,
        sessionTimeout: groupSessionTimeoutMs,
        heartbeatInterval,
        maxWaitTimeInMs: 500,
      });
      const owned = new Set<number>();
      const ended = new Promise<void>((resolve) => {
        this.#end = resolve;
        consumer.on(consumer.events.CRASH, () => resolve());
      });
      this.#listen(consumer, member, owned);
      try {
        await consumer.connect();
        await consumer.subscribe({ topic, fromBeginning: true });
        // What it fetched before a rebalance is handed over after it, too, and its coordinator knows the member, not whose partition it is.
        // And it may be handed over a moment before we are told of the rebalance: what is left alone is not resolved, and comes again.
        const eachBatch = async (payload: EachBatchPayload) => {
          if (owned.has(payload.batch.partition)) await this.#handle(consumer, member, payload);
        };
        await consumer.run({ autoCommit: false, eachBatchAutoResolve: false, eachBatch });
        await ended;
      } catch {
        await sleep(500);
      } finally {
        await consumer.disconnect().catch(() => {});
        this.#giveUp(member, owned);
      }
    }
  }

  #listen(consumer: Consumer, member: string, owned: Set<number>): void {
    const { group, history, topic } = this.#place;
    consumer.on(consumer.events.COMMIT_OFFSETS, ({ payload }) => {
      for (const { partitions } of payload.topics)
        for (const { partition, offset } of partitions) this.#accepted.add(`${member} ${partition} ${offset}`);
    });
    consumer.on(consumer.events.REBALANCING, () => this.#giveUp(member, owned));
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      this.#giveUp(member, owned);
      for (const partition of payload.memberAssignment[topic] ?? []) {
        owned.add(partition);
        history.add({ kind: "owns", group, member, topic, partition });
      }
    });
  }

  #giveUp(member: string, owned: Set<number>): void {
    const { group, history, topic } = this.#place;
    for (const partition of owned) history.add({ kind: "gives-up", group, member, topic, partition });
    owned.clear();
  }

  async #handle(consumer: Consumer, member: string, { batch, resolveOffset }: EachBatchPayload): Promise<void> {
    const { group, history } = this.#place;
    const { topic, partition, messages } = batch;
    const [from, to] = [Number(messages[0]?.offset ?? 0), Number(messages.at(-1)?.offset ?? -1) + 1];
    history.add({ kind: "handed", group, member, topic, partition, from, to });
    resolveOffset(String(to - 1));
    const sentAt = history.now();
    const result = await consumer.commitOffsets([{ topic, partition, offset: String(to) }]).then(
      () => ({ isAccepted: this.#accepted.delete(`${member} ${partition} ${to}`) }),
      (error: Error) => ({ isAccepted: false, error: error.message }),
    );
    history.add({ kind: "commit", group, member, topic, partition, offset: to, sentAt, mayMoveBack: true, ...result });
    await sleep(betweenBatchesMs);
  }
}
