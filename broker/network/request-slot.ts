import { invariant } from "../../protocol/base/invariant.ts";
import { CloseConnection } from "../api/api.ts";
import { AnswerTooLarge, type KeptMemory, type RequestMeter } from "../api/request-meter.ts";
import type { Turns } from "../runtime/turns.ts";
import { type ArrivedRequest, requestOverheadBytes } from "./arrived-request.ts";

/** The connection of a request, as far as its requests need it. */
export interface SlotOwner {
  readonly turns: Turns;
  readonly answerMaxBytes: number;
  /** What is left of the memory for all clients. */
  readonly freeBytes: number;
  readonly isClosed: boolean;
  /** Counts what a request holds; a negative number releases it. */
  holdRequest(bytes: number): void;
  holdAnswer(bytes: number): void;
  /** The part of it that is held only while a request is being served. */
  holdUnderWay(bytes: number): void;
  /** The only fetch that it serves waits for records. */
  fetchWaits(): void;
  /** One of its requests begins to yield to others. */
  longBegun(): void;
}

/** A started request, its place in the order of answers, and what it holds. */
export class RequestSlot implements RequestMeter {
  readonly isFetch: boolean;
  isLong = false;
  readonly #owner: SlotOwner;
  readonly #request: ArrivedRequest;
  /** Undefined: not answered yet. Null: nothing is to be sent for it. */
  #answer: readonly Buffer[] | null | undefined;
  #requestBytes: number;
  #answerBytes = 0;
  #kept: KeptMemory[] = [];

  /** The owner counts it already. */
  constructor(owner: SlotOwner, request: ArrivedRequest) {
    this.#owner = owner;
    this.#request = request;
    this.#requestBytes = request.costBytes;
    this.isFetch = request.isFetch;
    this.#holdUnderWay(request.costBytes);
  }

  get answer(): readonly Buffer[] | null | undefined {
    return this.#answer;
  }

  get requestBytes(): number {
    return this.#requestBytes;
  }

  /** Of the answer, complete or under construction. */
  get answerBytes(): number {
    return this.#answerBytes;
  }

  get answerMaxBytes(): number {
    return this.#owner.answerMaxBytes;
  }

  decoded(bytes: number): void {
    this.#requestBytes += bytes;
    this.#owner.holdRequest(bytes);
    this.#holdUnderWay(bytes);
  }

  take(bytes: number): void {
    if (this.#answerBytes + bytes > this.#owner.answerMaxBytes) throw new AnswerTooLarge(`more than ${this.#owner.answerMaxBytes} bytes`);
    // an answer begun while there is room may be completed; many large ones begun at once may not all be
    if (bytes > 0 && this.#answerBytes > modestAnswerBytes && this.#owner.freeBytes === 0)
      throw new AnswerTooLarge(`more than ${modestAnswerBytes} bytes while the memory for clients (queued.max.request.bytes) is spent`);
    this.#hold(bytes);
  }

  /** Half of what is left at most, so that the others find some too; but enough to count, so that not very many find next to nothing. */
  reserve(wantedBytes: number): number {
    const bytes = Math.min(wantedBytes, Math.max(Math.floor(this.#owner.freeBytes / 2), reservedMinBytes));
    this.#hold(bytes);
    return bytes;
  }

  settle(reservedBytes: number, usedBytes: number): void {
    this.#hold(usedBytes - reservedBytes);
  }

  fetchWaits(): void {
    this.#owner.fetchWaits();
  }

  releaseRequest(): void {
    this.#request.release();
    const bytes = this.#requestBytes - requestOverheadBytes;
    if (this.#answer !== undefined || bytes <= 0) return;
    this.#requestBytes = requestOverheadBytes;
    this.#owner.holdRequest(-bytes);
    this.#holdUnderWay(-bytes);
  }

  whenSent(kept: KeptMemory): void {
    this.#kept.push(kept);
  }

  /** What the answer consists of: released once it has left. */
  get kept(): readonly KeptMemory[] {
    return this.#kept;
  }

  /** It is complete, and will not be sent. */
  dropAnswer(): void {
    for (const { release } of this.#kept.splice(0)) release();
  }

  checkAwaited(): void {
    if (this.#owner.isClosed) throw clientGone();
  }

  pause(): Promise<void> | null {
    const { turns } = this.#owner;
    if (!turns.isOver) return null;
    if (!this.isLong) this.#owner.longBegun();
    this.isLong = true;
    return new Promise((resolve, reject) => {
      turns.whenNext(() => {
        if (!this.#owner.isClosed) resolve();
        else reject(clientGone());
        return this.#owner.isClosed ? "done" : "goes-on";
      });
    });
  }

  /** It was served to its end. */
  served(answer: readonly Buffer[] | null): void {
    this.#request.release();
    if (answer === null) this.dropAnswer();
    this.answered(answer);
  }

  /** The answer replaces what was counted while it was built, and the request. */
  answered(answer: readonly Buffer[] | null): void {
    invariant(this.#answer === undefined, "a request is answered once");
    const underWayBytes = this.#requestBytes + this.#answerBytes;
    this.#answer = answer;
    const sentBytes = answer === null ? 0 : answer.reduce((sum, chunk) => sum + chunk.length, 0);
    const keptBytes = this.#kept.reduce((sum, { bytes }) => sum + bytes, 0);
    this.#hold(Math.max(sentBytes, keptBytes) - this.#answerBytes);
    this.#owner.holdRequest(-this.#requestBytes);
    this.#requestBytes = 0;
    this.#holdUnderWay(-underWayBytes);
  }

  #hold(bytes: number): void {
    if (bytes === 0) return;
    this.#answerBytes += bytes;
    invariant(this.#answerBytes >= 0, "no more of an answer is given back than was taken", () => ({ bytes }));
    this.#owner.holdAnswer(bytes);
    if (this.#answer === undefined) this.#holdUnderWay(bytes);
  }

  /** A fetch may wait for long, and ends with its connection. */
  #holdUnderWay(bytes: number): void {
    if (!this.isFetch) this.#owner.holdUnderWay(bytes);
  }
}

const reservedMinBytes = 64 * 1024;

/** What an answer may be when there is no memory left for large ones. */
const modestAnswerBytes = 1024 * 1024;

function clientGone(): CloseConnection {
  return new CloseConnection("the client is gone");
}
