import type { Random } from "../../../protocol/base/random.ts";
import type { KafkaErrorCode } from "../../../protocol/errors/kafka-errors.ts";
import { answered, type Decision, type Now, type ShardTimers } from "../../state-machine/contract.ts";
import type { StateMemory } from "../../state-machine/state-memory.ts";
import { type Settlement, Ticket } from "../../state-machine/ticket.ts";
import type { ClassicGroup } from "./classic-group.ts";
import {
  type JoinAnswer,
  joinRefusal,
  type Member,
  type MemberProtocol,
  memberBytes,
  noBytes,
  protocolBytes,
  sameProtocols,
} from "./classic-group-member.ts";
import { joinedAnswer, memberTimer, type Rebalances, releaseWaits, withSettled } from "./rebalances.ts";

export interface JoinRequest {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly protocolType: string;
  readonly protocols: readonly MemberProtocol[];
  /** From version 4 on: a member gets its id before it joins, so that a lost answer leaves no member behind. */
  readonly mustKnowItsId: boolean;
  /** From version 9 on: a leader can be told to leave the assignment as it is (KIP-814). */
  readonly canSkipAssignment: boolean;
}

export interface JoinConfig {
  readonly sessionTimeoutMinMs: number;
  readonly sessionTimeoutMaxMs: number;
  readonly groupMaxSize: number;
}

export interface JoinParts {
  readonly timers: ShardTimers;
  readonly random: Random;
  readonly config: JoinConfig;
  readonly rebalances: Rebalances;
  readonly memory: StateMemory;
  /** An id that no client came back with was forgotten. */
  readonly onPendingForgotten: (group: ClassicGroup) => void;
}

/** What a member's protocols may take; more than fits into the group's record, which would be refused later. */
const protocolsMaxBytes = 1024 * 1024;
/** Every member's protocols are compared with every other's. Clients have a few. */
const protocolsMax = 100;
/** Characters of a client id, or instance, that a member id begins with. */
const idPrefixMax = 255;
/** Ids handed out in one group whose clients have not come back. */
const pendingMembersMax = 10_000;

/** What is wrong with a request, whatever the group. */
export function joinFault({ sessionTimeoutMs, protocols }: JoinRequest, config: JoinConfig): KafkaErrorCode {
  if (sessionTimeoutMs < config.sessionTimeoutMinMs || sessionTimeoutMs > config.sessionTimeoutMaxMs) return "INVALID_SESSION_TIMEOUT";
  return protocols.length > protocolsMax || protocolBytes(protocols) > protocolsMaxBytes ? "INVALID_REQUEST" : "NONE";
}

/** JoinGroup on a group that exists. */
export class Joining {
  readonly #parts: JoinParts;

  constructor(parts: JoinParts) {
    this.#parts = parts;
  }

  join(group: ClassicGroup, request: JoinRequest, now: Now): Decision<JoinAnswer> {
    const { memberId } = request;
    if (!this.#hasRoom(group, memberId)) return answered(joinRefusal("", "GROUP_MAX_SIZE_REACHED"));
    if (!this.#hasMemory(group, request)) return answered(joinRefusal(memberId, "COORDINATOR_NOT_AVAILABLE"));
    if (!group.supports(request.protocolType, request.protocols)) return answered(joinRefusal(memberId, "INCONSISTENT_GROUP_PROTOCOL"));
    return memberId === "" ? this.#joinUnknown(group, request, now) : this.#joinKnown(group, request, now);
  }

  /** While a rebalance is prepared, only members that have joined count: the others' places may become free. */
  #hasRoom(group: ClassicGroup, memberId: string): boolean {
    const { groupMaxSize } = this.#parts.config;
    const member = group.members.get(memberId);
    switch (group.state) {
      case "PreparingRebalance":
        return (member !== undefined && member.awaitingJoin !== null) || group.awaitingJoinCount < groupMaxSize;
      case "CompletingRebalance":
      case "Stable":
        return member !== undefined || group.members.size < groupMaxSize;
      default:
        return true;
    }
  }

  /** A client that only requests an id needs room for the member that it is about to be: ids cost memory, too. */
  #hasMemory(group: ClassicGroup, request: JoinRequest): boolean {
    const { memberId, groupInstanceId, protocols } = request;
    const known = group.members.get(memberId) ?? (groupInstanceId === null ? null : group.staticMember(groupInstanceId));
    const { memory } = this.#parts;
    if (known !== null) return memory.hasRoomFor(protocolBytes(protocols) - protocolBytes(known.protocols));
    return memory.hasRoomFor(memberBytes(group.groupId, { ...request, assignment: noBytes }));
  }

