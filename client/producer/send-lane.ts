/** A send that waits for its topic or for room. */
export interface WaitingSend {
  /** Ends the waiting, wherever the send stands. */
  readonly signal: AbortSignal | undefined;
  /**
   * In its turn: waits for what the record needs, gives it to a batch and leaves the lane. Rejects with what prevents that, and soon after
   * the signal has aborted.
   */
  admit(): Promise<void>;
  /** Called at most once; not after the send has left for a batch. */
  reject(reason: unknown): void;
  /** Called once, when it leaves. */
  left(): void;
}

/** Sends that end with the same signal: however many there are, it has one listener. */
interface Abortable {
  readonly sends: Set<WaitingSend>;
  readonly onAbort: () => void;
}

/**
 * The sends of one topic that wait, admitted one after the other, so that order is kept. One that fails or whose signal aborts leaves, and
 * those behind it move up.
 */
export class SendLane {
  readonly #onEmpty: () => void;
  readonly #queue = new Set<WaitingSend>();
  readonly #bySignal = new Map<AbortSignal, Abortable>();
  #isRunning = false;

  constructor(onEmpty: () => void) {
    this.#onEmpty = onEmpty;
  }

  join(send: WaitingSend): void {
    this.#queue.add(send);
    if (send.signal !== undefined) this.#watch(send, send.signal);
    if (!this.#isRunning) void this.#run();
  }

  /** False: it was admitted, or has failed. */
  holds(send: WaitingSend): boolean {
    return this.#queue.has(send);
  }

  leave(send: WaitingSend): boolean {
    if (!this.#queue.delete(send)) return false;
    if (send.signal !== undefined) this.#unwatch(send, send.signal);
    send.left();
    return true;
  }

  /** Resolves once everything that waits now has left. */
  passed(): Promise<void> {
    return new Promise((resolve) => {
      this.join({ signal: undefined, admit: async () => undefined, reject: () => undefined, left: resolve });
    });
  }

  failAll(reason: unknown): void {
    for (const send of this.#queue) this.#fail(send, reason);
  }

  #fail(send: WaitingSend, reason: unknown): void {
    if (this.leave(send)) send.reject(reason);
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    await null; // what is sent in the same turn to other topics is asked for together with this one
    // those that join meanwhile are visited as well, those that left are not
    for (const send of this.#queue) {
      try {
        await send.admit();
        this.leave(send);
      } catch (reason) {
        this.#fail(send, reason);
      }
    }
    this.#isRunning = false;
    this.#onEmpty();
  }

  #watch(send: WaitingSend, signal: AbortSignal): void {
    let together = this.#bySignal.get(signal);
    if (together === undefined) {
      const sends = new Set<WaitingSend>();
      const onAbort = () => {
        for (const one of sends) this.#fail(one, signal.reason);
      };
      together = { sends, onAbort };
      this.#bySignal.set(signal, together);
      signal.addEventListener("abort", onAbort, { once: true });
    }
    together.sends.add(send);
  }

  #unwatch(send: WaitingSend, signal: AbortSignal): void {
    const together = this.#bySignal.get(signal);
    if (together === undefined) return;
    together.sends.delete(send);
    if (together.sends.size > 0) return;
    this.#bySignal.delete(signal);
    signal.removeEventListener("abort", together.onAbort);
  }
}
