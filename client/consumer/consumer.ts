import { partitionKey, type TopicPartition } from "../../protocol/base/ids.ts";
import type { ClientEventName } from "../base/client-event-map.ts";
import type { ClientListener, EventSource } from "../base/client-events.ts";
import type { ConsumerMetrics } from "../base/client-metrics.ts";
import { ClientClosed, InvalidArgument } from "../base/errors.ts";
import type { GroupMetadata } from "../coordinator/group-metadata.ts";
import type { AssignedPartition, StartPosition } from "../fetch/assigned-partition.ts";
import { ConsumerFetcher } from "../fetch/consumer-fetcher.ts";
import { FetchBuffer } from "../fetch/fetch-buffer.ts";
import type { CommittedOffset, OffsetToCommit } from "../group/group-offsets.ts";
import { groupSettings } from "../group/group-options.ts";
import { GroupSession } from "../group/group-session.ts";
import { GroupCounters } from "../group/group-tally.ts";
import type { TopicPattern } from "../group/topic-watch.ts";
import type { Cluster } from "../metadata/cluster.ts";
import { bytesSerde, type Serde } from "../serialization/serde.ts";
import {
  type Assignment,
  type AssignmentState,
  type ConsumerBatch,
  type ConsumerOptions,
  type ConsumerRecord,
  type ConsumerSettings,
  checkAssignments,
  checkStart,
  consumerCluster,
  consumerSettings,
} from "./consumer-options.ts";
import { assignedOf, stateOf, stopAtEnds } from "./ends.ts";
import { iterate } from "./iteration.ts";
import { partitionMetrics } from "./partition-metrics.ts";
import { ofTopicSeen, Processed, positionsOf } from "./processed.ts";
import { RecordTaker } from "./record-taker.ts";
import type { BatchHandler, RecordHandler, RunBatchesOptions, RunOptions } from "./run-options.ts";
import type { RunSource } from "./run-parts.ts";
import { Runs } from "./runs.ts";

/**
 * Reads records: from given partitions and positions (`assign`), or as a member of a group that shares the partitions of topics and commits
 * its progress (`subscribe`). Follows partitions when their leaders change, fetches ahead within bounds.
 *
 * ```ts
 * await using consumer = new Consumer({ bootstrap: "127.0.0.1:9092", valueSerde: jsonSerde<Order>() });
 * await consumer.assign([{ topic: "orders", from: "beginning" }]);
 * for await (const { partition, offset, key, value } of consumer) console.log(partition, offset, key?.toString(), value);
 *
 * await using member = new Consumer({ bootstrap: "127.0.0.1:9092", group: "billing", offsetReset: "earliest" });
 * await member.subscribe(["orders", /^returns-/]);
 * for await (const record of member) await bill(record);
 * ```
 *
 * In a group, what was processed is committed every few seconds and before partitions are reassigned: a record counts as processed when the
 * next one is asked for. So a record whose handler throws, or breaks out of the loop, is handed out again to the next reader of its
 * partition, unless `commit` was called.
 *
 * An iteration continues until `close`, the abort of `signal`, or the end that `stopAtEnd` or `until` names; after leaving the loop,
 * another loop continues from the same position.
 * One at a time. When it throws, the position stays at what failed: `seek` past it, or iterate again. `run` and `runBatches` are iterations
 * that handle several records at the same time, with retries and dead letters.
 */
export class Consumer<K = Buffer, V = Buffer> implements AsyncIterable<ConsumerRecord<K, V>>, EventSource, AsyncDisposable {
  readonly #cluster: Cluster;
  readonly #settings: ConsumerSettings;
  readonly #buffer = new FetchBuffer();
  readonly #fetcher: ConsumerFetcher;
  readonly #partitions = new Map<string, AssignedPartition>();
  readonly #taker: RecordTaker<K, V>;
  #isIterating = false;
  /** `assign` or `subscribe` was called; it may still be under way. */
  #isGiven = false;
  readonly #group: GroupSession | null;
  readonly #processed = new Processed();
  readonly #runs: Runs<K, V>;
  #closing: Promise<void> | null = null;

