import { RE2JS, RE2JSException } from "re2js";
import { type PatternCost, patternCost } from "./pattern-cost.ts";
import { type Instructions, PatternProgram } from "./pattern-program.ts";

/** A subscription by expression, ready to be matched. */
export interface TopicPattern {
  /** What one character of a name can cost at most, in steps. */
  readonly stepsPerCharacter: number;
  /** Whether it matches the whole name. */
  matches(topic: string): boolean;
}

/** Why an expression is refused, for its author. */
export interface PatternFault {
  readonly fault: string;
}

/** Of an expression's compiled form, in instructions: as many as it can have steps per character. Some hundred names of topics. */
const sizeMax = 4_096;
/** What compiling takes, in units of plain letters. */
const workMax = 4_300;
const unicodeClassesMax = 4;
const lengthMax = 4_096;
/** Of RE2's message about an expression: it may quote all of it. */
const reasonMax = 150;

/**
 * What it costs to compile, or why it must not be compiled at all.
 *
 * RE2's syntax and semantics, as in Kafka's brokers (RE2/J): no back-references, no look-around, and time that only grows with the
 * expression's size times the name's length. Both are bounded here, and so is what it takes to compile: some milliseconds for the most
 * expensive that is accepted. Expressions that would take more are refused by their text, before compiling.
 */
export function admittedCost(source: string): PatternCost | PatternFault {
  if (source.length > lengthMax) return { fault: `it is too long: at most ${lengthMax} characters` };
  // Names of topics have ASCII letters only. And: (1) case-insensitively, RE2 visits every letter of a class one by one; (2) [B-\x{10FFFF}]
  // has a million; (3) it may be written 300 times.
  if (!isAscii(source)) return { fault: "it has letters beyond ASCII, which no topic's name has" };
  const cost = patternCost(source);
  if (cost.unicodeClasses > unicodeClassesMax)
    return { fault: `it has too many Unicode classes (\\p, \\P): at most ${unicodeClassesMax}, as topics' names have ASCII letters only` };
  if (cost.size > sizeMax) return tooLarge;
  if (cost.work > workMax)
    return { fault: "it is too large: it has too many classes, groups, repetitions and ranges of letters to compile" };
  return cost;
}

/** Only for expressions with an admitted cost. */
export function compileAdmitted(source: string): TopicPattern | PatternFault {
  let compiled: RE2JS;
  try {
    compiled = RE2JS.compile(source);
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error;
    return { fault: shortened(error.message, reasonMax) };
  }
  if (compiled.programSize() > sizeMax) return tooLarge;
  const program = new PatternProgram(compiled.re2Input.prog as Instructions);
  return { stepsPerCharacter: program.size, matches: (topic) => program.matches(topic) };
}

const tooLarge: PatternFault = { fault: `it is too large: at most ${sizeMax} instructions, as RE2 compiles it` };

export function shortened(text: string, lengthMax: number): string {
  return text.length <= lengthMax ? text : `${text.slice(0, lengthMax)}…`;
}

/** Written out, or as the number of a code point in `\x{…}`. */
function isAscii(source: string): boolean {
  if (!/^[\x20-\x7e]*$/.test(source)) return false;
  for (const [, digits] of source.matchAll(/\\x\{([0-9a-fA-F]*)/g)) if (Number.parseInt(digits || "0", 16) > 0x7f) return false;
  return true;
}
