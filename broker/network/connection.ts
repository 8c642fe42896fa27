import type { Clock } from "../../protocol/base/clock.ts";
import { InvariantViolation } from "../../protocol/base/invariant.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import type { Link, LinkHandlers } from "../../protocol/base/transport.ts";
import { FrameSplitter } from "../../protocol/wire/frame-splitter.ts";
import { MalformedFrame } from "../../protocol/wire/reader.ts";
import { CloseConnection } from "../api/api.ts";
import type { NetworkConfig } from "../runtime/config/broker-config.ts";
import type { ByteBudget } from "./byte-budget.ts";
import { type ConnectionContext, type Dispatcher, FailedRequest, RefusedRequest } from "./dispatcher.ts";

export type ConnectionLimits = Pick<
  NetworkConfig,
  "frameMaxBytes" | "requestsInFlightMax" | "requestBytesInFlightPerConnectionMax" | "unsentBytesPerConnectionMax"
>;

export interface ConnectionParts {
  readonly dispatcher: Pick<Dispatcher, "dispatch">;
  readonly limits: ConnectionLimits;
  /** Shared by all connections. */
  readonly budget: ByteBudget;
  readonly clock: Clock;
  readonly log: Logger;
  /** A bug was found: the process is to end. */
  readonly onFatal: (error: InvariantViolation) => void;
}

/** A request that was started, in the order of arrival. */
interface Slot {
  readonly requestBytes: number;
  readonly isFetch: boolean;
  /** Undefined: not answered yet. Null: nothing is to be sent for it. */
  answer: readonly Buffer[] | null | undefined;
  answerBytes: number;
}

/** What a request costs beyond its bytes, so that very many tiny ones count too. */
const requestOverheadBytes = 512;

/** Only its answers are much larger than its requests, so only one is served at a time; clients do not pipeline it. */
const fetchKey = 1;

/**
 * One client. Requests are started in order and answered in order; a later one does not wait for an earlier one's answer. Reading pauses while requests under way
 * (number, bytes here, bytes over all connections) or unread answers reach their bounds.
 */
export class Connection implements LinkHandlers {
  readonly #link: Link;
  readonly #parts: ConnectionParts;
  readonly #context: ConnectionContext;
  readonly #aborter = new AbortController();
  readonly #splitter: FrameSplitter;
  readonly #onClosed: () => void;
  readonly #readOn = () => this.#advance();
  /** Whole frames not yet started: what the last chunk held beyond a bound. */
  #waiting: Buffer[] = [];
  #slots: Slot[] = [];
  /** Requests held, waiting or started: their bytes with overhead. */
  #heldBytes = 0;
  /** Answers that wait for an earlier one. */
  #answeredBytes = 0;
  #fetchesUnderWay = 0;
  #flushScheduled = false;
  #paused = false;
  /** The link said that it has more queued than it likes, and will say when it has not. */
  #drainAwaited = false;
  #state: "open" | "draining" | "closed" = "open";
  #lastActiveMs: number;

  constructor(link: Link, of: Omit<ConnectionContext, "signal" | "remote">, parts: ConnectionParts, onClosed: () => void) {
    this.#link = link;
    this.#parts = parts;
    this.#context = { ...of, remote: link.remote, signal: this.#aborter.signal };
    this.#splitter = new FrameSplitter(parts.limits);
    this.#onClosed = onClosed;
    this.#lastActiveMs = parts.clock.monotonicMs();
  }

  get remote(): string {
    return this.#link.remote;
  }

  /** Since when nothing whole came and nothing was sent; null while a request is under way. Half a frame, or bytes that nobody reads, are no activity. */
  get idleSinceMs(): number | null {
    return this.#slots.some((slot) => slot.answer === undefined) ? null : this.#lastActiveMs;
  }

  onData(chunk: Buffer): void {
    if (this.#state !== "open") return;
    try {
      this.#splitter.push(chunk, (frame) => this.#arrived(frame));
    } catch (error) {
      return this.#fail(error);
    }
    this.#advance();
  }

  onDrain(): void {
    this.#drainAwaited = false;
    this.#lastActiveMs = this.#parts.clock.monotonicMs();
    this.#advance();
  }

  onClose(_error?: Error): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#parts.budget.forget(this.#readOn);
    const heldBytes = this.#heldBytes;
    this.#heldBytes = 0;
    this.#waiting = [];
    this.#slots = [];
    this.#aborter.abort();
    this.#onClosed();
    this.#parts.budget.giveBack(heldBytes);
  }

  /** Takes nothing new, answers what was started, then ends. */
  drain(): void {
    if (this.#state !== "open") return;
    this.#state = "draining";
    this.#link.pause();
    this.#paused = true;
    this.#release(this.#waiting.reduce((sum, frame) => sum + costOf(frame), 0));
    this.#waiting = [];
    this.#flush();
  }

  destroy(reason: string): void {
    this.#link.destroy(new Error(reason));
  }

  #arrived(frame: Buffer): void {
    this.#lastActiveMs = this.#parts.clock.monotonicMs();
    this.#heldBytes += costOf(frame);
    this.#parts.budget.take(costOf(frame));
    this.#waiting.push(frame);
  }

