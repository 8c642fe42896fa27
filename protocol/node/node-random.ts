import { randomBytes } from "node:crypto";
import type { Random } from "../base/random.ts";

/** The operating system's randomness for ids; a fast generator for jitter. */
export const nodeRandom: Random = {
  next: () => Math.random(),
  bytes: (length) => randomBytes(length),
};
