import { invariant } from "../../../protocol/base/invariant.ts";
import type { KafkaErrorCode } from "../../../protocol/errors/kafka-errors.ts";
import type { Reader } from "../../../protocol/wire/reader.ts";
import { answered, type Decision, type Now } from "../../state-machine/contract.ts";
import type { StateMemory } from "../../state-machine/state-memory.ts";
import { type Settlement, Ticket } from "../../state-machine/ticket.ts";
import type { Group, GroupKind, GroupKindParts, GroupRecord } from "../contract.ts";
import { classicGroupKeyVersion, groupMetadataKey, groupMetadataValue, readKey, readVersioned } from "../group-records.ts";
import { ClassicGroup } from "./classic-group.ts";
import { type JoinAnswer, joinRefusal, type SyncAnswer, syncRefusal } from "./classic-group-member.ts";
import { type DescribedGroup, deadGroup, describeClassicGroup } from "./describe-classic-group.ts";
import { type JoinConfig, Joining, type JoinRequest, joinFault } from "./join.ts";
import { memberTimer, type RebalanceConfig, Rebalances, withSettled } from "./rebalances.ts";
import { type SyncRequest, sync } from "./sync.ts";

export type ClassicConfig = JoinConfig & RebalanceConfig;

export interface ClassicGroupsParts extends Omit<GroupKindParts<ClassicConfig>, "topics"> {
  hasOffsets(groupId: string): boolean;
  readonly memberMemory: StateMemory;
}

export interface HeartbeatRequest {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly generationId: number;
}

/** Which members leave: by member id, or a static member by its instance alone (an administrator removes it). */
export interface Leaver {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
}

export interface Left extends Leaver {
  readonly errorCode: KafkaErrorCode;
}

/** Groups of one shard beyond which no new ones can be created by joining: a name costs memory before anything is in the log. */
const groupsMax = 200_000;

/** The classic groups of a shard: JoinGroup, SyncGroup, Heartbeat, LeaveGroup, DescribeGroups. */
export class ClassicGroups implements GroupKind {
  readonly type = "classic";
  readonly keyVersions: readonly number[] = [classicGroupKeyVersion];
  readonly #parts: ClassicGroupsParts;
  readonly #rebalances: Rebalances;
  readonly #joining: Joining;
  #isLoaded = false;

