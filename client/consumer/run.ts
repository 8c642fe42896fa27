import type { Clock, Timer } from "../../protocol/base/clock.ts";
import { partitionKey } from "../../protocol/base/ids.ts";
import { backoffMs } from "../base/backoff.ts";
import { SerializationFailed } from "../base/errors.ts";
import type { AssignedPartition, Place } from "../fetch/assigned-partition.ts";
import type { OffsetToCommit } from "../group/group-offsets.ts";
import type { GivenUpAs } from "../group/member-step.ts";
import type { ConsumerRecord } from "./consumer-options.ts";
import { Handling, Task } from "./handling.ts";
import { Lanes, type Turn } from "./lanes.ts";
import { recordCostInBytes } from "./opened-batch.ts";
import { placeBefore } from "./processed.ts";
import type { TakenRecord } from "./record-taker.ts";
import type { RunParts } from "./run-parts.ts";
import { TakenWindow, type WindowLimits } from "./taken-window.ts";

/**
 * Hands records to handlers that run in parallel, each lane in order. Every turn of it is one synchronous step: take what may be taken,
 * start what may be started.
 *
 * What is committed is, for each partition, the place of the oldest record that is not processed. When a partition is reassigned: 1. none
 * of its records is taken any more, and none handed out but to close gaps (`#closeUp`); 2. its handlers that run are waited for,
 * `drainTimeoutMs` at most; 3. its group commits that place, and gives it up. What a handler does after that does not count, but its lane
 * stays busy until it is done: should the partition come back, its records are not handled at the same time as what is left of the first
 * time.
 */
export class Run<K, V> {
  readonly #parts: RunParts<K, V>;
  readonly #clock: Clock;
  readonly #lanes = new Lanes<Task>();
  readonly #windows = new WeakMap<AssignedPartition, TakenWindow>();
  /** Partitions of which a record waits to be handled again, and how many do. */
  readonly #waiting = new Map<AssignedPartition, number>();
  /** In the order in which they began. */
  readonly #running = new Set<Handling>();
  readonly #retries = new Set<Timer>();
  /** What is waited for until it is over: see `#drained`. */
  readonly #drains = new Set<() => void>();
  readonly #over = Promise.withResolvers<void>();
  #isStopping = false;
  /** Nothing more is taken; the run fails with it once what was taken before is handled. */
  #readingFailure: { readonly error: unknown } | null = null;
  #failure: { readonly error: unknown } | null = null;

  constructor(parts: RunParts<K, V>) {
    this.#parts = parts;
    this.#clock = parts.runtime.clock;
  }

