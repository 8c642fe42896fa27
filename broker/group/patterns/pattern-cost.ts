/** What an expression costs to compile, estimated from its text alone, in one pass over it. Rather too high than too low. */
export interface PatternCost {
  /** Instructions of the compiled form. */
  readonly size: number;
  /** The work of compiling it, in units of what a letter takes: about 2 µs. */
  readonly work: number;
  /** `\p` and `\P`, as often as they are written. */
  readonly unicodeClasses: number;
}

/** RE2 refuses more, but only after it has parsed all of them. */
const nestingMax = 1_000;

/** `(?i)` is not an item of its own: a repetition after it repeats what is before it. `(?i:` begins a group. */
const flagsGroup = /\(\?[a-zA-Z-]*([:)])/y;

/** Tables of some hundred ranges each; case-insensitively, or in an alternation, they are traversed several times. */
const unicodeClassWork = 500;
/** Case-insensitively, RE2 visits every letter of a range. */
const foldedRangeWork = 12;
/** Each of them searches for its end in all that follows. */
const namedClassWork = 8;

/** Letters, classes, operators and groups count as the instructions they become, repeated ones as often as they may be repeated. */
export function patternCost(source: string): PatternCost {
  return new CostScan(source).cost();
}

/** One pass over an expression: `#at` is where it is. */
class CostScan {
  readonly #source: string;
  readonly #rangeWork: number;
  #at = 0;
  /** Instructions of what is before each open group. */
  readonly #groups: number[] = [];
  /** Instructions of the innermost open group so far, and of what a repetition would repeat. */
  #total = 0;
  #last = 0;
  /** Anything but a plain letter takes three times as long. */
  #plain = 0;
  #work = 0;
  #unicodeClasses = 0;

  constructor(source: string) {
    this.#source = source;
    this.#rangeWork = /\(\?[a-zA-Z-]*i/.test(source) ? foldedRangeWork : 1;
  }

  cost(): PatternCost {
    for (; this.#at < this.#source.length; this.#at++) {
      this.#step(this.#source[this.#at]!);
      if (this.#groups.length > nestingMax)
        return { size: Number.POSITIVE_INFINITY, work: Number.POSITIVE_INFINITY, unicodeClasses: this.#unicodeClasses };
    }
    const size = this.#groups.reduce((sum, outer) => sum + outer, this.#total);
    const work = 3 * size - 2 * Math.min(size, this.#plain) + this.#work + this.#unicodeClasses * unicodeClassWork;
    return { size, work, unicodeClasses: this.#unicodeClasses };
  }

  #step(char: string): void {
    switch (char) {
      case "\\":
        return this.#source.startsWith("\\Q", this.#at) ? this.#quoted() : this.#escaped();
      case "[":
        return this.#class();
      case "(":
        return this.#open();
      case ")":
        return this.#close();
      case "*":
      case "+":
      case "?":
        // of an item that may be empty, `*` takes two
        return this.#repeated(this.#last, char === "*" ? 2 : 1);
      case "|":
        return this.#alternative();
      case "{":
        return this.#counted();
      case ".":
      case "^":
      case "$":
        return this.#atom(1);
      default:
        return this.#letters(1);
    }
  }

  /** Something that a following repetition repeats. */
  #atom(instructions: number): void {
    this.#total += instructions;
    this.#last = instructions;
  }

  #letters(count: number): void {
    this.#plain += count;
    this.#atom(count);
  }

  /** As it stands, up to its end. */
  #quoted(): void {
    const begin = this.#at + 2;
    const found = this.#source.indexOf("\\E", begin);
    const end = found < 0 ? this.#source.length : found;
    this.#at = found < 0 ? end : end + 1;
    // nothing is quoted: nothing to be repeated
    if (end > begin) this.#letters(end - begin);
  }

  #escaped(): void {
    this.#passEscape();
    this.#atom(1);
  }

  /** In a class or outside. */
  #passEscape(): void {
    this.#at++;
    const letter = this.#source[this.#at];
    if (letter === "p" || letter === "P") this.#unicodeClasses++;
    else if (letter !== undefined && /[a-zA-Z0-9]/.test(letter)) this.#work += this.#rangeWork;
    else this.#plain++;
  }

  /** From its bracket to its end, or less: the rest is counted as letters. */
  #class(): void {
    for (this.#at++; this.#at < this.#source.length && this.#source[this.#at] !== "]"; this.#at++) {
      const char = this.#source[this.#at];
      if (char === "\\") this.#passEscape();
      else if (char === "-") this.#work += this.#rangeWork;
      else if (char === "[" && this.#source[this.#at + 1] === ":") this.#work += namedClassWork + this.#rangeWork;
      else this.#work++;
    }
    this.#atom(1);
  }

  #open(): void {
    flagsGroup.lastIndex = this.#at;
    const flags = flagsGroup.exec(this.#source);
    if (flags !== null) {
      this.#at += flags[0].length - 1;
      this.#work++;
      if (flags[1] === ")") return;
    }
    this.#groups.push(this.#total);
    this.#total = 0;
    this.#last = 0;
  }

  /** The group as a whole is what a following repetition repeats. */
  #close(): void {
    const instructions = Math.max(this.#total, 1) + 2;
    this.#total = this.#groups.pop() ?? 0;
    this.#atom(instructions);
  }

  #repeated(more: number, operators: number): void {
    this.#total += operators;
    this.#last = more + operators;
  }

  #alternative(): void {
    // an empty one is an instruction, too
    const before = this.#source[this.#at - 1];
    const isEmpty = isAlternativesEnd(this.#source[this.#at + 1]) || before === "(" || before === undefined;
    if (isEmpty) this.#atom(2);
    else this.#letters(1);
  }

  #counted(): void {
    const repeat = /^\{(\d{1,9})(,(\d{0,9}))?\}/.exec(this.#source.slice(this.#at, this.#at + 22));
    if (repeat === null) return this.#atom(1);
    const least = Number(repeat[1]);
    const most = Number(repeat[3] ?? 0);
    const times = Math.max(least, most, 1);
    // every optional one is another operator, and so is "or more"
    const operators = repeat[2] === "," ? 2 : Math.max(0, most - least);
    this.#total += this.#last * (times - 1);
    this.#repeated(this.#last * times, operators);
    this.#at += repeat[0].length - 1;
  }
}

function isAlternativesEnd(char: string | undefined): boolean {
  return char === undefined || char === "|" || char === ")";
}
