import { describe, expect, test } from "vitest";
import { PatternPass } from "../../../../broker/group/patterns/pattern-pass.ts";
import { admittedCost, compileAdmitted, type TopicPattern } from "../../../../broker/group/patterns/topic-pattern.ts";

function compileTopicPattern(source: string) {
  const cost = admittedCost(source);
  return "fault" in cost ? cost : compileAdmitted(source);
}

function pattern(source: string): TopicPattern {
  const compiled = compileTopicPattern(source);
  if ("fault" in compiled) throw new Error(compiled.fault);
  return compiled;
}

function fault(source: string): string {
  const compiled = compileTopicPattern(source);
  return "fault" in compiled ? compiled.fault : "none";
}

describe("an expression", () => {
  test("matches whole names, as RE2 reads it", () => {
    expect(pattern("orders").matches("orders-eu")).toBe(false);
    expect(pattern("orders.*").matches("orders-eu")).toBe(true);
    expect(pattern("^orders-(eu|us)$").matches("orders-us")).toBe(true);
    expect(pattern("(?i)ORDERS").matches("orders")).toBe(true);
    expect(pattern("[[:alpha:]]+").matches("orders")).toBe(true);
    expect(pattern("\\Qa.b\\E").matches("a.b")).toBe(true);
    expect(pattern("\\Qa.b\\E").matches("a-b")).toBe(false);
    expect(pattern("").matches("orders")).toBe(false);
  });

  test.each(["(a", "a)", "[a", "a**", "\\1", "(?=a)", "(?<!a)b", "a{1001}", "(a{100}){100}", "\\"])(
    "%s is refused with a reason",
    (source) => {
      expect(fault(source)).toMatch(/error parsing regexp|too large/);
    },
  );

  test("costs no more than its size and the name's length: the classic traps of backtracking do not spring", () => {
    const name = "a".repeat(248);
    const startedMs = performance.now();
    for (const trap of ["(a+)+b", "(a|a)*b", "(a?){200}a{200}b", "(.*a){12}b", "(a|b)*a(a|b){100}c"])
      expect(pattern(trap).matches(name)).toBe(false);
    expect(performance.now() - startedMs).toBeLessThan(2_000);
  });

  test.each([
    ["many alternatives", Array.from({ length: 100 }, (_, n) => `topic-${n}`).join("|")],
    ["a UUID", "[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}"],
    ["up to a whole name", "[a-z]{1,249}"],
    ["hundreds of alternatives", `(?i)^(${Array.from({ length: 300 }, (_, n) => `orders-${n}`).join("|")})$`],
    [
      "hundreds that have nothing in common",
      Array.from({ length: 300 }, (_, n) => ((n + 300) * 7_919_317).toString(36).repeat(2))
        .join("|")
        .slice(0, 4_096),
    ],
    ["classes of letters", "(?i)^[a-zA-Z0-9._-]+\\.[\\w-]+\\.\\d{1,9}$"],
    ["Unicode's letters", "(?i)\\p{L}+-\\p{Lu}\\p{Nd}{1,20}"],
  ])("of an ordinary size is taken: %s", (_what, source) => {
    expect(fault(source)).toBe("none");
  });

  test("too large to match quickly is refused before it is compiled", () => {
    const startedMs = performance.now();
    for (const source of [
      ".{1000}".repeat(500),
      `(${"ab".repeat(400)}){1000}`,
      "x".repeat(32_000),
      `${"(".repeat(900)}a{9}${"){9}".repeat(900)}`,
    ])
      expect(fault(source)).toMatch(/too large|too long/);
    expect(performance.now() - startedMs).toBeLessThan(500);
  });

  test("costs little to refuse, whatever is written: letters beyond ASCII, quotes that hide what follows, great lengths", () => {
    const startedMs = performance.now();
    for (const source of [
      `(?i)[${"B-\\x{1E942}".repeat(150)}]`,
      `(?i)[${"B-\u{1E942}".repeat(150)}]`,
      `\\Q[\\E${"a{1000}".repeat(200)}`,
      "a".repeat(32_000),
      "\\pL".repeat(10_000),
    ])
      expect(fault(source), source.slice(0, 20)).toMatch(/ASCII|too large|too long/);
    expect(performance.now() - startedMs).toBeLessThan(300);
    expect(fault("\\x{41}+"), "a letter by its number").toBe("none");
    expect(pattern("\\Q[a]{3}\\E").matches("[a]{3}")).toBe(true);
  });
});

describe("a pass over the topics", () => {
  const topics = (...names: string[]) => new Map(names.map((name) => [name, null]));
  const wanted = (source: string) => ({ source, compile: () => pattern(source), known: null });

  test("finds what each expression matches, in slices of bounded work", () => {
    const names = Array.from({ length: 300 }, (_, n) => `topic-${n}`);
    const pass = new PatternPass(topics(...names), [wanted("topic-1.*"), wanted(".*9")]);
    const longest = Math.max(...["topic-1.*", ".*9"].map((source) => pattern(source).stepsPerCharacter * 150));
    let slices = 0;
    while (!pass.isDone) {
      expect(pass.advance(500)).toBeLessThan(500 + longest);
      slices++;
    }
    expect(slices).toBeGreaterThan(50);
    expect([...pass.matched.get("topic-1.*")!]).toEqual(names.filter((name) => name.startsWith("topic-1")));
    expect([...pass.matched.get(".*9")!]).toEqual(names.filter((name) => name.endsWith("9")));
  });

  test("matches no internal topic, and no name again", () => {
    const all = pattern(".*");
    let calls = 0;
    const matches = (topic: string) => {
      calls++;
      return all.matches(topic);
    };
    const counted = { ...all, matches };
    const known = { among: topics("a", "gone"), matched: new Set(["a", "gone"]) };
    const pass = new PatternPass(topics("a", "b", "__consumer_offsets", "__transaction_state"), [
      { source: ".*", compile: () => counted, known },
    ]);
    pass.advance(Number.POSITIVE_INFINITY);
    expect([...pass.matched.get(".*")!]).toEqual(["a", "b"]);
    expect(calls).toBe(1);
  });
});
