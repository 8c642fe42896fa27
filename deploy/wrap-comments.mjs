// npm run format: the formatter leaves comments alone. This wraps what is longer than a line may be, by paragraphs, and touches nothing
// else.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Columns, the same as the formatter's `lineWidth` for code. */
const columnsMax = 140;

/** The text broken at spaces so that `first + line` and `next + line` fit; a word that is longer than that stays whole. */
function broken(text, first, next) {
  const lines = [];
  let line = first;
  let isEmpty = true;
  for (const word of text.split(" ")) {
    if (!isEmpty && line.length + 1 + word.length > columnsMax) {
      lines.push(line);
      line = next;
      isEmpty = true;
    }
    line += isEmpty ? word : ` ${word}`;
    isEmpty = false;
  }
  lines.push(line);
  return lines;
}

/** A paragraph begins with a list's mark, a tag, a deeper indentation, or after an empty line; it ends where a line ends a sentence. */
const begins = /^(?:[-*] |\d+\. |@|\s|\|)/;
const ends = /[.:;!?)]$/;

/** Lines of comment text (without `prefix`) that belong together, each paragraph re-wrapped where one of its lines is too long. */
function wrapped(texts, prefix) {
  const lines = [];
  for (let at = 0; at < texts.length; ) {
    let end = at + 1;
    while (end < texts.length && texts[at] !== "" && texts[end] !== "" && !begins.test(texts[end]) && !ends.test(texts[end - 1])) end++;
    const paragraph = texts.slice(at, end);
    if (paragraph.every((text) => prefix.length + text.length <= columnsMax))
      lines.push(...paragraph.map((text) => (prefix + text).trimEnd()));
    else {
      const hanging = " ".repeat(/^\s*(?:[-*] |\d+\. )?/.exec(paragraph[0])[0].length);
      lines.push(...broken(paragraph.join(" "), prefix, prefix + hanging));
    }
    at = end;
  }
  return lines;
}

const oneLine = /^(\s*)\/\*\*? (.*) \*\/$/;
const starred = /^(\s*\*) ?(.*)$/;
const slashed = /^(\s*\/\/) ?(.*)$/;

/** The lines from `at` on that match, as `{ prefix, texts, end }`. */
function run(lines, at, pattern) {
  const prefix = `${pattern.exec(lines[at])[1]} `;
  const texts = [];
  let end = at;
  for (; end < lines.length; end++) {
    const match = pattern.exec(lines[end]);
    if (match === null || `${match[1]} ` !== prefix || match[2] === "/") break;
    texts.push(match[2]);
  }
  return { prefix, texts, end };
}

export function wrapComments(source) {
  const out = [];
  const lines = source.split("\n");
  for (let at = 0; at < lines.length; ) {
    const line = lines[at];
    const single = oneLine.exec(line);
    // `/** text` whose end is on a later line begins with a line of its own.
    const opened = single === null ? /^(\s*)\/\*\* (.*)$/.exec(line) : null;
    if (opened !== null && !line.includes("*/")) lines.splice(at, 1, `${opened[1]}/**`, `${opened[1]} * ${opened[2]}`);
    const inBlock = /^\s*\/\*\*?$/.test(lines[at]);
    if (single !== null && line.length > columnsMax) {
      const [, indent, text] = single;
      out.push(`${indent}/**`, ...wrapped([text], `${indent} * `), `${indent} */`);
      at++;
    } else if (inBlock && starred.test(lines[at + 1] ?? "")) {
      const { prefix, texts, end } = run(lines, at + 1, starred);
      // A last line `… text */` gives its end a line of its own where the text is wrapped.
      const last = /^(.*\S)\s*\*\/$/.exec(texts.at(-1) ?? "");
      const isLong = lines.slice(at, end).some((one) => one.length > columnsMax);
      out.push(lines[at]);
      if (!isLong) out.push(...lines.slice(at + 1, end));
      else if (last === null) out.push(...wrapped(texts, prefix));
      else out.push(...wrapped([...texts.slice(0, -1), last[1]], prefix), `${prefix.slice(0, -1)}/`);
      at = end;
    } else if (slashed.test(line)) {
      const { prefix, texts, end } = run(lines, at, slashed);
      out.push(...wrapped(texts, prefix));
      at = end;
    } else {
      out.push(line);
      at++;
    }
  }
  return out.join("\n");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "*.ts", "*.mjs"], { encoding: "utf8" });
  for (const path of files.split("\n").filter((line) => line !== "")) {
    let before;
    try {
      before = readFileSync(path, "utf8");
    } catch {
      continue; // removed, and not committed yet
    }
    const after = wrapComments(before);
    if (after !== before) writeFileSync(path, after);
  }
}
