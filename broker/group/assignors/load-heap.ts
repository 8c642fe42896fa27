/**
 * Members by load, the lightest (or, with `heaviestFirst`, the heaviest) on top; on a tie the one with the smallest index. A load that
 * changed since is noticed when its member reaches the top.
 */
export class LoadHeap {
  readonly #loads: Int32Array;
  readonly #sign: 1 | -1;
  readonly #members: number[] = [];
  readonly #keys: number[] = [];

  constructor(loads: Int32Array, members: Iterable<number>, order: "lightest-first" | "heaviest-first") {
    this.#loads = loads;
    this.#sign = order === "lightest-first" ? 1 : -1;
    for (const member of members) this.#push(member);
  }

  /** The member on top by present loads; null when there is none. It is not removed. */
  top(): number | null {
    for (;;) {
      const member = this.#members[0];
      if (member === undefined) return null;
      if (this.#keys[0] === this.#loads[member]! * this.#sign) return member;
      this.pop();
      this.#push(member);
    }
  }

  /** Removes the top for good. */
  pop(): void {
    const member = this.#members.pop();
    const key = this.#keys.pop();
    if (member === undefined || key === undefined || this.#members.length === 0) return;
    this.#sink(member, key);
  }

  #push(member: number): void {
    const key = this.#loads[member]! * this.#sign;
    let at = this.#members.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#isBefore(key, member, parent)) break;
      this.#put(at, this.#members[parent]!, this.#keys[parent]!);
      at = parent;
    }
    this.#put(at, member, key);
  }

  #sink(member: number, key: number): void {
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.#members.length) break;
      if (child + 1 < this.#members.length && this.#isBefore(this.#keys[child + 1]!, this.#members[child + 1]!, child)) child++;
      if (this.#isBefore(key, member, child)) break;
      this.#put(at, this.#members[child]!, this.#keys[child]!);
      at = child;
    }
    this.#put(at, member, key);
  }

  #isBefore(key: number, member: number, other: number): boolean {
    const otherKey = this.#keys[other]!;
    return key < otherKey || (key === otherKey && member < this.#members[other]!);
  }

  #put(at: number, member: number, key: number): void {
    this.#members[at] = member;
    this.#keys[at] = key;
  }
}
