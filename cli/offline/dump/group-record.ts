import {
  classicGroupKeyVersion,
  groupMetadataKey,
  groupMetadataValue,
  offsetCommitKey,
  offsetCommitValue,
  offsetKeyVersions,
  readVersioned,
} from "../../../broker/disk-format.ts";
import { zeroTopicId } from "../../../protocol/base/ids.ts";
import type { DecodedRecord } from "../../../protocol/records/record.ts";
import { MalformedFrame } from "../../../protocol/wire/reader.ts";

export type GroupRecordFields = Readonly<Record<string, string | number | boolean | null>>;

/**
 * The contents of a record of `__consumer_offsets`: a committed offset, a classic group, or the tombstone of one. Throws MalformedFrame.
 */
export function describeGroupRecord({ key, value }: Pick<DecodedRecord, "key" | "value">): GroupRecordFields {
  if (key === null || key.length < 2) throw new MalformedFrame("a record of groups without a key");
  const version = key.readInt16BE(0);
  if (offsetKeyVersions.includes(version)) {
    const { group, topic, partition } = readVersioned(offsetCommitKey, key);
    const said = { says: "offset", group, topic, partition };
    if (value === null) return { ...said, deleted: true };
    const { offset, leaderEpoch, metadata, commitTimestamp, topicId } = readVersioned(offsetCommitValue, value);
    const id = topicId === zeroTopicId ? null : topicId;
    return { ...said, topicId: id, committedOffset: offset, leaderEpoch, metadata, commitTimestampMs: commitTimestamp };
  }
  if (version !== classicGroupKeyVersion) return { says: "new protocol's group", keyVersion: version, deleted: value === null };
  const { group } = readVersioned(groupMetadataKey, key);
  if (value === null) return { says: "group", group, deleted: true };
  const { protocolType, generation, protocol, leader, members } = readVersioned(groupMetadataValue, value);
  return { says: "group", group, protocolType, generation, protocol, leader, members: members.length };
}
