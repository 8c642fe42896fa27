import type { LogDirectory } from "../log-directory.ts";
import type { Segment } from "./segment.ts";

/** Time indexes whose last entry is read at the same time. */
const readAtOnce = 32;

/**
 * The largest timestamp up to each sealed segment. Largest timestamps do not rise from segment to segment, but their running maxima do:
 * where a running maximum first reaches a timestamp, that segment has a record which does. So a search need not look at every segment's
 * index. The first search after a start reads the last entry of each; what is known then is kept.
 */
export class TimestampMaxima {
  #covered = new CoveredSegments(null, 0, -1);
  #extending: Promise<void> | null = null;

  /** Makes sure of the sealed segments in [from, to). `generation` rises when any of them is replaced, or leaves. */
  async cover(segments: readonly Segment[], { from, to, generation }: Range, directory: LogDirectory): Promise<CoveredSegments> {
    while (this.#extending !== null) await this.#extending.catch(() => undefined);
    const first = from < to ? segments[from]! : null;
    if (!this.#covered.isOf(first, from, generation)) this.#covered = new CoveredSegments(first, from, generation);
    // Race: (1) one search covers what it needs; (2) the log's start moves, and another search covers other segments; (3) the first goes
    // on. So each keeps what it covered.
    const covered = this.#covered;
    if (covered.count >= to - from) return covered;
    this.#extending = covered.extend(segments, to, directory).finally(() => {
      this.#extending = null;
    });
    await this.#extending;
    return covered;
  }
}

export class CoveredSegments {
  /** The segment that the first maximum is of, and its place. */
  readonly #first: Segment | null;
  readonly #from: number;
  readonly #generation: number;
  readonly #maxima: number[] = [];
  #best: number | null = null;

  constructor(first: Segment | null, from: number, generation: number) {
    this.#first = first;
    this.#from = from;
    this.#generation = generation;
  }

  isOf(first: Segment | null, from: number, generation: number): boolean {
    return this.#generation === generation && this.#first === first && this.#from === from;
  }

  get count(): number {
    return this.#maxima.length;
  }

  /** Place of the first covered segment with a record that is at least as new; null: none. */
  firstReaching(timestampMs: number): number | null {
    let [low, high] = [0, this.#maxima.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#maxima[middle]! >= timestampMs) high = middle;
      else low = middle + 1;
    }
    return low < this.#maxima.length ? this.#from + low : null;
  }

  /** Place of the first segment that has the largest timestamp of all; null: none has one. */
  get best(): number | null {
    return this.#best;
  }

  async extend(segments: readonly Segment[], to: number, directory: LogDirectory): Promise<void> {
    for (let at = this.#from + this.#maxima.length; at < to; ) {
      const some = segments.slice(at, Math.min(at + readAtOnce, to));
      for (const largest of await Promise.all(some.map((segment) => segment.largestTimestamp(directory)))) {
        const before = this.#maxima.at(-1) ?? Number.NEGATIVE_INFINITY;
        if (largest !== null && largest.timestampMs > before) this.#best = at;
        this.#maxima.push(Math.max(before, largest?.timestampMs ?? Number.NEGATIVE_INFINITY));
        at++;
      }
    }
  }
}

interface Range {
  readonly from: number;
  readonly to: number;
  readonly generation: number;
}
