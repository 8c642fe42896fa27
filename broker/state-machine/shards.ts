import type { Clock } from "../../protocol/base/clock.ts";
import type { TopicPartition } from "../../protocol/base/ids.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import { partitionOfKey } from "../../protocol/base/partition-of-key.ts";
import type { Outcome } from "../../protocol/errors/kafka-errors.ts";
import type { VersionedMarker } from "../log/log-contract.ts";
import { Deadlines } from "../partition/deadlines.ts";
import type { AppendedState, StatePartitions } from "../partition/internal-topic-partitions.ts";
import type { TransactionGuard } from "../partition/transaction-guards.ts";
import type { Decision, Now, RequestOrigin, ShardEnvironment, StateMachine } from "./contract.ts";
import { Shard, type ShardConfig } from "./shard.ts";
import { ShardLog } from "./shard-log.ts";
import type { Ran } from "./ticket.ts";

/** The topic that the state is kept in. */
export interface InternalTopic {
  readonly name: string;
  /** What is kept there, in the plural, for the broker's log. */
  readonly what: string;
  /** As this broker's metadata has it; 0: there is no such topic yet. */
  partitionCount(): number;
}

export interface LedPartitions extends StatePartitions {
  /** Calls when this broker begins to lead a partition, or continues in a higher epoch; null: it no longer leads it. */
  onLeadershipChanged(listener: (ref: TopicPartition, leaderEpoch: number | null) => void): () => void;
}

export interface ShardsParts<M extends StateMachine> {
  readonly topic: InternalTopic;
  readonly partitions: LedPartitions;
  readonly clock: Clock;
  readonly log: Logger;
  readonly config: ShardConfig;
  readonly makeMachine: (environment: ShardEnvironment) => M;
}

/** See `Shards.enter`. */
export interface Entered<M> {
  readonly ref: TopicPartition;
  /** The producer has something open in the partition already: nobody need be asked. */
  readonly isOpen: boolean;
  /** For `Decision.transaction`. */
  readonly guard: TransactionGuard;
  /** As `Shards.run`, where the guard was taken: NOT_COORDINATOR when that is over. */
  run<T>(operation: (machine: M, now: Now) => Decision<T>): Promise<Ran<T>>;
  leave(): void;
}

/** Whose transaction is entered. */
export interface EnteringProducer {
  readonly producerId: number;
  readonly producerEpoch: number;
}

/** One shard for each partition of an internal topic that this broker leads: loaded when the leadership begins, ended with it. */
export class Shards<M extends StateMachine> {
  readonly #parts: ShardsParts<M>;
  readonly #deadlines: Deadlines;
  readonly #shards = new Map<number, Shard<M>>();
  /** Partitions whose leadership has ended here; since when this broker leads them again, monotonic. */
  readonly #ledAgainMs = new Map<number, number>();
  /** Those who entered and have not left. */
  #entered = 0;

  constructor(parts: ShardsParts<M>) {
    this.#parts = parts;
    this.#deadlines = new Deadlines(parts.clock);
    parts.partitions.onLeadershipChanged((ref, leaderEpoch) => {
      if (ref.topic !== parts.topic.name) return;
      if (leaderEpoch === null) this.#end(ref.partition);
      else this.#lead(ref, leaderEpoch);
    });
  }

  /** Shards here, loaded or not. */
  get count(): number {
    return this.#shards.size;
  }

