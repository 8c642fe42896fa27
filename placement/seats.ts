/** Something to seat on brokers, which are numbered from 0 here: the copies of a partition, or its preferred leadership. */
export interface Seated {
  /** Where some of it is and stays. */
  readonly fixed: readonly number[];
  /** Where the rest of it is now: to be there costs nothing. */
  readonly homes: readonly number[];
  /** How many seats it gets apart from those that are fixed. */
  readonly seats: number;
  /** Where these may be; null: anywhere. */
  readonly only: readonly number[] | null;
  readonly perRackMax: number;
  /** Of a seat that is no home. */
  readonly cost: number;
  /** What a seat weighs on its broker. */
  readonly weight: number;
}

/** What is seated, and on what. */
export interface Seating {
  readonly all: readonly Seated[];
  /** The rack of each broker. */
  readonly racks: readonly number[];
  /** What each broker has apart from `all`: how many, and how much they weigh. */
  readonly others: readonly { readonly count: number; readonly weight: number }[];
}

/** Who sits where while a plan is made. Begins with everything at home that may stay there. */
export class Seats {
  /** The brokers of each, without those that are fixed. */
  readonly at: number[][];
  readonly #all: readonly Seated[];
  readonly #racks: readonly number[];

  constructor({ all, racks }: Pick<Seating, "all" | "racks">) {
    this.#all = all;
    this.#racks = racks;
    this.at = all.map(() => []);
    for (const [index, { homes, seats }] of all.entries())
      for (const home of homes) if (this.at[index]!.length < seats && this.mayTake(index, null, home)) this.at[index]!.push(home);
  }

  /** Whether it may get a seat at `to`, instead of the one at `from`. */
  mayTake(index: number, from: number | null, to: number): boolean {
    const { fixed, only, perRackMax } = this.#all[index]!;
    const at = this.at[index]!;
    if (at.includes(to) || fixed.includes(to) || (only !== null && !only.includes(to))) return false;
    const rack = this.#racks[to];
    if (from !== null && this.#racks[from] === rack) return true;
    let there = 0;
    for (const broker of at) if (this.#racks[broker] === rack) there++;
    for (const broker of fixed) if (this.#racks[broker] === rack) there++;
    return there < perRackMax;
  }

  /** `from` null: a seat that it did not have. */
  move(index: number, from: number | null, to: number): void {
    const at = this.at[index]!;
    if (from === null) at.push(to);
    else at[at.indexOf(from)] = to;
  }

  costAt(index: number, broker: number): number {
    const { homes, cost } = this.#all[index]!;
    return homes.includes(broker) ? 0 : cost;
  }
}
