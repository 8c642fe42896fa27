import { invariant } from "../../../protocol/base/invariant.ts";
import type { KafkaError } from "../../../protocol/errors/kafka-errors.ts";
import { MalformedFrame } from "../../../protocol/wire/reader.ts";
import type { Now } from "../../state-machine/contract.ts";
import type { StateMemory } from "../../state-machine/state-memory.ts";
import type { Ticket } from "../../state-machine/ticket.ts";
import type { Committer, Group, GroupRecord } from "../contract.ts";
import { classicGroupRecord, classicGroupTombstone, type GroupMetadataValue } from "../group-records.ts";
import { Tally } from "../tally.ts";
import {
  type JoinAnswer,
  type JoinedMember,
  type Member,
  type MemberProtocol,
  memberBytes,
  metadataOf,
  pendingBytes,
  subscribedTopics,
} from "./classic-group-member.ts";

export type ClassicState = "Empty" | "PreparingRebalance" | "CompletingRebalance" | "Stable" | "Dead";

/** From which states each may be entered. */
const enteredFrom: Readonly<Record<ClassicState, readonly ClassicState[]>> = {
  Empty: ["PreparingRebalance"],
  PreparingRebalance: ["Stable", "CompletingRebalance", "Empty"],
  CompletingRebalance: ["PreparingRebalance"],
  Stable: ["CompletingRebalance"],
  Dead: ["Empty", "PreparingRebalance", "CompletingRebalance", "Stable"],
};

const generationMax = 2 ** 31 - 1;

/** Stands in for a member in the record of its group: a static member that came back under another id. */
export interface Replacement {
  readonly oldMemberId: string;
  readonly member: Member;
}

/**
 * A classic group: members in a generation, one of them the leader that computes the assignment. The coordinator knows no topics here; it
 * only hands the leader's bytes to the members.
 * This class holds the state; the files next to it decide what happens.
 */
export class ClassicGroup implements Group {
  readonly type = "classic";
  readonly groupId: string;
  readonly members = new Map<string, Member>();
  /** Members of this generation that have not sent SyncGroup yet. */
  readonly pendingSync = new Set<string>();
  generation = 0;
  protocolType: string = "";
  protocolName: string | null = null;
  leaderId: string | null = null;
  /** Wall clock ms of the last change of state; -1: unknown. */
  stateSinceMs = -1;
  /** While preparing the first rebalance of an empty group: members gather for a while, and it does not end early. */
  gathering: { remainingMs: number; memberWasAdded: boolean } | null = null;
  readonly #pendingMembers = new Set<string>();
  readonly #staticMembers = new Map<string, string>();
  /** By protocol, how many members have it. */
  #protocols = new Tally();
  #awaitingJoinCount = 0;
  readonly #onSignOfLife: (group: ClassicGroup, member: Member, now: Now) => void;
  readonly #memory: StateMemory;
  #state: ClassicState = "Empty";
  #topics: ReadonlySet<string> | null = null;

  constructor(groupId: string, memory: StateMemory, onSignOfLife: (group: ClassicGroup, member: Member, now: Now) => void) {
    this.groupId = groupId;
    this.#memory = memory;
    this.#onSignOfLife = onSignOfLife;
  }

  get state(): ClassicState {
    return this.#state;
  }

  get stateName(): string {
    return this.#state;
  }

  get isEmpty(): boolean {
    return this.#state === "Empty";
  }

  /** Stores offsets for a client that needs no group: there is no record of it. */
  get isSimple(): boolean {
    return this.protocolType === "" && this.generation === 0 && this.pendingMembers.size === 0 && this.isEmpty;
  }

