import { eastAsianWidth } from "get-east-asian-width";

/** Made when it is needed: most texts need none. */
let segmenter: Intl.Segmenter | null = null;
const plain = /^[\x20-\x7e]*$/;
const nothingToSee = /^[\p{Mark}\p{Default_Ignorable_Code_Point}]*$/u;
/** Flags, and characters that are asked to show as pictures. */
const picture = /^\p{Regional_Indicator}|\ufe0f/u;

export const cutMark = "…";

/** How many cells of a terminal a printable text takes: two for each wide character (CJK, emoji), none for marks on others. */
export function widthOf(text: string): number {
  if (plain.test(text)) return text.length;
  return graphemesOf(text).reduce((width, grapheme) => width + graphemeWidth(grapheme), 0);
}

function graphemesOf(text: string): string[] {
  segmenter ??= new Intl.Segmenter();
  return [...segmenter.segment(text)].map(({ segment }) => segment);
}

function graphemeWidth(grapheme: string): number {
  if (nothingToSee.test(grapheme)) return 0;
  return picture.test(grapheme) ? 2 : eastAsianWidth(grapheme.codePointAt(0) ?? 0);
}

/**
 * The text in at most `columns` cells, with a mark where something is missing. That is the middle: names that belong together begin alike,
 * and ids differ in their ends.
 */
export function cutTo(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text;
  const characters = graphemesOf(text);
  const room = columns - widthOf(cutMark);
  if (room < 1) return cutMark;
  const head = within(characters, Math.ceil(room / 2));
  const tail = within(characters.toReversed(), room - widthOf(head.join("")));
  return `${head.join("")}${cutMark}${tail.toReversed().join("")}`;
}

/** As many of the first characters as fit. */
function within(characters: readonly string[], columns: number): string[] {
  let left = columns;
  const end = characters.findIndex((character) => {
    left -= graphemeWidth(character);
    return left < 0;
  });
  return characters.slice(0, end < 0 ? characters.length : end);
}
