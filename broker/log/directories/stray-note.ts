import { crc32c } from "@node-rs/crc32";
import type { TopicId } from "../../../protocol/base/ids.ts";
import { type FileSystem, replaceFile } from "../../runtime/files.ts";
import { decodeCheckpoint, encodeCheckpoint, readIfThere } from "../checkpoint-file.ts";
import { fileNames } from "../file-names.ts";

/**
 * `ottla-stray`, in the folder of a log that was set aside: whose log it is, which the folder's name may be too short for, and what the
 * checkpoints said of it, which forget it. With this the log can go on one day as if nothing had been, and knows what was committed and
 * what was deleted from it.
 */
export interface StrayNote {
  readonly topic: string;
  readonly partition: number;
  readonly topicId: TopicId;
  readonly recoveryPoint: number;
  readonly startOffset: number;
  readonly cleanedEndOffset: number;
  readonly highWatermark: number;
  /** Wall clock. */
  readonly setAsideMs: number;
}

const numbers = ["partition", "recoveryPoint", "startOffset", "cleanedEndOffset", "highWatermark", "setAsideMs"] as const;

export function encodeStrayNote(note: StrayNote): Buffer {
  const lines = [`topic ${note.topic}`, `topicId ${note.topicId}`, ...numbers.map((name) => `${name} ${note[name]}`)];
  return encodeCheckpoint([...lines, checkLine(lines)]);
}

/** Null when it is damaged. */
export function decodeStrayNote(content: Buffer): StrayNote | null {
  const lines = decodeCheckpoint(content) ?? [];
  const entries = lines.slice(0, -1);
  if (lines.at(-1) !== checkLine(entries)) return null;
  const values = new Map(entries.map((line) => [line.slice(0, line.indexOf(" ")), line.slice(line.indexOf(" ") + 1)]));
  const [topic, topicId] = [values.get("topic"), values.get("topicId")];
  const read = numbers.map((name) => Number(values.get(name)));
  if (topic === undefined || topicId === undefined || !read.every((value) => Number.isSafeInteger(value) && value >= 0)) return null;
  const [partition, recoveryPoint, startOffset, cleanedEndOffset, highWatermark, setAsideMs] = read as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return { topic, partition, topicId, recoveryPoint, startOffset, cleanedEndOffset, highWatermark, setAsideMs };
}

/** Null: there is none (Kafka set the log aside), or it is damaged. */
export async function readStrayNote(files: FileSystem, folder: string): Promise<StrayNote | null> {
  const content = await readIfThere(files, `${folder}/${fileNames.stray}`);
  return content === null ? null : decodeStrayNote(content);
}

export function writeStrayNote(files: FileSystem, folder: string, note: StrayNote): Promise<void> {
  return replaceFile(files, `${folder}/${fileNames.stray}`, encodeStrayNote(note));
}

function checkLine(lines: readonly string[]): string {
  return `crc32c ${crc32c(lines.join("\n"))}`;
}
