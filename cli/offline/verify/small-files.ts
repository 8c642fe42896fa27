import { decodeOffsets, type FileSystem, type OffsetsByPartition, readIfThere } from "../../../broker/disk-format.ts";
import { explain } from "../../output/command-failed.ts";
import type { DumpItem } from "../dump/dump-item.ts";
import { dumpOffsets } from "../dump/dump-text.ts";
import { type Finding, findingIn } from "./finding.ts";

const bytesMax = 64 * 1024 * 1024;

/** A small file's content: null when it is missing, or cannot be read, which is reported. */
export async function readSmallFile(files: FileSystem, path: string, tell: (finding: Finding) => void): Promise<Buffer | null> {
  try {
    if (!(await files.exists(path))) return null;
    const size = await files.size(path);
    if (size <= bytesMax) return await readIfThere(files, path);
    tell(findingIn(path, { kind: "note", reason: `${size} bytes are too many to be looked into` }));
  } catch (error) {
    tell(findingIn(path, { reason: `it cannot be read: ${explain(error)}` }));
  }
  return null;
}

/** Reports damage in a file that `ottla log dump` reads. True when there is none. */
export function tellDamage(path: string, items: Iterable<DumpItem>, tell: (finding: Finding) => void): boolean {
  let sound = true;
  for (const item of items) {
    if (item.kind !== "damage") continue;
    sound = false;
    const [, unit, number] = /^(line|position) (\d+)$/.exec(item.where) ?? [];
    tell(findingIn(path, { reason: item.reason, ...(unit === undefined ? {} : { [unit]: Number(number) }) }));
  }
  return sound;
}

/** A checkpoint of a log directory. Null: missing, damaged or, as Kafka creates it at its first start, empty. */
export async function readOffsetsCheckpoint(
  files: FileSystem,
  path: string,
  tell: (finding: Finding) => void,
): Promise<OffsetsByPartition | null> {
  const content = await readSmallFile(files, path, tell);
  if (content === null || content.length === 0) return null;
  return tellDamage(path, dumpOffsets(content), tell) ? decodeOffsets(content) : null;
}