  /** Partitions led here and loaded. */
  get servingCount(): number {
    return [...this.#shards.values()].filter(({ isServing }) => isServing).length;
  }

  /** Of those that serve: see `Shard.machine`. */
  machines(): M[] {
    return [...this.#shards.values()].flatMap(({ machine }) => machine ?? []);
  }

  /** Requests that wait, of all shards. */
  get waiting(): number {
    return [...this.#shards.values()].reduce((sum, { waiting }) => sum + waiting, 0);
  }

  /**
   * On the shard that the key belongs to. Errors as `Shard.run` has them; NOT_COORDINATOR where that is not here, and for what may have
   * been meant for an earlier leadership of this broker. Race: (1) this machine sleeps, or the network delays what is sent to it; (2) a
   * member's commit of 56 times out, another broker leads, and is told 86; (3) this broker leads again; (4) the commit of 56 arrives: the
   * same member in the same generation, and the position would go back. When it was sent is not known. But it came over a connection that
   * is older than this leadership; and whoever was told of this leadership can open a new one.
   */
  run<T>(key: string, operation: (machine: M, now: Now) => Decision<T>, origin?: RequestOrigin): Promise<Ran<T>> {
    const found = this.#find(key, origin);
    return found.error === null ? found.shard.run(operation) : Promise.resolve(found);
  }

  #find(key: string, origin: RequestOrigin | undefined): Outcome<{ readonly shard: Shard<M>; readonly ref: TopicPartition }> {
    const { name: topic, partitionCount } = this.#parts.topic;
    const partitions = partitionCount();
    const partition = partitions === 0 ? -1 : partitionOfKey(key, partitions);
    const shard = this.#shards.get(partition);
    if (shard === undefined) return { error: "NOT_COORDINATOR" };
    if (origin !== undefined && origin.acceptedMs <= (this.#ledAgainMs.get(partition) ?? Number.NEGATIVE_INFINITY)) {
      origin.retire();
      return { error: "NOT_COORDINATOR" };
    }
    return { error: null, shard, ref: { topic, partition } };
  }

  /**
   * The end of a transaction in one of the partitions: `StatePartitions.appendMarker`, and the shard hears of it. Markers go no other way
   * there.
   */
  appendMarker(partition: number, marker: VersionedMarker): Outcome<AppendedState> {
    return this.#shards.get(partition)?.appendMarker(marker) ?? { error: "NOT_LEADER_OR_FOLLOWER" };
  }

  /**
   * For what is to be appended in a producer's transaction, before the transaction coordinator is asked whether it is open: see
   * `TransactionGuards`. Each is left in the end. Errors as `run` has them.
   */
  enter(key: string, { producerId, producerEpoch }: EnteringProducer, origin?: RequestOrigin): Outcome<Entered<M>> {
    const found = this.#find(key, origin);
    if (found.error !== null) return found;
    const { shard, ref } = found;
    if (!shard.isServing) return { error: "COORDINATOR_LOAD_IN_PROGRESS" };
    if (this.#entered >= this.#parts.config.waitingMax) return { error: "COORDINATOR_NOT_AVAILABLE" };
    const guarding = this.#parts.partitions.guards(ref);
    if (guarding.error !== null) return { error: "NOT_COORDINATOR" };
    const { leader } = guarding;
    this.#entered++;
    const guard = leader.guards.take(producerId, producerEpoch);
    const leave = () => {
      leader.guards.giveBack(guard);
      this.#entered--;
    };
    return {
      error: null,
      ref,
      isOpen: leader.openTransactionOf(producerId, producerEpoch) !== null,
      guard,
      run: (operation) => shard.run(operation),
      leave,
    };
  }

  /** The same question to every shard here. */
  runOnEach<T>(operation: (machine: M, now: Now) => Decision<T>): Promise<readonly Ran<T>[]> {
    return Promise.all([...this.#shards.values()].map((shard) => shard.run(operation)));
  }

  /** Something that is not a request, on every shard that serves. */
  runAll(operation: (machine: M, now: Now) => readonly Decision<null>[]): void {
    for (const shard of this.#shards.values()) shard.runAll(operation);
  }

  close(): void {
    for (const partition of [...this.#shards.keys()]) this.#end(partition);
  }

  #lead(ref: TopicPartition, leaderEpoch: number): void {
    const known = this.#shards.get(ref.partition);
    // nothing was answered under another leader in between: it would have needed this broker as its follower, or without it in the ISR
    if (known !== undefined) return known.goOn(leaderEpoch);
    const { topic, partitions, clock, log, config, makeMachine } = this.#parts;
    const stateLog = new ShardLog({
      ref: { topic: ref.topic, partition: ref.partition },
      partitions,
      clock,
      log,
      what: topic.what,
      readBytesMax: config.loadBufferBytes,
    });
    const shard = new Shard<M>({ stateLog, clock, deadlines: this.#deadlines, log, config, makeMachine }, leaderEpoch);
    this.#shards.set(ref.partition, shard);
    if (this.#ledAgainMs.has(ref.partition)) this.#ledAgainMs.set(ref.partition, clock.monotonicMs());
    void shard.load(); // rejects with a bug only, which ends the process
  }

  #end(partition: number): void {
    const shard = this.#shards.get(partition);
    if (shard === undefined) return;
    this.#shards.delete(partition);
    this.#ledAgainMs.set(partition, Number.NEGATIVE_INFINITY);
    shard.end();
  }
}
