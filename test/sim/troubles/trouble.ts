import type { Random } from "../../../protocol/base/random.ts";
import type { World } from "../world.ts";

/**
 * What runs alongside the faults, if the plan says so. It decides by a random source of its own: with or without it, the faults of a seed
 * are chosen alike.
 */
export interface Trouble {
  start(): void;
  /** It stops, and what it broke works again. */
  heal(): void;
}

export interface TroubleParts {
  readonly world: World;
  readonly random: Random;
  /** It has happened once more. */
  readonly count: (kind: string) => void;
}

/** Repeatedly after pauses between the two, until the returned function is called. */
export function again(
  { world, random }: Pick<TroubleParts, "world" | "random">,
  pauseMinMs: number,
  pauseMaxMs: number,
  deed: () => void,
): () => void {
  let isOver = false;
  const next = () =>
    world.clock.schedule("faults", pauseMinMs + random.next() * (pauseMaxMs - pauseMinMs), () => {
      if (isOver) return;
      deed();
      next();
    });
  next();
  return () => {
    isOver = true;
  };
}