  enter(state: ClassicState, now: Now): void {
    invariant(enteredFrom[state].includes(this.#state), "a group's state follows from its last one", () => ({
      from: this.#state,
      to: state,
    }));
    this.#state = state;
    this.stateSinceMs = now.wallMs;
    if (state !== "PreparingRebalance") this.gathering = null;
  }

  /** Ids handed out with MEMBER_ID_REQUIRED whose clients have not joined yet. */
  get pendingMembers(): ReadonlySet<string> {
    return this.#pendingMembers;
  }

  addPending(memberId: string): void {
    this.#pendingMembers.add(memberId);
    this.#memory.change(pendingBytes(this.groupId, memberId));
  }

  /** False: it was not handed out, or its client has joined. */
  removePending(memberId: string): boolean {
    if (!this.#pendingMembers.delete(memberId)) return false;
    this.#memory.change(-pendingBytes(this.groupId, memberId));
    return true;
  }

  get leader(): Member | null {
    return this.leaderId === null ? null : (this.members.get(this.leaderId) ?? null);
  }

  staticMember(groupInstanceId: string): Member | null {
    const memberId = this.#staticMembers.get(groupInstanceId);
    return memberId === undefined ? null : this.members.get(memberId)!;
  }

  /** The first one leads, and its protocol type is the group's. */
  add(member: Member, protocolType: string): void {
    invariant(!this.members.has(member.memberId), "a member is added once");
    if (this.members.size === 0) this.protocolType = protocolType;
    this.leaderId ??= member.memberId;
    this.members.set(member.memberId, member);
    this.#protocols.add(namesOf(member.protocols));
    if (member.awaitingJoin !== null) this.#awaitingJoinCount++;
    this.#memory.change(memberBytes(this.groupId, member));
    this.removePending(member.memberId);
    if (member.groupInstanceId !== null) this.#staticMembers.set(member.groupInstanceId, member.memberId);
    this.#check();
  }

  remove(memberId: string): Member {
    const member = this.members.get(memberId);
    invariant(member !== undefined, "who leaves was a member", () => ({ memberId }));
    this.members.delete(memberId);
    this.#protocols.remove(namesOf(member.protocols));
    if (member.awaitingJoin !== null) this.#awaitingJoinCount--;
    this.#memory.change(-memberBytes(this.groupId, member));
    this.pendingSync.delete(memberId);
    if (member.groupInstanceId !== null) this.#staticMembers.delete(member.groupInstanceId);
    if (this.leaderId === memberId) this.leaderId = this.members.keys().next().value ?? null;
    this.#check();
    return member;
  }

  /**
   * A member's memory, and whether it waits, is changed by these three only, which keep counts of them. A join checks the counts, not all
   * members.
   */
  changeProtocols(member: Member, protocols: readonly MemberProtocol[]): void {
    this.#protocols.remove(namesOf(member.protocols));
    this.#protocols.add(namesOf(protocols));
    this.#memory.change(-memberBytes(this.groupId, member));
    member.protocols = protocols;
    this.#memory.change(memberBytes(this.groupId, member));
  }

  assign(member: Member, assignment: Buffer): void {
    this.#memory.change(assignment.length - member.assignment.length);
    member.assignment = assignment;
  }

  /** Null: it no longer waits. Also for one that is no longer a member. */
  awaitJoin(member: Member, ticket: Ticket<JoinAnswer> | null): void {
    const isMember = this.members.get(member.memberId) === member;
    if (isMember) this.#awaitingJoinCount += (ticket === null ? 0 : 1) - (member.awaitingJoin === null ? 0 : 1);
    member.awaitingJoin = ticket;
    this.#check();
  }

  /** Whether the members may have these assignments: those of a group must fit into one record. */
  hasMemoryFor(assignments: ReadonlyMap<string, Buffer>): boolean {
    let moreBytes = 0;
    for (const { memberId, assignment } of this.members.values()) moreBytes += (assignments.get(memberId)?.length ?? 0) - assignment.length;
    return this.#memory.hasRoomFor(moreBytes);
  }

  /** This broker no longer coordinates the group. */
  forgetMembers(): void {
    for (const member of this.members.values()) this.#memory.change(-memberBytes(this.groupId, member));
    this.members.clear();
    this.#protocols = new Tally();
    this.#awaitingJoinCount = 0;
    for (const memberId of this.#pendingMembers) this.removePending(memberId);
  }

  /** The new one takes the old one's place, the leader's included. */
  replace({ oldMemberId, member }: Replacement): void {
    const wasLeader = this.leaderId === oldMemberId;
    this.remove(oldMemberId);
    this.add(member, this.protocolType);
    if (wasLeader) this.leaderId = member.memberId;
  }

  get awaitingJoinCount(): number {
    return this.#awaitingJoinCount;
  }

  get hasAllMembersJoined(): boolean {
    return this.pendingMembers.size === 0 && this.#awaitingJoinCount === this.members.size;
  }

  /** The generation read from the log may be the largest possible: generations are only ever compared for equality, so they start over. */
  get nextGeneration(): number {
    return this.generation >= generationMax ? 1 : this.generation + 1;
  }

  /** The longest that any member wants to be waited for. */
  get rebalanceTimeoutMs(): number {
    let longest = 0;
    for (const { rebalanceTimeoutMs } of this.members.values()) longest = Math.max(longest, rebalanceTimeoutMs);
    return longest;
  }

  /** Some protocol of these is one that every member has. */
  supports(protocolType: string, protocols: readonly MemberProtocol[]): boolean {
    if (this.members.size === 0) return protocolType !== "" && protocols.length > 0;
    return protocolType === this.protocolType && protocols.some(({ name }) => this.#protocols.count(name) === this.members.size);
  }

  /**
   * Each member votes for its favourite among the protocols that all support; the most votes win, on a tie the first one seen. `instead`
   * counts in a member's place.
   */
  selectProtocol(instead?: Replacement): string {
    const members = this.#membersWith(instead);
    invariant(members.length > 0, "a group without members has no protocol");
    const counts = new Map<string, number>();
    for (const { protocols } of members) for (const name of namesOf(protocols)) add(counts, name);
    const votes = new Map<string, number>();
    for (const { protocols } of members) {
      const favourite = protocols.find(({ name }) => counts.get(name) === members.length);
      invariant(favourite !== undefined, "all members have a protocol in common");
      add(votes, favourite.name);
    }
    return [...votes].reduce((best, one) => (one[1] > best[1] ? one : best))[0];
  }

  /** As sent to the leader. */
  joinedMembers(): JoinedMember[] {
    const { protocolName } = this;
    invariant(protocolName !== null, "a generation with members has a protocol");
    return [...this.members.values()].map((member) => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      metadata: metadataOf(member, protocolName),
    }));
  }

  /** Reads from the members' metadata which topics they consume. To be called when the protocol or its metadata changed. */
  refreshSubscription(): void {
    this.#topics = null;
    const { protocolName } = this;
    if (protocolName === null || this.protocolType !== "consumer") return;
    const topics = new Set<string>();
    for (const member of this.members.values()) {
      const own = subscribedTopics(metadataOf(member, protocolName));
      if (own === null) return;
      for (const topic of own) topics.add(topic);
    }
    this.#topics = topics;
  }

  isSubscribedTo(topic: string): boolean {
    if (this.isEmpty || this.#state === "Dead") return false;
    return this.#topics === null || this.#topics.has(topic);
  }

  /** KIP-211: since when nobody has consumed. */
  offsetIdleSinceMs(topic: string, commitTimestampMs: number): number | null {
    if (this.isEmpty) return this.isSimple || this.stateSinceMs < 0 ? commitTimestampMs : Math.max(this.stateSinceMs, commitTimestampMs);
    if (this.#state !== "Stable" || this.isSubscribedTo(topic)) return null;
    return commitTimestampMs;
  }

  /** UNKNOWN_MEMBER_ID or FENCED_INSTANCE_ID, or null. */
  memberRefusal(memberId: string, groupInstanceId: string | null): "UNKNOWN_MEMBER_ID" | "FENCED_INSTANCE_ID" | null {
    if (groupInstanceId !== null) {
      const owner = this.#staticMembers.get(groupInstanceId);
      if (owner === undefined) return "UNKNOWN_MEMBER_ID";
      return owner === memberId ? null : "FENCED_INSTANCE_ID";
    }
    return this.members.has(memberId) ? null : "UNKNOWN_MEMBER_ID";
  }

  admitOffsetCommit(by: Committer, now: Now): KafkaError | null {
    const { memberId, groupInstanceId, generationIdOrMemberEpoch: generation, isTransactional = false } = by;
    if (generation < 0 && this.isEmpty) return null;
    // while there are members, only they commit
    if (generation < 0 && memberId === "" && groupInstanceId === null) return isTransactional ? null : "UNKNOWN_MEMBER_ID";
    const refusal = this.memberRefusal(memberId, groupInstanceId);
    if (refusal !== null) return refusal;
    if (generation !== this.generation) return "ILLEGAL_GENERATION";
    // the members know the new generation but not yet their partitions in it: whatever they commit is from the last one
    if (this.#state === "CompletingRebalance" && !isTransactional) return "REBALANCE_IN_PROGRESS";
    this.#onSignOfLife(this, this.members.get(memberId)!, now);
    return null;
  }

  admitOffsetFetch(): KafkaError | null {
    return null;
  }

  tombstones(): readonly GroupRecord[] {
    return [classicGroupTombstone(this.groupId)];
  }

  /** This group's record in the log. `assignments` and `instead` as they are about to be. */
  record(now: Now, { assignments, instead }: { assignments?: ReadonlyMap<string, Buffer>; instead?: Replacement } = {}): GroupRecord {
    const protocolName = this.protocolName;
    const leader = instead !== undefined && this.leaderId === instead.oldMemberId ? instead.member.memberId : this.leaderId;
    const members = protocolName === null ? [] : this.#membersWith(instead);
    return classicGroupRecord(this.groupId, {
      protocolType: this.protocolType,
      generation: this.generation,
      protocol: protocolName,
      leader,
      currentStateTimestamp: now.wallMs,
      members: members.map((member) => ({
        memberId: member.memberId,
        groupInstanceId: member.groupInstanceId,
        clientId: member.clientId,
        clientHost: member.clientHost,
        rebalanceTimeout: member.rebalanceTimeoutMs,
        sessionTimeout: member.sessionTimeoutMs,
        subscription: metadataOf(member, protocolName ?? ""),
        assignment: assignments?.get(member.memberId) ?? (assignments === undefined ? member.assignment : Buffer.alloc(0)),
      })),
    });
  }

  /** The record of the next generation, which has no members. */
  emptiedRecord(now: Now): GroupRecord {
    return classicGroupRecord(this.groupId, {
      protocolType: this.protocolType,
      generation: this.nextGeneration,
      protocol: null,
      leader: null,
      currentStateTimestamp: now.wallMs,
      members: [],
    });
  }

  /** Adopts the state in a record. Only for a group that has no members yet. Throws MalformedFrame where the record contradicts itself. */
  restore(value: GroupMetadataValue): void {
    invariant(this.members.size === 0, "a group is restored before anyone joins it");
    const { protocol } = value;
    const ids = new Set(value.members.map(({ memberId }) => memberId));
    const isWhole = value.members.length === 0 || (protocol !== null && value.leader !== null && ids.has(value.leader));
    if (!isWhole || ids.size < value.members.length)
      throw new MalformedFrame(`group ${this.groupId} with members but without leader or protocol`);
    for (const stored of value.members) {
      const { memberId, groupInstanceId, clientId, clientHost, sessionTimeout, rebalanceTimeout } = stored;
      const protocols = [{ name: protocol ?? "", metadata: Buffer.from(stored.subscription) }];
      const rebalanceTimeoutMs = rebalanceTimeout < 0 ? sessionTimeout : rebalanceTimeout;
      const identity = { memberId, groupInstanceId, clientId, clientHost, sessionTimeoutMs: sessionTimeout, rebalanceTimeoutMs };
      const assignment = Buffer.from(stored.assignment);
      this.add({ ...identity, protocols, assignment, isNew: false, awaitingJoin: null, awaitingSync: null }, value.protocolType);
    }
    this.protocolType = value.protocolType;
    this.generation = value.generation;
    this.protocolName = protocol;
    this.leaderId = value.leader;
    this.stateSinceMs = value.currentStateTimestamp;
    this.#state = this.members.size === 0 ? "Empty" : "Stable";
    this.refreshSubscription();
  }

  #check(): void {
    invariant(this.#awaitingJoinCount >= 0 && this.#awaitingJoinCount <= this.members.size, "only members wait for the others to join");
  }

  #membersWith(instead: Replacement | undefined): Member[] {
    return [...this.members.values()].map((member) => (member.memberId === instead?.oldMemberId ? instead.member : member));
  }
}

/** Each once. */
function namesOf(protocols: readonly MemberProtocol[]): ReadonlySet<string> {
  return new Set(protocols.map(({ name }) => name));
}

function add(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}
