import { expect, test } from "vitest";
import { faultKinds } from "./faults.ts";
import { schemes } from "./schemes/schemes.ts";
import { simulate } from "./simulation.ts";
import { troubleKinds } from "./troubles/troubles.ts";

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

test("every kind of fault happens within a few seeds, and most sends come through", async () => {
  const seen = new Set<string>();
  let sent = 0;
  let acknowledged = 0;
  for (let seed = 1; seed <= 30; seed++) {
    const result = await simulate({ seed });
    for (const kind of Object.keys(result.faults)) seen.add(kind);
    sent += result.sent;
    acknowledged += result.acknowledged;
  }
  expect([...faultKinds, ...troubleKinds].filter((kind) => !seen.has(kind))).toEqual([]);
  expect(schemes.filter(({ name }) => seen.has(name)).length).toBeGreaterThan(schemes.length / 2);
  expect(acknowledged).toBeGreaterThan(sent / 2);
}, 300_000);
