/** What RE2 compiles an expression to, as far as it is used here. */
export interface Instructions {
  readonly start: number;
  readonly inst: readonly Instruction[];
}

interface Instruction {
  readonly op: number;
  readonly out: number;
  /** Of an alternative, where the other one begins; of a condition, its bits; of letters, their flags. */
  readonly arg: number;
  /** One letter, or the ranges of a class in order. */
  readonly runes: ArrayLike<number>;
}

/** RE2's numbers of instructions (`re2js` is pinned to a version; a test compares what this matches with what RE2 itself matches). */
const op = {
  alternative: 1,
  alternativeMatch: 2,
  capture: 3,
  condition: 4,
  match: 6,
  nothing: 7,
  letters: 8,
  letter: 9,
  any: 10,
  anyInLine: 11,
} as const;
const foldsCase = 1;
const condition = { lineBegins: 1, lineEnds: 2, textBegins: 4, textEnds: 8, wordBoundary: 16, noWordBoundary: 32 } as const;

const asciiCount = 128;
const lineFeed = 10;

/**
 * Tells whether an expression matches a whole name, of ASCII letters. It goes through the name once with the set of all states that a match
 * may be in: never more steps per letter than there are instructions, of some nanoseconds each, and nothing is kept from one name for the
 * next. (RE2's own engines compute more than that, and build a table of up to 8 MB on the way.)
 */
export class PatternProgram {
  readonly #start: number;
  readonly #op: Uint8Array;
  readonly #out: Int32Array;
  readonly #arg: Int32Array;
  /** By instruction, a bit for each letter that it takes. */
  readonly #letters: Uint32Array;
  /** The round in which an instruction was last reached. */
  readonly #reached: Int32Array;
  readonly #stack: Int32Array;
  #round = 0;
  #here: Int32Array;
  #next: Int32Array;
  #nextCount = 0;
  #isMatch = false;

  constructor({ start, inst }: Instructions) {
    const size = inst.length;
    this.#start = start;
    this.#op = Uint8Array.from(inst, (one) => one.op);
    this.#out = Int32Array.from(inst, (one) => one.out);
    this.#arg = Int32Array.from(inst, (one) => one.arg);
    this.#letters = new Uint32Array(4 * size);
    for (let pc = 0; pc < size; pc++) this.#take(pc, inst[pc]!);
    this.#reached = new Int32Array(size);
    this.#stack = new Int32Array(2 * size + 1);
    this.#here = new Int32Array(size);
    this.#next = new Int32Array(size);
  }

  /** Instructions: at most as many steps for each letter of a name. */
  get size(): number {
    return this.#op.length;
  }

  matches(name: string): boolean {
    // only 32 bits of the number of rounds are kept
    if (this.#round > 2 ** 30) {
      this.#reached.fill(0);
      this.#round = 0;
    }
    const { length } = name;
    this.#begin();
    this.#reach(this.#start, conditionsAt(name, 0));
    for (let at = 0; at < length; at++) {
      const letter = name.charCodeAt(at);
      if (letter >= asciiCount) return false;
      const count = this.#nextCount;
      if (count === 0) return false;
      [this.#here, this.#next] = [this.#next, this.#here];
      this.#begin();
      const conditions = conditionsAt(name, at + 1);
      for (let i = 0; i < count; i++) {
        const pc = this.#here[i]!;
        if ((this.#letters[4 * pc + (letter >> 5)]! & (1 << (letter & 31))) !== 0) this.#reach(this.#out[pc]!, conditions);
      }
    }
    return this.#isMatch;
  }

  #begin(): void {
    this.#round++;
    this.#nextCount = 0;
    this.#isMatch = false;
  }

  /** Follows an instruction to all that consume a letter, without consuming any. */
  #reach(from: number, conditions: number): void {
    const [stack, reached, round] = [this.#stack, this.#reached, this.#round];
    let depth = 0;
    stack[depth++] = from;
    while (depth > 0) {
      const pc = stack[--depth]!;
      if (reached[pc] === round) continue;
      reached[pc] = round;
      switch (this.#op[pc]) {
        case op.alternative:
        case op.alternativeMatch:
          stack[depth++] = this.#arg[pc]!;
          stack[depth++] = this.#out[pc]!;
          break;
        case op.capture:
        case op.nothing:
          stack[depth++] = this.#out[pc]!;
          break;
        case op.condition:
          if ((this.#arg[pc]! & ~conditions) === 0) stack[depth++] = this.#out[pc]!;
          break;
        case op.match:
          this.#isMatch = true;
          break;
        case op.letters:
        case op.letter:
        case op.any:
        case op.anyInLine:
          this.#next[this.#nextCount++] = pc;
      }
    }
  }

  #take(pc: number, { op: kind, arg, runes }: Instruction): void {
    if (kind === op.any || kind === op.anyInLine) {
      this.#takeRange(pc, 0, asciiCount - 1);
      if (kind === op.anyInLine) this.#letters[4 * pc]! &= ~(1 << lineFeed);
    } else if (kind !== op.letters && kind !== op.letter) return;
    else if (runes.length === 1) {
      const [letter] = [runes[0]!];
      this.#takeRange(pc, letter, letter);
      const other = letter | 0x20;
      // the two of a letter of the alphabet differ in one bit
      if ((arg & foldsCase) !== 0 && other >= 0x61 && other <= 0x7a) this.#takeRange(pc, letter ^ 0x20, letter ^ 0x20);
    } else for (let i = 0; i + 1 < runes.length && runes[i]! < asciiCount; i += 2) this.#takeRange(pc, runes[i]!, runes[i + 1]!);
  }

  #takeRange(pc: number, first: number, last: number): void {
    for (let letter = first; letter <= last && letter < asciiCount; letter++) this.#letters[4 * pc + (letter >> 5)]! |= 1 << (letter & 31);
  }
}

/** Between the letters before a place in the name and at it. */
function conditionsAt(name: string, at: number): number {
  const isFirst = at === 0;
  const isLast = at === name.length;
  const isBoundary = (!isFirst && isWord(name.charCodeAt(at - 1))) !== (!isLast && isWord(name.charCodeAt(at)));
  let conditions: number = isBoundary ? condition.wordBoundary : condition.noWordBoundary;
  if (isFirst) conditions |= condition.textBegins | condition.lineBegins;
  else if (name.charCodeAt(at - 1) === lineFeed) conditions |= condition.lineBegins;
  if (isLast) conditions |= condition.textEnds | condition.lineEnds;
  else if (name.charCodeAt(at) === lineFeed) conditions |= condition.lineEnds;
  return conditions;
}

/** Letters, digits and the underscore. */
function isWord(letter: number): boolean {
  return (letter >= 0x30 && letter <= 0x39) || (letter >= 0x41 && letter <= 0x5a) || letter === 0x5f || (letter >= 0x61 && letter <= 0x7a);
}
