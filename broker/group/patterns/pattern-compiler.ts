import { admittedCost, compileAdmitted, type PatternFault, type TopicPattern } from "./topic-pattern.ts";

/**
 * Work of compiling (see PatternCost) that members' new expressions may cause at once: some 40 ms, or a hundred ordinary ones. Each counts
 * as a little more than its text says.
 */
const workAtOnceMax = 20_000;
const workEach = 100;
/** Expressions that take more may use only half of that: expensive expressions, of any member, leave room for ordinary ones. */
const ordinaryWorkMax = 500;
/** The budget regained per millisecond: that much work takes some 0.3 ms. */
const workPerMs = 150;

/** Of all expressions kept compiled, some 50 bytes each. */
const keptInstructionsMax = 100_000;

/**
 * Compiles expressions for all groups of a broker: each once for as long as it is kept, and members' new ones no faster than a broker can
 * alongside its other work.
 */
export class PatternCompiler {
  /** The longest unused first. */
  readonly #kept = new Map<string, TopicPattern>();
  #keptInstructions = 0;
  /** When the budget has recovered from all that was compiled for members. */
  #paidMs = Number.NEGATIVE_INFINITY;

  /**
   * For a member: compiled, why it never will be, or null: not now, too many were compiled just before. An expression refused by its text
   * costs nothing, one refused by RE2 as much as any other.
   */
  admit(source: string, nowMs: number): TopicPattern | PatternFault | null {
    const kept = this.#use(source);
    if (kept !== null) return kept;
    const cost = admittedCost(source);
    if ("fault" in cost) return cost;
    const paidMs = Math.max(this.#paidMs, nowMs) + (cost.work + workEach) / workPerMs;
    const atOnceMax = cost.work > ordinaryWorkMax ? workAtOnceMax / 2 : workAtOnceMax;
    if (paidMs - nowMs > atOnceMax / workPerMs) return null;
    this.#paidMs = paidMs;
    const compiled = compileAdmitted(source);
    if (!("fault" in compiled)) this.#keep(source, compiled);
    return compiled;
  }

  /** For a pass, which has its own slices; null: it cannot be compiled (one from the log may be like that), and matches nothing. */
  compiled(source: string): TopicPattern | null {
    const kept = this.#use(source);
    if (kept !== null) return kept;
    if ("fault" in admittedCost(source)) return null;
    const compiled = compileAdmitted(source);
    if ("fault" in compiled) return null;
    this.#keep(source, compiled);
    return compiled;
  }

  #use(source: string): TopicPattern | null {
    const pattern = this.#kept.get(source);
    if (pattern === undefined) return null;
    this.#kept.delete(source);
    this.#kept.set(source, pattern);
    return pattern;
  }

  #keep(source: string, pattern: TopicPattern): void {
    this.#kept.set(source, pattern);
    this.#keptInstructions += kept(source, pattern);
    for (const [oldest, { stepsPerCharacter }] of this.#kept) {
      if (this.#keptInstructions <= keptInstructionsMax) return;
      this.#kept.delete(oldest);
      this.#keptInstructions -= kept(oldest, { stepsPerCharacter });
    }
  }
}

/** With its text. */
function kept(source: string, { stepsPerCharacter }: Pick<TopicPattern, "stepsPerCharacter">): number {
  return stepsPerCharacter + Math.ceil(source.length / 10) + 10;
}
