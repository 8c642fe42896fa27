import { crc32c } from "@node-rs/crc32";
import { codeOf, type FileSystem, replaceFile } from "../../runtime/files.ts";

/**
 * Kafka's checkpoint files: a version (0), the number of lines, then the lines. Each line's last numbers are its values, whatever precedes
 * them is its name:
 * `topic partition offset`, or `epoch startOffset`.
 */
export function encodeCheckpoint(lines: readonly string[]): Buffer {
  return Buffer.from(`0\n${lines.length}\n${lines.map((line) => `${line}\n`).join("")}`);
}

/** The lines, or null when the content is not a whole checkpoint. */
export function decodeCheckpoint(content: Buffer): readonly string[] | null {
  const [version, count, ...rest] = content.toString("utf8").split("\n");
  if (version !== "0" || count === undefined || !/^\d{1,9}$/.test(count)) return null;
  // the last line ends, too: a file that was cut may have all of its lines, the last one shorter
  if (rest.pop() !== "") return null;
  return rest.length === Number(count) ? rest : null;
}

/** As `encodeCheckpoint`, with a last line that is the checksum of those before it: for contents that no other file could contradict. */
export function encodeChecked(lines: readonly string[]): Buffer {
  return encodeCheckpoint([...lines, checkLine(lines)]);
}

/** The lines without the checksum, or null when they are not those that were written. */
export function decodeChecked(content: Buffer): readonly string[] | null {
  const lines = decodeCheckpoint(content);
  const checked = lines?.slice(0, -1) ?? [];
  return lines?.at(-1) === checkLine(checked) ? checked : null;
}

function checkLine(lines: readonly string[]): string {
  return `crc32c ${crc32c(lines.join("\n"))}`;
}

/** Offsets by partition key (`topic-partition`). */
export type OffsetsByPartition = ReadonlyMap<string, number>;

export function encodeOffsets(offsets: OffsetsByPartition): Buffer {
  const lines: string[] = [];
  for (const [key, offset] of offsets) {
    const dash = key.lastIndexOf("-");
    lines.push(`${key.slice(0, dash)} ${key.slice(dash + 1)} ${offset}`);
  }
  return encodeCheckpoint(lines);
}

export function decodeOffsets(content: Buffer): OffsetsByPartition | null {
  const offsets = new Map<string, number>();
  for (const line of decodeCheckpoint(content) ?? ["damaged"]) {
    const match = /^(\S+) (\d+) (\d+)$/.exec(line);
    const offset = Number(match?.[3]);
    if (match === null || !Number.isSafeInteger(offset)) return null;
    offsets.set(`${match[1]}-${match[2]}`, offset);
  }
  return offsets;
}

/** `missing` and `damaged` files are distinguished from empty ones: what they held must be found some other way, or taken as 0. */
export async function readOffsets(files: FileSystem, path: string): Promise<OffsetsByPartition | "missing" | "damaged"> {
  const content = await readIfThere(files, path);
  return content === null ? "missing" : (decodeOffsets(content) ?? "damaged");
}

export function writeOffsets(files: FileSystem, path: string, offsets: OffsetsByPartition): Promise<void> {
  return replaceFile(files, path, encodeOffsets(offsets));
}

export async function readIfThere(files: FileSystem, path: string): Promise<Buffer | null> {
  try {
    return await files.readFile(path);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return null;
    throw error;
  }
}
