import { type TopicId, zeroTopicId } from "../../../protocol/base/ids.ts";
import { type FileSystem, replaceFile } from "../../runtime/files.ts";
import type { LogDamage } from "../log-contract.ts";
import { decodeChecked, encodeChecked, readIfThere } from "./checkpoint-file.ts";
import { fileNames } from "./file-names.ts";

/**
 * `partition.metadata`: the id of the topic that the folder belongs to, so that a topic re-created under an old name does not inherit its
 * log.
 */
export function encodePartitionMetadata(topicId: TopicId): Buffer {
  return Buffer.from(`version: 0\ntopic_id: ${topicId}`);
}

/** Null when it has no usable content. */
export function decodePartitionMetadata(content: Buffer): TopicId | null {
  const match = /^version: 0\ntopic_id: ([A-Za-z0-9_-]{22})\n?$/.exec(content.toString("utf8"));
  return match === null || match[1] === zeroTopicId ? null : (match[1] as TopicId);
}

/**
 * Ids are random: two that differ in one character only are the same id, one of them damaged. If the log were taken for another topic's, it
 * would be deleted.
 */
export function isTopicId(stored: TopicId, topicId: TopicId): boolean {
  return [...stored].filter((character, at) => character !== topicId[at]).length <= 1;
}

export async function readTopicId(files: FileSystem, directory: string): Promise<TopicId | null> {
  const content = await readIfThere(files, `${directory}/${fileNames.partitionMetadata}`);
  return content === null ? null : decodePartitionMetadata(content);
}

export function writeTopicId(files: FileSystem, directory: string, topicId: TopicId): Promise<void> {
  return replaceFile(files, `${directory}/${fileNames.partitionMetadata}`, encodePartitionMetadata(topicId));
}

/**
 * A log that is known to be damaged stays so over restarts, until it is emptied: a note in its folder says so. Otherwise: (1) a clean stop;
 * (2) the log's end rots; (3) a start finds it and cuts it; (4) another clean stop, another start: the log looks whole, and its broker says
 * that nothing it had is missing.
 */
export function noteDamage(files: FileSystem, folder: string, damage: LogDamage): Promise<void> {
  return replaceFile(files, `${folder}/${fileNames.damage}`, Buffer.from(`${JSON.stringify({ version: 0, ...damage })}\n`));
}

export async function readDamage(files: FileSystem, folder: string): Promise<LogDamage | null> {
  const path = `${folder}/${fileNames.damage}`;
  const content = await readIfThere(files, path);
  return content === null
    ? null
    : (decodeDamage(content) ?? { kind: "end-lost", path, position: 0, offset: 0, reason: "what was damaged cannot be read" });
}

/** Null when it has no usable content. */
export function decodeDamage(content: Buffer): LogDamage | null {
  try {
    const { kind, path, position, offset, reason } = JSON.parse(content.toString("utf8")) as Record<string, unknown>;
    if (kind !== "batch" && kind !== "end-lost") return null;
    if (!Number.isSafeInteger(position) || !Number.isSafeInteger(offset)) return null;
    return { kind, path: String(path), position: position as number, offset: offset as number, reason: String(reason) };
  } catch {
    return null;
  }
}

export async function forgetDamage(files: FileSystem, folder: string): Promise<void> {
  await files.remove(`${folder}/${fileNames.damage}`);
  await files.syncDirectory(folder);
}

/**
 * `ottla-stray`, in the folder of a log that was set aside: whose log it is, for which the folder's name may be too short, and its
 * checkpoint entries, which the checkpoints drop. With this the log can be restored later as if nothing had happened, and knows what was
 * committed and what was deleted from it.
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
  return encodeChecked(lines);
}

/** Null when it is damaged. */
export function decodeStrayNote(content: Buffer): StrayNote | null {
  const entries = decodeChecked(content);
  if (entries === null) return null;
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
