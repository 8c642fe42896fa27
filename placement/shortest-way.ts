import { invariant } from "../protocol/base/invariant.ts";
import type { CheapestSteps } from "./cheapest-steps.ts";
import type { Seats } from "./seats.ts";

export interface Step {
  /** What moves; -1: nothing, a broker's count at the drain changes. */
  readonly index: number;
  /** Null: a thing gets a seat that it did not have. */
  readonly from: number | null;
  readonly to: number;
}

/** No step led here. */
const none = -1;

/**
 * Shortest ways over brokers and the drain, of which there is one more than brokers: least unevenness, then least cost, then fewest steps.
 * The last makes sure that no thing moves twice on one way: two steps of the same thing could be one, at no greater cost. Bellman and
 * Ford's algorithm, as steps that undo earlier ones have negative costs.
 */
export class ShortestWay {
  readonly #steps: Pick<CheapestSteps, "index" | "cost">;
  readonly #drained: readonly number[];
  readonly #drain: number;
  readonly #unevenness: Float64Array;
  readonly #cost: Float64Array;
  readonly #length: Int32Array;
  readonly #from: Int32Array;
  readonly #index: Int32Array;

  constructor(steps: Pick<CheapestSteps, "index" | "cost">, drained: readonly number[]) {
    const nodes = drained.length + 1;
    this.#steps = steps;
    this.#drained = drained;
    this.#drain = drained.length;
    this.#unevenness = new Float64Array(nodes).fill(Number.POSITIVE_INFINITY);
    this.#cost = new Float64Array(nodes);
    this.#length = new Int32Array(nodes);
    this.#from = new Int32Array(nodes).fill(none);
    this.#index = new Int32Array(nodes).fill(none);
  }

  fromNode(node: number): this {
    this.#unevenness[node] = 0;
    return this.#search();
  }

  /** One more seat for a thing. */
  fromThing(index: number, seats: Seats): this {
    for (let broker = 0; broker < this.#drain; broker++)
      if (seats.mayTake(index, null, broker)) this.#reach(broker, 0, seats.costAt(index, broker), { length: 1, from: none, index });
    return this.#search();
  }

  /** Of those that can be reached, and are looked for, the one with the shortest way to it. */
  nearest(isLookedFor: (node: number) => boolean): number {
    let best = none;
    for (let node = 0; node <= this.#drain; node++)
      if (this.#unevenness[node] !== Number.POSITIVE_INFINITY && isLookedFor(node) && (best === none || this.#isShorter(node, best)))
        best = node;
    invariant(best !== none, "there is a way to where something is missing");
    return best;
  }

  /** The steps to `end`, the last one first. */
  *backFrom(end: number): Generator<Step> {
    for (let node = end; this.#length[node]! > 0; ) {
      const from = this.#from[node]!;
      yield { index: this.#index[node]!, from: from === none ? null : from, to: node };
      if (from === none) return;
      node = from;
    }
  }

  #search(): this {
    const nodes = this.#drain + 1;
    let isOpen = new Uint8Array(nodes).fill(1);
    for (let round = 0; ; round++) {
      invariant(round <= nodes, "no way round gains anything");
      const next = new Uint8Array(nodes);
      let isChanged = false;
      for (let node = 0; node < nodes; node++) {
        if (isOpen[node] === 0 || this.#unevenness[node] === Number.POSITIVE_INFINITY) continue;
        isChanged = this.#goOn(node, next) || isChanged;
      }
      if (!isChanged) return this;
      isOpen = next;
    }
  }

  #goOn(node: number, reached: Uint8Array): boolean {
    const unevenness = this.#unevenness[node]!;
    const cost = this.#cost[node]!;
    const length = this.#length[node]! + 1;
    let isChanged = false;
    for (let to = 0; to <= this.#drain; to++) {
      let isReached = false;
      if (to === node) continue;
      if (to === this.#drain) {
        isReached = this.#reach(to, unevenness + 2 * this.#drained[node]! + 1, cost, { length, from: node, index: none });
      } else if (node === this.#drain) {
        const drained = this.#drained[to]!;
        if (drained > 0) isReached = this.#reach(to, unevenness - 2 * drained + 1, cost, { length, from: node, index: none });
      } else {
        const index = this.#steps.index(node, to);
        if (index >= 0) isReached = this.#reach(to, unevenness, cost + this.#steps.cost(node, to), { length, from: node, index });
      }
      if (isReached) {
        reached[to] = 1;
        isChanged = true;
      }
    }
    return isChanged;
  }

  #reach(
    node: number,
    unevenness: number,
    cost: number,
    { length, from, index }: { readonly length: number; readonly from: number; readonly index: number },
  ): boolean {
    const was = this.#unevenness[node]!;
    if (was < unevenness) return false;
    if (was === unevenness) {
      if (this.#cost[node]! < cost) return false;
      if (this.#cost[node] === cost && this.#length[node]! <= length) return false;
    }
    this.#unevenness[node] = unevenness;
    this.#cost[node] = cost;
    this.#length[node] = length;
    this.#from[node] = from;
    this.#index[node] = index;
    return true;
  }

  #isShorter(a: number, b: number): boolean {
    return (this.#unevenness[a]! - this.#unevenness[b]! || this.#cost[a]! - this.#cost[b]! || this.#length[a]! - this.#length[b]!) < 0;
  }
}
