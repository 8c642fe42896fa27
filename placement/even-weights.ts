import { type Seating, Seats } from "./seats.ts";
import { Weights } from "./weights.ts";

/** How far a broker may be from the mean and count as even. */
const tolerance = 0.05;

/**
 * What is copied must mend this much of itself. Otherwise large copies would be sent round for the little by which they differ. Where
 * weights are no bytes, both count in proportion to their sums.
 */
const worthwhile = 0.1;

/** More than any plan was seen to need. One that is cut short is a valid plan. */
const stepsMaxPerSeat = 10;
/** Partners that are tried for a seat when two are exchanged, lighter and heavier ones. */
const partnersMax = 6;

interface Candidate {
  readonly index: number;
  readonly from: number;
  readonly to: number;
  readonly gain: number;
  /** Less deviation for each unit of cost. */
  readonly ratio: number;
}

function ratioOf(gain: number, cost: number): number {
  return cost > 0 ? gain / cost : Number.POSITIVE_INFINITY;
}

/** Of weights to costs. */
function proportionOf(all: Seating["all"]): number {
  const sumOf = (of: (seated: Seating["all"][number]) => number) => all.reduce((sum, each) => sum + each.seats * of(each), 0);
  return (
    sumOf(({ weight }) => weight) /
    Math.max(
      1,
      sumOf(({ cost }) => cost),
    )
  );
}

/** Positive: the first is better. */
function compared(a: Pick<Candidate, "ratio" | "gain">, b: Pick<Candidate, "ratio" | "gain">): number {
  if (a.ratio === b.ratio) return a.gain - b.gain;
  return a.ratio > b.ratio ? 1 : -1;
}

/**
 * Seats everything so that the brokers' weights are within a tolerance of their mean, or as near as this finds; then so that their counts
 * are even, as far as that leaves the weights where they are; and takes back what turns out not to have been needed. Each step is the best
 * one that there is at that moment (the most gained for its cost): to find the best sequence of steps is to solve a bin packing problem.
 */
export function evenWeights(seating: Seating, roomBytes: readonly (number | null)[]): readonly (readonly number[])[] {
  return new WeightSearch(seating, roomBytes).run();
}

class WeightSearch {
  readonly #all: Seating["all"];
  readonly #brokers: readonly number[];
  readonly #seats: Seats;
  readonly #weights: Weights;
  /** Steps that mend less for what they cost are not taken. */
  readonly #leastRatio: number;
  readonly #counts: number[];
  /** What each broker can still take. */
  readonly #room: number[];
  /** What sits at each broker, the lightest first. */
  readonly #sitting: number[][];
  /** How often something came to each broker, or left it. */
  readonly #changes: number[];
  /** Pairs of brokers between which nothing could move to even the counts, with their changes by then. */
  readonly #stuckAt = new Map<number, number>();
  #stepsLeft: number;

