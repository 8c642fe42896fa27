import { invariant } from "../protocol/base/invariant.ts";
import { CheapestSteps } from "./cheapest-steps.ts";
import { type Seating, Seats } from "./seats.ts";
import { ShortestWay } from "./shortest-way.ts";

/**
 * Seats everything so that the brokers' counts are as even as they can be (the sum of their squares is least), and among all ways to do
 * so at the least cost. Answers with the brokers of each.
 *
 * This is a flow of least cost, from each thing over its racks and brokers to a drain, where the n-th seat of a broker costs 2n-1 in
 * unevenness. It begins with everything at home, which costs nothing, and with the drain taking the same from each broker; what a broker
 * has above that goes, one after the other, along the shortest way there is at that moment to where something is missing. Each such step
 * keeps the flow one of least cost (successive shortest paths), so the last one has the least cost of all.
 */
export function evenCounts(seating: Seating): readonly (readonly number[])[] {
  return new CountFlow(seating).run();
}

class CountFlow {
  readonly #seating: Seating;
  readonly #seats: Seats;
  readonly #steps: CheapestSteps;
  /** What the drain takes from each broker. */
  readonly #drained: number[];
  /** What each broker, and behind them the drain, has too many; negative: too few. */
  readonly #excess: number[];
  readonly #drain: number;

  constructor(seating: Seating) {
    const { all, racks, others } = seating;
    this.#seating = seating;
    this.#seats = new Seats(seating);
    this.#steps = new CheapestSteps(seating, this.#seats);
    this.#drain = racks.length;
    const counts = others.map(({ count }) => count);
    let total = counts.reduce((sum, count) => sum + count, 0);
    for (const [index, { fixed, seats }] of all.entries()) {
      for (const broker of fixed) counts[broker]!++;
      for (const broker of this.#seats.at[index]!) counts[broker]!++;
      total += fixed.length + seats;
    }
    const level = Math.floor(total / Math.max(1, racks.length));
    this.#drained = racks.map(() => level);
    this.#excess = [...counts.map((count) => count - level), level * racks.length - total];
  }

  run(): readonly (readonly number[])[] {
    for (const [index, { seats }] of this.#seating.all.entries())
      while (this.#seats.at[index]!.length < seats) this.#follow(this.#way().fromThing(index, this.#seats));
    for (const broker of this.#drained.keys())
      while (this.#excess[broker]! > 0) {
        this.#excess[broker]!--;
        this.#follow(this.#way().fromNode(broker));
      }
    invariant(
      this.#excess.every((excess) => excess === 0),
      "what is too much somewhere is missing elsewhere",
      () => this.#excess,
    );
    return this.#seats.at;
  }

  #way(): ShortestWay {
    return new ShortestWay(this.#steps, this.#drained);
  }

  /** To the nearest place where something is missing. */
  #follow(way: ShortestWay): void {
    const end = way.nearest((node) => this.#excess[node]! < 0);
    this.#excess[end]!++;
    for (const { index, from, to } of way.backFrom(end)) {
      if (to === this.#drain) this.#drained[from!]!++;
      else if (from === this.#drain) this.#drained[to]!--;
      else {
        this.#seats.move(index, from, to);
        this.#steps.moved(index, from, to);
      }
    }
  }
}
