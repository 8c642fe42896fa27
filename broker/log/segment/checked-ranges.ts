import type { Remembering } from "../files/log-directory.ts";

/** A part of a file, in bytes. */
interface Range {
  readonly from: number;
  to: number;
}

/** Of one generation. Readers that jump about leave many small ones: further ones are not remembered. */
const rangesMax = 64;

/**
 * Which parts of a segment's file this process has checked, or written itself, not long ago: they are not checked again for the next
 * reader. Belongs to one `Segment`, and with it to the bytes of one file: a segment that is cut, compacted, moved or created anew is
 * another `Segment`, and begins with nothing.
 *
 * What a disk holds can change behind our back, so nothing is remembered for long: two generations, a new one begun after half the
 * time, and the older dropped as a whole.
 */
export class CheckedRanges {
  #newer: Range[] = [];
  #older: Range[] = [];
  #newerSinceMs = Number.NEGATIVE_INFINITY;
  #olderSinceMs = Number.NEGATIVE_INFINITY;
  #appendedTo: number;

  /** `sizeInBytes`: what the file has already. */
  constructor(sizeInBytes: number) {
    this.#appendedTo = sizeInBytes;
  }

  /** The bytes in [from, to) are as they should be. Remembered for at least half of the time, and at most all of it. */
  note(from: number, to: number, remembering: Remembering): void {
    if (remembering.rememberMs <= 0 || to <= from) return;
    this.#turn(remembering);
    add(this.#newer, from, to);
  }

  /** All that was appended to the file up to `to` was written by this process, from bytes that it had checked. */
  noteAppended(to: number, remembering: Remembering): void {
    this.note(this.#appendedTo, to, remembering);
    this.#appendedTo = to;
  }

  /** Up to where everything from `position` on was checked; `position` itself when it was not. */
  reachFrom(position: number, remembering: Remembering): number {
    if (remembering.rememberMs <= 0) return position;
    this.#turn(remembering);
    for (let reach = position; ; ) {
      const further = Math.max(endAround(this.#newer, reach), endAround(this.#older, reach));
      if (further <= reach) return reach;
      reach = further;
    }
  }

  forget(): void {
    this.#newer = [];
    this.#older = [];
  }

  #turn({ clock, rememberMs }: Remembering): void {
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#newerSinceMs >= rememberMs / 2) {
      this.#older = this.#newer;
      this.#olderSinceMs = this.#newerSinceMs;
      this.#newer = [];
      this.#newerSinceMs = nowMs;
    }
    if (nowMs - this.#olderSinceMs >= rememberMs) this.#older = [];
  }
}

/** Where the range that holds `position` ends; -1: none does. */
function endAround(ranges: readonly Range[], position: number): number {
  const at = firstEndingAfter(ranges, position);
  const found = ranges[at];
  return found !== undefined && found.from <= position ? found.to : -1;
}

/** Index of the first range that ends above `position`. They are in order, and do not touch. */
function firstEndingAfter(ranges: readonly Range[], position: number): number {
  let [low, high] = [0, ranges.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ranges[middle]!.to <= position) low = middle + 1;
    else high = middle;
  }
  return low;
}

function add(ranges: Range[], from: number, to: number): void {
  const last = ranges.at(-1);
  // a reader that goes on, and what is appended
  if (last !== undefined && last.from <= from && last.to >= from) {
    last.to = Math.max(last.to, to);
    return;
  }
  // one that ends at `from` is continued
  const first = firstEndingAfter(ranges, from - 1);
  let end = first;
  let [mergedFrom, mergedTo] = [from, to];
  for (; end < ranges.length && ranges[end]!.from <= to; end++) {
    mergedFrom = Math.min(mergedFrom, ranges[end]!.from);
    mergedTo = Math.max(mergedTo, ranges[end]!.to);
  }
  if (end === first && ranges.length >= rangesMax) return;
  ranges.splice(first, end - first, { from: mergedFrom, to: mergedTo });
}
