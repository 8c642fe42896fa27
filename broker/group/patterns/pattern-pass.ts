import { isInternalTopic } from "../../runtime/topic-names.ts";
import type { TopicPattern } from "./topic-pattern.ts";

/** What an expression was found to match, and among which topics. */
export interface KnownMatches {
  readonly among: ReadonlyMap<string, unknown>;
  readonly matched: ReadonlySet<string>;
}

/** Compiling an instruction costs about as much as this many steps of matching. */
const stepsPerInstruction = 150;

export interface WantedPattern {
  readonly source: string;
  /** Compiled only when its turn comes: that is expensive. Null: it matches nothing. */
  readonly compile: () => TopicPattern | null;
  /** From an earlier pass; null: it is new. */
  readonly known: KnownMatches | null;
}

/**
 * One pass over the topics that some expressions match, in slices, so that other work does not wait long for it. Names that were matched
 * before are not matched again. Internal topics match nothing: an expression for all topics would read the group's own commits, and then
 * commit that it did.
 */
export class PatternPass {
  /** The view's topics, which never change: a later view has others. */
  readonly among: ReadonlyMap<string, unknown>;
  readonly #matched: ReadonlyMap<string, Set<string>>;
  readonly #work: Generator<number, void>;
  #isDone = false;

  constructor(among: ReadonlyMap<string, unknown>, wanted: readonly WantedPattern[]) {
    this.among = among;
    this.#matched = new Map(wanted.map(({ source }) => [source, new Set<string>()]));
    this.#work = this.#look(wanted);
  }

  get isDone(): boolean {
    return this.#isDone;
  }

  /** By expression; whole once the pass is done. */
  get matched(): ReadonlyMap<string, ReadonlySet<string>> {
    return this.#matched;
  }

  /** Runs until `stepsMax` steps are done and then to the end of the current name. Returns the number of steps. */
  advance(stepsMax: number): number {
    let steps = 0;
    while (!this.#isDone && steps < stepsMax) {
      const { value, done } = this.#work.next();
      if (done === true) this.#isDone = true;
      else steps += value;
    }
    return steps;
  }

  /** One name and one expression at a time; what that cost at most, in steps. */
  *#look(wanted: readonly WantedPattern[]): Generator<number, void> {
    for (const { source, compile, known } of wanted) {
      const matched = this.#matched.get(source)!;
      const pattern = compile();
      yield stepsPerInstruction * (pattern?.stepsPerCharacter ?? 1);
      if (pattern === null) continue;
      for (const name of this.among.keys()) {
        const isKnown = known?.among.has(name) === true;
        const isMatched = isKnown ? known.matched.has(name) : !isInternalTopic(name) && pattern.matches(name);
        if (isMatched) matched.add(name);
        yield isKnown ? 1 : pattern.stepsPerCharacter * (name.length + 1);
      }
    }
  }
}
