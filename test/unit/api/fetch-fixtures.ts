import { type FetchLimits, fetchApi } from "../../../broker/api/fetch.ts";
import { FetchSessionCache } from "../../../broker/api/fetch-session-cache.ts";
import type { ConsumerRead, ConsumerReadOptions, NoLeader, NotYet, ReadingLeader } from "../../../broker/partition/client-contract.ts";
import type { TopicPartition } from "../../../protocol/base/ids.ts";
import { zeroTopicId } from "../../../protocol/base/ids.ts";
import { seededRandom } from "../../../protocol/base/random.ts";
import type { KafkaError, Outcome } from "../../../protocol/errors/kafka-errors.ts";
import type { FetchRequest } from "../../../protocol/messages/fetch.ts";
import { Images, image, ManualClock, partition, topic, topicId } from "./fixtures.ts";

interface FakePartition {
  /** Each a batch of one record; the index is the offset. */
  batches: string[];
  logStartOffset: number;
  error: KafkaError | null;
  diverging: { readonly epoch: number; readonly endOffset: number } | null;
  /** This broker follows. */
  isFollowed?: boolean;
  /** What is known of it, where that is less than there is. */
  knownEnd?: number;
  /** Transactions that were aborted, as the log has them. */
  aborted?: ConsumerRead["aborted"];
}

/** Partitions in memory, with the rules of `ReadingLeader` and `ChangeSource` that fetching builds on. */
export class FakePartitions {
  readonly reads: { readonly ref: TopicPartition; readonly options: ConsumerReadOptions }[] = [];
  readonly #partitions = new Map<string, FakePartition>();
  readonly #waiters = new Set<{ readonly keys: ReadonlySet<string>; readonly wake: () => void }>();
  readonly #clock: ManualClock;
  /** Called during a read, before it resolves. */
  onRead: () => void = () => {};

  constructor(clock: ManualClock) {
    this.#clock = clock;
  }

  get waiting(): number {
    return this.#waiters.size;
  }

  at(name: string, number: number): FakePartition {
    const key = `${name}-${number}`;
    const known = this.#partitions.get(key) ?? { batches: [], logStartOffset: 0, error: null, diverging: null };
    this.#partitions.set(key, known);
    return known;
  }

  append(name: string, number: number, ...batches: readonly string[]): void {
    this.at(name, number).batches.push(...batches);
    this.wake(name, number);
  }

  wake(name: string, number: number): void {
    for (const waiter of [...this.#waiters]) if (waiter.keys.has(`${name}-${number}`)) waiter.wake();
  }

  leader(ref: TopicPartition): ReadingLeader | NoLeader {
    return this.at(ref.topic, ref.partition).isFollowed ? "NOT_LEADER_OR_FOLLOWER" : this.#reader(ref);
  }

  follower(ref: TopicPartition): ReadingLeader | null {
    return this.at(ref.topic, ref.partition).isFollowed ? this.#reader(ref) : null;
  }

  #reader(ref: TopicPartition): ReadingLeader {
    return { read: (options) => this.#read(ref, options) };
  }

  async #read(ref: TopicPartition, options: ConsumerReadOptions): Promise<Outcome<ConsumerRead> | NotYet> {
    this.reads.push({ ref, options });
    const {
      batches,
      logStartOffset,
      error,
      diverging,
      isFollowed = false,
      knownEnd = batches.length,
      aborted = [],
    } = this.at(ref.topic, ref.partition);
    if (error !== null) return { error };
    const end = knownEnd;
    const meanwhile = { highWatermark: end, lastStableOffset: end, logStartOffset, chunks: [], sizeInBytes: 0, diverging: null };
    if (isFollowed && options.fetchOffset > end) return { error: "OFFSET_NOT_AVAILABLE", isExpectedSoon: true, meanwhile };
    const [preferredReadReplica] = options.near ?? [];
    if (!isFollowed && preferredReadReplica !== undefined)
      return {
        error: null,
        highWatermark: end,
        lastStableOffset: end,
        logStartOffset,
        chunks: [],
        sizeInBytes: 0,
        diverging: null,
        preferredReadReplica,
      };
    const found: Buffer[] = [];
    let sizeInBytes = 0;
    for (const batch of diverging === null ? batches.slice(options.fetchOffset, end) : []) {
      if (sizeInBytes + batch.length > options.maxBytes && !(options.minOneBatch && found.length === 0)) break;
      found.push(Buffer.from(batch));
      sizeInBytes += batch.length;
    }
    await Promise.resolve();
    this.onRead();
    return { error: null, highWatermark: end, lastStableOffset: end, logStartOffset, chunks: found, sizeInBytes, diverging, aborted };
  }

  changed(refs: readonly TopicPartition[], deadlineMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#clock.schedule(deadlineMs - this.#clock.monotonicMs(), () => waiter.wake());
      const waiter = {
        keys: new Set(refs.map(({ topic: name, partition: number }) => `${name}-${number}`)),
        wake: () => {
          timer.cancel();
          this.#waiters.delete(waiter);
          resolve();
        },
      };
      this.#waiters.add(waiter);
      signal?.addEventListener("abort", waiter.wake, { once: true });
    });
  }
}

