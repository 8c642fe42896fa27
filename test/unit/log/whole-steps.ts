import fc from "fast-check";

/** What is done to a log while other such things go on. */
export type Activity = "lead" | "follow" | "flush" | "retain" | "advance" | "compact" | "read" | "cut" | "restart";

export interface Work {
  readonly kind: "work";
  readonly activities: readonly Activity[];
  /** The machine dies in the disk's so manieth operation from then on, if it comes to that. */
  readonly crash: { readonly operation: number; readonly power: boolean } | null;
  readonly seed: number;
}

export type Step =
  | Work
  | {
      readonly kind: "settings" | "begin epoch" | "clock" | "timers" | "expire" | "compact all" | "close" | "kill" | "power";
      readonly seed: number;
    };

// what a seed stands for has no order: a smaller one is no simpler
const seed = fc.noShrink(fc.nat());

const together = (activities: readonly Activity[]) => fc.uniqueArray(fc.constantFrom(...activities), { minLength: 2, maxLength: 4 });

const activities = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom<Activity[]>(["lead"], ["follow"]) },
  {
    weight: 7,
    arbitrary: fc.constantFrom<Activity[]>(["flush"], ["retain"], ["advance"], ["compact"], ["cut"], ["restart"], ["compact"], ["cut"]),
  },
  { weight: 4, arbitrary: together(["lead", "follow", "flush", "retain", "advance", "compact", "read"]) },
  { weight: 2, arbitrary: together(["cut", "retain", "compact", "read"]) },
);

const crash = fc.oneof(
  { weight: 6, arbitrary: fc.constant(null) },
  { weight: 1, arbitrary: fc.record({ operation: fc.integer({ min: 1, max: 40 }), power: fc.boolean() }) },
);

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("work" as const), activities, crash, seed }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom("settings" as const, "begin epoch" as const, "clock" as const, "timers" as const, "compact all" as const),
      seed,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom("close" as const, "kill" as const, "power" as const, "expire" as const), seed }),
  },
);

export interface WholeLife {
  readonly steps: readonly Step[];
  /** Memory for the log's tail. */
  readonly tailBytes: number;
  readonly seed: number;
}

export const wholeLife: fc.Arbitrary<WholeLife> = fc.record({
  steps: fc.array(step, { maxLength: 40, size: "max" }),
  tailBytes: fc.constantFrom(0, 1000, 5000, 1_000_000),
  seed,
});
