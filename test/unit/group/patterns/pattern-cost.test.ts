import fc from "fast-check";
import { RE2JS, RE2JSException } from "re2js";
import { describe, expect, test } from "vitest";
import { PatternCompiler } from "../../../../broker/group/patterns/pattern-compiler.ts";
import { patternCost } from "../../../../broker/group/patterns/pattern-cost.ts";
import { admittedCost, compileAdmitted } from "../../../../broker/group/patterns/topic-pattern.ts";

function compiled(source: string): RE2JS | null {
  try {
    return RE2JS.compile(source);
  } catch (error) {
    if (error instanceof RE2JSException) return null;
    throw error;
  }
}

const atoms =
  "a b k S - _ \\. . \\w \\W \\d \\D \\b \\B ^ $ [a-z] [^a-z] [ab] [[:alpha:]] [[:^digit:]] [\\w-] [@-~] \\pL \\PL \\p{Lu} [^\\pL] (?i) (?i:k) (?-i:K) (?s:.) (?m:^) (?m:$) () | \\Qa.b\\E \\Q\\E \\x{61} \\101";
const operators = ["", "", "", "*", "+", "?", "*?", "{2}", "{0,3}", "{2,}", "{0}", "{1,9}", "{3,7}?"];
const { expression } = fc.letrec<{ expression: string; piece: string }>((tie) => ({
  expression: fc.array(tie("piece"), { minLength: 1, maxLength: 5 }).map((pieces) => pieces.join("")),
  piece: fc
    .tuple(
      fc.oneof(
        { maxDepth: 3 },
        fc.constantFrom(...atoms.split(" ")),
        fc.tuple(fc.constantFrom("(", "(?:", "(?i:"), tie("expression")).map(([begin, inner]) => `${begin}${inner})`),
      ),
      fc.constantFrom(...operators),
    )
    .map((parts) => parts.join("")),
}));

describe("what an expression costs", () => {
  test("is told by its text", () => {
    expect(patternCost("abc")).toEqual({ size: 3, work: 3, unicodeClasses: 0 });
    expect(patternCost("[abc]x").size).toBe(2);
    expect(patternCost("[\\]a]{10}").size).toBe(10);
    expect(patternCost("(ab){10}").size).toBe(40);
    expect(patternCost("((ab){10}c){2,10}").size).toBeGreaterThanOrEqual(430);
    expect(patternCost("a\\{1000}").size).toBe(7);
    expect(patternCost("(?i)a").work, "flags are no letters").toBeLessThan(3);
    expect(patternCost("a{9}(?i){9}").size, "flags hide nothing from a repetition").toBeGreaterThanOrEqual(81);
    expect(patternCost("a{9}\\Q\\E{9}").size, "nor does an empty quote").toBeGreaterThanOrEqual(81);
    expect(patternCost("\\pL[\\P{Lu}\\w]").unicodeClasses).toBe(2);
  });

  test("is never less than the size that it is compiled to", () => {
    fc.assert(
      fc.property(expression, (source) => {
        if ("fault" in admittedCost(source)) return;
        const { size } = patternCost(source);
        // the first instruction and the last are everyone's
        expect((compiled(source)?.programSize() ?? 0) - 2).toBeLessThanOrEqual(size + 2);
      }),
      { numRuns: 2_000 },
    );
  });

  test.each([
    ["(?i)\\pL", "(?i)", "\\pL", 1_355],
    ["\\PL without regard to case", "(?i)", "\\PL", 1_300],
    ["a negated Unicode class", "(?i)", "[^\\pL]", 600],
    ["\\pL", "", "\\pL", 1_365],
    ["\\pL as alternatives", "(?i)", "\\pL|", 1_020],
    ["five Unicode classes", "", "\\p{Lu}", 5],
    ["repetitions of repetitions", "", "(a*)*", 800],
    ["ranges in a class", "(?i)[", "@-~", 1_360],
    ["classes in a class", "(?i)[", "\\w", 2_040],
    ["named classes that do not end", "[", "[:", 2_040],
    ["what may be missing", "", "(a?)", 1_020],
    ["what may be missing, by a number", "", "(?:a?){990}", 2],
    ["counted repetitions", "", "x{0,9}", 680],
    ["empty groups", "", "()", 2_040],
  ])("is too high, and it is not compiled: %s", (_what, before, unit, count) => {
    const refused = admittedCost(before + unit.repeat(count));
    if (!("fault" in refused)) throw new Error("taken");
    expect(refused.fault).toMatch(/^it (is too large|has too many Unicode classes)/);
    expect(refused.fault.length).toBeLessThan(150);
  });

  test("what RE2 says of a long one is cut", () => {
    const refused = compileAdmitted(`${"a".repeat(4_000)})`);
    expect("fault" in refused && refused.fault.length).toBe(151);
  });
});

