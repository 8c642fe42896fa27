import { expect, test } from "vitest";
import { mutated, readSource } from "../../mutants/mutant.ts";
import { mutants } from "../../mutants/mutants.ts";

test.each(mutants.map((mutant) => [mutant.name, mutant] as const))("mutant %s still applies to the sources", (_name, mutant) => {
  const source = readSource(mutant);
  expect(mutated(mutant, source)).not.toBe(source);
});

test("every mutant has a name of its own", () => {
  expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length);
});

test("a mutant whose text is gone, or there twice, is an error", () => {
  const mutant = { name: "example", file: "a.ts", find: "x", replace: "y", breaks: "nothing" };
  expect(() => mutated(mutant, "abc")).toThrow("its text is 0 times in a.ts");
  expect(() => mutated(mutant, "x x")).toThrow("its text is 2 times in a.ts");
  expect(mutated({ ...mutant, replace: "$&$&" }, "axb")).toBe("a$&$&b");
});