  constructor(options: ConsumerOptions<K, V>) {
    this.#cluster = consumerCluster(options);
    this.#settings = consumerSettings(options, this.#cluster.settings.requestTimeoutMs);
    this.#fetcher = new ConsumerFetcher({
      cluster: this.#cluster,
      settings: this.#settings,
      buffer: this.#buffer,
      partitions: () => this.#partitions.values(),
    });
    this.#taker = new RecordTaker({
      buffer: this.#buffer,
      decompressedBytesMax: this.#settings.decompressedBytesMax,
      keySerde: options.keySerde ?? (bytesSerde as unknown as Serde<K>),
      valueSerde: options.valueSerde ?? (bytesSerde as unknown as Serde<V>),
      onRoom: () => this.#fetcher.wake(),
      onHandling: (partition) => {
        if (this.#group !== null) this.#processed.begin(partition);
      },
    });
    this.#group = this.#groupSession(options);
    this.#runs = new Runs({
      runtime: this.#cluster.runtime,
      options,
      source: this.#runSource(),
      onBegin: () => {
        this.#beginReading();
        this.#group?.asked();
      },
      commit: async () => this.#group?.commitProcessed(),
      onEnd: () => this.#endReading(),
    });
    options.signal?.addEventListener("abort", () => this.#end(), { once: true, signal: this.#cluster.signal });
    if (options.signal?.aborted) this.#end();
  }

  /** Tells of what happens inside: see `ClientEventMap`. Returns a function that takes the listener away. */
  on<E extends ClientEventName>(event: E, listener: ClientListener<E>): () => void {
    return this.#cluster.events.on(event, listener);
  }

  /** Which client it is, in this process: in its log lines, and on diagnostics channels. */
  get id(): string {
    return this.#cluster.identity.id;
  }

  /** What it has counted, and how things stand now. */
  metrics(): ConsumerMetrics {
    return {
      ...this.#cluster.metrics(),
      ...this.#fetcher.counters,
      ...(this.#group?.counters ?? new GroupCounters()),
      recordsConsumed: this.#taker.recordsTaken,
      ...partitionMetrics(this.#partitions.values(), this.assignment()),
      bufferBytesMax: this.#settings.prefetchBytesMax,
    };
  }

  /**
   * Replaces what is read. Resolves once the topics are known (and where to stop, if anywhere); rejects with KafkaProtocolError for a
   * topic or partition that does not exist, or with the last failure after `requestTimeoutMs`.
   */
  async assign(assignments: readonly Assignment[]): Promise<void> {
    if (this.#group?.isSubscribed) throw new InvalidArgument("the group assigns the partitions: assign with another consumer");
    checkAssignments(assignments);
    this.#isGiven = true;
    const deadlineMs = this.#cluster.runtime.clock.monotonicMs() + this.#cluster.settings.requestTimeoutMs;
    await this.#cluster.reach(deadlineMs);
    const { assigned, ends } = await assignedOf(this.#cluster, assignments, this.#settings.stopAtEnd, deadlineMs);
    await stopAtEnds(this.#cluster, assigned, ends, deadlineMs, this.#settings.isolation);
    if (this.#cluster.isClosed) throw new ClientClosed("the consumer is closed");
    for (const partition of this.#partitions.values()) {
      partition.dropBuffered();
      this.#runs.current?.startOver(partition);
    }
    this.#partitions.clear();
    for (const [key, partition] of assigned) this.#partitions.set(key, partition);
    this.#buffer.notify();
    this.#fetcher.wake();
  }

  #groupSession(options: ConsumerOptions<K, V>): GroupSession | null {
    const settings = groupSettings(options);
    if (settings === null) return null;
    const reader = {
      partitions: this.#partitions,
      processed: (partition: AssignedPartition) => this.#runs.current?.placeOf(partition) ?? this.#processed.of(partition),
      isHandled: (partition: AssignedPartition) => this.#processed.isHandled(partition),
      handlers: () => this.#runs.current,
      wake: () => this.#wake(),
      fail: (error: Error, partition: AssignedPartition | null) => this.#buffer.pushError(error, partition),
    };
    return new GroupSession({ ...this.#settings, cluster: this.#cluster, settings, reader });
  }

  #inGroup(): GroupSession {
    if (this.#cluster.isClosed || this.#closing !== null) throw new ClientClosed("the consumer is closed");
    if (this.#group === null) throw new InvalidArgument("the consumer belongs to no group: name one with the option `group`");
    return this.#group;
  }

  /**
   * Shares the partitions of these topics with the group's other members: topic names, or expressions that names match. Replaces an earlier
   * subscription. Resolves once the topics are known, and rejects as `assign` does; partitions are assigned and revoked from then on, see
   * `onAssigned` and `onRevoked`.
   */
  async subscribe(topics: readonly TopicPattern[]): Promise<void> {
    const group = this.#inGroup();
    if (!group.isSubscribed && this.#partitions.size > 0)
      throw new InvalidArgument("partitions are assigned by hand: subscribe with another consumer");
    this.#isGiven = true;
    await group.subscribe(topics);
  }

  /**
   * Commits these offsets (each the one of the next record to be handled), or else the positions: everything handed out so far, the record
   * being handled included. During a `run`: or else what was processed, which the record being handled is not.
   * Rejects with CommitFailed when a partition belongs to another member by now, else with the last failure after `requestTimeoutMs`.
   */
  async commit(offsets?: readonly OffsetToCommit[]): Promise<void> {
    const group = this.#inGroup();
    for (const { offset } of offsets ?? []) checkStart({ offset });
    const run = this.#runs.current;
    const wanted = offsets?.map((each) => ofTopicSeen(this.#partitions, each)) ?? positionsOf(this.#partitions.values(), run);
    this.#processed.committed(wanted);
    run?.committed(wanted);
    await group.commit(wanted);
  }

  /** As which member of the group a producer's transaction commits positions (`sendOffsets`). Throws unless `autoCommit` is false. */
  groupMetadata(): GroupMetadata {
    return this.#inGroup().metadata();
  }

  /** What the group has committed for these partitions, in order, whichever member has them. */
  async committed(partitions: readonly TopicPartition[]): Promise<readonly CommittedOffset[]> {
    return this.#inGroup().committed(partitions);
  }

  /** The assigned partitions and their positions. */
  assignment(): readonly AssignmentState[] {
    return [...this.#partitions.values()].map(stateOf);
  }

  /** Offset of the next record that will be handed out; -1 while it is being looked up. */
  position(topic: string, partition: number): number {
    return this.#assigned({ topic, partition }).position;
  }

  /** The partition's next record is the one at `to`. */
  seek({ topic, partition }: TopicPartition, to: StartPosition): void {
    checkStart(to);
    const assigned = this.#assigned({ topic, partition });
    assigned.moveTo(to);
    assigned.handedOutTopicId = assigned.topicId;
    if (this.#processed.isHandled(assigned)) this.#processed.end();
    this.#runs.current?.startOver(assigned);
    this.#fetcher.wake();
  }

  /** No records of these partitions until `resume`; what was prefetched is dropped. */
  pause(partitions: readonly TopicPartition[]): void {
    for (const each of partitions) {
      const partition = this.#assigned(each);
      if (partition.isPaused) continue;
      partition.isPaused = true;
      partition.dropBuffered();
    }
    this.#fetcher.wake();
  }

  resume(partitions: readonly TopicPartition[]): void {
    for (const each of partitions) this.#assigned(each).isPaused = false;
    this.#wake();
  }

  #wake(): void {
    this.#buffer.notify();
    this.#fetcher.wake();
  }

  /** Records one by one, in the order of each partition. */
  [Symbol.asyncIterator](): AsyncIterableIterator<ConsumerRecord<K, V>> {
    return this.#iterate(() => this.#taker.takeRecord());
  }

  /** Like the consumer itself, but a stored batch at a time, or part of one with very many records: less work per record. */
  batches(): AsyncIterableIterator<ConsumerBatch<K, V>> {
    return this.#iterate(() => this.#taker.takeBatch());
  }

  /**
   * Hands records to `handler`, up to `concurrency` of them at the same time, in the order of their partitions, or of their keys. A record
   * counts as processed when its handler resolves. In a group (unless `autoCommit` is false) what is committed for a partition is the place
   * of its oldest record that is not processed: every record is handled at least once, whoever dies.
   *
   * ```ts
   * await member.subscribe(["orders"]);
   * await member.run({ concurrency: 16, orderBy: "key", retries: 3, deadLetter: { topic: "orders-dead" } }, async ({ value }, { signal })
   * => {
   *   await fetch("https://billing.example/", { method: "POST", body: value, signal });
   * });
   * ```
   *
   * A handler that throws is called again after a pause (`retries`); meanwhile only what must come after its record waits. When it has
   * failed for the last time the record goes to `deadLetter`, and counts as processed once it is acknowledged there. Without one the run
   * rejects with the handler's error, and nothing from that record on is committed for its partition.
   *
   * Resolves after `close`, the abort of `signal`, or with `stopAtEnd` the end, when handlers that run are done or were waited for for
   * `drainTimeoutMs`. What was not processed is read again by the next `run` or iteration. A run is an iteration: one at a time.
   */
  run(options: RunOptions, handler: RecordHandler<K, V>): Promise<void> {
    return this.#runs.records(options, handler);
  }

  /**
   * As `run`, with several records of one partition at a time: those that are there, up to `batchRecordsMax`. They count as processed when
   * the handler resolves, or before that as far as it says (`processed`). A handler that throws is called again with what is not processed;
   * when it has failed for the last time, all of that goes to `deadLetter`.
   */
  runBatches(options: RunBatchesOptions, handler: BatchHandler<K, V>): Promise<void> {
    return this.#runs.batches(options, handler);
  }

  #runSource(): RunSource<K, V> {
    return {
      partitions: this.#partitions,
      take: (mayTake) => this.#taker.takeUnread(mayTake),
      read: (taken) => this.#taker.read(taken),
      mayHandle: () => this.#group?.mayHandle() ?? true,
      isAtEnd: () => this.#isAtEnd(),
      changed: () => this.#buffer.changed,
      wake: () => this.#wake(),
      closed: this.#cluster.signal,
    };
  }

  /**
   * Ends the iteration and closes the connections. In a group, first commits what was processed (unless `autoCommit` is false) and leaves,
   * which takes 5 s at most. A `run` is ended first: its handlers that run are waited for, `drainTimeoutMs` at most. A handler must not
   * wait for it.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#buffer.notify();
    await this.#runs.current?.stop();
    if (!this.#cluster.isClosed) await this.#group?.close();
    this.#end();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #end(): void {
    this.#fetcher.close();
    this.#cluster.close(new ClientClosed("the consumer was closed"));
    this.#buffer.notify();
  }

  #assigned({ topic, partition }: TopicPartition): AssignedPartition {
    const assigned = this.#partitions.get(partitionKey(topic, partition));
    if (assigned === undefined) throw new InvalidArgument(`${topic}-${partition} is not assigned; a partition is {topic, partition}`);
    return assigned;
  }

  #iterate<T>(take: () => T | null): AsyncIterableIterator<T> {
    this.#beginReading();
    return iterate<T>({
      asked: () => {
        this.#processed.end();
        this.#group?.asked();
      },
      isClosed: () => this.#closing !== null || this.#cluster.isClosed,
      isAtEnd: () => this.#isAtEnd(),
      take: () => {
        const value = this.#group === null || this.#group.mayHandOut ? take() : null;
        if (value !== null) this.#group?.handedOut();
        return value;
      },
      changed: () => this.#buffer.changed,
      finished: () => this.#endReading(),
    });
  }

  #beginReading(): void {
    if (!this.#isGiven && !this.#cluster.isClosed && this.#closing === null)
      throw new InvalidArgument("there is nothing to read: call assign, or with a group subscribe, before");
    if (this.#isIterating) throw new InvalidArgument("the consumer is being iterated already");
    this.#isIterating = true;
    this.#tryFailedAgain();
  }

  #endReading(): void {
    this.#isIterating = false;
    this.#group?.left();
    this.#buffer.notify(); // callers that still wait for an answer learn that it is over
  }

  /** The failure that ended an earlier iteration: it is resolved this time, or thrown again. One that was not thrown yet comes first. */
  #tryFailedAgain(): void {
    if (this.#buffer.holdsFailure) return;
    for (const partition of this.#partitions.values()) {
      const lasting = partition.unblock();
      if (lasting !== null) this.#buffer.pushError(lasting, partition);
    }
    const ended = this.#group?.tryAgain() ?? null;
    if (ended !== null) this.#buffer.pushError(ended, null);
    this.#fetcher.wake();
  }

  #isAtEnd(): boolean {
    if (this.#group?.isSettled === false || (this.#partitions.size === 0 && !this.#settings.stopAtEnd)) return false;
    return [...this.#partitions.values()].every(({ isStopped }) => isStopped);
  }
}