  /** Starts what may be started, then reads on or pauses. */
  #advance(): void {
    while (this.#state === "open" && this.#waiting.length > 0 && this.#mayStart(this.#waiting[0] as Buffer)) {
      this.#start(this.#waiting.shift() as Buffer);
    }
    if (this.#state !== "open") return;
    const { limits, budget } = this.#parts;
    const full = this.#waiting.length > 0 || this.#slots.length >= limits.requestsInFlightMax || this.#isOver() || budget.isSpent;
    if (budget.isSpent) budget.whenRoom(this.#readOn);
    if (full === this.#paused) return;
    this.#paused = full;
    if (full) this.#link.pause();
    else this.#link.resume();
  }

  #mayStart(frame: Buffer): boolean {
    if (this.#slots.length >= this.#parts.limits.requestsInFlightMax) return false;
    if (isFetch(frame) && this.#fetchesUnderWay > 0) return false;
    return this.#unsentBytes() < this.#parts.limits.unsentBytesPerConnectionMax;
  }

  #isOver(): boolean {
    const { requestBytesInFlightPerConnectionMax, unsentBytesPerConnectionMax } = this.#parts.limits;
    return this.#heldBytes >= requestBytesInFlightPerConnectionMax || this.#unsentBytes() >= unsentBytesPerConnectionMax;
  }

  #unsentBytes(): number {
    return (this.#drainAwaited ? this.#link.queuedBytes : 0) + this.#answeredBytes;
  }

  #start(frame: Buffer): void {
    const slot: Slot = { requestBytes: costOf(frame), isFetch: isFetch(frame), answer: undefined, answerBytes: 0 };
    this.#slots.push(slot);
    if (slot.isFetch) this.#fetchesUnderWay++;
    try {
      this.#parts.dispatcher.dispatch(frame, this.#context).then(
        (answer) => this.#answered(slot, answer),
        (error: unknown) => this.#fail(error),
      );
    } catch (error) {
      this.#fail(error);
    }
  }

  #answered(slot: Slot, answer: readonly Buffer[] | null): void {
    if (this.#state === "closed") return;
    slot.answer = answer;
    slot.answerBytes = answer === null ? 0 : answer.reduce((sum, chunk) => sum + chunk.length, 0);
    this.#answeredBytes += slot.answerBytes;
    this.#release(slot.requestBytes);
    if (this.#flushScheduled || this.#slots[0]?.answer === undefined) return;
    // answers that become ready together leave together
    this.#flushScheduled = true;
    queueMicrotask(() => this.#flush());
  }

  #release(bytes: number): void {
    this.#heldBytes -= bytes;
    this.#parts.budget.giveBack(bytes);
  }

  #flush(): void {
    this.#flushScheduled = false;
    if (this.#state === "closed") return;
    const chunks: Buffer[] = [];
    let ready = 0;
    for (const slot of this.#slots) {
      if (slot.answer === undefined) break;
      ready++;
      this.#answeredBytes -= slot.answerBytes;
      if (slot.isFetch) this.#fetchesUnderWay--;
      if (slot.answer !== null) for (const chunk of slot.answer) chunks.push(chunk);
    }
    this.#slots.splice(0, ready);
    if (ready > 0) this.#lastActiveMs = this.#parts.clock.monotonicMs();
    if (chunks.length > 0 && !this.#link.write(chunks)) this.#drainAwaited = true;
    if (this.#state === "draining" && this.#slots.length === 0) this.#link.end();
    else this.#advance();
  }

  /** One line, and this connection is closed; nothing else is disturbed. */
  #fail(error: unknown): void {
    if (this.#state === "closed") return;
    if (error instanceof InvariantViolation) return this.#parts.onFatal(error);
    const { log } = this.#parts;
    const where = { remote: this.#link.remote, listener: this.#context.listener };
    if (error instanceof MalformedFrame || error instanceof RefusedRequest)
      log.warn({ ...where, reason: error.message }, "client connection closed: bad request");
    else if (error instanceof FailedRequest && error.cause instanceof CloseConnection)
      log.warn(
        { ...where, reason: error.cause.message },
        "client connection closed: there is no answer that could say that the request failed",
      );
    else if (error instanceof FailedRequest)
      log.error({ ...where, reason: error.message, err: error.cause }, "client connection closed: a request failed");
    else log.error({ ...where, err: error }, "client connection closed: a request failed");
    this.#link.destroy();
    // whatever the link does about it, this connection takes part in nothing any more
    this.onClose();
  }
}

function costOf(frame: Buffer): number {
  return frame.length + requestOverheadBytes;
}

function isFetch(frame: Buffer): boolean {
  return frame.length >= 2 && frame.readInt16BE(0) === fetchKey;
}