  constructor(parts: ClassicGroupsParts) {
    const { groups, timers, random, config, memberMemory: memory } = parts;
    this.#parts = parts;
    this.#rebalances = new Rebalances({ groups, timers, config });
    const onPendingForgotten = (group: ClassicGroup) => this.#forgetIfUnused(group);
    this.#joining = new Joining({
      timers,
      random,
      config,
      rebalances: this.#rebalances,
      memory,
      onPendingForgotten,
    });
  }

  join(groupId: string, request: JoinRequest, now: Now): Decision<JoinAnswer> {
    const fault = joinFault(request, this.#parts.config);
    if (fault !== "NONE") return answered(joinRefusal(request.memberId, fault));
    const found = this.#parts.groups.get(groupId);
    if (found === undefined && request.memberId !== "") return answered(joinRefusal(request.memberId, "UNKNOWN_MEMBER_ID"));
    const changed = found === undefined || found.type === this.type ? [] : this.#changeKind(found);
    if (changed === null) return answered(joinRefusal(request.memberId, "INCONSISTENT_GROUP_PROTOCOL"));
    if (changed.length > 0 && request.memberId !== "") return answered(joinRefusal(request.memberId, "UNKNOWN_MEMBER_ID"));
    if (changed.length > 0) return this.#joinAfter(changed, groupId, request, now);
    if (found === undefined && this.#parts.groups.size >= groupsMax) return answered(joinRefusal("", "COORDINATOR_NOT_AVAILABLE"));
    const group = this.find(groupId) ?? this.#newGroup(groupId);
    const decision = this.#joining.join(group, request, now);
    this.#forgetIfUnused(group);
    return decision;
  }

  sync(groupId: string, request: SyncRequest, now: Now): Decision<SyncAnswer> {
    const group = this.find(groupId);
    return group === null ? answered(syncRefusal("UNKNOWN_MEMBER_ID")) : sync(group, request, this.#rebalances, now);
  }

  heartbeat(groupId: string, { memberId, groupInstanceId, generationId }: HeartbeatRequest, now: Now): Decision<KafkaErrorCode> {
    const group = this.find(groupId);
    if (group === null) return answered("UNKNOWN_MEMBER_ID");
    const refusal = group.memberRefusal(memberId, groupInstanceId);
    if (refusal !== null) return answered(refusal);
    if (generationId !== group.generation) return answered("ILLEGAL_GENERATION");
    this.#rebalances.keepAlive(group, group.members.get(memberId)!, now);
    return answered(group.state === "PreparingRebalance" ? "REBALANCE_IN_PROGRESS" : "NONE");
  }

  leave(groupId: string, leavers: readonly Leaver[], now: Now): Decision<readonly Left[]> {
    const group = this.find(groupId);
    if (group === null) return answered(leavers.map((leaver) => ({ ...leaver, errorCode: "UNKNOWN_MEMBER_ID" })));
    const decision = this.#takeOut(group, leavers, now);
    this.#forgetIfUnused(group);
    return decision;
  }

  describe(groupId: string): DescribedGroup {
    const group = this.find(groupId);
    return group === null ? deadGroup : describeClassicGroup(group);
  }

  find(groupId: string): ClassicGroup | null {
    const group = this.#parts.groups.get(groupId);
    return group instanceof ClassicGroup ? group : null;
  }

  /** A group in which a client stores offsets without being a member. */
  keepOffsetsOf(groupId: string): void {
    if (this.#parts.groups.get(groupId) === undefined) this.#newGroup(groupId);
  }

  replay(keyVersion: number, key: Reader, value: Buffer | null): void {
    const { group: groupId } = readKey(groupMetadataKey, keyVersion, key);
    const known = this.find(groupId);
    if (value === null) {
      if (known !== null) this.#drop(known);
      return;
    }
    // our own record is replayed: its state is already in place, or will be as soon as `accepted` is called
    if (known !== null && this.#isLoaded) return;
    const group = this.#makeGroup(groupId);
    group.restore(readVersioned(groupMetadataValue, value));
    known?.forgetMembers();
    this.#parts.groups.set(group);
  }

  loaded(now: Now): void {
    this.#isLoaded = true;
    for (const group of this.#parts.groups.values())
      if (group instanceof ClassicGroup) for (const member of group.members.values()) this.#rebalances.keepAlive(group, member, now);
  }

  topicsChanged(): readonly Decision<null>[] {
    return [];
  }

  /** Another broker coordinates these groups now. */
  ended(): void {
    for (const group of this.#parts.groups.values()) if (group instanceof ClassicGroup) group.forgetMembers();
  }

  #newGroup(groupId: string): ClassicGroup {
    const group = this.#makeGroup(groupId);
    this.#parts.groups.set(group);
    return group;
  }

  #makeGroup(groupId: string): ClassicGroup {
    return new ClassicGroup(groupId, this.#parts.memberMemory, (group, member, now) => this.#rebalances.keepAlive(group, member, now));
  }

  /** All of them leave, and then one rebalance is prepared for the rest. */
  #takeOut(group: ClassicGroup, leavers: readonly Leaver[], now: Now): Decision<readonly Left[]> {
    const settled: Settlement[] = [];
    let isChanged = false;
    const left = leavers.map((leaver): Left => {
      const memberId = memberOf(group, leaver);
      if (memberId === null && group.removePending(leaver.memberId)) {
        this.#parts.timers.cancel(memberTimer(group, leaver.memberId));
        isChanged = true;
        return { ...leaver, errorCode: "NONE" };
      }
      const refusal = memberId === null ? "UNKNOWN_MEMBER_ID" : group.memberRefusal(memberId, leaver.groupInstanceId);
      if (memberId === null || refusal !== null) return { ...leaver, errorCode: refusal ?? "UNKNOWN_MEMBER_ID" };
      settled.push(...this.#rebalances.remove(group, memberId, "UNKNOWN_MEMBER_ID"));
      isChanged = true;
      return { ...leaver, errorCode: "NONE" };
    });
    if (!isChanged) return answered(left);
    return withSettled<readonly Left[]>(settled, { ...this.#rebalances.onRemoved(group, now), answer: left });
  }

  /** The tombstones that turn a group of another kind into a classic one; null: it has members. */
  #changeKind(group: Group): readonly GroupRecord[] | null {
    return group.isEmpty ? group.tombstones() : null;
  }

  /** The group of the other kind is removed when its tombstones are replayed; a first join never has records of its own. */
  #joinAfter(records: readonly GroupRecord[], groupId: string, request: JoinRequest, now: Now): Decision<JoinAnswer> {
    const ticket = new Ticket<JoinAnswer>();
    const accepted = () => {
      this.keepOffsetsOf(groupId);
      const { records: more, answer } = this.join(groupId, request, now);
      invariant(more.length === 0, "the first join of a group changes nothing in the log");
      if (!(answer instanceof Ticket)) return [ticket.settlement(answer)];
      ticket.follow(answer);
      return [];
    };
    return { records, answer: ticket, accepted };
  }

  #drop(group: ClassicGroup): void {
    this.#rebalances.forget(group);
    group.forgetMembers();
    this.#parts.groups.delete(group);
  }

  /** No member joined it, and nothing of it is in the log: there is no reason to remember its name. */
  #forgetIfUnused(group: ClassicGroup): void {
    if (group.isSimple && group.members.size === 0 && !this.#parts.hasOffsets(group.groupId)) this.#drop(group);
  }
}

/** Null: no member with that id, or that instance. A fenced member is found by its id, not by its instance. */
function memberOf(group: ClassicGroup, { memberId, groupInstanceId }: Leaver): string | null {
  if (memberId === "" && groupInstanceId !== null) return group.staticMember(groupInstanceId)?.memberId ?? null;
  if (groupInstanceId !== null) return group.staticMember(groupInstanceId) === null ? null : memberId;
  return group.members.has(memberId) ? memberId : null;
}
