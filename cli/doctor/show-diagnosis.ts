import { type Look, paint, type Tone } from "../output/look.ts";
import { printable } from "../output/terminal-text.ts";
import { widthOf } from "../output/text-width.ts";
import { formatCount } from "../output/units.ts";
import { type Checked, type Finding, type Severity, severities } from "./finding.ts";

/** Of a list so many are shown, and so many are told to programs. */
const shownMax = 3;
const toldMax = 100;
const tones: Readonly<Record<Severity, Tone>> = { error: "bad", warning: "warning", note: "quiet" };
const indent = " ".repeat("warning".length + 2);

/** `target`: what our commands need besides, to be about this cluster. */
export function diagnosisAsText({ findings, unchecked }: Checked, target: string, look: Look): string {
  const blocks = findings.map((one) => findingAsText(one, target, look));
  const notLookedAt = unchecked.map(({ what, why }) =>
    wrapped(`not checked: ${printable(what)}: ${printable(why)}`, "  ", look).join("\n"),
  );
  return [
    ...blocks,
    ...(notLookedAt.length === 0 ? [] : [`${notLookedAt.join("\n")}\n`]),
    `${wrapped(summary({ findings, unchecked }), "", look).join("\n")}\n`,
  ].join("\n");
}

function findingAsText({ severity, what, where, why, commands, advice }: Finding, target: string, look: Look): string {
  const [first = "", ...rest] = wrapped(`${severity.padEnd(indent.length)}${printable(what)}`, indent, look);
  const head = `${paint(severity, tones[severity], look)}${first.slice(severity.length)}`;
  const prose = [...(where.length === 0 ? [] : [firstOf(where)]), why, ...(advice === null ? [] : [advice])];
  return [
    head,
    ...rest,
    ...prose.flatMap((text) => wrapped(`${indent}${printable(text)}`, indent, look)),
    // not broken: they are copied into a shell
    ...commands.slice(0, shownMax).map((command) => `${indent}$ ${printable(commandFor(command, target))}`),
    ...(commands.length > shownMax ? [`${indent}and so on, ${commands.length - shownMax} more (--json)`] : []),
    "",
  ].join("\n");
}

/** The first few, and how many more. */
function firstOf(where: readonly string[]): string {
  const more = where.length - shownMax;
  return `${where.slice(0, shownMax).join(", ")}${more > 0 ? `, and ${more.toLocaleString("en")} more` : ""}`;
}

function commandFor(command: string, target: string): string {
  return `${command}${target}`;
}

/** Words in lines no longer than the terminal is wide, those after the first with an indent. */
function wrapped(text: string, indentOfOthers: string, { columns }: Look): readonly string[] {
  if (columns === null || widthOf(text) <= columns) return [text];
  const lead = /^ */.exec(text)?.[0] ?? "";
  const lines: string[] = [];
  let line = lead;
  for (const word of text.slice(lead.length).split(" ")) {
    const longer = line.trim() === "" ? `${line}${word}` : `${line} ${word}`;
    if (widthOf(longer) <= columns || line.trim() === "") {
      line = longer;
      continue;
    }
    lines.push(line);
    line = `${indentOfOthers}${word}`;
  }
  return [...lines, line];
}

export function summary({ findings, unchecked }: Checked): string {
  const counts = severities.map((severity) => formatCount(findings.filter((one) => one.severity === severity).length, severity));
  const missing = unchecked.length === 0 ? "" : `; ${formatCount(unchecked.length, "thing")} could not be checked`;
  return findings.length === 0 ? `nothing is wrong${missing}` : `${counts.join(", ")}${missing}`;
}

/** Whether somebody has to do something. */
export function isWell({ findings }: Checked): boolean {
  return findings.every(({ severity }) => severity === "note");
}

export function diagnosisAsJson({ findings, unchecked }: Checked, target: string): object {
  const counts = severities.map((severity) => [`${severity}s`, findings.filter((one) => one.severity === severity).length] as const);
  const told = findings.map(({ where, commands, ...rest }) => ({
    ...rest,
    where: where.slice(0, toldMax),
    whereCount: where.length,
    commands: commands.slice(0, toldMax).map((command) => commandFor(command, target)),
  }));
  return { healthy: isWell({ findings, unchecked }), ...Object.fromEntries(counts), findings: told, unchecked };
}