  #joinUnknown(group: ClassicGroup, request: JoinRequest, now: Now): Decision<JoinAnswer> {
    const { groupInstanceId, clientId } = request;
    const memberId = newMemberId(groupInstanceId ?? clientId, this.#parts.random);
    const known = groupInstanceId === null ? null : group.staticMember(groupInstanceId);
    if (known !== null) return this.#replaceStatic(group, known, memberId, request, now);
    if (groupInstanceId !== null || !request.mustKnowItsId) return this.#add(group, memberId, request, now);
    if (group.pendingMembers.size >= pendingMembersMax) return answered(joinRefusal("", "GROUP_MAX_SIZE_REACHED"));
    group.addPending(memberId);
    const deadlineMs = now.monotonicMs + request.sessionTimeoutMs;
    this.#parts.timers.set(memberTimer(group, memberId), deadlineMs, (then) => this.#pendingTimedOut(group, memberId, then));
    return answered(joinRefusal(memberId, "MEMBER_ID_REQUIRED"));
  }

  #joinKnown(group: ClassicGroup, request: JoinRequest, now: Now): Decision<JoinAnswer> {
    const { memberId, groupInstanceId, protocols } = request;
    if (group.pendingMembers.has(memberId) && groupInstanceId === null) return this.#add(group, memberId, request, now);
    const refusal = group.memberRefusal(memberId, groupInstanceId);
    if (refusal !== null) return answered(joinRefusal(memberId, refusal));
    const member = group.members.get(memberId)!;
    const isUnchanged = sameProtocols(member.protocols, protocols);
    switch (group.state) {
      case "PreparingRebalance":
        return this.#joinAgain(group, member, request, now);
      case "CompletingRebalance":
        // its last JoinGroup was answered, but the answer may not have arrived
        return isUnchanged ? this.#tellAgain(group, member, now) : this.#joinAgain(group, member, request, now);
      case "Stable":
        // a leader that joins again wants a rebalance: the topics may have changed
        if (isUnchanged && group.leaderId !== memberId) return this.#tellAgain(group, member, now);
        return this.#joinAgain(group, member, request, now);
      default:
        return answered(joinRefusal(memberId, "UNKNOWN_MEMBER_ID"));
    }
  }

  #add(group: ClassicGroup, memberId: string, request: JoinRequest, now: Now): Decision<JoinAnswer> {
    const ticket = new Ticket<JoinAnswer>();
    const member = { ...newMember(memberId, request), awaitingJoin: ticket };
    group.add(member, request.protocolType);
    this.#parts.rebalances.keepAlive(group, member, now);
    return { ...this.#parts.rebalances.onJoined(group, now), answer: ticket };
  }

  #joinAgain(group: ClassicGroup, member: Member, request: JoinRequest, now: Now): Decision<JoinAnswer> {
    // its client no longer waits for that request: the answer is not read, but the connection needs one
    const givenUp = releaseWaits(group, member, "REBALANCE_IN_PROGRESS");
    const ticket = new Ticket<JoinAnswer>();
    group.changeProtocols(member, keptProtocols(request.protocols));
    member.sessionTimeoutMs = request.sessionTimeoutMs;
    member.rebalanceTimeoutMs = request.rebalanceTimeoutMs;
    group.awaitJoin(member, ticket);
    this.#parts.rebalances.keepAlive(group, member, now);
    return withSettled(givenUp, { ...this.#parts.rebalances.onJoined(group, now), answer: ticket });
  }

  #tellAgain(group: ClassicGroup, member: Member, now: Now): Decision<JoinAnswer> {
    this.#parts.rebalances.keepAlive(group, member, now);
    return answered(joinedAnswer(group, member));
  }

  /**
   * A static member restarted and comes back without its id. Its old id is fenced; where nothing else changes, it just takes its place and
   * the other members are not disturbed.
   * The log must know the new id before the member does, or a new coordinator would fence it.
   */
  #replaceStatic(group: ClassicGroup, old: Member, memberId: string, request: JoinRequest, now: Now): Decision<JoinAnswer> {
    const { rebalances } = this.#parts;
    const member: Member = { ...newMember(memberId, request), isNew: false, assignment: old.assignment };
    const replacement = { oldMemberId: old.memberId, member };
    if (group.state !== "Stable" || group.selectProtocol(replacement) !== group.protocolName) {
      const fenced = this.#takePlace(group, old, member, now);
      const ticket = new Ticket<JoinAnswer>();
      group.awaitJoin(member, ticket);
      rebalances.keepAlive(group, member, now);
      return withSettled(fenced, { ...rebalances.onJoined(group, now), answer: ticket });
    }
    const ticket = new Ticket<JoinAnswer>();
    const wasLeader = group.leaderId === old.memberId;
    const accepted = () => {
      const fenced = this.#takePlace(group, old, member, now);
      group.refreshSubscription();
      return [...fenced, ticket.settlement(replacedAnswer(group, member, request.canSkipAssignment, wasLeader ? old.memberId : null))];
    };
    return { records: [group.record(now, { instead: replacement })], answer: ticket, accepted };
  }

  #takePlace(group: ClassicGroup, old: Member, member: Member, now: Now): Settlement[] {
    const { timers, rebalances } = this.#parts;
    timers.cancel(memberTimer(group, old.memberId));
    const stillToSync = group.pendingSync.has(old.memberId);
    const fenced = releaseWaits(group, old, "FENCED_INSTANCE_ID");
    group.replace({ oldMemberId: old.memberId, member });
    if (stillToSync) group.pendingSync.add(member.memberId);
    rebalances.keepAlive(group, member, now);
    return fenced;
  }

  #pendingTimedOut(group: ClassicGroup, memberId: string, now: Now): Decision<null> {
    if (!group.removePending(memberId)) return answered(null);
    this.#parts.onPendingForgotten(group);
    return this.#parts.rebalances.completeIfAllJoined(group, now);
  }
}

