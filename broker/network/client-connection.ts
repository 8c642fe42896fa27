import type { Clock } from "../../protocol/base/clock.ts";
import { InvariantViolation, invariant } from "../../protocol/base/invariant.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import type { Link, LinkHandlers } from "../../protocol/base/transport.ts";
import { FrameSplitter } from "../../protocol/wire/frame-splitter.ts";
import type { NetworkSettings } from "../runtime/config/start-settings.ts";
import { type Resume, sliceMs, type Turns } from "../runtime/turns.ts";
import { ArrivedRequest, requestOverheadBytes } from "./arrived-request.ts";
import type { ClientMemory, MemoryWaiter } from "./client-memory.ts";
import { tellWhyClosed } from "./closed-line.ts";
import type { ConnectionContext, Dispatcher } from "./dispatcher.ts";
import { HolderProgress, type Progress } from "./holder-progress.ts";
import type { HalfRequest, MemoryHolder } from "./memory-reclaim.ts";
import { Outgoing } from "./outgoing.ts";
import { RequestSlot, type SlotOwner } from "./request-slot.ts";

export type ConnectionLimits = Pick<
  NetworkSettings,
  "frameMaxBytes" | "requestsInFlightMax" | "requestBytesInFlightPerConnectionMax" | "unsentBytesPerConnectionMax"
> & {
  /** Of those APIs that do not bound their answers themselves. */
  readonly answerMaxBytes: number;
};

export interface ConnectionParts {
  readonly dispatcher: Pick<Dispatcher, "dispatch">;
  readonly limits: ConnectionLimits;
  /** Shared by all connections, as are the turns of long work. */
  readonly memory: ClientMemory;
  readonly turns: Turns;
  readonly clock: Clock;
  readonly log: Logger;
  /** A bug was found: the process is to end. */
  readonly onFatal: (error: InvariantViolation) => void;
}

/**
 * A request up to this size (heartbeats, commits, what administrators ask) is read and served even when the memory for all clients is
 * spent, and is served before long work: an open connection costs more than that anyway. A connection that holds no more than this still
 * counts as idle.
 */
const modestBytes = 16 * 1024;

/**
 * One client. Requests are started in order and answered in order; a later one does not wait for an earlier one's answer. Reading pauses
 * while requests in flight (number, bytes here, memory for all connections) or unread answers reach their bounds.
 */
