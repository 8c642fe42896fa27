import { expect, test } from "vitest";
import { simulate } from "./simulation.ts";

test("the same seed gives the same trace, another seed another", async () => {
  const hashes = new Set<string>();
  for (const seed of [3, 11, 42, 77]) {
    const first = await simulate({ seed });
    const second = await simulate({ seed });
    expect(second.hash, `seed ${seed}`).toBe(first.hash);
    expect(second.lines).toBe(first.lines);
    hashes.add(first.hash);
  }
  expect(hashes.size).toBe(4);
}, 120_000);
