import { RE2JS, RE2JSException } from "re2js";

/** A subscription by expression, ready to be matched. */
export interface TopicPattern {
  /** What one character of a name can cost at most, in steps. */
  readonly stepsPerCharacter: number;
  /** Whether it matches the whole name. */
  matches(topic: string): boolean;
}

/** Why an expression is refused, for whoever wrote it. */
export interface PatternFault {
  readonly fault: string;
}

/** Of an expression's compiled form, in instructions: as many as it can have steps per character. A thousand alternatives of twenty letters are too many. */
const sizeMax = 2_000;
/** An expression that can get larger than this is not even compiled: repetitions of repetitions would take longer to compile than any to match. */
const estimateMax = 2 * sizeMax;
const nestingMax = 1_000;
const lengthMax = 4_096;

/**
 * RE2's syntax and semantics, as Kafka's brokers have them (RE2/J): no back-references, no look-around, and time that only grows with the expression's size times the name's length. Both are
 * bounded here, so the longest name (249 characters) costs at most half a million steps, about 30 ms, and an ordinary one some microseconds.
 */
export function compileTopicPattern(source: string): TopicPattern | PatternFault {
  if (source.length > lengthMax) return { fault: `it is too long: at most ${lengthMax} characters` };
  // Names of topics have ASCII letters only. And: (1) without regard to case, RE2 looks at every letter of a class one by one; (2) [B-\x{10FFFF}] has a million; (3) it may be written 300 times.
  if (!isAscii(source)) return { fault: "it has letters beyond ASCII, which no topic's name has" };
  if (estimatedSize(source) > estimateMax) return tooLarge;
  let compiled: RE2JS;
  try {
    compiled = RE2JS.compile(source);
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error;
    return { fault: error.message };
  }
  const size = compiled.programSize();
  if (size > sizeMax) return tooLarge;
  return { stepsPerCharacter: size, matches: (topic) => compiled.testExact(topic) };
}

const tooLarge: PatternFault = { fault: `it is too large: at most ${sizeMax} instructions, as RE2 compiles it` };

/** Written out, or as the number of a code point in `\x{…}`. */
function isAscii(source: string): boolean {
  if (!/^[\x20-\x7e]*$/.test(source)) return false;
  for (const [, digits] of source.matchAll(/\\x\{([0-9a-fA-F]*)/g)) if (Number.parseInt(digits || "0", 16) > 0x7f) return false;
  return true;
}

/** Letters, classes and groups count one each, repeated ones as often as they may be repeated. Rather too much than too little. */
export function estimatedSize(source: string): number {
  const groups: number[] = [];
  let total = 0;
  let last = 0;
  for (let at = 0; at < source.length; at++) {
    const char = source[at];
    let atom = 1;
    if (source.startsWith("\\Q", at)) {
      // as it stands, up to its end
      const end = source.indexOf("\\E", at + 2);
      atom = Math.max(0, (end < 0 ? source.length : end) - at - 2);
      at = end < 0 ? source.length : end + 1;
    } else if (char === "\\") at++;
    else if (char === "[") at = endOfClass(source, at);
    else if (char === "(") {
      groups.push(total);
      // RE2 refuses it, but only after it has looked at all of them
      if (groups.length > nestingMax) return Number.POSITIVE_INFINITY;
      total = 0;
      atom = 0;
    } else if (char === ")") {
      // the group as a whole is what a repetition behind it repeats
      atom = total + 1;
      total = groups.pop() ?? 0;
    } else if (char === "{") {
      const repeat = /^\{(\d{1,9})(?:,(\d{0,9}))?\}/.exec(source.slice(at, at + 22));
      if (repeat !== null) {
        const times = Math.max(Number(repeat[1]), Number(repeat[2] ?? 0), 1);
        total += last * (times - 1);
        last *= times;
        at += repeat[0].length - 1;
        continue;
      }
    }
    total += atom;
    last = atom;
  }
  return groups.reduce((sum, outer) => sum + outer, total);
}

function endOfClass(source: string, start: number): number {
  for (let at = start + 1; at < source.length; at++) {
    if (source[at] === "\\") at++;
    else if (source[at] === "]") return at;
  }
  return source.length;
}
