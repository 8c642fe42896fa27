/** What an expression costs to compile, found out from its text alone, in one pass over it. Rather too much than too little. */
export interface PatternCost {
  /** Instructions of the compiled form. */
  readonly size: number;
  /** The work of compiling it, in what a letter takes: about 2 µs. */
  readonly work: number;
  /** `\p` and `\P`, as often as they are written. */
  readonly unicodeClasses: number;
}

/** RE2 refuses more, but only after it has looked at all of them. */
const nestingMax = 1_000;

/** `(?i)` is no thing of its own: a repetition behind it repeats what is before it. `(?i:` begins a group. */
const flagsGroup = /\(\?[a-zA-Z-]*([:)])/y;

/** Tables of some hundred ranges each; without regard to case, or in an alternation, they are gone through several times. */
const unicodeClassWork = 500;
/** Without regard to case RE2 looks at every letter of a range. */
const foldedRangeWork = 12;
/** Each of them looks for its end in all that follows. */
const namedClassWork = 8;

/** Letters, classes, operators and groups count as the instructions they become, repeated ones as often as they may be repeated. */
export function patternCost(source: string): PatternCost {
  const rangeWork = /\(\?[a-zA-Z-]*i/.test(source) ? foldedRangeWork : 1;
  const groups: number[] = [];
  /** What is no plain letter takes three times as long. */
  let plain = 0;
  let work = 0;
  let unicodeClasses = 0;
  let total = 0;
  let last = 0;
  /** One escape at `at`, in a class or outside; returns where it ends. */
  const afterEscape = (at: number): number => {
    const letter = source[at + 1];
    if (letter === "p" || letter === "P") unicodeClasses++;
    else if (letter !== undefined && /[a-zA-Z0-9]/.test(letter)) work += rangeWork;
    else plain++;
    return at + 1;
  };
  /** A class from its bracket on; returns where it ends, or before: what is left over is counted as letters. */
  const bracket = (start: number): number => {
    for (let at = start + 1; at < source.length; at++) {
      const char = source[at];
      if (char === "]") return at;
      if (char === "\\") at = afterEscape(at);
      else if (char === "-") work += rangeWork;
      else if (char === "[" && source[at + 1] === ":") work += namedClassWork + rangeWork;
      else work++;
    }
    return source.length;
  };
  for (let at = 0; at < source.length; at++) {
    const char = source[at]!;
    let atom = 1;
    if (source.startsWith("\\Q", at)) {
      // as it stands, up to its end
      const end = source.indexOf("\\E", at + 2);
      atom = Math.max(0, (end < 0 ? source.length : end) - at - 2);
      at = end < 0 ? source.length : end + 1;
      plain += atom;
      // nothing is quoted: nothing to be repeated
      if (atom === 0) continue;
    } else if (char === "\\") at = afterEscape(at);
    else if (char === "[") at = bracket(at);
    else if (char === "(") {
      flagsGroup.lastIndex = at;
      const flags = flagsGroup.exec(source);
      if (flags !== null) {
        at += flags[0].length - 1;
        work++;
        if (flags[1] === ")") continue;
      }
      groups.push(total);
      if (groups.length > nestingMax) return { size: Number.POSITIVE_INFINITY, work: Number.POSITIVE_INFINITY, unicodeClasses };
      total = 0;
      last = 0;
      continue;
    } else if (char === ")") {
      // the group as a whole is what a repetition behind it repeats
      atom = Math.max(total, 1) + 2;
      total = groups.pop() ?? 0;
    } else if (char === "*" || char === "+" || char === "?") {
      // of what may be empty, `*` takes two
      const operator = char === "*" ? 2 : 1;
      total += operator;
      last += operator;
      continue;
    } else if (char === "|") {
      // one that is empty is an instruction too
      const isEmpty = isAlternativesEnd(source[at + 1]) || source[at - 1] === "(" || source[at - 1] === undefined;
      if (isEmpty) atom = 2;
      else plain++;
    } else if (char === "{") {
      const repeat = /^\{(\d{1,9})(,(\d{0,9}))?\}/.exec(source.slice(at, at + 22));
      if (repeat !== null) {
        const least = Number(repeat[1]);
        const most = Number(repeat[3] ?? 0);
        const times = Math.max(least, most, 1);
        // every one that may be missing is an operator more, and so is "or more"
        const operators = repeat[2] === "," ? 2 : Math.max(0, most - least);
        total += last * (times - 1) + operators;
        last = last * times + operators;
        at += repeat[0].length - 1;
        continue;
      }
    } else if (char !== "." && char !== "^" && char !== "$") plain++;
    total += atom;
    last = atom;
  }
  const size = groups.reduce((sum, outer) => sum + outer, total);
  return { size, work: 3 * size - 2 * Math.min(size, plain) + work + unicodeClasses * unicodeClassWork, unicodeClasses };
}

function isAlternativesEnd(char: string | undefined): boolean {
  return char === undefined || char === "|" || char === ")";
}
