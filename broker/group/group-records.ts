import { zeroTopicId } from "../../protocol/base/ids.ts";
import { invariant } from "../../protocol/base/invariant.ts";
import { array, struct } from "../../protocol/schema/composites.ts";
import { type Message, type MessageType, message } from "../../protocol/schema/message.ts";
import { bytes, int32, int64, nullableString, string, uuid } from "../../protocol/schema/primitives.ts";
import { MalformedFrame, Reader } from "../../protocol/wire/reader.ts";
import { Writer } from "../../protocol/wire/writer.ts";
import type { GroupRecord } from "./contract.ts";

/** The topic in which groups and committed offsets are stored. */
export const offsetsTopic = "__consumer_offsets";

/** The records of `__consumer_offsets` in which committed offsets and classic groups are stored, as Kafka writes them. */

/** These messages are values in records: no API has them. */
const noApi = -1;

export const offsetCommitKey = message(
  { name: "OffsetCommitKey", apiKey: noApi, versions: [0, 1], flexibleSince: null },
  { group: string(), topic: string(), partition: int32() },
);

export const offsetCommitValue = message(
  { name: "OffsetCommitValue", apiKey: noApi, versions: [0, 4], flexibleSince: 4 },
  {
    offset: int64(),
    leaderEpoch: int32({ since: 3, absent: -1 }),
    metadata: string(),
    commitTimestamp: int64(),
    /** Only in version 1, for commits that name their own retention (OffsetCommit up to version 4). */
    expireTimestamp: int64({ since: 1, until: 1, absent: -1 }),
    /** Kafka has it since 4.1; readers of version 4 that do not know it skip it. */
    topicId: uuid({ since: 4, tag: 0, absent: zeroTopicId }),
  },
);
export type OffsetCommitValue = MessageType<typeof offsetCommitValue>;

export const groupMetadataKey = message(
  { name: "GroupMetadataKey", apiKey: noApi, versions: [2, 2], flexibleSince: null },
  { group: string() },
);

export const groupMetadataValue = message(
  { name: "GroupMetadataValue", apiKey: noApi, versions: [0, 4], flexibleSince: 4 },
  {
    protocolType: string(),
    generation: int32(),
    protocol: nullableString(),
    leader: nullableString(),
    currentStateTimestamp: int64({ since: 2, absent: -1 }),
    members: array(
      struct({
        memberId: string(),
        groupInstanceId: nullableString({ since: 3, absent: null }),
        clientId: string(),
        clientHost: string(),
        /** Milliseconds. */
        rebalanceTimeout: int32({ since: 1, absent: -1 }),
        sessionTimeout: int32(),
        subscription: bytes(),
        assignment: bytes(),
      }),
    ),
  },
);
export type GroupMetadataValue = MessageType<typeof groupMetadataValue>;

/** Key versions 0 and 1 are offsets, 2 is a classic group; those above belong to the new protocol's groups. */
export const offsetKeyVersions: readonly number[] = [0, 1];
export const classicGroupKeyVersion = 2;

const valueVersion = 3;
/** The one with an expiry of its own. */
const expiringValueVersion = 1;
/** The one with a topic id. */
const identifiedValueVersion = 4;

export function offsetRecord(groupId: string, topic: string, partition: number, value: OffsetCommitValue): GroupRecord {
  const version = value.expireTimestamp >= 0 ? expiringValueVersion : value.topicId === zeroTopicId ? valueVersion : identifiedValueVersion;
  return { key: offsetKey(groupId, topic, partition), value: versioned(offsetCommitValue, value, version) };
}

export function offsetTombstone(groupId: string, topic: string, partition: number): GroupRecord {
  return { key: offsetKey(groupId, topic, partition), value: null };
}

export function classicGroupRecord(groupId: string, value: GroupMetadataValue): GroupRecord {
  return { key: groupKey(groupId), value: versioned(groupMetadataValue, value, valueVersion) };
}

export function classicGroupTombstone(groupId: string): GroupRecord {
  return { key: groupKey(groupId), value: null };
}

function offsetKey(group: string, topic: string, partition: number): Buffer {
  return versioned(offsetCommitKey, { group, topic, partition }, 1);
}

function groupKey(group: string): Buffer {
  return versioned(groupMetadataKey, { group }, classicGroupKeyVersion);
}

/** A key or value as in records: its version, then the message. */
export function versioned<T>(of: Message<T>, value: T, version: number): Buffer {
  const writer = new Writer(128);
  writer.int16(version);
  of.write(writer, value, version);
  const chunks = writer.chunks();
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
}

/**
 * Reads what `versioned` writes. Throws MalformedFrame, also for a version that we do not know: a downgrade must not lose what it cannot
 * read.
 */
export function readVersioned<T>(of: Message<T>, value: Buffer): T {
  const reader = new Reader(value);
  const version = reader.int16();
  const [first, last] = of.versions;
  if (version < first || version > last) throw new MalformedFrame(`${of.name} in version ${version}`);
  return of.read(reader, version);
}

export function readKey<T>(of: Message<T>, version: number, key: Reader): T {
  invariant(version >= of.versions[0] && version <= of.versions[1], "the key's version is one of the message's");
  return of.read(key, version);
}

/** What a record about one committed position takes at most, beyond the names in its key and what was committed with it. */
const fixedBytes = 128;

/** What records about positions of one group take in the log: at least what they do, and no more than a few fields above it. */
export class PositionBytes {
  readonly #groupBytes: number;
  readonly #byTopic = new Map<string, number>();

  constructor(groupId: string) {
    this.#groupBytes = Buffer.byteLength(groupId);
  }

  of(topic: string, metadata: string | null = null): number {
    let named = this.#byTopic.get(topic);
    if (named === undefined) {
      named = fixedBytes + this.#groupBytes + Buffer.byteLength(topic);
      this.#byTopic.set(topic, named);
    }
    return named + (metadata === null ? 0 : Buffer.byteLength(metadata));
  }
}
