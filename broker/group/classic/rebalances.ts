import { invariant } from "../../../protocol/base/invariant.ts";
import type { KafkaError } from "../../../protocol/errors/kafka-errors.ts";
import { answered, type Decision, type Now, type ShardTimers } from "../../state-machine/contract.ts";
import type { Settlement } from "../../state-machine/ticket.ts";
import type { GroupBook } from "../contract.ts";
import type { ClassicGroup } from "./classic-group.ts";
import { type JoinAnswer, joinRefusal, type Member, noBytes, syncRefusal } from "./classic-group-member.ts";

export interface RebalanceConfig {
  /** `group.initial.rebalance.delay.ms` */
  readonly initialRebalanceDelayMs: number;
}

export interface RebalanceParts {
  readonly groups: GroupBook;
  readonly timers: ShardTimers;
  readonly config: RebalanceConfig;
}

/**
 * A member that has not been in a generation yet cannot send heartbeats; after this long without an answer to its JoinGroup it is presumed
 * gone.
 */
const newMemberTimeoutMs = 5 * 60_000;
/** Until a refused record is retried. */
const retryMs = 1_000;

/**
 * Moves the members of a group from one generation to the next: waits until all have joined (or the rebalance timeout has expired), chooses
 * leader and protocol, answers each JoinGroup, and then waits for each SyncGroup. Also tracks the members' sessions.
 */
export class Rebalances {
  readonly #parts: RebalanceParts;

  constructor(parts: RebalanceParts) {
    this.#parts = parts;
  }

  /** A member joined, or rejoined with other protocols. */
  onJoined(group: ClassicGroup, now: Now): Decision<null> {
    if (group.state !== "PreparingRebalance") return this.prepare(group, now);
    if (group.gathering !== null) group.gathering.memberWasAdded = true;
    return this.completeIfAllJoined(group, now);
  }

  /** Members, or ids handed out, are gone. */
  onRemoved(group: ClassicGroup, now: Now): Decision<null> {
    if (group.state === "Stable" || group.state === "CompletingRebalance") return this.prepare(group, now);
    return this.completeIfAllJoined(group, now);
  }

