import type { Turns } from "../runtime/turns.ts";

/** What answers consist of. */
export interface KeptMemory {
  readonly bytes: number;
  /** Nothing reads it any more. */
  readonly release: () => void;
}

/**
 * What a request costs this broker beyond its own bytes: memory, counted against the budget for all clients, and time, which it shares with
 * other requests.
 */
export interface RequestMeter {
  /** A larger response is not sent. */
  readonly answerMaxBytes: number;
  /** Counts what the request takes beyond its bytes, once it is decoded. */
  decoded(bytes: number): void;
  /** Counts a part of the response that was built. Throws AnswerTooLarge. */
  take(bytes: number): void;
  /**
   * As many of `wantedBytes` as there is room for: for a response whose size is ours to choose. Counted until it is settled, or until the
   * response takes its place.
   */
  reserve(wantedBytes: number): number;
  /** How many of the reserved bytes were used; may be more, if there was no smaller piece. */
  settle(reservedBytes: number, usedBytes: number): void;
  /** A fetch waits for records and holds none: others may be read meanwhile. */
  fetchWaits(): void;
  /** Nothing refers to the request's own bytes any more, although it is not answered: from here on they do not count. */
  releaseRequest(): void;
  /** Released once the response has left or nobody waits for it any more: it may consist of this memory, which is counted until then. */
  whenSent(kept: KeptMemory): void;
  /** Throws when nobody waits for the answer any more: to be called where long work has waited for something. */
  checkAwaited(): void;
  /** To be awaited between the pieces of long work, unless null. Rejects when nobody waits for the answer any more. */
  pause(): Promise<void> | null;
}

/** There is no error for it that all clients understand: the connection is closed, and the broker's log says why. */
export class AnswerTooLarge extends Error {
  override readonly name = "AnswerTooLarge";
}

const uncountedAnswerMaxBytes = 64 * 1024 * 1024;

/** For a request whose costs are counted elsewhere, or nowhere. */
export const uncounted: RequestMeter = {
  answerMaxBytes: uncountedAnswerMaxBytes,
  decoded: () => {},
  take: () => {},
  reserve: (wantedBytes) => wantedBytes,
  settle: () => {},
  fetchWaits: () => {},
  releaseRequest: () => {},
  whenSent: () => {},
  checkAwaited: () => {},
  pause: () => null,
};

/** For a request that another broker forwarded and whose bytes that broker has counted. */
export class ForwardedMeter implements RequestMeter {
  readonly answerMaxBytes = uncountedAnswerMaxBytes;
  readonly #turns: Turns;
  #answerBytes = 0;

  constructor(turns: Turns) {
    this.#turns = turns;
  }

  decoded(): void {}

  releaseRequest(): void {}

  whenSent(): void {}

  take(bytes: number): void {
    this.#answerBytes += bytes;
    if (this.#answerBytes > this.answerMaxBytes) throw new AnswerTooLarge(`more than ${this.answerMaxBytes} bytes`);
  }

  reserve(wantedBytes: number): number {
    return wantedBytes;
  }

  settle(): void {}

  fetchWaits(): void {}

  checkAwaited(): void {}

  pause(): Promise<void> | null {
    if (!this.#turns.isOver) return null;
    return new Promise((resolve) => {
      this.#turns.whenNext(() => {
        resolve();
        return "goes-on";
      });
    });
  }
}

/**
 * What a value that is part of a response takes, in memory and on the wire, in bytes: near enough to know whether there may be many of
 * them.
 */
export function roughBytes(value: unknown): number {
  if (typeof value === "string") return valueBytes + value.length;
  if (typeof value !== "object" || value === null) return valueBytes;
  if (value instanceof Uint8Array) return valueBytes + value.length;
  let bytes = valueBytes;
  if (Array.isArray(value)) for (const one of value) bytes += roughBytes(one);
  else for (const key in value) bytes += roughBytes((value as Record<string, unknown>)[key]);
  return bytes;
}

const valueBytes = 8;

/** Pieces of work in progress at a time: each may be a promise, with what it holds on to. */
const begunMax = 64;

/**
 * One answer for each item, in order. Counts them as they are built, and yields to other requests in between. Not for what must be done in
 * the turn in which the request came.
 */
export async function answerEach<T, A>(
  items: Iterable<T>,
  meter: RequestMeter,
  answer: (item: T) => A | Promise<A>,
  /** For responses whose parts were counted already. */
  sizeOf: (answer: A) => number = roughBytes,
): Promise<A[]> {
  const answers: A[] = [];
  let begun: (A | Promise<A>)[] = [];
  const finish = async () => {
    const made = await Promise.all(begun);
    meter.checkAwaited();
    for (const one of made) {
      meter.take(sizeOf(one));
      answers.push(one);
    }
    begun = [];
  };
  for (const item of items) {
    const one = answer(item);
    if (begun.length === 0 && !(one instanceof Promise)) {
      meter.take(sizeOf(one));
      answers.push(one);
    } else if (begun.push(one) >= begunMax) await finish();
    // most requests are about one thing, and are not worth a timer
    const pause = answers.length + begun.length > 1 ? meter.pause() : null;
    if (pause === null) continue;
    await finish();
    await pause;
  }
  await finish();
  return answers;
}

/** For `answerEach` over things whose parts were counted one by one. */
export const countedAlready = (): number => 0;
