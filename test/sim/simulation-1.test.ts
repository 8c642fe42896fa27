import { expect, test } from "vitest";
import { faultKinds } from "./faults.ts";
import { schemes } from "./schemes/schemes.ts";
import { testSeeds } from "./seeds.ts";
import { troubleKinds } from "./troubles/troubles.ts";

const results = testSeeds(1, 30);

test("every kind of fault happens within these seeds, and most sends come through", () => {
  const seen = new Set(results.flatMap(({ faults }) => Object.keys(faults)));
  const sum = (of: "sent" | "acknowledged") => results.reduce((total, result) => total + result[of], 0);
  expect([...faultKinds, ...troubleKinds].filter((kind) => !seen.has(kind))).toEqual([]);
  expect(schemes.filter(({ name }) => seen.has(name)).length).toBeGreaterThan(schemes.length / 2);
  expect(sum("acknowledged")).toBeGreaterThan(sum("sent") / 2);
});
