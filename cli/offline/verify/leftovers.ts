import { isLeftover } from "../../../broker/disk-format.ts";
import { type Finding, findingIn } from "./finding.ts";

const namesShownMax = 3;

/** Notes what interrupted or delayed work left in a folder, kind by kind: there are many such names after retention or compaction. */
export function tellOfLeftovers(folder: string, names: readonly string[], tell: (finding: Finding) => void): void {
  const byKind = new Map<string, string[]>();
  for (const name of names) {
    const folderKind = /\.[0-9a-f]{32}(-delete|-future|-moving)$/.exec(name)?.[1];
    if (!isLeftover(name) && folderKind === undefined) continue;
    const kind = folderKind ?? name.slice(name.lastIndexOf("."));
    byKind.set(kind, [...(byKind.get(kind) ?? []), name]);
  }
  for (const [kind, some] of byKind) {
    const more = some.length > namesShownMax ? ` and ${some.length - namesShownMax} more` : "";
    const shown = some.slice(0, namesShownMax).join(", ");
    tell(findingIn(folder, { kind: "note", reason: `left over: ${shown}${more}; ${whatBecomesOf(kind)}` }));
  }
}

function whatBecomesOf(kind: string): string {
  switch (kind) {
    case ".deleted":
      return "deleted, removed after file.delete.delay.ms or at the next start";
    case ".swap":
      return "the next start completes the compaction that was interrupted";
    case "-future":
      return "a copy from another log directory that is not whole yet; the next start copies it from scratch";
    case "-moving":
      return "it says where a log went to; the next start completes the move";
    default:
      return "the next start removes it";
  }
}