export class ClientConnection implements LinkHandlers, SlotOwner, MemoryHolder, MemoryWaiter {
  readonly #link: Link;
  readonly #parts: ConnectionParts;
  readonly #context: ConnectionContext;
  readonly #aborter = new AbortController();
  readonly #splitter: FrameSplitter;
  readonly #outgoing: Outgoing;
  readonly #onClosed: () => void;
  readonly #progress = new HolderProgress();
  readonly #onTurn: Resume = () => {
    this.#turnAwaited = false;
    this.#advance();
    return "done";
  };
  /** Whole frames not yet started: what the last chunk held beyond a bound. */
  #waiting: ArrivedRequest[] = [];
  #slots: RequestSlot[] = [];
  /** Requests held, waiting or started: their bytes with overhead. */
  #requestBytes = 0;
  /** Answers under construction, and those that wait for an earlier one. */
  #answerBytes = 0;
  /** The part of everything held here that the memory for all clients has counted. */
  #countedBytes = 0;
  #unsentCountedBytes = 0;
  #fetchesUnderWay = 0;
  /** Requests that gave way to others in between: until they are answered, no further one of this connection is started. */
  #longUnderWay = 0;
  #turnAwaited = false;
  #flushScheduled = false;
  #advanceScheduled = false;
  #paused = false;
  #state: "open" | "draining" | "closed" = "open";
  #lastActiveMs: number;
  #lastCameMs: number;

  constructor(link: Link, of: Pick<ConnectionContext, "listener" | "connectionId">, parts: ConnectionParts, onClosed: () => void) {
    this.#link = link;
    this.#parts = parts;
    const acceptedMs = parts.clock.monotonicMs();
    this.#context = { ...of, remote: link.remote, signal: this.#aborter.signal, origin: { acceptedMs, retire: () => this.drain() } };
    this.#splitter = new FrameSplitter({ frameMaxBytes: parts.limits.frameMaxBytes, slabs: parts.memory.slabs });
    this.#outgoing = new Outgoing(link, () => this.#held(-1));
    this.#onClosed = onClosed;
    this.#lastActiveMs = acceptedMs;
    this.#lastCameMs = acceptedMs;
  }

  get remote(): string {
    return this.#link.remote;
  }

  /**
   * Since when no whole request came and nothing was sent; null while a request is in flight. Half a frame, or bytes that the client does
   * not read, do not count as activity.
   */
  get idleSinceMs(): number | null {
    return this.#slots.some(isUnderWay) ? null : this.#lastActiveMs;
  }

  get turns(): Turns {
    return this.#parts.turns;
  }

  get answerMaxBytes(): number {
    return this.#parts.limits.answerMaxBytes;
  }

  get freeBytes(): number {
    return this.#parts.memory.freeBytes;
  }

  get isClosed(): boolean {
    return this.#state === "closed";
  }

  /** All but the requests being served, which would not end any sooner with the connection; a fetch does. */
  get reclaimableBytes(): number {
    let bytes = this.#countedBytes;
    for (const slot of this.#slots) if (isUnderWay(slot) && !slot.isFetch) bytes -= slot.requestBytes + slot.answerBytes;
    return bytes;
  }

  get missingBytes(): number | null {
    const { announcedBytes, heldBytes } = this.#splitter;
    return announcedBytes === 0 || this.#isFull() ? null : announcedBytes - heldBytes;
  }

  resume(): void {
    this.#advance();
  }

  get half(): HalfRequest {
    return { bytes: this.#splitter.heldBytes, lastCameMs: this.#lastCameMs };
  }

  takeProgress(): Progress {
    const progress = this.#progress.take({ reclaimableBytes: this.reclaimableBytes, unsentBytes: this.#outgoing.unsentBytes });
    if (progress.heldBytes > 0 && progress.movedBytes === 0) this.#parts.memory.passOn(this);
    return progress;
  }

  holdRequest(bytes: number): void {
    this.#requestBytes += bytes;
    this.#held(bytes);
  }

  holdAnswer(bytes: number): void {
    this.#answerBytes += bytes;
    this.#held(bytes);
  }

  holdUnderWay(bytes: number): void {
    this.#parts.memory.countUnderWay(bytes);
  }

  fetchWaits(): void {
    this.#parts.memory.fetched(this);
  }

  longBegun(): void {
    this.#longUnderWay++;
  }

  onData(chunk: Buffer): void {
    if (this.#state !== "open") return;
    this.#progress.came(chunk.length);
    this.#lastCameMs = this.#parts.clock.monotonicMs();
    try {
      this.#splitter.push(chunk, (frame, slab) => this.#arrived(new ArrivedRequest(frame, slab)));
    } catch (error) {
      return this.#fail(error);
    }
    this.#count();
    this.#advance();
    this.#parts.memory.letNextOn();
  }

  onDrain(): void {
    this.#outgoing.onDrain();
    this.#lastActiveMs = this.#parts.clock.monotonicMs();
    this.#count();
    this.#endFetch();
    this.#endOrAdvance();
  }

  onClose(_error?: Error): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#forgetWaiting();
    for (const slot of this.#slots) if (!isUnderWay(slot)) slot.dropAnswer();
    this.#slots = this.#slots.filter(isUnderWay);
    this.#outgoing.close();
    this.#splitter.close();
    this.#aborter.abort();
    this.#onClosed();
    this.#count();
    this.#parts.memory.forget(this);
  }

  /** Accepts nothing new, answers what was started, then ends. */
  drain(): void {
    if (this.#state !== "open") return;
    this.#state = "draining";
    this.#link.pause();
    this.#paused = true;
    this.holdRequest(-this.#waiting.reduce((sum, { costBytes }) => sum + costBytes, 0));
    this.#forgetWaiting();
    this.#flush();
  }

  destroy(reason: string): void {
    this.#link.destroy(new Error(reason));
  }

  #forgetWaiting(): void {
    for (const request of this.#waiting.splice(0)) request.release();
  }

  #arrived(request: ArrivedRequest): void {
    this.#lastActiveMs = this.#parts.clock.monotonicMs();
    this.#requestBytes += request.costBytes;
    this.#waiting.push(request);
    this.#parts.memory.passOn(this);
  }

  /** Starts what may be started, then resumes or pauses reading. */
  #advance(): void {
    const sinceMs = this.#waiting.length > 1 ? this.#parts.clock.monotonicMs() : null;
    while (this.#state === "open" && this.#waiting.length > 0 && this.#mayStart(this.#waiting[0]!, sinceMs)) {
      this.#start(this.#waiting.shift()!);
    }
    if (this.#state !== "open") return;
    const { memory } = this.#parts;
    const isFull = this.#isFull();
    if (isFull) memory.passOn(this);
    const pauses = isFull || (memory.isSpent && !this.#isModest() && !memory.mayReadOn(this));
    this.#progress.heldUp(pauses && !this.#waitsForItsFetch());
    if (pauses === this.#paused) return;
    this.#paused = pauses;
    if (pauses) this.#link.pause();
    else this.#link.resume();
  }

  /** Holds as much as one connection may. */
  #isFull(): boolean {
    return this.#waiting.length > 0 || this.#slots.length >= this.#parts.limits.requestsInFlightMax || this.#isOver();
  }

  /** The client's own choice, and it may have asked for a long wait. */
  #waitsForItsFetch(): boolean {
    return this.#fetchesUnderWay > 0 && this.#waiting[0]?.isFetch === true;
  }

  /** `sinceMs`: when the first of several that came together was started. */
  #mayStart({ frame, isFetch }: ArrivedRequest, sinceMs: number | null): boolean {
    const { limits, memory, turns, clock } = this.#parts;
    if (this.#slots.length >= limits.requestsInFlightMax || this.#longUnderWay > 0) return false;
    if (this.#unsentBytes() >= limits.unsentBytesPerConnectionMax) return false;
    if (isFetch) return this.#fetchesUnderWay === 0 && memory.mayFetch(this);
    const isLong = frame.length > modestBytes || (sinceMs !== null && clock.monotonicMs() - sinceMs >= sliceMs);
    if (!isLong || !turns.isOver) return true;
    if (!this.#turnAwaited) turns.whenNext(this.#onTurn);
    this.#turnAwaited = true;
    return false;
  }

  #isOver(): boolean {
    const { requestBytesInFlightPerConnectionMax, unsentBytesPerConnectionMax } = this.#parts.limits;
    return this.#requestBytes >= requestBytesInFlightPerConnectionMax || this.#unsentBytes() >= unsentBytesPerConnectionMax;
  }

  /** Holds little, and what arrives is little. */
  #isModest(): boolean {
    return this.#countedBytes - this.#splitter.heldBytes <= modestBytes && this.#splitter.announcedBytes <= modestBytes;
  }

  #unsentBytes(): number {
    return this.#outgoing.unsentBytes + this.#answerBytes;
  }

  #start(request: ArrivedRequest): void {
    const slot = new RequestSlot(this, request);
    this.#slots.push(slot);
    if (slot.isFetch) this.#fetchesUnderWay++;
    try {
      this.#parts.dispatcher.dispatch(request.frame, this.#context, slot).then(
        (answer) => this.#answered(slot, answer),
        (error: unknown) => this.#failed(slot, error),
      );
    } catch (error) {
      this.#failed(slot, error);
    }
  }

  #answered(slot: RequestSlot, answer: readonly Buffer[] | null): void {
    slot.served(this.#state === "closed" ? null : answer);
    if (this.#state === "closed") return;
    if (slot.isLong) this.#longUnderWay--;
    invariant(this.#longUnderWay >= 0, "long work ends once");
    if (this.#flushScheduled || this.#slots[0]?.answer === undefined) return;
    // answers that become ready together leave together
    this.#flushScheduled = true;
    queueMicrotask(() => this.#flush());
  }

  #failed(slot: RequestSlot, error: unknown): void {
    slot.answered(null);
    this.#fail(error);
  }

  /** What is held has changed: the memory's count is updated, and what waited for it may continue. */
  #held(bytes: number): void {
    this.#count();
    if (this.#state === "closed" || bytes >= 0 || this.#advanceScheduled || !this.#paused) return;
    this.#advanceScheduled = true;
    queueMicrotask(() => {
      this.#advanceScheduled = false;
      this.#advance();
    });
  }

  #count(): void {
    const { unsentBytes, heldBytes } = this.#outgoing;
    const isClosed = this.#state === "closed";
    const bytes = isClosed ? this.#leftBehindBytes() : this.#splitter.heldBytes + this.#requestBytes + this.#answerBytes + heldBytes;
    invariant(bytes >= 0 && this.#requestBytes >= 0, "no more is given back than a connection holds", () => ({ bytes }));
    const change = bytes - this.#countedBytes;
    this.#countedBytes = bytes;
    this.#progress.left(Math.max(0, this.#unsentCountedBytes - unsentBytes));
    this.#unsentCountedBytes = unsentBytes;
    if (change > 0) this.#parts.memory.take(change);
    else if (change < 0) this.#parts.memory.giveBack(-change);
  }

  /**
   * What handlers hold although the client is gone: its records may be in the log's queue. Otherwise: (1) the disk stalls; (2) producers
   * close their connections; (3) they send the same again over others; (4) the log's queue grows without a bound.
   */
  #leftBehindBytes(): number {
    let bytes = 0;
    for (const slot of this.#slots) if (isUnderWay(slot)) bytes += Math.max(0, slot.requestBytes - requestOverheadBytes) + slot.answerBytes;
    return bytes;
  }

  #flush(): void {
    this.#flushScheduled = false;
    if (this.#state === "closed") return;
    const underWay = this.#slots.findIndex(isUnderWay);
    const ready = this.#slots.splice(0, underWay < 0 ? this.#slots.length : underWay);
    for (const { answerBytes, isFetch } of ready) {
      this.#answerBytes -= answerBytes;
      if (isFetch) this.#fetchesUnderWay--;
    }
    invariant(this.#fetchesUnderWay >= 0, "a fetch ends once");
    if (ready.length > 0) this.#lastActiveMs = this.#parts.clock.monotonicMs();
    const chunks = ready.flatMap(({ answer }) => answer ?? []);
    const kept = ready.flatMap((slot) => slot.kept);
    if (chunks.length > 0) this.#outgoing.write(chunks, kept);
    this.#count();
    this.#endFetch();
    this.#endOrAdvance();
  }

  #endFetch(): void {
    if (this.#unsentBytes() === 0) this.#parts.memory.fetched(this);
  }

  #endOrAdvance(): void {
    if (this.#state !== "draining") this.#advance();
    else if (this.#slots.length === 0 && this.#outgoing.isHandedOver) {
      this.#link.end();
      // what still comes is dropped, so that the client's end of the stream is seen behind it
      this.#link.resume();
    }
  }

  /** Logs one line and closes this connection; nothing else is disturbed. */
  #fail(error: unknown): void {
    if (this.#state === "closed") return;
    if (error instanceof InvariantViolation) return this.#parts.onFatal(error);
    tellWhyClosed(this.#parts.log, { remote: this.#link.remote, listener: this.#context.listener }, error);
    this.#link.destroy();
    // whatever the link does then, this connection is no longer served
    this.onClose();
  }
}

function isUnderWay(slot: RequestSlot): boolean {
  return slot.answer === undefined;
}