export const ordersId = topicId("o");
export const billsId = topicId("b");

export function fetching(given: Partial<FetchLimits> & { readonly sessionsMax?: number; readonly sessionsPartitionsMax?: number } = {}) {
  const limits = { maxBytes: 1000, brokerId: 1, sendsToRack: false, ...given };
  const clock = new ManualClock();
  const partitions = new FakePartitions(clock);
  const numbers = [0, 1, 2, 3];
  const images = new Images(
    image([
      topic(
        "orders",
        ordersId,
        numbers.map((number) => partition(number)),
      ),
      topic(
        "bills",
        billsId,
        numbers.map((number) => partition(number, { leader: 2, leaderEpoch: 8 })),
      ),
    ]),
  );
  const sessions = new FetchSessionCache(
    { sessionsMax: limits.sessionsMax ?? 10, partitionsMax: limits.sessionsPartitionsMax ?? 1000 },
    clock,
    seededRandom(1),
  );
  const api = fetchApi({ partitions, images, clock }, sessions, limits);
  return { clock, partitions, images, sessions, api };
}

export interface Want {
  readonly topic: string;
  readonly partition: number;
  readonly offset?: number;
  readonly maxBytes?: number;
}

/** By name; for versions from 13 on `byId`. */
export function fetchOf(wants: readonly Want[], more: Partial<FetchRequest> = {}): FetchRequest {
  return {
    clusterId: null,
    replicaId: -1,
    replicaState: { replicaId: -1, replicaEpoch: -1 },
    maxWaitMs: 0,
    minBytes: 1,
    maxBytes: 1000,
    isolationLevel: 0,
    sessionId: 0,
    sessionEpoch: -1,
    topics: wants.map(({ topic: name, partition: number, offset = 0, maxBytes = 500 }) => ({
      topic: name,
      topicId: zeroTopicId,
      partitions: [
        {
          partition: number,
          currentLeaderEpoch: -1,
          fetchOffset: offset,
          lastFetchedEpoch: -1,
          logStartOffset: -1,
          partitionMaxBytes: maxBytes,
          replicaDirectoryId: zeroTopicId,
        },
      ],
    })),
    forgottenTopicsData: [],
    rackId: "",
    ...more,
  };
}

const ids: Readonly<Record<string, string>> = { orders: ordersId, bills: billsId };

export function byId(request: FetchRequest): FetchRequest {
  const named = <T extends { readonly topic: string }>(one: T) => ({ ...one, topic: "", topicId: ids[one.topic] ?? one.topic });
  return { ...request, topics: request.topics.map(named), forgottenTopicsData: request.forgottenTopicsData.map(named) };
}
