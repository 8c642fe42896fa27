import { spawnSync } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { difference, ellipsis, isOutdated } from "../support/pages/compare-output.ts";
import { blockText, type ConsoleBlock, consoleBlocks, programs, type Step } from "../support/pages/console-blocks.ts";
import { Reader } from "../support/pages/reader.ts";

/** Each page with its translation, which has the same console blocks, and what its programs print, the first and the second time. */
const pages = [
  { name: "readme", path: "README.md", translation: "README.zh-CN.md", prints: [["0 hello"], ["0 hello", "1 hello"]] },
  { name: "concepts", path: "docs/concepts.md", translation: "docs/zh-CN/concepts.md", prints: [] },
];
const settledMaxMs = 30_000;
const lookEveryMs = 500;
const pageMaxMs = 300_000;
/** `update` writes what is printed into the pages instead of complaining that it is not what they show; `all` writes ids and times, too. */
const mode = process.env.OTTLA_PAGES ?? "";

const isInstalled = (program: string) => spawnSync("which", [program]).status === 0;
const file = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

describe("a reader who does what a page says sees what it shows", () => {
  test.each(pages)(
    "$path",
    async ({ name, path, translation, prints }) => {
      const text = await readFile(file(path), "utf8");
      const reader = await Reader.begin(name);
      const [complaints, outdated]: [string[], [string, string][]] = [[], []];
      try {
        for (const block of consoleBlocks(text)) {
          if (block.marks.notRun !== null || (block.marks.needs !== null && !isInstalled(block.marks.needs))) continue;
          const done = await follow(reader, block);
          complaints.push(...done.complaints.map((complaint) => `${path}:${block.line}: ${complaint}`));
          if (blockText(done.steps) !== blockText(block.steps)) outdated.push([block.text, blockText(done.steps)]);
        }
        const printed = [];
        for (const program of programs(text)) for (const _again of [1, 2]) printed.push(await reader.runProgram(program));
        expect(printed).toEqual(prints);
      } finally {
        await reader.end();
      }
      if (mode !== "") for (const one of [path, translation]) await rewrite(one, outdated);
      else expect(complaints.join("\n\n")).toBe("");
    },
    pageMaxMs,
  );
});

/** Its steps as they should be shown, and what is wrong with those that it shows. */
async function follow(reader: Reader, { steps, marks }: ConsoleBlock): Promise<{ steps: Step[]; complaints: string[] }> {
  const [done, complaints]: [Step[], string[]] = [[], []];
  for (const { command, shown } of steps) {
    const deadlineMs = performance.now() + (marks.isRepeated ? settledMaxMs : 0);
    let printed = await reader.run(command, shown);
    let complaint = difference(shown, printed, marks);
    while (complaint !== null && performance.now() < deadlineMs) {
      await sleep(lookEveryMs);
      printed = await reader.run(command, shown);
      complaint = difference(shown, printed, marks);
    }
    if (complaint !== null) complaints.push(`${command}\n${complaint}\nin all:\n${printed.join("\n")}`);
    const isAnew = mode === "all" && !shown.some((line) => line.includes(ellipsis));
    done.push({ command, shown: isAnew || isOutdated(shown, printed, marks) ? printed : shown });
  }
  return { steps: done, complaints };
}

async function rewrite(path: string, changes: readonly (readonly [string, string])[]): Promise<void> {
  const text = await readFile(file(path), "utf8");
  await writeFile(
    file(path),
    changes.reduce((all, [before, after]) => all.replace(`\`\`\`console\n${before}\`\`\``, () => `\`\`\`console\n${after}\`\`\``), text),
  );
}
