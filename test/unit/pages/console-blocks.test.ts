import { describe, expect, test } from "vitest";
import { difference, isOutdated } from "../../support/pages/compare-output.ts";
import { blockText, consoleBlocks } from "../../support/pages/console-blocks.ts";
import { noMarks, parseMarks } from "../../support/pages/marks.ts";

const page = `# A page

<!-- console: repeat; varies: leader, isr -->
\`\`\`console
$ first
one

two

$ second
\`\`\`

\`\`\`sh
$ not a console
\`\`\`

\`\`\`console
$ third
\`\`\`
`;

test("blocks have their lines, marks and steps, and become the same text again", () => {
  const [first, second, ...others] = consoleBlocks(page);
  expect(others).toEqual([]);
  expect(first?.line).toBe(5);
  expect(first?.marks).toEqual({ ...noMarks, isRepeated: true, varies: new Set(["leader", "isr"]) });
  expect(first?.steps).toEqual([
    { command: "first", shown: ["one", "", "two"] },
    { command: "second", shown: [] },
  ]);
  expect(blockText(first?.steps ?? [])).toBe(first?.text);
  expect(second).toMatchObject({ line: 18, marks: noMarks });
});

test("a mark that does not exist is an error, and so is one without what it needs", () => {
  expect(() => parseMarks("repaet")).toThrow("no mark of console blocks: repaet");
  expect(() => parseMarks("not run")).toThrow("no mark");
  expect(parseMarks("not run: needs Docker").notRun).toBe("needs Docker");
  expect(parseMarks("needs: kcat").needs).toBe("kcat");
});

describe("what is printed is compared with what is shown", () => {
  const shown = [
    "orders  id d9SWaqKBfxpgXVFBuKQxYw  2 partitions",
    "partition  leader  isr",
    "        0  3       3,1",
    "        1  1       1,3",
  ];

  test("ids, times and process ids may differ, other words may not", () => {
    expect(difference(["pid 17 at 2026-11-22T13:44:42.650Z"], ["pid 4 at 2026-12-01T00:00:00Z"], noMarks)).toBeNull();
    expect(difference(["3 lines in 0.02 s"], ["3 lines in 1.5 s"], noMarks)).toBeNull();
    expect(difference(["3 lines in 0.02 s"], ["2 lines in 0.02 s"], noMarks)).toContain("2 lines");
    expect(difference(shown, [shown[0]!.replace("d9SW", "AAAA"), ...shown.slice(1)], noMarks)).toBeNull();
  });

  test("lines that are missing, and lines too many, are differences", () => {
    expect(difference(["a", "b"], ["a"], noMarks)).toBe("nothing is printed for: b");
    expect(difference(["a"], ["a", "b"], noMarks)).toBe("printed, and not shown: b");
  });

  test("a table may have other widths and more columns, and then the page is outdated", () => {
    const printed = [shown[0]!, "partition    leader  size  isr", "0    3  1 KiB  3,1", "1    1  2 KiB  1,3"];
    expect(difference(shown, printed, noMarks)).toBeNull();
    expect(isOutdated(shown, printed, noMarks)).toBe(true);
    expect(isOutdated(shown, shown, noMarks)).toBe(false);
    expect(difference(shown, [...printed.slice(0, 3), "1    2  2 KiB  1,3"], noMarks)).toContain("2 KiB");
  });

  test("columns that vary are not compared, and others are", () => {
    const printed = [shown[0]!, shown[1]!, "        0  1       3,1", "        1  2       1,3"];
    expect(difference(shown, printed, parseMarks("varies: leader"))).toBeNull();
    expect(difference(shown, printed, parseMarks("varies: isr"))).not.toBeNull();
  });

  test("lines in any order, and what is left out with …", () => {
    expect(difference(["a", "b"], ["b", "a"], parseMarks("any order"))).toBeNull();
    expect(difference(["a", "b"], ["b", "a"], noMarks)).not.toBeNull();
    expect(difference(["a … c", "…", "z"], ["a b c", "x", "y", "z"], noMarks)).toBeNull();
    expect(difference(["a", "…", "z"], ["a", "x", "y"], noMarks)).not.toBeNull();
  });
});
