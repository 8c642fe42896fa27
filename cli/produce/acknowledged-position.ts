import { invariant } from "../../protocol/base/invariant.ts";

/**
 * How far a file's lines are known to be stored. Lines are sent in order but acknowledged in any: the position moves over a line only when
 * all before it are acknowledged, so that continuing from there repeats lines rather than losing one.
 */
export class AcknowledgedPosition {
  #position: number;
  /** Ends of the lines in flight, in order; those before `#first` are done. */
  #ends: number[] = [];
  #first = 0;
  readonly #acknowledged = new Set<number>();

  constructor(position = 0) {
    this.#position = position;
  }

  /** Everything before this is stored. */
  get position(): number {
    return this.#position;
  }

  get underWay(): number {
    return this.#ends.length - this.#first;
  }

  sent(endPosition: number): void {
    invariant(endPosition > (this.#ends.at(-1) ?? this.#position), "lines are sent in order", () => ({ endPosition }));
    this.#ends.push(endPosition);
  }

  acknowledged(endPosition: number): void {
    this.#acknowledged.add(endPosition);
    for (let end = this.#ends[this.#first]; end !== undefined && this.#acknowledged.delete(end); end = this.#ends[this.#first]) {
      this.#position = end;
      this.#first++;
    }
    // keep the array as short as what is in flight, without moving it for every line
    if (this.#first > 1024 && this.#first * 2 > this.#ends.length) {
      this.#ends = this.#ends.slice(this.#first);
      this.#first = 0;
    }
  }
}
