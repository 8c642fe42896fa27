import { expect, test } from "vitest";
import { insyncWarning } from "../../../cli/topic/replica-warning.ts";

test("more in-sync replicas than copies are warned of, with what they count as", () => {
  expect(insyncWarning("t", 2, 3)).toBe(null);
  expect(insyncWarning("t", 3, 3)).toBe(null);
  expect(insyncWarning("t", 2, 0), "copies are not known").toBe(null);
  expect(insyncWarning("t", Number.NaN, 1), "nothing a broker would take").toBe(null);
  expect(insyncWarning("t", 4, 3)).toMatch(/^min\.insync\.replicas is 4, but t has 3 copies: it counts as 3, /);
  expect(insyncWarning("t", 2, 1)).toMatch(/^min\.insync\.replicas is 2, but t has 1 copy: it counts as 1, /);
});
