import { type TopicId, zeroTopicId } from "../../protocol/base/ids.ts";
import { type FileSystem, replaceFile } from "../runtime/files.ts";
import { readIfThere } from "./checkpoint-file.ts";
import { fileNames } from "./file-names.ts";

/**
 * `partition.metadata`: the id of the topic that the folder belongs to, so that a topic created anew under an old name does not inherit its
 * log.
 */
export function encodePartitionMetadata(topicId: TopicId): Buffer {
  return Buffer.from(`version: 0\ntopic_id: ${topicId}`);
}

/** Null when it says nothing usable. */
export function decodePartitionMetadata(content: Buffer): TopicId | null {
  const match = /^version: 0\ntopic_id: ([A-Za-z0-9_-]{22})\n?$/.exec(content.toString("utf8"));
  return match === null || match[1] === zeroTopicId ? null : (match[1] as TopicId);
}

/**
 * Ids are random: two that differ in one character only are the same, one of them damaged. Taken for another topic's, the log would be
 * deleted.
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