  constructor(seating: Seating, roomBytes: readonly (number | null)[]) {
    const { all, racks, others } = seating;
    this.#all = all;
    this.#brokers = [...racks.keys()];
    this.#seats = new Seats(seating);
    this.#counts = others.map(({ count }) => count);
    this.#room = roomBytes.map((bytes) => bytes ?? Number.POSITIVE_INFINITY);
    this.#sitting = racks.map(() => []);
    this.#changes = racks.map(() => 0);
    const weights = others.map(({ weight }) => weight);
    let total = weights.reduce((sum, weight) => sum + weight, 0);
    for (const [index, { fixed, seats, weight }] of all.entries()) {
      for (const broker of [...fixed, ...this.#seats.at[index]!]) {
        weights[broker]! += weight;
        this.#counts[broker]!++;
      }
      for (const broker of this.#seats.at[index]!) this.#sitting[broker]!.push(index);
      total += (fixed.length + seats) * weight;
    }
    for (const sitting of this.#sitting) sitting.sort((a, b) => this.#order(a, b));
    this.#weights = new Weights(weights, total, tolerance);
    this.#leastRatio = worthwhile * proportionOf(all);
    this.#stepsLeft = stepsMaxPerSeat * all.reduce((sum, { seats }) => sum + seats, 0);
  }

  run(): readonly (readonly number[])[] {
    this.#seatTheMissing();
    let isMoving = true;
    while (isMoving && this.#stepsLeft > 0) isMoving = this.#evenWeights() || this.#evenCounts() || this.#takeBack();
    return this.#seats.at;
  }

  /** The heaviest first, each where there is least. */
  #seatTheMissing(): void {
    const missing = [...this.#all.keys()].filter((index) => this.#seats.at[index]!.length < this.#all[index]!.seats);
    for (const index of missing.sort((a, b) => this.#order(b, a)))
      while (this.#seats.at[index]!.length < this.#all[index]!.seats) {
        const places = this.#brokers.filter((broker) => this.#seats.mayTake(index, null, broker));
        const roomy = places.filter((broker) => this.#hasRoom(index, broker));
        const [best] = (roomy.length > 0 ? roomy : places).sort(
          (a, b) => this.#weights.of(a) - this.#weights.of(b) || this.#counts[a]! - this.#counts[b]! || a - b,
        );
        this.#move(index, null, best!);
      }
  }

  /** Steps that leave less deviation: single moves of the broker that deviates most and can be helped, or else one exchange. */
  #evenWeights(): boolean {
    const deviating = this.#brokers
      .filter((broker) => this.#weights.deviation(broker) !== 0)
      .sort((a, b) => Math.abs(this.#weights.deviation(b)) - Math.abs(this.#weights.deviation(a)) || a - b);
    return deviating.some((broker) => this.#moveSome(broker)) || deviating.some((broker) => this.#exchangeOne(broker));
  }

  /** The best first. One that has become less good since they were compared is left for the next time. */
  #moveSome(broker: number): boolean {
    const isOver = this.#weights.deviation(broker) > 0;
    const found: Candidate[] = [];
    for (const other of this.#brokers) {
      if (other === broker) continue;
      const [from, to] = isOver ? [broker, other] : [other, broker];
      for (const index of this.#sitting[from]!) {
        const gain = this.#weights.gain(from, to, this.#all[index]!.weight);
        if (gain <= 0) continue;
        const ratio = ratioOf(gain, this.#cost(index, from, to));
        if (ratio >= this.#leastRatio && this.#mayMove(index, from, to)) found.push({ index, from, to, gain, ratio });
      }
    }
    found.sort((a, b) => compared(b, a) || a.index - b.index || a.from - b.from || a.to - b.to);
    let isChanged = false;
    for (const { index, from, to, gain } of found) {
      if (this.#weights.deviation(broker) === 0) break;
      if (!this.#seats.at[index]!.includes(from) || !this.#mayMove(index, from, to)) continue;
      if (this.#weights.gain(from, to, this.#all[index]!.weight) < gain) continue;
      this.#move(index, from, to);
      isChanged = true;
    }
    return isChanged;
  }

  /** A seat of a broker for a lighter, or heavier, one of another. */
  #exchangeOne(broker: number): boolean {
    const deviation = this.#weights.deviation(broker);
    let best: (Candidate & { readonly back: number }) | null = null;
    for (const other of this.#brokers) {
      if (other === broker) continue;
      const theirs = this.#sitting[other]!;
      for (const index of this.#sitting[broker]!) {
        if (!this.#mayMove(index, broker, other)) continue;
        for (const back of this.#around(theirs, this.#all[index]!.weight - deviation)) {
          const gain = this.#weights.gain(broker, other, this.#all[index]!.weight - this.#all[back]!.weight);
          if (gain <= 0) continue;
          const ratio = ratioOf(gain, this.#cost(index, broker, other) + this.#cost(back, other, broker));
          if (ratio < this.#leastRatio || (best !== null && compared({ ratio, gain }, best) <= 0)) continue;
          if (this.#mayMove(back, other, broker)) best = { index, from: broker, to: other, back, ratio, gain };
        }
      }
    }
    if (best === null) return false;
    this.#move(best.index, best.from, best.to);
    this.#move(best.back, best.to, best.from);
    return true;
  }

  /** A few that weigh about as much. */
  #around(sitting: readonly number[], weight: number): readonly number[] {
    const at = this.#firstFrom(sitting, weight);
    return sitting.slice(Math.max(0, at - partnersMax), at + partnersMax);
  }

  /** One step that leaves the counts more even, and the weights no less: of those between brokers that differ most, the cheapest. */
  #evenCounts(): boolean {
    const byCount = this.#brokers.toSorted((a, b) => this.#counts[a]! - this.#counts[b]! || a - b);
    for (const from of byCount.toReversed())
      for (const to of byCount) {
        if (this.#counts[from]! < this.#counts[to]! + 2) break;
        const index = this.#cheapest(from, to);
        if (index === null) continue;
        this.#move(index, from, to);
        return true;
      }
    return false;
  }

  #cheapest(from: number, to: number): number | null {
    const pair = from * this.#brokers.length + to;
    const changes = this.#changes[from]! + this.#changes[to]!;
    if (this.#stuckAt.get(pair) === changes) return null;
    let best: number | null = null;
    let bestCost = Number.POSITIVE_INFINITY;
    for (const index of this.#sitting[from]!) {
      const cost = this.#cost(index, from, to);
      if (cost >= bestCost || this.#weights.gain(from, to, this.#all[index]!.weight) < 0 || !this.#mayMove(index, from, to)) continue;
      [best, bestCost] = [index, cost];
    }
    if (best === null) this.#stuckAt.set(pair, changes);
    return best;
  }

  /** Everything that can go home, or be exchanged for something cheaper, without weights or counts being less even. */
  #takeBack(): boolean {
    let isChanged = false;
    for (const [index, { homes }] of this.#all.entries())
      for (const from of [...this.#seats.at[index]!]) {
        if (homes.includes(from)) continue;
        const home = homes.find((to) => this.#mayMove(index, from, to) && this.#goHome(index, from, to));
        if (home !== undefined) isChanged = true;
      }
    return isChanged;
  }

  /** Whether it went: alone, or for something cheaper from there. */
  #goHome(index: number, from: number, home: number): boolean {
    const goesAlone = this.#weights.gain(from, home, this.#all[index]!.weight) >= 0 && this.#counts[home]! < this.#counts[from]!;
    const instead = goesAlone ? null : this.#cheaperInstead(index, from, home);
    if (!goesAlone && instead === null) return false;
    this.#move(index, from, home);
    if (instead !== null) this.#move(instead, home, from);
    return true;
  }

  #cheaperInstead(index: number, from: number, home: number): number | null {
    const { cost, weight } = this.#all[index]!;
    for (const instead of this.#sitting[home]!) {
      const other = this.#all[instead]!;
      if (other.cost >= cost || this.#weights.gain(from, home, weight - other.weight) < 0) continue;
      if (this.#mayMove(instead, home, from)) return instead;
    }
    return null;
  }

  #cost(index: number, from: number, to: number): number {
    return this.#seats.costAt(index, to) - this.#seats.costAt(index, from);
  }

  #mayMove(index: number, from: number, to: number): boolean {
    return this.#hasRoom(index, to) && this.#seats.mayTake(index, from, to);
  }

  #hasRoom(index: number, broker: number): boolean {
    return this.#seats.costAt(index, broker) <= this.#room[broker]!;
  }

  #move(index: number, from: number | null, to: number): void {
    const { weight } = this.#all[index]!;
    this.#seats.move(index, from, to);
    this.#stepsLeft--;
    this.#changes[to]!++;
    if (from !== null) {
      this.#changes[from]!++;
      this.#weights.add(from, -weight);
      this.#counts[from]!--;
      this.#room[from]! += this.#seats.costAt(index, from);
      this.#sitting[from]!.splice(this.#sitting[from]!.indexOf(index), 1);
    }
    this.#weights.add(to, weight);
    this.#counts[to]!++;
    this.#room[to]! -= this.#seats.costAt(index, to);
    const sitting = this.#sitting[to]!;
    let place = this.#firstFrom(sitting, weight);
    while (place < sitting.length && this.#order(sitting[place]!, index) < 0) place++;
    sitting.splice(place, 0, index);
  }

  #order(a: number, b: number): number {
    return this.#all[a]!.weight - this.#all[b]!.weight || a - b;
  }

  /** The place of the first that weighs at least as much. */
  #firstFrom(sitting: readonly number[], weight: number): number {
    let [low, high] = [0, sitting.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#all[sitting[middle]!]!.weight < weight) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
