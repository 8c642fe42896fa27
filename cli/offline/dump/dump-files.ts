import { basename, resolve } from "node:path";
import { clusterNotesName, type FileSystem, fileNames, parseSegmentFileName, type SegmentFileKind } from "../../../broker/disk-format.ts";
import { CommandFailed, explain, UsageError } from "../../output/command-failed.ts";
import type { Output } from "../../output/output.ts";
import { printable } from "../../output/terminal-text.ts";
import { dumpAbortedIndex } from "./dump-aborted.ts";
import { dumpOffsetIndex, dumpTimeIndex } from "./dump-index.ts";
import type { DumpItem } from "./dump-item.ts";
import { dumpCleanStop, dumpClusterNotes, dumpControllerEpoch, dumpDamage, dumpGaps, dumpSegmentsJoin, dumpStray } from "./dump-notes.ts";
import { dumpSegment, type SegmentDumpOptions } from "./dump-segment.ts";
import { dumpSnapshot } from "./dump-snapshot.ts";
import { dumpLeaderEpochs, dumpMetaProperties, dumpOffsets, dumpPartitionMetadata } from "./dump-text.ts";
import { refuseOther } from "./refuse-other.ts";

export interface LogDumpOptions extends SegmentDumpOptions {
  readonly json: boolean;
}

const textBytesMax = 64 * 1024 * 1024;
const writeTogetherBytes = 64 * 1024;

/** Prints the contents of each file; rejects with CommandFailed when any is damaged, after all were printed. */
export async function dumpFiles(paths: readonly string[], options: LogDumpOptions, files: FileSystem, output: Output): Promise<void> {
  // what is no such file is reported before anything is printed
  for (const path of paths) {
    await refuseOther(files, resolve(path));
    kindOf(path);
  }
  const damages: string[] = [];
  for (const path of paths) {
    if (!options.json && paths.length > 1) await output.line(`${path}:`);
    let together = "";
    try {
      for await (const item of itemsOf(path, options, files)) {
        if (item.kind === "damage") damages.push(`${path} is damaged at ${item.where}: ${item.reason}`);
        together += `${printable(options.json ? asJson(path, item) : asText(item))}\n`;
        if (together.length >= writeTogetherBytes) {
          await output.write(together);
          together = "";
        }
        if (output.closed.aborted) return;
      }
    } catch (error) {
      await output.write(together);
      throw new CommandFailed(`${path} cannot be read: ${explain(error)}`, { cause: error });
    }
    await output.write(together);
  }
  const [first, ...others] = damages;
  if (first !== undefined) throw new CommandFailed(others.length === 0 ? first : `${first} (and ${others.length} more places)`);
}

function asText(item: DumpItem): string {
  return item.kind === "damage" ? `DAMAGED at ${item.where}: ${item.reason}` : item.line;
}

function asJson(file: string, item: DumpItem): string {
  const fields = item.kind === "damage" ? { where: item.where, reason: item.reason } : item.json;
  return JSON.stringify({ file, kind: item.kind, ...fields });
}

type SmallFileDump = (content: Buffer, path: string) => Iterable<DumpItem>;

const smallFiles: Readonly<Record<string, SmallFileDump>> = {
  [fileNames.leaderEpochs]: dumpLeaderEpochs,
  [fileNames.partitionMetadata]: dumpPartitionMetadata,
  "meta.properties": dumpMetaProperties,
  [fileNames.cleanStop]: dumpCleanStop,
  [fileNames.damage]: dumpDamage,
  [fileNames.gaps]: dumpGaps,
  [fileNames.segmentsJoin]: dumpSegmentsJoin,
  [fileNames.controllerEpoch]: dumpControllerEpoch,
  [clusterNotesName]: dumpClusterNotes,
  [fileNames.stray]: dumpStray,
};

/** The file's type, for those that are read piece by piece; else how it is shown. */
function kindOf(path: string): SegmentFileKind | SmallFileDump {
  const name = undeletedName(path);
  const segment = parseSegmentFileName(name);
  if (segment !== null) return segment.kind;
  if (name.endsWith(".log")) return "log";
  if (name.endsWith(".snapshot")) return dumpSnapshot;
  if (name.endsWith("-offset-checkpoint")) return dumpOffsets;
  const dump = Object.hasOwn(smallFiles, name) ? smallFiles[name] : undefined;
  if (dump !== undefined) return dump;
  const hint = /\.(index|timeindex|txnindex)$/.test(name)
    ? "an index needs its segment's name, 20 digits, for its first offset"
    : "not a file of a log directory";
  const known = ".log, .index, .timeindex, .txnindex, .snapshot, *-checkpoint, partition.metadata, meta.properties and ottla-* are";
  throw new UsageError(`${path}: ${hint}; ${known}`);
}

/** A file that waits to be removed has `.deleted` appended to its old name, and the same contents as before. */
function undeletedName(path: string): string {
  return basename(path).replace(/\.deleted$/, "");
}

async function* itemsOf(path: string, options: LogDumpOptions, files: FileSystem): AsyncGenerator<DumpItem> {
  const kind = kindOf(path);
  const absolute = resolve(path);
  if (typeof kind === "string") {
    const file = await files.open(absolute, "read");
    const baseOffset = parseSegmentFileName(undeletedName(path))?.baseOffset ?? 0;
    try {
      if (kind === "log") yield* dumpSegment(file, options);
      else if (kind === "txnindex") yield* dumpAbortedIndex(file, baseOffset);
      else yield* kind === "index" ? dumpOffsetIndex(file, baseOffset) : dumpTimeIndex(file, baseOffset);
    } finally {
      await file.close();
    }
    return;
  }
  const sizeInBytes = await files.size(absolute);
  if (sizeInBytes > textBytesMax) throw new CommandFailed(`${sizeInBytes} bytes are too many for such a file`);
  const content = await files.readFile(absolute);
  yield* kind(content, path);
}
