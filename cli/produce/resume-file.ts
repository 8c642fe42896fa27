import { readFile, writeFile } from "node:fs/promises";
import { CommandFailed, explain, UsageError } from "../output/command-failed.ts";
import { allLines, formatLines, type LineRanges, parseLines } from "./line-selection.ts";

/** A longer list of lines is written to a file: nobody would copy it. Characters. */
const shownMax = 500;

/** The lines that `--resume` names, or that are in the file it names after an @. */
export async function linesToResume(text: string | null): Promise<LineRanges> {
  if (text === null) return allLines;
  const listed = text.startsWith("@") ? await read(text.slice(1)) : text;
  const lines = parseLines(listed);
  if (lines === null)
    throw new UsageError(`--resume takes line numbers as a run that stopped prints them, as in 7,20-25,31-, or @FILE with such a list`);
  return lines;
}

function read(path: string): Promise<string> {
  return readFile(path, "utf8").catch((error) => {
    throw new CommandFailed(`the list of lines cannot be read: ${explain(error)}`);
  });
}

/** What to put after `--resume`: the lines, or a file with them, which is `path` and replaced. */
export async function resumeText(left: LineRanges, path: string): Promise<string> {
  const text = formatLines(left);
  if (text.length <= shownMax) return text;
  try {
    await writeFile(path, `${text}\n`);
    return `@${path}`;
  } catch {
    return text;
  }
}
