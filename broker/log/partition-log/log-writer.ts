import type { Clock } from "../../../protocol/base/clock.ts";
import type { Random } from "../../../protocol/base/random.ts";
import type { BatchInfo } from "../../../protocol/records/batch-header.ts";
import { storeSnapshot } from "../producers/producer-files.ts";
import { createSegment } from "../segment/segment-files.ts";
import { AppendQueue, type QueuedAppend, type QueuedRoll } from "./append-queue.ts";
import { FlushSchedule, type LogFlusher } from "./log-flusher.ts";
import type { LogState } from "./log-state.ts";

/** Index entries wait in memory until there are this many (2 MiB of log), or the segment is closed. */
const unstoredEntriesMax = 512;

export interface LogWriterParts {
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * The one writer of a log. What is appended is queued in the caller's turn; a loop then writes it: appends that wait together become one
 * write, and one fsync where `flush.messages` demands it. After a failure nothing is written any more.
 */
export class LogWriter {
  readonly #state: LogState;
  readonly #flusher: LogFlusher;
  readonly #queue: AppendQueue;
  readonly #schedule: FlushSchedule;
  readonly #waiters = new WrittenWaiters();
  readonly #listeners = new Set<(writtenEndOffset: number) => void>();
  #running = false;
  #notifying = false;
  #idle: (() => void)[] = [];
  #forgetHealth: () => void;

  constructor(state: LogState, flusher: LogFlusher, { clock, random }: LogWriterParts) {
    this.#state = state;
    this.#flusher = flusher;
    this.#queue = new AppendQueue(state, clock, random);
    this.#schedule = new FlushSchedule(state, flusher, clock);
    this.#forgetHealth = this.#watchHealth();
  }

