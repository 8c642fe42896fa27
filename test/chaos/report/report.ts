import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Violation } from "../checks/evidence.ts";
import type { History } from "../history/history.ts";
import { type InterruptionOf, interruptionTable } from "./interruption-table.ts";
import { timelinePage } from "./timeline.ts";
import { windowOf } from "./window.ts";

export interface ReportParts {
  readonly folder: string;
  readonly seed: number;
  readonly history: History;
  readonly violations: readonly Violation[];
  readonly interruptions: readonly InterruptionOf[];
  readonly say: (line: string) => void;
}

/** Of one check; more are counted, not told. */
const toldMax = 5;

export async function writeReport({ folder, seed, history, violations, interruptions, say }: ReportParts): Promise<void> {
  const { events } = history;
  const title = `Chaos, seed ${seed}, ${((events.at(-1)?.at ?? 0) / 1000).toFixed(0)} s`;
  await writeFile(join(folder, "result.json"), `${JSON.stringify({ seed, violations, interruptions }, null, 1)}\n`);
  await writeFile(join(folder, "timeline.html"), timelinePage({ title, events, violations }));
  say("");
  for (const line of interruptionTable(interruptions)) say(line);
  say("");
  for (const line of countsOf(history)) say(line);
  for (const [check, found] of Map.groupBy(violations, (each) => each.check)) {
    say(`\nVIOLATED  ${check}: ${found.length} times`);
    for (const violation of found.slice(0, toldMax)) {
      say(`  ${violation.what}`);
      for (const line of windowOf(events, violation)) say(`    ${line}`);
    }
  }
  say(violations.length === 0 ? "every check holds" : `\n${violations.length} violations`);
  say(`${join(folder, "timeline.html")}, history.jsonl, result.json, logs/`);
}

function countsOf({ events }: History): string[] {
  const writes = events.filter((event) => event.kind === "write");
  const byWriter = [...Map.groupBy(writes, ({ writer }) => writer)].map(([writer, ofWriter]) => {
    const acknowledged = ofWriter.filter(({ outcome }) => outcome === "acknowledged").length;
    return `${writer.padEnd(20)} ${String(acknowledged).padStart(8)} acknowledged, ${ofWriter.length - acknowledged} of unknown outcome`;
  });
  const count = (kind: string) => events.filter((event) => event.kind === kind).length;
  return [
    ...byWriter,
    `${count("read")} reads, ${count("commit")} commits, ${count("admin")} changes of topics, ${count("leader")} changes of leaders`,
  ];
}
