import type { Clock, Timer } from "../../../protocol/base/clock.ts";
import { invariant } from "../../../protocol/base/invariant.ts";
import { type File, replaceFile } from "../../runtime/files.ts";
import { ignoreOffline } from "../files/log-health.ts";
import type { EpochStart } from "../log-contract.ts";
import type { Segment } from "../segment/segment.ts";
import type { LogState } from "./log-state.ts";

/** Sealed segments that may wait for their fsync, each with an open file; the writer waits beyond that. */
const sealedMax = 4;

interface Sealed {
  readonly segment: Segment;
  readonly file: File;
}

/** Flushes what was written and moves the recovery point. All calls made while a round is running share the next one. */
export class LogFlusher {
  readonly #state: LogState;
  #sealed: Sealed[] = [];
  #running: Promise<void> | null = null;
  #next: Promise<void> | null = null;
  #isOver = false;
  /** The leader epochs that the file has, and their version. */
  #stored: { readonly entries: readonly EpochStart[]; readonly version: number };

  constructor(state: LogState) {
    this.#state = state;
    this.#stored = { entries: [...state.epochs.entries], version: state.epochs.version };
  }

  flush(): Promise<void> {
    if (this.#next !== null) return this.#next;
    if (this.#running === null) return this.#start(() => this.#round());
    this.#next = this.#after();
    return this.#next;
  }

  async #after(): Promise<void> {
    while (this.#running !== null) await this.#running.catch(() => undefined);
    this.#next = null;
    await this.#start(() => this.#round());
  }

  flushInBackground(): void {
    this.flush().catch(ignoreOffline);
  }

  /**
   * Runs `work` while no flush and no other such work runs; flushes requested meanwhile run after it. The one gate for everything that cuts
   * a log, empties it or changes its segments. Appends that wait for an fsync wait for it too, so it has to be short.
   */
  async exclusive(work: () => Promise<void>): Promise<void> {
    while (this.#running !== null) await this.#running.catch(() => undefined);
    await this.#start(work);
  }

  /** The log is abandoned: its folder may be gone, and later flushes do nothing. Resolves when what is running is done. */
  async end(): Promise<void> {
    this.#isOver = true;
    await this.exclusive(async () => {}).catch(() => undefined);
  }

  addSealed(segment: Segment, file: File): void {
    this.#sealed.push({ segment, file });
  }

  async roomForSealed(): Promise<void> {
    while (this.#sealed.length >= sealedMax) await this.flush();
  }

  /**
   * Removes the sealed segments from `baseOffset` on from the list. Returns the file of the one that starts there, if it was waiting; the
   * others are closed.
   */
  async takeSealedFrom(baseOffset: number): Promise<File | null> {
    const given = this.#sealed.filter(({ segment }) => segment.baseOffset >= baseOffset);
    this.#sealed = this.#sealed.filter(({ segment }) => segment.baseOffset < baseOffset);
    const wanted = given.find(({ segment }) => segment.baseOffset === baseOffset);
    for (const item of given) if (item !== wanted) await item.file.close();
    return wanted?.file ?? null;
  }

  /** These segments left the log: they need no flush any more. */
  async dropSealed(segments: readonly Segment[]): Promise<void> {
    const given = this.#sealed.filter(({ segment }) => segments.includes(segment));
    this.#sealed = this.#sealed.filter(({ segment }) => !segments.includes(segment));
    for (const { file } of given) await file.close();
  }

  /** All of them, so that the file has none that the log has not. */
  async storeEpochs(): Promise<void> {
    const { epochs, epochsPath, io } = this.#state;
    const { version } = epochs;
    if (version === this.#stored.version) return;
    const entries = [...epochs.entries];
    await replaceFile(io.files, epochsPath, epochs.encode());
    this.#stored = { entries, version };
  }

  /**
   * Not by an epoch that began at the end and has no record: each start brings every log that its broker leads a new epoch, and most of
   * them no record. It decides nothing, as nobody can have a record of it, and the leader after this start begins one of its own there.
   */
  #epochsDiffer(): boolean {
    const { epochs, endOffset } = this.#state;
    if (epochs.version === this.#stored.version) return false;
    const [now, stored] = [epochs.entries, this.#stored.entries].map((entries) =>
      (entries.at(-1)?.startOffset ?? 0) >= endOffset ? entries.slice(0, -1) : entries,
    ) as [readonly EpochStart[], readonly EpochStart[]];
    const isSame = ({ epoch, startOffset }: EpochStart, i: number) => stored[i]?.epoch === epoch && stored[i]?.startOffset === startOffset;
    return now.length !== stored.length || !now.every(isSame);
  }

  #start(work: () => Promise<void>): Promise<void> {
    invariant(this.#running === null, "one flush at a time");
    this.#running = this.#guarded(work).finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  async #guarded(work: () => Promise<void>): Promise<void> {
    const { health } = this.#state.directory;
    try {
      health.assertOnline();
      await work();
      health.assertOnline();
    } catch (error) {
      throw health.failed(error);
    }
  }

  async #round(): Promise<void> {
    if (this.#isOver) return;
    const state = this.#state;
    // what the operating system has: the writer may be waiting for this very round before it counts as written
    const target = state.handedOverEndOffset;
    const { file } = state.last.writable;
    const namesMatter = state.namesUnsynced && !state.isPristine;
    if (target === state.recoveryPoint && !namesMatter && !this.#epochsDiffer()) return;
    // 1. closed segments (their indexes were synced when they were closed): recovery trusts everything before the segment with the recovery
    //    point
    for (let sealed = this.#sealed[0]; sealed !== undefined && sealed.file !== file; sealed = this.#sealed[0]) {
      await this.#sync(sealed.file);
      this.#sealed.shift();
      await sealed.file.close();
    }
    // 2. the last one's batches; its indexes are rebuilt after a crash
    if (target > state.recoveryPoint) await this.#sync(file);
    // 3. the names of the files, without which their content is lost
    if (state.namesUnsynced) {
      state.namesSynced();
      await state.io.files.syncDirectory(state.folder);
    }
    if (this.#epochsDiffer()) await this.storeEpochs();
    state.flushed(target);
    state.directory.checkpoints.due();
  }

  #sync(file: File): Promise<void> {
    return this.#state.directory.pace.sync(() => file.sync());
  }
}

/**
 * When what the operating system has must be flushed: `flush.messages` for the writer, which waits for it, and `flush.ms` in the
 * background.
 */
export class FlushSchedule {
  readonly #state: LogState;
  readonly #flusher: LogFlusher;
  readonly #clock: Clock;
  /**
   * Set while something is unflushed, from the first such write on; so no record waits longer than `flush.ms`, give or take the timer and
   * the fsync.
   */
  #timer: Timer | null = null;

  constructor(state: LogState, flusher: LogFlusher, clock: Clock) {
    this.#state = state;
    this.#flusher = flusher;
    this.#clock = clock;
  }

  /** The number of waiting records has reached its limit. */
  isFlushDue(): boolean {
    const { handedOverEndOffset, recoveryPoint, settings } = this.#state;
    return handedOverEndOffset - recoveryPoint >= settings.flushMessages;
  }

  /** The operating system has been given more. */
  handedOver(): void {
    const { settings, directory, handedOverEndOffset, recoveryPoint } = this.#state;
    if (this.#timer !== null || settings.flushMs >= Number.MAX_SAFE_INTEGER || handedOverEndOffset === recoveryPoint) return;
    this.#timer = this.#clock.schedule(settings.flushMs, () => {
      this.#timer = null;
      const isUnflushed = this.#state.handedOverEndOffset > this.#state.recoveryPoint;
      if (isUnflushed && !this.#state.closed && directory.health.offline === null) this.#flusher.flushInBackground();
    });
  }

  /** The interval starts over, under the new settings. */
  restart(): void {
    this.stop();
    this.handedOver();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }
}
