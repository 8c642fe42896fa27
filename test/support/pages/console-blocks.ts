import { type Marks, noMarks, parseMarks } from "./marks.ts";

/** A command after `$ `, and the lines that the page shows below it. */
export interface Step {
  readonly command: string;
  readonly shown: readonly string[];
}

export interface ConsoleBlock {
  /** Of its first command, counted from 1. */
  readonly line: number;
  /** As it stands in the page, without the fence. */
  readonly text: string;
  readonly marks: Marks;
  readonly steps: readonly Step[];
}

const fenced = /(?:<!-- console: ([^\n]*) -->\n+)?^```console\n([\s\S]*?)^```$/gm;
export const prompt = "$ ";

export function consoleBlocks(page: string): ConsoleBlock[] {
  return [...page.matchAll(fenced)].map((match) => {
    const [whole, comment, text = ""] = match;
    const line = page.slice(0, match.index + whole.indexOf("```console")).split("\n").length + 1;
    return { line, text, marks: comment === undefined ? noMarks : parseMarks(comment), steps: stepsOf(text) };
  });
}

function stepsOf(text: string): Step[] {
  const steps: { command: string; shown: string[] }[] = [];
  for (const line of text.split("\n")) {
    if (line.startsWith(prompt)) steps.push({ command: line.slice(prompt.length), shown: [] });
    else steps.at(-1)?.shown.push(line);
  }
  return steps.map(({ command, shown }) => ({ command, shown: withoutBlankEnd(shown) }));
}

/** The programs of a page. */
export function programs(page: string): string[] {
  return [...page.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, source = ""]) => source);
}

/** The reverse, with what was printed in place of what was shown. */
export function blockText(steps: readonly Step[]): string {
  const [first, ...others] = steps.map(({ command, shown }) => [`${prompt}${command}`, ...shown]);
  const isShort = steps.every(({ shown }) => shown.length === 0);
  return `${[first, ...others].map((lines) => (lines ?? []).join("\n")).join(isShort ? "\n" : "\n\n")}\n`;
}

export function withoutBlankEnd(lines: readonly string[]): string[] {
  const end = lines.findLastIndex((line) => line.trim() !== "");
  return lines.slice(0, end + 1);
}
