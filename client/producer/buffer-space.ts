import type { Clock, Timer } from "../../protocol/base/clock.ts";
import { invariant } from "../../protocol/base/invariant.ts";
import { BufferExhausted } from "../base/errors.ts";

interface Waiter {
  readonly bytes: number;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
  readonly timer: Timer;
}

/** How much the producer may hold. A caller that finds it full waits, first come first served, for a bounded time. */
export class BufferSpace {
  readonly #clock: Clock;
  readonly #totalBytes: number;
  #usedBytes = 0;
  readonly #waiters: Waiter[] = [];

  constructor(clock: Clock, totalBytes: number) {
    this.#clock = clock;
    this.#totalBytes = totalBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  get hasWaiters(): boolean {
    return this.#waiters.length > 0;
  }

  /** False when there is no room now, or others wait for it already. */
  tryTake(bytes: number): boolean {
    if (this.#waiters.length > 0 || this.#usedBytes + bytes > this.#totalBytes) return false;
    this.#usedBytes += bytes;
    return true;
  }

  /** Throws BufferExhausted after `waitMaxMs`, or the signal's reason. */
  take(bytes: number, waitMaxMs: number, signal?: AbortSignal): Promise<void> {
    invariant(bytes <= this.#totalBytes, "nobody waits for more than the buffer has", () => ({ bytes }));
    if (this.tryTake(bytes)) return Promise.resolve();
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const leave = (settle: () => void) => {
        const at = this.#waiters.indexOf(waiter);
        if (at < 0) return;
        this.#waiters.splice(at, 1);
        waiter.timer.cancel();
        signal?.removeEventListener("abort", onAbort);
        settle();
        this.#admit();
      };
      const onAbort = () => leave(() => reject(signal?.reason));
      const waiter: Waiter = {
        bytes,
        resolve: () => {
          signal?.removeEventListener("abort", onAbort);
          resolve();
        },
        reject,
        timer: this.#clock.schedule(waitMaxMs, () =>
          leave(() => reject(new BufferExhausted(`the producer's buffer (${this.#totalBytes} bytes) stayed full for ${waitMaxMs} ms`))),
        ),
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#waiters.push(waiter);
    });
  }

  give(bytes: number): void {
    this.#usedBytes -= bytes;
    invariant(this.#usedBytes >= 0, "no more is given back than was taken");
    this.#admit();
  }

  #admit(): void {
    for (let first = this.#waiters[0]; first !== undefined && this.#usedBytes + first.bytes <= this.#totalBytes; first = this.#waiters[0]) {
      this.#waiters.shift();
      first.timer.cancel();
      this.#usedBytes += first.bytes;
      first.resolve();
    }
  }
}
