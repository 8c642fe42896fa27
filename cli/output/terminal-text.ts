/**
 * Characters that do something rather than show something: controls (which a terminal executes), line ends, changes of direction, lone
 * surrogates.
 */
const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;
/** As `unprintable`, except for what texts of several lines contain. */
const unprintableInLines = /(?![\n\t])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

const short: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/**
 * Text from outside (names, hosts, brokers' messages) as one line that a terminal only shows. Escapes are those of JSON, so that JSON stays
 * what it was.
 */
export function printable(text: string): string {
  return text.replaceAll(unprintable, escaped);
}

/** Line feeds and tabs stay. */
export function printableLines(text: string): string {
  return text.replaceAll(unprintableInLines, escaped);
}

function escaped(character: string): string {
  const units = character.split("").map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
  return short[character] ?? units.join("");
}
