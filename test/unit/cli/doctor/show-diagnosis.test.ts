import { expect, test } from "vitest";
import { type Checked, finding } from "../../../../cli/doctor/finding.ts";
import { diagnosisAsJson, diagnosisAsText, isWell } from "../../../../cli/doctor/show-diagnosis.ts";
import { plainLook } from "../../../../cli/output/look.ts";
import { widthOf } from "../../../../cli/output/text-width.ts";

const partitions = Array.from({ length: 250 }, (_, i) => `t-${i}`);
const checked: Checked = {
  findings: [
    finding("partitions", "error", {
      what: "250 partitions without a leader",
      where: partitions,
      why: "they can be neither written to nor read from",
      commands: partitions.map((name) => `ottla topic describe ${name}`),
    }),
    finding("clocks", "note", { what: "a\u001b[31mb", why: "w", advice: "do something" }),
  ],
  unchecked: [{ what: "disks of broker 2", why: "it does not answer" }],
};

test("each finding says what, where in short, why, and what to type; the summary counts", () => {
  expect(diagnosisAsText(checked, " --profile p", plainLook)).toBe(
    `error    250 partitions without a leader
         t-0, t-1, t-2, and 247 more
         they can be neither written to nor read from
         $ ottla topic describe t-0 --profile p
         $ ottla topic describe t-1 --profile p
         $ ottla topic describe t-2 --profile p
         and so on, 247 more (--json)

note     a\\u001b[31mb
         w
         do something

not checked: disks of broker 2: it does not answer

1 error, 0 warnings, 1 note; 1 thing could not be checked
`,
  );
  expect(diagnosisAsText({ findings: [], unchecked: [] }, "", plainLook)).toBe("nothing is wrong\n");
});

test("on a terminal prose is broken between words, and commands are not", () => {
  const look = { isTerminal: true, columns: 40, rows: 24, hasColours: false };
  const lines = diagnosisAsText(checked, " --bootstrap some-host.example:9092", look).split("\n");
  expect(lines.slice(1, 5)).toEqual([
    "         t-0, t-1, t-2, and 247 more",
    "         they can be neither written to",
    "         nor read from",
    "         $ ottla topic describe t-0 --bootstrap some-host.example:9092",
  ]);
  for (const line of lines.filter((each) => !each.includes("$ ottla"))) expect(widthOf(line), line).toBeLessThanOrEqual(45);
});

test("its JSON is bounded, and says how many there are; notes alone are well", () => {
  const json = diagnosisAsJson(checked, "") as { readonly findings: readonly { readonly where: string[]; readonly whereCount: number }[] };
  expect(json).toMatchObject({ healthy: false, errors: 1, warnings: 0, notes: 1, unchecked: checked.unchecked });
  expect([json.findings[0]?.where.length, json.findings[0]?.whereCount]).toEqual([100, 250]);
  expect([isWell(checked), isWell({ findings: checked.findings.slice(1), unchecked: [] })]).toEqual([false, true]);
});