  #watchHealth(): () => void {
    return this.#state.directory.health.onOffline((error) => {
      this.#waiters.fail(error);
      this.#queue.fail(error);
    });
  }

  /** The log is in another directory now. */
  directoryChanged(): void {
    this.#forgetHealth();
    this.#forgetHealth = this.#watchHealth();
  }

  /** Whether that much more may wait for the disk. */
  hasRoomFor(bytes: number): boolean {
    return this.#queue.hasRoomFor(bytes);
  }

  /** `bytes` holds exactly `batches`, whose offsets continue the log, and there is room for them. They are copied. */
  enqueue(bytes: Buffer, batches: readonly BatchInfo[]): void {
    this.#queue.add(bytes, batches);
    this.#start();
  }

  /**
   * What is appended next goes to a new segment. Resolves once the present one is sealed. It must not be empty, and everything appended
   * must be written.
   */
  roll(): Promise<void> {
    const rolled = this.#queue.addRoll();
    this.#start();
    return rolled;
  }

  /**
   * Runs `work`, which must not reject, once all that was appended before is written; what is appended meanwhile is written after. Rejects
   * when there is nothing to write to any more.
   */
  pausing(work: () => Promise<void>): Promise<void> {
    this.#state.directory.health.assertOnline();
    const done = this.#queue.addPause(work);
    this.#start();
    return done;
  }

  written(offset: number): Promise<void> {
    const { health } = this.#state.directory;
    if (health.offline !== null) return Promise.reject(health.offline);
    return offset <= this.#state.writtenEndOffset ? Promise.resolve() : this.#waiters.wait(offset);
  }

  onWritten(listener: (writtenEndOffset: number) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves once nothing waits to be written; rejects when it cannot be. */
  async drained(): Promise<void> {
    if (this.#running) await new Promise<void>((resolve) => this.#idle.push(resolve));
    this.#state.directory.health.assertOnline();
  }

  flushMsChanged(): void {
    this.#schedule.restart();
  }

  /** Nothing is appended any more. */
  close(): void {
    this.#schedule.stop();
    this.#forgetHealth();
    this.#listeners.clear();
  }

  #start(): void {
    if (this.#running) return;
    this.#running = true;
    // in a microtask, so that all appends of this turn go together
    queueMicrotask(() => void this.#run());
  }

  async #run(): Promise<void> {
    const queue = this.#queue;
    try {
      for (let { first } = queue; first !== undefined; first = queue.first) {
        if (first.kind === "append") await this.#write(queue.takeAppends());
        else {
          queue.shift();
          if (first.kind === "roll") await this.#roll(first);
          else await first.work().then(first.done.resolve);
        }
      }
    } catch (error) {
      const failure = this.#state.directory.health.failed(error);
      if (failure !== this.#state.directory.health.offline) throw failure;
    } finally {
      this.#running = false;
      for (const resolve of this.#idle.splice(0)) resolve();
    }
  }

  async #write(appends: readonly QueuedAppend[]): Promise<void> {
    const state = this.#state;
    const segment = state.last;
    const { file, offsets, times, aborted } = segment.writable;
    const chunks = appends.map(({ placed }) => placed.bytes);
    const sizeInBytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    const last = appends.at(-1)!;
    await state.directory.pace.write(() => this.#handOver(appends, file.write(chunks, segment.sizeInBytes)));
    this.#queue.written(sizeInBytes);
    for (const append of appends) {
      for (const entry of append.offsetEntries) offsets.append(entry);
      for (const entry of append.timeEntries) times.append(entry);
      for (const entry of append.aborted) aborted.append(entry);
      state.tail.append(append.placed, append.baseOffset, append.endOffset);
    }
    segment.grown(sizeInBytes, last);
    state.written(last.endOffset);
    this.#waiters.reached(last.endOffset);
    this.#notify();
    if (offsets.unstoredEntries > unstoredEntriesMax) {
      await offsets.store(state.io.files, { sync: false });
      await times.store(state.io.files, { sync: false });
    }
    if (aborted.unstoredEntries > unstoredEntriesMax) await aborted.store(state.io.files, { sync: false });
  }

  /** To the operating system, and to the disk where that is demanded. */
  async #handOver(appends: readonly QueuedAppend[], written: Promise<void>): Promise<void> {
    const state = this.#state;
    await written;
    state.directory.health.assertOnline();
    state.handedOver(appends.at(-1)!.endOffset);
    this.#schedule.handedOver();
    // Appends that come while this fsync runs wait in the queue and leave together, with the next write and the next fsync (group commit).
    const hasGap = appends.some((append) => append.hasGap);
    if (hasGap || this.#schedule.isFlushDue()) await this.#flusher.flush();
    // Recovery takes a gap above the recovery point for lost records, and cuts the log there. So an append with a gap counts as written
    // once the recovery point is durably above it.
    if (hasGap) await state.directory.checkpoints.write();
  }

  async #roll({ baseOffset, closingEntry, producers, done }: QueuedRoll): Promise<void> {
    const state = this.#state;
    const { files, indexes } = state.io;
    const old = state.last;
    const { offsets, times, aborted } = old.writable;
    if (closingEntry !== null) times.append(closingEntry);
    // synced before the next segment exists: recovery trusts the indexes of all segments but those from the recovery point on, and that may
    // be the next one's start
    await offsets.store(files, { sync: true });
    await times.store(files, { sync: true });
    // its file may be a new one: the snapshot brings its name to the disk
    await aborted.store(files, { sync: true });
    for (const { path } of [offsets, times, aborted]) indexes.forget(path);
    // before the segment exists, too: a start reads only the last segment to restore the producers
    await storeSnapshot(files, state.folder, baseOffset, producers);
    state.snapshotted(baseOffset);
    await this.#flusher.roomForSealed();
    const next = await createSegment(state.io, state.folder, baseOffset);
    state.directory.health.assertOnline();
    this.#flusher.addSealed(old, state.rolled(next));
    this.#flusher.flushInBackground();
    done?.resolve();
  }

  /** Notifies the listeners in a microtask of its own: once for all that is written until then, and never from within the writer. */
  #notify(): void {
    if (this.#notifying || this.#listeners.size === 0) return;
    this.#notifying = true;
    queueMicrotask(() => {
      this.#notifying = false;
      for (const listener of [...this.#listeners]) listener(this.#state.writtenEndOffset);
    });
  }
}

interface Waiter {
  readonly offset: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/**
 * Callers that wait for a log to have written up to an offset, by that offset. As many as there are appends in flight, which the network
 * bounds.
 */
class WrittenWaiters {
  #waiters: Waiter[] = [];

  wait(offset: number): Promise<void> {
    return new Promise((resolve, reject) => {
      // callers wait for what they just appended, so the place is nearly always at the end
      let at = this.#waiters.length;
      while (at > 0 && this.#waiters[at - 1]!.offset > offset) at--;
      this.#waiters.splice(at, 0, { offset, resolve, reject });
    });
  }

  reached(writtenEndOffset: number): void {
    let count = 0;
    while (count < this.#waiters.length && this.#waiters[count]!.offset <= writtenEndOffset) count++;
    if (count === 0) return;
    for (const waiter of this.#waiters.splice(0, count)) waiter.resolve();
  }

  fail(error: Error): void {
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error);
  }
}
