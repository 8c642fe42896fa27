import type { WireAnswer } from "./wire.ts";

interface Pending {
  readonly sentMs: number;
  readonly settle: (answer: WireAnswer | null) => void;
}

/**
 * Requests that were sent and not answered, oldest first. Each is settled exactly once: by its answer, or with null when its link is gone.
 */
export class PendingRequests {
  readonly #pending = new Set<Pending>();

  get size(): number {
    return this.#pending.size;
  }

  /** When the oldest one was sent; null if there is none. */
  get oldestSentMs(): number | null {
    for (const oldest of this.#pending) return oldest.sentMs;
    return null;
  }

  /** Returns the function to call with the answer: it returns true if the answer was still awaited. */
  add(sentMs: number, settle: (answer: WireAnswer | null) => void): (answer: WireAnswer) => boolean {
    const pending: Pending = { sentMs, settle };
    this.#pending.add(pending);
    return (answer) => {
      if (!this.#pending.delete(pending)) return false;
      settle(answer);
      return true;
    };
  }

  /** No answer will come. */
  abandonAll(): void {
    const abandoned = [...this.#pending];
    this.#pending.clear();
    for (const { settle } of abandoned) settle(null);
  }
}