/**
 * A returning leader must not compute the assignment again: the others keep what they have. The answer says so (KIP-814) where the client
 * understands that, and otherwise names its former id as the leader.
 */
function replacedAnswer(group: ClassicGroup, member: Member, canSkipAssignment: boolean, ledAs: string | null): JoinAnswer {
  const answer = joinedAnswer(group, member);
  if (ledAs === null) return answer;
  return canSkipAssignment ? { ...answer, skipAssignment: true } : { ...answer, leader: ledAs, members: [] };
}

function newMember(memberId: string, request: JoinRequest): Member {
  const { groupInstanceId, clientId, clientHost, sessionTimeoutMs, rebalanceTimeoutMs } = request;
  const identity = { memberId, groupInstanceId, clientId, clientHost, sessionTimeoutMs, rebalanceTimeoutMs };
  const protocols = keptProtocols(request.protocols);
  return { ...identity, protocols, assignment: noBytes, isNew: true, awaitingJoin: null, awaitingSync: null };
}

/** The request's bytes are views on its frame, which must not be kept alive for them. */
function keptProtocols(protocols: readonly MemberProtocol[]): MemberProtocol[] {
  return protocols.map(({ name, metadata }) => ({ name, metadata: Buffer.from(metadata) }));
}

/** Begins with the client's own name, cut to what fits into the protocol's strings. The same text in memory as on the wire. */
function newMemberId(prefix: string, random: Random): string {
  return `${prefix.slice(0, idPrefixMax).toWellFormed()}-${newUuid(random)}`;
}

/** A random UUID (version 4), as Kafka appends it to member ids. */
export function newUuid(random: Random): string {
  const bytes = random.bytes(16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = bytes.toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