  /** Resolves when it was stopped, or has come to the end; rejects with the failure that ended it. */
  async run(): Promise<void> {
    const { source, settings } = this.#parts;
    const stop = () => void this.stop();
    settings.signal?.addEventListener("abort", stop, { once: true });
    if (settings.signal?.aborted) this.#isStopping = true;
    while (!this.#isStopping && !source.closed.aborted) {
      const changed = source.changed();
      this.#turn(true);
      if (this.#isStopping || this.#isAtEnd()) break;
      await changed;
    }
    settings.signal?.removeEventListener("abort", stop);
    await this.#end();
    if (this.#failure !== null) throw this.#failure.error;
  }

  /** Nothing more is handed out. Resolves once handlers that run are done, or were waited for long enough. */
  stop(): Promise<void> {
    this.#isStopping = true;
    for (const group of this.#lanes.groups) this.#closeUp(group);
    this.#parts.source.wake();
    return this.#over.promise;
  }

  /** Since when the oldest handler has been running; null: none runs. Monotonic. */
  get busySinceMs(): number | null {
    for (const { sinceMs } of this.#running) return sinceMs;
    return null;
  }

  /** Everything before it was processed. */
  placeOf(partition: AssignedPartition): Place {
    return placeBefore(partition, this.#windows.get(partition)?.oldest ?? null);
  }

  /** What the application itself commits counts as processed: no later commit of ours goes back before it. */
  committed(offsets: readonly OffsetToCommit[]): void {
    for (const { topic, partition, offset } of offsets) {
      const assigned = this.#parts.source.partitions.get(partitionKey(topic, partition));
      if (assigned !== undefined) this.#windows.get(assigned)?.committedTo(offset);
    }
  }

  /** The position was moved: what was taken from elsewhere is not handed out any more, and handlers that have it count for nothing. */
  startOver(partition: AssignedPartition): void {
    partition.isBackedUp = false;
    this.#lanes.drop(partition.key);
    this.#windows.delete(partition);
    for (const handling of this.#running) if (handling.partition === partition) handling.isVoid = true;
  }

  /** They are being reassigned, and are held. Resolves when none of their records is being handled, or that has taken too long. */
  async release(partitions: readonly AssignedPartition[], as: GivenUpAs): Promise<void> {
    const groups = partitions.map(({ key }) => key);
    const theirs = new Set(partitions);
    const isTheirs = ({ partition }: Handling) => theirs.has(partition);
    // others may be handling the same records already, and nothing can be committed
    if (as === "lost") return this.#abandon(groups, isTheirs);
    for (const group of groups) this.#closeUp(group);
    await this.#drained(groups, isTheirs);
  }

  /**
   * No more of the partition is begun, but for what lies between records that were: by key, what was handled after such a gap could not be
   * committed, and would be handled a second time. After a failure, or before a record that waits to be tried again, that is of no use.
   */
  #closeUp(group: string): void {
    for (const task of this.#lanes.waiting(group)) task.window.failed(task);
    const isPaused = this.#isPaused(group);
    this.#lanes.drop(group, (task) => this.#failure === null && !isPaused && task.window.holdsUp(task));
  }

  #limits(): WindowLimits {
    const { source, settings } = this.#parts;
    const share = Math.max(source.partitions.size, 1);
    return { recordsMax: settings.pendingRecordsMax / share, bytesMax: settings.pendingBytesMax / share };
  }

  #turn(mayTake: boolean): void {
    const { source } = this.#parts;
    if (source.closed.aborted || !source.mayHandle()) return;
    if (mayTake && !this.#isStopping && this.#readingFailure === null) this.#take();
    this.#start();
    if (this.#readingFailure !== null && this.#running.size === 0 && this.#lanes.areIdle(this.#isPaused))
      this.#fail(this.#readingFailure.error);
  }

  readonly #isPaused = (key: string) => this.#parts.source.partitions.get(key)?.isPaused ?? false;

  #take(): void {
    const { source } = this.#parts;
    const limits = this.#limits();
    const mayTake = (partition: AssignedPartition) => this.#windows.get(partition)?.mayTake(limits) ?? true;
    try {
      for (let taken = source.take(mayTake); taken !== null; taken = source.take(mayTake)) this.#add(taken);
    } catch (error) {
      this.#readingFailure = { error };
    }
    for (const partition of this.#waiting.keys()) if (!mayTake(partition)) this.#backUp(partition);
  }

  #backUp(partition: AssignedPartition): void {
    if (partition.isBackedUp) return;
    partition.isBackedUp = true;
    partition.dropBuffered();
  }

  #fetchAgain(partition: AssignedPartition): void {
    if (!partition.isBackedUp) return;
    partition.isBackedUp = false;
    this.#parts.source.wake();
  }

  #add(taken: TakenRecord): void {
    const { partition, before, record } = taken;
    let window = this.#windows.get(partition);
    if (window !== undefined && !window.isContinuedBy(before)) {
      this.startOver(partition);
      window = undefined;
    }
    if (window === undefined) {
      window = new TakenWindow();
      this.#windows.set(partition, window);
    }
    const bytes = recordCostInBytes(record) + (record.key?.length ?? 0) + (record.value?.length ?? 0);
    const task = new Task(taken, window, bytes);
    window.take(task);
    this.#lanes.add(partition.key, this.#laneOf(taken), task);
  }

  #laneOf({ record: { key, offset } }: TakenRecord): string {
    if (!this.#parts.settings.isOrderedByKey) return "";
    return key === null ? `offset ${offset}` : `key ${key.toString("latin1")}`;
  }

  #start(): void {
    const { concurrency, batchRecordsMax } = this.#parts.settings;
    while (this.#running.size < concurrency) {
      const turn = this.#lanes.next(batchRecordsMax, this.#isPaused);
      if (turn === null) return;
      for (const task of turn.tasks) task.window.begun(task);
      const handling = new Handling(turn, this.#clock.monotonicMs());
      this.#running.add(handling);
      void this.#handle(handling);
    }
  }

  async #handle(handling: Handling): Promise<void> {
    await this.#attempt(handling);
    this.#handled(handling);
  }

  #handled(handling: Handling): void {
    this.#running.delete(handling);
    const { window } = handling.turn.tasks[0] as Task;
    const wasFull = window.isFull;
    const hasRoom = window.mayTake(this.#limits());
    if (hasRoom) this.#fetchAgain(handling.partition);
    this.#turn(wasFull && hasRoom);
    for (const check of this.#drains) check();
    if (this.#isAtEnd()) this.#parts.source.wake();
  }

  async #attempt(handling: Handling): Promise<void> {
    const { tasks } = handling.turn;
    const { records, unread, error } = this.#read(tasks);
    if (records.length === 0) return this.#failed(handling, { failed: tasks.slice(0, 1), unread: tasks.slice(1), error });
    const read = unread.length === 0 ? tasks : tasks.slice(0, records.length);
    try {
      await this.#parts.handler(records, read, handling);
      if (!handling.isVoid) for (const task of read) task.processed();
      this.#goOn(handling, unread);
    } catch (error) {
      const failed = read.filter(({ isProcessed }) => !isProcessed);
      // what comes after progress has not failed before
      for (const task of failed) task.failures = failed.length < read.length ? 1 : task.failures + 1;
      await this.#failed(handling, { failed, unread, error });
    }
  }

  /** Up to the first that cannot be read. */
  #read(tasks: readonly Task[]): { readonly records: ConsumerRecord<K, V>[]; readonly unread: readonly Task[]; readonly error: unknown } {
    const records: ConsumerRecord<K, V>[] = [];
    try {
      for (const { taken } of tasks) records.push(this.#parts.source.read(taken));
      return { records, unread: nothing, error: null };
    } catch (error) {
      return { records, unread: tasks.slice(records.length), error };
    }
  }

  async #failed(handling: Handling, { failed, unread, error }: Failed): Promise<void> {
    const { settings, deadLetters } = this.#parts;
    if (handling.isVoid) return this.#goOn(handling, []);
    const [first] = failed;
    if (first === undefined) return this.#goOn(handling, unread); // it marked them all as processed before it failed
    if (!(error instanceof SerializationFailed) && first.failures <= settings.retries)
      return this.#handleLater(handling, [...failed, ...unread], error);
    if (deadLetters === null) {
      this.#fail(error);
      return this.#goOn(handling, []);
    }
    const sent = await Promise.allSettled(
      failed.map(async (task) => {
        await deadLetters.send(task.taken, error, task.failures, handling.signal);
        this.#parts.runtime.log.warn(
          {
            topic: handling.partition.topic,
            partition: handling.partition.partition,
            offset: task.taken.record.offset,
            attempts: task.failures,
            err: error,
          },
          "sent to the dead letter topic",
        );
        if (!handling.isVoid) task.processed();
      }),
    );
    const lost = sent.find((each) => each.status === "rejected");
    if (lost !== undefined && !handling.isVoid) this.#fail(lost.reason);
    this.#goOn(handling, unread);
  }

  /** The turn is over; of its tasks these are left to do. */
  #goOn({ turn, isVoid, partition }: Handling, left: readonly Task[]): void {
    if (left.length === 0 || isVoid || this.#isStopping || partition.isHeld) return this.#lanes.done(turn);
    this.#lanes.again(turn, left);
    this.#lanes.resume(turn);
  }

  #handleLater({ turn, partition }: Handling, left: readonly Task[], error: unknown): void {
    if (this.#isStopping || partition.isHeld) return this.#leave(turn, left);
    const { settings, runtime } = this.#parts;
    const [{ taken, failures }] = left as [Task];
    const limits = { retryBackoffMs: settings.retryDelayMs, retryBackoffMaxMs: settings.retryDelayMaxMs };
    const delayMs = backoffMs(failures, limits, runtime.random);
    const { topic, partition: index } = partition;
    runtime.log.warn({ topic, partition: index, offset: taken.record.offset, attempts: failures, delayMs, err: error }, "a handler failed");
    this.#lanes.again(turn, left);
    this.#waiting.set(partition, (this.#waiting.get(partition) ?? 0) + 1);
    const timer = this.#clock.schedule(delayMs, () => {
      this.#retries.delete(timer);
      const others = (this.#waiting.get(partition) ?? 1) - 1;
      if (others > 0) this.#waiting.set(partition, others);
      else this.#waiting.delete(partition);
      this.#lanes.resume(turn);
      this.#turn(false);
    });
    this.#retries.add(timer);
  }

