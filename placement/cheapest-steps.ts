import type { Seating, Seats } from "./seats.ts";

/**
 * For each two brokers the cheapest seat to move from the one to the other. A seat that leaves its home costs, one that comes home pays
 * back. Kept up to date as seats move: what is looked for again is only what the moved one was the cheapest of.
 */
export class CheapestSteps {
  readonly #brokers: number;
  readonly #seats: Seats;
  readonly #all: Seating["all"];
  /** Of pairs, at `from * brokers + to`. */
  readonly #cost: Float64Array;
  readonly #index: Int32Array;
  /** By broker: those at home there, the cheapest first, and those that are not. */
  readonly #atHome: number[][];
  readonly #guests: Set<number>[];
  /** By pair: those at the one that have a home at the other and are not there. */
  readonly #homesick: Set<number>[];
  /** Where each stands in the order of costs. */
  readonly #rank: Int32Array;

  constructor({ all, racks }: Pick<Seating, "all" | "racks">, seats: Seats) {
    this.#brokers = racks.length;
    this.#seats = seats;
    this.#all = all;
    this.#cost = new Float64Array(racks.length ** 2);
    this.#index = new Int32Array(racks.length ** 2).fill(-1);
    this.#atHome = racks.map(() => []);
    this.#guests = racks.map(() => new Set());
    this.#homesick = Array.from(this.#cost, () => new Set());
    this.#rank = new Int32Array(all.length);
    const cheapestFirst = [...all.keys()].sort((a, b) => all[a]!.cost - all[b]!.cost || a - b);
    for (const [rank, index] of cheapestFirst.entries()) {
      this.#rank[index] = rank;
      const at = seats.at[index]!;
      const { homes } = all[index]!;
      for (const broker of at) this.#atHome[broker]!.push(index);
      for (const home of homes) if (!at.includes(home)) for (const broker of at) this.#homesick[this.#pair(broker, home)]!.add(index);
    }
    for (let from = 0; from < this.#brokers; from++) for (let to = 0; to < this.#brokers; to++) this.#lookFor(from, to);
  }

  /** Which seat moves; -1: none can. */
  index(from: number, to: number): number {
    return this.#index[this.#pair(from, to)]!;
  }

  cost(from: number, to: number): number {
    return this.#cost[this.#pair(from, to)]!;
  }

  /** After it has moved. */
  moved(index: number, from: number | null, to: number): void {
    if (from !== null) this.#left(index, from);
    this.#came(index, to);
    for (const broker of this.#seats.at[index]!) for (let other = 0; other < this.#brokers; other++) this.#changed(index, broker, other);
    if (from !== null)
      for (let other = 0; other < this.#brokers; other++) if (this.index(from, other) === index) this.#lookFor(from, other);
  }

  #pair(from: number, to: number): number {
    return from * this.#brokers + to;
  }

  #left(index: number, from: number): void {
    const { homes } = this.#all[index]!;
    for (const home of homes) this.#homesick[this.#pair(from, home)]!.delete(index);
    if (!homes.includes(from)) {
      this.#guests[from]!.delete(index);
      return;
    }
    const atHome = this.#atHome[from]!;
    atHome.splice(this.#placeIn(atHome, index), 1);
    for (const broker of this.#seats.at[index]!) this.#homesick[this.#pair(broker, from)]!.add(index);
  }

  #came(index: number, to: number): void {
    const { homes } = this.#all[index]!;
    const at = this.#seats.at[index]!;
    for (const home of homes) if (!at.includes(home)) this.#homesick[this.#pair(to, home)]!.add(index);
    if (!homes.includes(to)) {
      this.#guests[to]!.add(index);
      return;
    }
    const atHome = this.#atHome[to]!;
    atHome.splice(this.#placeIn(atHome, index), 0, index);
    for (const broker of at) this.#homesick[this.#pair(broker, to)]!.delete(index);
  }

  #placeIn(atHome: readonly number[], index: number): number {
    let [low, high] = [0, atHome.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#rank[atHome[middle]!]! < this.#rank[index]!) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #changed(index: number, from: number, to: number): void {
    if (this.#index[this.#pair(from, to)] === index) this.#lookFor(from, to);
    else this.#offer(index, from, to);
  }

  #lookFor(from: number, to: number): void {
    const pair = this.#pair(from, to);
    this.#index[pair] = -1;
    if (from === to) return;
    for (const index of this.#homesick[pair]!) this.#offer(index, from, to);
    // of guests each costs the same, and of those at home the first that can go is the cheapest
    for (const index of this.#guests[from]!) if (!this.#all[index]!.homes.includes(to) && this.#offer(index, from, to)) break;
    for (const index of this.#atHome[from]!) if (!this.#all[index]!.homes.includes(to) && this.#offer(index, from, to)) break;
  }

  /** Whether that is looked for: it can go, or is not better than what is known. */
  #offer(index: number, from: number, to: number): boolean {
    const pair = this.#pair(from, to);
    const cost = this.#seats.costAt(index, to) - this.#seats.costAt(index, from);
    const best = this.#index[pair]!;
    if (best >= 0 && (this.#cost[pair]! < cost || (this.#cost[pair] === cost && this.#rank[best]! < this.#rank[index]!))) return true;
    if (!this.#seats.mayTake(index, from, to)) return false;
    this.#cost[pair] = cost;
    this.#index[pair] = index;
    return true;
  }
}
