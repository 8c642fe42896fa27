import type { Random } from "../base/random.ts";

/** The operating system's randomness for ids; a fast generator for jitter. */
export const nodeRandom: Random = {
  next: () => Math.random(),
  // loaded when it is needed: that takes milliseconds, which most commands can do without
  bytes: (length) => process.getBuiltinModule("node:crypto").randomBytes(length),
};
