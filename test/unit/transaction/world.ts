import { Deadlines } from "../../../broker/partition/deadlines.ts";
import type { Decision, Now } from "../../../broker/state-machine/contract.ts";
import { Shard, type ShardConfig } from "../../../broker/state-machine/shard.ts";
import { ShardLog } from "../../../broker/state-machine/shard-log.ts";
import { StateMemory } from "../../../broker/state-machine/state-memory.ts";
import type { MarkerOrder } from "../../../broker/transaction/marker-order.ts";
import type { Producer, Transaction } from "../../../broker/transaction/transaction.ts";
import { TransactionMachine, type TransactionMachineConfig, type WithProducer } from "../../../broker/transaction/transaction-machine.ts";
import { readTransaction, readTransactionKey } from "../../../broker/transaction/transaction-records.ts";
import type { TopicPartition } from "../../../protocol/base/ids.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { ManualClock, settled } from "../network/manual-clock.ts";
import { FakePartition } from "../state-machine/fake-partition.ts";

export const machineConfig: TransactionMachineConfig = {
  timeoutCheckMs: 10_000,
  expirationMs: 7 * 24 * 3_600_000,
  expirationCheckMs: 3_600_000,
};

export const shardConfig: ShardConfig = { commitTimeoutMs: 5_000, loadBufferBytes: 4_096, waitingMax: 100 };

/** A wall clock that steps, beside one that does not. */
export class SteppingClock extends ManualClock {
  stepMs = 1_000_000_000;

  override nowMs(): number {
    return super.nowMs() + this.stepMs;
  }
}

export const place = (partition: number, topic = "t"): TopicPartition => ({ topic, partition });

export const id = "pay";
export const timeoutMs = 60_000;

/** One shard on a partition in memory; a coordinator that moves is a new shard on what is left of the log. */
export class World {
  readonly clock = new SteppingClock();
  readonly partition = new FakePartition();
  orders: MarkerOrder[] = [];
  version = 2;
  memory = new StateMemory();
  leaderEpoch = 1;
  machine!: TransactionMachine;
  #shard!: Shard<TransactionMachine>;
  #nextId = 100;

  static async start(): Promise<World> {
    const world = new World();
    await world.load();
    return world;
  }

  async load(): Promise<void> {
    const { clock, partition } = this;
    const ref = { topic: "__transaction_state", partition: 3 };
    const stateLog = new ShardLog({ ref, partitions: partition, clock, log: silentLogger, what: "transactions", readBytesMax: 4_096 });
    const parts = { stateLog, clock, deadlines: new Deadlines(clock), log: silentLogger, config: shardConfig };
    this.#shard = new Shard<TransactionMachine>(
      {
        ...parts,
        makeMachine: (environment) => {
          this.machine = new TransactionMachine({
            ...environment,
            sender: { send: (order) => this.orders.push(order) },
            memory: this.memory,
            config: machineConfig,
            transactionVersion: () => this.version,
          });
          return this.machine;
        },
      },
      this.leaderEpoch,
    );
    void this.#shard.load();
    for (let turns = 0; turns < 20 && !this.#shard.isServing; turns++) await clock.advance(0);
  }

  /** The coordinator's broker dies; another one has the committed part of the log, and perhaps more of it. */
  async move(keptEndOffset?: number): Promise<void> {
    const { partition } = this;
    partition.loseLeadership(keptEndOffset);
    this.#shard.end();
    partition.commit();
    this.leaderEpoch++;
    this.memory = new StateMemory(this.memory.maxBytes);
    await this.load();
  }

  goOn(): void {
    this.#shard.goOn(++this.leaderEpoch);
  }

  async run<T>(operation: (machine: TransactionMachine, now: Now) => Decision<T>): Promise<T | string> {
    let result: T | string = "unanswered";
    void this.#shard.run(operation).then((ran) => {
      result = ran.error ?? ran.value;
    });
    await settled();
    await settled();
    return result;
  }

  /** As the coordinator runs it: with a fresh id when one is needed. Answers `epoch of id`, or the error. */
  async #withId(operation: (machine: TransactionMachine, freshId: number | null, now: Now) => Decision<WithProducer>): Promise<string> {
    let answer = await this.run((machine, now) => operation(machine, null, now));
    if (answer === "needs-id") {
      const fresh = this.#nextId++;
      answer = await this.run((machine, now) => operation(machine, fresh, now));
    }
    if (typeof answer === "string") return answer;
    return answer.error ?? `${answer.producerId}/${answer.producerEpoch}`;
  }

  init(expected: Producer | null = null): Promise<string> {
    return this.#withId((machine, freshId, now) => machine.initProducer(id, { timeoutMs, expected, freshId }, now));
  }

  add(producer: Producer, partitions: readonly TopicPartition[] = [place(0)], version = 2): Promise<string> {
    return this.run<string>((machine, now) => machine.addPartitions(id, producer, partitions, version, now) as Decision<string>);
  }

  end(producer: Producer, kind: "commit" | "abort", raisesEpoch = true): Promise<string> {
    return this.#withId((machine, freshId, now) => machine.end(id, { producer, kind, raisesEpoch, freshId }, now));
  }

  async verify(producer: Producer, partitions: readonly TopicPartition[]): Promise<string> {
    const answer = await this.run<readonly string[]>((machine) => machine.verify(id, producer, partitions));
    return typeof answer === "string" ? answer : answer.join();
  }

  /** The partitions of an order have their markers. */
  mark(order: MarkerOrder, partitions = order.partitions): Promise<unknown> {
    return this.run((machine, now) => machine.marked(order, partitions, now));
  }

  async markAll(): Promise<void> {
    for (const order of this.orders.splice(0)) await this.mark(order);
  }

  /** What each record says, in order. */
  history(): (Transaction | null)[] {
    return this.partition.records().flatMap(({ key, value }) => {
      const transactionalId = readTransactionKey(key);
      if (transactionalId !== id) return [];
      return value === null ? [null] : [readTransaction(transactionalId, value)];
    });
  }

  /** `Ongoing 100/3`, ... */
  states(): string[] {
    return this.history().map((one) => (one === null ? "tombstone" : `${one.state} ${one.producerId}/${one.producerEpoch}`));
  }
}

export function producer(text: string): Producer {
  const [producerId = "", producerEpoch = ""] = text.split("/");
  return { producerId: Number(producerId), producerEpoch: Number(producerEpoch) };
}
