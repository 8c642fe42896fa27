import type { Mutant } from "./mutant.ts";

/** Rules of what the controller moves by itself, taken away. */
export const balanceMutants: readonly Mutant[] = [
  {
    name: "moves-though-something-is-wrong",
    file: "broker/controller/auto-rebalancer.ts",
    find: "const trouble = troubleOf(book.current);",
    replace: "const trouble = null as string | null;",
    breaks: "The controller begins to move partitions while others lack replicas, which they need the network and the disks for.",
  },
  {
    name: "overtakes-other-moves",
    file: "broker/controller/auto-rebalancer.ts",
    find: "const underWay = this.#reassigner.list(null);",
    replace: "const underWay = this.#reassigner.list([]);",
    breaks: "The controller sends a partition elsewhere while it is being moved by somebody else.",
  },
  {
    name: "two-more-are-even-enough",
    file: "broker/controller/auto-balance.ts",
    find: "return Math.abs(load[what] - mean) >= Math.max(1, (mean * percent) / 100);",
    replace: "return Math.abs(load[what] - mean) >= Math.max(2, (mean * percent) / 100);",
    breaks: "Brokers that could have equal shares do not get them.",
  },
];
