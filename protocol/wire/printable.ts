/** Longer than any of our messages without what it quotes. In characters, as JavaScript counts them. */
export const printableMax = 1000;

/** What a terminal interprets, and what breaks lines or changes their direction. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const unprintable = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/**
 * The text as it may be shown to a human, no matter who wrote parts of it: control characters are escaped, and the end is cut off if it is
 * too long.
 */
export function printable(text: string): string {
  const escaped = text.slice(0, printableMax + 1).replace(unprintable, escapeSequence);
  return escaped.length <= printableMax ? escaped : `${escaped.slice(0, printableMax - 1).toWellFormed()}…`;
}

function escapeSequence(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