describe("a compiled expression", () => {
  test("matches what RE2 itself says that it matches", () => {
    const name = fc.string({ unit: fc.constantFrom(..."abkKSsA-_.0z"), maxLength: 8 });
    fc.assert(
      fc.property(expression, fc.array(name, { minLength: 10, maxLength: 10 }), (source, names) => {
        const re2 = compiled(source);
        if (re2 === null || "fault" in admittedCost(source)) return;
        const pattern = compileAdmitted(source);
        if ("fault" in pattern) throw new Error(pattern.fault);
        for (const one of ["", "abk", ...names]) expect(pattern.matches(one), one).toBe(re2.testExact(one));
      }),
      { numRuns: 3_000 },
    );
  });

  test("goes through the longest name in a short time, with every one of its places possible", () => {
    const name = "a".repeat(249);
    for (const source of ["(?:a?){350}", "(.?){350}", "(.*a){230}b", "(?:a*){280}b", "(?i)(?:k?){350}"]) {
      const pattern = compileAdmitted(source);
      if ("fault" in pattern || "fault" in admittedCost(source)) throw new Error(`${source} is refused`);
      const startedMs = performance.now();
      for (let n = 0; n < 10; n++) pattern.matches(name);
      expect((performance.now() - startedMs) / 10, source).toBeLessThan(60);
    }
  });
});

describe("expressions of many members", () => {
  const dear = (n: number) => `${"a".repeat(4_000)}${n}`;

  test("are compiled at a bounded rate, whoever they are from; ordinary ones do not notice", () => {
    const compiler = new PatternCompiler();
    const admitted = (from: number, count: number, nowMs: number) =>
      Array.from({ length: count }, (_, n) => compiler.admit(dear(from + n), nowMs)).filter((pattern) => pattern !== null).length;
    expect(admitted(0, 100, 1_000)).toBe(2);
    for (let n = 0; n < 50; n++) expect(compiler.admit(`^invoices-${n}-.*$`, 1_000), "ordinary ones find room beside them").not.toBeNull();
    expect(admitted(100, 100, 1_001), "a moment later").toBe(0);
    expect(admitted(200, 100, 2_000), "a second later").toBe(2);
    const others = new PatternCompiler();
    for (let n = 0; n < 100; n++) expect(others.admit(`^orders-${n}-.*$`, 1_000), `${n}`).not.toBeNull();
  });

  test("count as well when RE2 refuses them", () => {
    const compiler = new PatternCompiler();
    const answers = Array.from({ length: 100 }, (_, n) => compiler.admit(`${dear(n)})`, 1_000));
    expect(answers.filter((answer) => answer !== null && "fault" in answer)).toHaveLength(2);
    expect(answers.at(-1)).toBeNull();
  });

  test("are compiled once, and kept within bounds", () => {
    const compiler = new PatternCompiler();
    const first = compiler.admit("a.*", 0);
    expect(compiler.admit("a.*", 0)).toBe(first);
    expect(compiler.compiled("a.*")).toBe(first);
    for (let n = 0; n < 40; n++) compiler.compiled(dear(n));
    expect(compiler.compiled("a.*"), "the longest unused is dropped").not.toBe(first);
    const last = compiler.compiled(dear(39));
    expect(compiler.compiled(dear(39))).toBe(last);
    expect(compiler.compiled("(a"), "from a log").toBeNull();
  });
});