  prepare(group: ClassicGroup, now: Now): Decision<null> {
    const { timers, config } = this.#parts;
    const settled = this.#interruptSync(group, now);
    const isInitial = group.state === "Empty";
    group.enter("PreparingRebalance", now);
    if (isInitial) {
      const delayMs = config.initialRebalanceDelayMs;
      group.gathering = { remainingMs: Math.max(0, group.rebalanceTimeoutMs - delayMs), memberWasAdded: false };
      timers.set(joinTimer(group), now.monotonicMs + delayMs, (then) => this.#gathered(group, then));
      return { ...answered(null), settled };
    }
    timers.set(joinTimer(group), now.monotonicMs + group.rebalanceTimeoutMs, (then) => this.#joinTimedOut(group, then));
    const more = this.completeIfAllJoined(group, now);
    return { ...more, settled: [...settled, ...(more.settled ?? [])] };
  }

  completeIfAllJoined(group: ClassicGroup, now: Now): Decision<null> {
    const isDue = group.state === "PreparingRebalance" && group.gathering === null && group.hasAllMembersJoined;
    return isDue ? this.#complete(group, now) : answered(null);
  }

  /**
   * The member has sent something: its session timeout restarts. While it waits for an answer it cannot send anything, and is not expected
   * to.
   */
  keepAlive(group: ClassicGroup, member: Member, now: Now): void {
    const { timers } = this.#parts;
    const key = memberTimer(group, member.memberId);
    const isWaiting = member.awaitingSync !== null || (member.awaitingJoin !== null && !member.isNew);
    if (isWaiting) return timers.cancel(key);
    const timeoutMs = member.isNew ? newMemberTimeoutMs : member.sessionTimeoutMs;
    timers.set(key, now.monotonicMs + timeoutMs, (then) => this.#sessionTimedOut(group, member.memberId, then));
  }

  /** Removes a member; what it waits for is answered with `error`. */
  remove(group: ClassicGroup, memberId: string, error: KafkaError): Settlement[] {
    this.#parts.timers.cancel(memberTimer(group, memberId));
    return releaseWaits(group, group.remove(memberId), error);
  }

  /** Every member has sent SyncGroup: none needs to be removed. */
  onSynced(group: ClassicGroup): void {
    if (group.pendingSync.size === 0) this.#parts.timers.cancel(syncTimer(group));
  }

  /** The group is gone: none of its timers may fire any more. */
  forget(group: ClassicGroup): void {
    const { timers } = this.#parts;
    timers.cancel(joinTimer(group));
    timers.cancel(syncTimer(group));
    for (const memberId of group.members.keys()) timers.cancel(memberTimer(group, memberId));
    for (const memberId of group.pendingMembers) timers.cancel(memberTimer(group, memberId));
  }

  #isCurrent(group: ClassicGroup): boolean {
    return this.#parts.groups.get(group.groupId) === group;
  }

  /** Members that wait for their assignment in this generation learn that there will be another. */
  #interruptSync(group: ClassicGroup, now: Now): Settlement[] {
    this.#parts.timers.cancel(syncTimer(group));
    group.pendingSync.clear();
    if (group.state !== "CompletingRebalance") return [];
    const settled: Settlement[] = [];
    for (const member of group.members.values()) {
      group.assign(member, noBytes);
      const waiting = member.awaitingSync;
      if (waiting === null) continue;
      member.awaitingSync = null;
      settled.push(waiting.settlement(syncRefusal("REBALANCE_IN_PROGRESS")));
      this.keepAlive(group, member, now);
    }
    return settled;
  }

  /** The first members of a group join one after the other: as long as more do, it waits a little longer, up to the rebalance timeout. */
  #gathered(group: ClassicGroup, now: Now): Decision<null> {
    const { gathering } = group;
    if (!this.#isCurrent(group) || gathering === null) return answered(null);
    if (!gathering.memberWasAdded || gathering.remainingMs === 0) return this.#complete(group, now);
    const delayMs = Math.min(this.#parts.config.initialRebalanceDelayMs, gathering.remainingMs);
    group.gathering = { remainingMs: gathering.remainingMs - delayMs, memberWasAdded: false };
    this.#parts.timers.set(joinTimer(group), now.monotonicMs + delayMs, (then) => this.#gathered(group, then));
    return answered(null);
  }

  #joinTimedOut(group: ClassicGroup, now: Now): Decision<null> {
    if (!this.#isCurrent(group) || group.state !== "PreparingRebalance") return answered(null);
    return this.#complete(group, now);
  }

  #complete(group: ClassicGroup, now: Now): Decision<null> {
    const { timers } = this.#parts;
    // static members keep their place until their session ends; the others had their chance
    for (const member of [...group.members.values()])
      if (member.awaitingJoin === null && member.groupInstanceId === null) this.remove(group, member.memberId, "UNKNOWN_MEMBER_ID");
    group.gathering = null;
    if (group.members.size === 0) return this.#empty(group, now);
    if (!electJoinedLeader(group)) {
      timers.set(joinTimer(group), now.monotonicMs + group.rebalanceTimeoutMs, (then) => this.#joinTimedOut(group, then));
      return answered(null);
    }
    return { ...answered(null), settled: this.#nextGeneration(group, now) };
  }

  #empty(group: ClassicGroup, now: Now): Decision<null> {
    const { timers } = this.#parts;
    // refused: the group stays as it is, and this is retried
    timers.set(joinTimer(group), now.monotonicMs + retryMs, (then) => this.#joinTimedOut(group, then));
    const accepted = () => {
      timers.cancel(joinTimer(group));
      group.generation = group.nextGeneration;
      group.protocolName = null;
      group.leaderId = null;
      group.refreshSubscription();
      group.enter("Empty", now);
      return [];
    };
    return { records: [group.emptiedRecord(now)], answer: null, accepted };
  }

  #nextGeneration(group: ClassicGroup, now: Now): Settlement[] {
    const { timers } = this.#parts;
    timers.cancel(joinTimer(group));
    group.generation = group.nextGeneration;
    group.protocolName = group.selectProtocol();
    group.refreshSubscription();
    group.enter("CompletingRebalance", now);
    group.pendingSync.clear();
    const settled: Settlement[] = [];
    for (const member of group.members.values()) {
      group.pendingSync.add(member.memberId);
      const waiting = member.awaitingJoin;
      if (waiting === null) continue;
      group.awaitJoin(member, null);
      member.isNew = false;
      settled.push(waiting.settlement(joinedAnswer(group, member)));
      this.keepAlive(group, member, now);
    }
    const { generation } = group;
    timers.set(syncTimer(group), now.monotonicMs + group.rebalanceTimeoutMs, (then) => this.#syncTimedOut(group, generation, then));
    return settled;
  }

  /** Members that joined and then did not send SyncGroup delay the others, or hold partitions that are not consumed. */
  #syncTimedOut(group: ClassicGroup, generation: number, now: Now): Decision<null> {
    const isLate = group.state === "CompletingRebalance" || group.state === "Stable";
    if (!this.#isCurrent(group) || group.generation !== generation || !isLate || group.pendingSync.size === 0) return answered(null);
    const settled = [...group.pendingSync].flatMap((memberId) => this.remove(group, memberId, "UNKNOWN_MEMBER_ID"));
    return withSettled(settled, this.prepare(group, now));
  }

  #sessionTimedOut(group: ClassicGroup, memberId: string, now: Now): Decision<null> {
    if (!this.#isCurrent(group) || !group.members.has(memberId)) return answered(null);
    const settled = this.remove(group, memberId, "UNKNOWN_MEMBER_ID");
    return withSettled(settled, this.onRemoved(group, now));
  }
}

/** What a member learns of its generation; the leader also gets the members, to compute their assignments. */
export function joinedAnswer(group: ClassicGroup, member: Member): JoinAnswer {
  const isLeader = group.leaderId === member.memberId;
  invariant(group.leaderId !== null, "a generation with members has a leader");
  return {
    errorCode: "NONE",
    generationId: group.generation,
    protocolType: group.protocolType,
    protocolName: group.protocolName,
    leader: group.leaderId,
    skipAssignment: false,
    memberId: member.memberId,
    members: isLeader ? group.joinedMembers() : [],
  };
}

export function withSettled<T>(settled: readonly Settlement[], decision: Decision<T>): Decision<T> {
  return settled.length === 0 ? decision : { ...decision, settled: [...settled, ...(decision.settled ?? [])] };
}

/** Fails the answer that the member waits for. */
export function releaseWaits(group: ClassicGroup, member: Member, error: KafkaError): Settlement[] {
  const settled: Settlement[] = [];
  if (member.awaitingJoin !== null) settled.push(member.awaitingJoin.settlement(joinRefusal(member.memberId, error)));
  if (member.awaitingSync !== null) settled.push(member.awaitingSync.settlement(syncRefusal(error)));
  group.awaitJoin(member, null);
  member.awaitingSync = null;
  return settled;
}

/** Only a member that joined this time can compute the assignment. False: none did. */
function electJoinedLeader(group: ClassicGroup): boolean {
  const leader = group.leader;
  if (leader !== null && leader.awaitingJoin !== null) return true;
  for (const member of group.members.values()) {
    if (member.awaitingJoin === null) continue;
    group.leaderId = member.memberId;
    return true;
  }
  return false;
}

// the length keeps "a:b" + "c" and "a" + "b:c" apart
const timerKey = (kind: string, { groupId }: ClassicGroup) => `${kind}:${groupId.length}:${groupId}`;
const joinTimer = (group: ClassicGroup) => timerKey("join", group);
const syncTimer = (group: ClassicGroup) => timerKey("sync", group);
export const memberTimer = (group: ClassicGroup, memberId: string) => `${timerKey("member", group)}:${memberId}`;
