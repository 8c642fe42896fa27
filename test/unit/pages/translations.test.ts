import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { consoleBlocks } from "../../support/pages/console-blocks.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const read = (path: string) => readFileSync(join(root, path), "utf8");
const pairs = [
  ["README.md", "README.zh-CN.md"],
  ["docs/concepts.md", "docs/zh-CN/concepts.md"],
] as const;

/** What both languages share: headings by their levels, blocks of code word for word, tables by their sizes, pictures. In order. */
function structure(text: string): string[] {
  const parts =
    /^```(?<language>\w*)\n(?<code>[\s\S]*?)^```$|^(?<level>#+) |^(?<row>\|)(?<cells>.*)\|$|^!\[[^\]]*\]\((?<picture>[^)]+)\)/gm;
  return [...text.matchAll(parts)].map(({ groups: { language, code, level, row, cells = "", picture } = {} }) => {
    if (code !== undefined) return `${language}:\n${code}`;
    if (level !== undefined) return `heading ${level}`;
    if (row !== undefined) return `row of ${cells.split("|").length}`;
    return `picture ${picture?.split("/").at(-1)}`;
  });
}

/** Of links: pages of the same language, or of both, by the names of their files. */
function linkedFiles(text: string): string[] {
  const targets = [...text.matchAll(/\]\((?!https?:)([^)#\s]+)[^)]*\)/g)].map(([, target = ""]) => target.split("/").at(-1) ?? "");
  return [...new Set(targets.map((name) => name.replace("README.zh-CN.md", "README.md")))].sort();
}

test.each(pairs)("%s and %s have the same headings, code, tables, pictures and links", (page, translation) => {
  expect(structure(read(translation))).toEqual(structure(read(page)));
  expect(linkedFiles(read(translation))).toEqual(linkedFiles(read(page)));
});

test.each(pairs)("%s and %s have the same marks at their console blocks", (page, translation) => {
  const marks = (path: string) => consoleBlocks(read(path)).map((block) => block.marks);
  expect(marks(translation)).toEqual(marks(page));
});

test.each(pairs)("%s and %s name each other, each in its own language", (page, translation) => {
  expect(read(page)).toMatch(/\[中文版?\]\([^)]+\)/);
  expect(read(translation)).toMatch(/\[English\]\([^)]+\)/);
});