  /** It is not tried again here. */
  #leave(turn: Turn<Task>, [first]: readonly Task[]): void {
    const { window, taken } = first as Task;
    window.failed(first as Task);
    this.#lanes.done(turn);
    this.#closeUp(taken.partition.key);
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    void this.stop();
  }

  #isAtEnd(): boolean {
    return this.#lanes.isEmpty && this.#running.size === 0 && this.#parts.source.isAtEnd();
  }

  /** What is not processed is where the next reading begins, of this consumer or another. */
  async #end(): Promise<void> {
    void this.stop();
    for (const timer of this.#retries) timer.cancel();
    await this.#drained(this.#lanes.groups, () => true);
    for (const partition of this.#parts.source.partitions.values()) {
      partition.isBackedUp = false;
      const { offset, leaderEpoch } = this.placeOf(partition);
      if (offset < 0 || offset === partition.position) continue;
      partition.moveTo({ offset });
      partition.knowsEpochBefore(leaderEpoch);
    }
    this.#over.resolve();
  }

  /**
   * Resolves when these handlers are done, and nothing is left to do in the groups. After `drainTimeoutMs`, or when the consumer is closed,
   * they are told that nobody waits.
   */
  async #drained(groups: readonly string[], isTheirs: (handling: Handling) => boolean): Promise<void> {
    const { settings, source } = this.#parts;
    const over = Promise.withResolvers<void>();
    const check = () => {
      if (![...this.#running].some(isTheirs) && !groups.some((group) => this.#lanes.holds(group))) over.resolve();
    };
    const giveUp = () => {
      this.#abandon(groups, isTheirs);
      over.resolve();
    };
    this.#drains.add(check);
    const timer = this.#clock.schedule(settings.drainTimeoutMs, giveUp);
    source.closed.addEventListener("abort", giveUp, { once: true });
    if (source.closed.aborted) giveUp();
    else check();
    await over.promise;
    timer.cancel();
    source.closed.removeEventListener("abort", giveUp);
    this.#drains.delete(check);
  }

  /** Nothing more of the groups is begun, and nobody waits for these handlers. */
  #abandon(groups: readonly string[], isTheirs: (handling: Handling) => boolean): void {
    for (const group of groups) this.#lanes.drop(group);
    for (const handling of this.#running) if (isTheirs(handling)) handling.abandon();
  }
}

const nothing: readonly Task[] = [];

interface Failed {
  readonly failed: readonly Task[];
  /** Those after them, which the handler was not handed. */
  readonly unread: readonly Task[];
  readonly error: unknown;
}
