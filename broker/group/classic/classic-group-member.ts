import type { KafkaErrorCode } from "../../../protocol/errors/kafka-errors.ts";
import { MalformedFrame, Reader } from "../../../protocol/wire/reader.ts";
import type { Ticket } from "../../state-machine/ticket.ts";
import { memberOverheadBytes, pendingOverheadBytes, textBytes } from "../member-memory.ts";

/**
 * A protocol (a way to assign partitions) that a member supports, in its order of preference; the bytes have a meaning only to the clients.
 */
export interface MemberProtocol {
  readonly name: string;
  readonly metadata: Buffer;
}

/** A member of a classic group. */
export interface Member {
  readonly memberId: string;
  /** Static membership (KIP-345): the member keeps its place while it restarts. */
  readonly groupInstanceId: string | null;
  clientId: string;
  clientHost: string;
  rebalanceTimeoutMs: number;
  sessionTimeoutMs: number;
  protocols: readonly MemberProtocol[];
  assignment: Buffer;
  /** Has never been in a generation: it cannot send heartbeats yet, and is removed when it does not wait long enough. */
  isNew: boolean;
  awaitingJoin: Ticket<JoinAnswer> | null;
  awaitingSync: Ticket<SyncAnswer> | null;
}

export const noBytes = Buffer.alloc(0);

export interface JoinAnswer {
  readonly errorCode: KafkaErrorCode;
  readonly generationId: number;
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  readonly leader: string;
  readonly skipAssignment: boolean;
  readonly memberId: string;
  /** For the leader only. */
  readonly members: readonly JoinedMember[];
}

export interface JoinedMember {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly metadata: Buffer;
}

export interface SyncAnswer {
  readonly errorCode: KafkaErrorCode;
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  readonly assignment: Buffer;
}

export function joinRefusal(memberId: string, errorCode: KafkaErrorCode): JoinAnswer {
  return {
    errorCode,
    generationId: -1,
    protocolType: null,
    protocolName: null,
    leader: "",
    skipAssignment: false,
    memberId,
    members: [],
  };
}

export function syncRefusal(errorCode: KafkaErrorCode): SyncAnswer {
  return { errorCode, protocolType: null, protocolName: null, assignment: noBytes };
}

/** Bytes that the protocols take. */
export function protocolBytes(protocols: readonly MemberProtocol[]): number {
  return protocols.reduce((sum, { name, metadata }) => sum + name.length + metadata.length, 0);
}

type KeptOfMember = Pick<Member, "memberId" | "groupInstanceId" | "clientId" | "clientHost" | "protocols" | "assignment">;

/** What a member of the group takes. Each has a timer, whose key contains the names of both. */
export function memberBytes(groupId: string, member: KeptOfMember): number {
  const { memberId, groupInstanceId, clientId, clientHost, protocols, assignment } = member;
  const named = textBytes(groupId) + 2 * textBytes(memberId) + textBytes(groupInstanceId) + textBytes(clientId) + textBytes(clientHost);
  return memberOverheadBytes + named + protocolBytes(protocols) + assignment.length;
}

/** What an id that was handed out takes. */
export function pendingBytes(groupId: string, memberId: string): number {
  return pendingOverheadBytes + textBytes(groupId) + 2 * textBytes(memberId);
}

/** The same protocols with the same metadata in the same order: joining again changes nothing. */
export function sameProtocols(a: readonly MemberProtocol[], b: readonly MemberProtocol[]): boolean {
  return a.length === b.length && a.every(({ name, metadata }, index) => name === b[index]!.name && metadata.equals(b[index]!.metadata));
}

export function metadataOf({ protocols }: Pick<Member, "protocols">, protocolName: string): Buffer {
  return protocols.find(({ name }) => name === protocolName)?.metadata ?? noBytes;
}

/**
 * The topics that a consumer's protocol metadata names (ConsumerProtocolSubscription: an int16 version, an array of topic names, then what
 * we need not know).
 * Null: the bytes are something else, so it is unknown what the member consumes.
 */
export function subscribedTopics(metadata: Buffer): readonly string[] | null {
  try {
    const reader = new Reader(metadata);
    if (reader.int16() < 0) return null;
    const count = reader.int32();
    if (count < 0 || count > reader.remaining) return null;
    const topics: string[] = [];
    for (let i = 0; i < count; i++) topics.push(reader.string(reader.int16()));
    return topics;
  } catch (error) {
    if (error instanceof MalformedFrame) return null;
    throw error;
  }
}
