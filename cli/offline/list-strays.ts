import { resolve } from "node:path";
import { type FileSystem, findStrays, parseSegmentFileName, type Stray, segmentFileName } from "../../broker/disk-format.ts";
import { explain, UsageError } from "../output/command-failed.ts";
import type { Output } from "../output/output.ts";
import { type Cell, table } from "../output/table.ts";
import { formatBytes, formatCount } from "../output/units.ts";
import { timeText } from "./dump/dump-item.ts";

interface ListedStray extends Stray {
  readonly folder: string;
  readonly sizeInBytes: number;
}

/** Prints the logs in these log directories that were set aside. Changes nothing; a broker may run on them. */
export async function listStrays(
  paths: readonly string[],
  { json }: { readonly json: boolean },
  files: FileSystem,
  output: Output,
): Promise<void> {
  const strays: ListedStray[] = [];
  for (const path of new Set(paths.map((each) => resolve(each)))) {
    const names = await files.list(path).catch((error: unknown) => {
      throw new UsageError(`${path} cannot be read: ${explain(error)}`);
    });
    for (const stray of await findStrays(files, path, names)) {
      const folder = `${path}/${stray.name}`;
      strays.push({ ...stray, folder, sizeInBytes: await segmentBytes(files, folder) });
    }
  }
  if (json) {
    for (const stray of strays) await output.json(fieldsOf(stray));
    return;
  }
  if (strays.length === 0) return output.line("no log was set aside");
  const rows = strays.map(({ key, topicId, note, sizeInBytes, folder }): Cell[] => [
    key ?? "-",
    topicId ?? "-",
    note === null ? "-" : timeText(note.setAsideMs),
    note?.highWatermark ?? "-",
    formatBytes(sizeInBytes),
    { text: folder, neverCut: true },
  ]);
  await output.write(table(["partition", "topic id", "set aside", "committed to", "size", "folder"], rows, output.look));
  const bytes = strays.reduce((sum, { sizeInBytes }) => sum + sizeInBytes, 0);
  await output.line(
    `${formatCount(strays.length, "log")}, ${formatBytes(bytes)}: taken up again when their topics come back; to give one up for good, stop the broker and remove its folder`,
  );
}

function fieldsOf({ folder, key, topicId, note, sizeInBytes }: ListedStray) {
  return { folder, partition: key, topicId, setAsideMs: note?.setAsideMs ?? null, highWatermark: note?.highWatermark ?? null, sizeInBytes };
}

async function segmentBytes(files: FileSystem, folder: string): Promise<number> {
  let sum = 0;
  for (const name of await files.list(folder)) {
    const parsed = parseSegmentFileName(name);
    if (parsed?.kind === "log") sum += await files.size(`${folder}/${segmentFileName(parsed.baseOffset, "log")}`);
  }
  return sum;
}
