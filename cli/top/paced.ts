import { explain } from "../output/command-failed.ts";

export interface Answer<T> {
  readonly value: T;
  /** Monotonic. */
  readonly atMs: number;
}

export interface PacedParts<T> {
  readonly ask: () => Promise<T>;
  /** How long after the beginning of one question the next may begin, by what was answered. Milliseconds. */
  readonly pauseMs: (value: T) => number;
  readonly pauseAfterFailureMs: number;
  readonly monotonicMs: () => number;
}

/** Answers that are kept to see how things change. */
const keptMax = 16;
/** Older ones say little about now. Milliseconds. */
const keptMs = 60_000;

/** A question that is asked again at its own pace: never while an answer is out, so that a broker that hangs has one of them, not many. */
export class Paced<T> {
  readonly #parts: PacedParts<T>;
  #answers: readonly Answer<T>[] = [];
  #failure: Error | null = null;
  #dueAtMs = Number.NEGATIVE_INFINITY;
  #underWay: Promise<void> | null = null;

  constructor(parts: PacedParts<T>) {
    this.#parts = parts;
  }

  get latest(): Answer<T> | null {
    return this.#answers.at(-1) ?? null;
  }

  /** The one before the latest. */
  get before(): Answer<T> | null {
    return this.#answers.at(-2) ?? null;
  }

  /** The oldest that is kept, of the last minute. */
  get oldest(): Answer<T> | null {
    return this.#answers[0] ?? null;
  }

  /** Why there is no newer answer than the latest; null: nothing failed. */
  get failure(): Error | null {
    return this.#failure;
  }

  get failureText(): string | null {
    return this.#failure === null ? null : explain(this.#failure);
  }

  /** Asks if it is time. Resolves when the answer that is out, if there is one, has come or failed; never rejects. */
  ask(): Promise<void> {
    if (this.#underWay !== null) return this.#underWay;
    const nowMs = this.#parts.monotonicMs();
    if (nowMs < this.#dueAtMs) return Promise.resolve();
    this.#underWay = this.#askNow(nowMs).finally(() => {
      this.#underWay = null;
    });
    return this.#underWay;
  }

  async #askNow(begunAtMs: number): Promise<void> {
    const { ask, pauseMs, pauseAfterFailureMs, monotonicMs } = this.#parts;
    try {
      const value = await ask();
      const atMs = monotonicMs();
      this.#answers = [...this.#answers, { value, atMs }].slice(-keptMax).filter((answer) => answer.atMs > atMs - keptMs);
      this.#failure = null;
      this.#dueAtMs = begunAtMs + pauseMs(value);
    } catch (error) {
      this.#failure = error instanceof Error ? error : new Error(String(error));
      this.#dueAtMs = begunAtMs + pauseAfterFailureMs;
    }
  }
}
