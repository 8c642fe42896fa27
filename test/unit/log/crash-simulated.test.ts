import { test } from "vitest";
import { crashSimulated } from "../../crash/simulated.ts";

test.each([0, 1, 2])(
  "disks that lose what was not synced, and tear it: what was flushed is there, in sound logs (100 seeds from %i00)",
  async (hundred) => {
    for (let seed = hundred * 100; seed < hundred * 100 + 100; seed++) await crashSimulated(seed);
  },
);
