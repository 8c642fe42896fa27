import { array, struct } from "../schema/composites.ts";
import { encodeWhole, type Message, type MessageType, message } from "../schema/message.ts";
import { int32, nullableBytes, nullableString, string } from "../schema/primitives.ts";
import { MalformedFrame, Reader } from "../wire/reader.ts";

/**
 * What members of a classic consumer group send each other, through JoinGroup and SyncGroup: the brokers do not decode it. Not requests, so
 * without an API key.
 */
const data = { apiKey: -1, versions: [0, 3], flexibleSince: null } as const;

const topicPartitions = struct({ topic: string(), partitions: array(int32()) });

export const consumerProtocolSubscription = message(
  { ...data, name: "ConsumerProtocolSubscription" },
  {
    topics: array(string()),
    /** The assignor's own data. */
    userData: nullableBytes(),
    /** For cooperative assignors (KIP-429). */
    ownedPartitions: array(topicPartitions, { since: 1, absent: [] }),
    /** The generation in which they were assigned; -1: not known. */
    generationId: int32({ since: 2, absent: -1 }),
    rackId: nullableString({ since: 3, absent: null }),
  },
);
export type ConsumerProtocolSubscription = MessageType<typeof consumerProtocolSubscription>;

export const consumerProtocolAssignment = message(
  { ...data, name: "ConsumerProtocolAssignment" },
  { assignedPartitions: array(topicPartitions), userData: nullableBytes() },
);
export type ConsumerProtocolAssignment = MessageType<typeof consumerProtocolAssignment>;

/** The protocol type of consumer groups in JoinGroup and ListGroups. */
export const consumerProtocolType = "consumer";

function encodeVersioned<T>(of: Message<T>, value: T, version: number): Buffer {
  const body = encodeWhole(of, value, version);
  const bytes = Buffer.allocUnsafe(2 + body.length);
  bytes.writeInt16BE(version);
  body.copy(bytes, 2);
  return bytes;
}

/** A version beyond ours is read as our last one: later ones only add fields at the end. Throws MalformedFrame. */
function decodeVersioned<T>(of: Message<T>, bytes: Buffer): T {
  const [lowest, highest] = of.versions;
  const version = new Reader(bytes).int16();
  if (version < lowest) throw new MalformedFrame(`${of.name} of version ${version}`);
  const read = (as: number) => of.read(new Reader(bytes.subarray(2)), as);
  try {
    return read(Math.min(version, highest));
  } catch (error) {
    // some clients number their own user data here and write the fields of version 0
    if (!(error instanceof MalformedFrame) || version === lowest) throw error;
    return read(lowest);
  }
}

export function encodeSubscription(subscription: ConsumerProtocolSubscription): Buffer {
  return encodeVersioned(consumerProtocolSubscription, subscription, consumerProtocolSubscription.versions[1]);
}

/** Throws MalformedFrame. */
export function decodeSubscription(bytes: Buffer): ConsumerProtocolSubscription {
  return decodeVersioned(consumerProtocolSubscription, bytes);
}

/** All versions have the same fields; every member understands the first. */
export function encodeAssignment(assignment: ConsumerProtocolAssignment): Buffer {
  return encodeVersioned(consumerProtocolAssignment, assignment, 0);
}

/** A member without partitions may get no bytes at all. Throws MalformedFrame. */
export function decodeAssignment(bytes: Buffer): ConsumerProtocolAssignment {
  if (bytes.length === 0) return { assignedPartitions: [], userData: null };
  return decodeVersioned(consumerProtocolAssignment, bytes);
}
