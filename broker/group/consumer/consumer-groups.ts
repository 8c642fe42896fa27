import { newTopicId } from "../../../protocol/base/ids.ts";
import { invariant } from "../../../protocol/base/invariant.ts";
import type { ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse } from "../../../protocol/messages/consumer-group-heartbeat.ts";
import type { Reader } from "../../../protocol/wire/reader.ts";
import type { ConsumerGroupAssignorName } from "../../runtime/config/group-settings.ts";
import { answered, type Decision, type Now } from "../../state-machine/contract.ts";
import { StateMemory } from "../../state-machine/state-memory.ts";
import { topicPartitions } from "../assignors/partition-map.ts";
import { rangeAssignor } from "../assignors/range.ts";
import type { Assignor } from "../assignors/server-assignor.ts";
import { uniformAssignor } from "../assignors/uniform.ts";
import type { GroupKind, GroupKindParts, GroupRecord } from "../contract.ts";
import { readKey } from "../group-records.ts";
import { ConsumerGroup } from "./consumer-group.ts";
import { type CurrentAssignment, joining, leftForNow } from "./consumer-group-member.ts";
import {
  currentRecord,
  groupKeys,
  keyVersions,
  memberKeys,
  patternKey,
  readAssignmentEpoch,
  readCurrent,
  readGroupEpoch,
  readMemberProfile,
  readPatternTopics,
  readSubscribedTopics,
  readTarget,
} from "./consumer-group-records.ts";
import { type DescribedConsumerGroup, describeConsumerGroup, undescribed } from "./describe-consumer-group.ts";
import { faultOf, isLeaving, type Refusal, refusal } from "./heartbeat-rules.ts";
import { groupOverheadBytes } from "./member-bytes.ts";
import {
  type AcceptedHeartbeat,
  type HeartbeatInputs,
  heartbeat,
  instanceRefusal,
  removeMember,
  unknownMember,
} from "./member-heartbeat.ts";
import { PatternTurns, PatternWatch } from "./pattern-watch.ts";
import { preferredAssignor } from "./target-assignment.ts";

/** The settings of consumer groups. */
export interface ConsumerGroupsConfig {
  /** False: heartbeats are refused; what is in the log is kept as it is. */
  readonly enabled: boolean;
  readonly sessionTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  readonly membersMax: number;
  /** At least one, the default first. */
  readonly assignors: readonly ConsumerGroupAssignorName[];
}

export interface HeartbeatSender {
  /** Of the request. */
  readonly apiVersion: number;
  readonly clientId: string;
  /** As shown in descriptions of groups: `/127.0.0.1`. */
  readonly clientHost: string;
}

type HeartbeatDecision = Decision<ConsumerGroupHeartbeatResponse>;

const assignorsByName = { uniform: uniformAssignor, range: rangeAssignor } as const satisfies Record<ConsumerGroupAssignorName, Assignor>;

/**
 * The groups of one shard that use the new protocol (KIP-848). Decides, keeps the members' timers, and replays the records; the rules are
 * in functions of their own.
 */
export class ConsumerGroups implements GroupKind {
  readonly type = "consumer";
  readonly keyVersions = Object.values(keyVersions);
  readonly #environment: GroupKindParts<ConsumerGroupsConfig>;
  readonly #assignors: readonly Assignor[];
  readonly #groups = new Map<string, ConsumerGroup>();
  /** Counts the changes of the topics, and by group id, the change up to which each group was updated. */
  #topicsChanges = 0;
  readonly #lookedAt = new Map<string, number>();
  readonly #patterns: PatternWatch;
  readonly #expressions: PatternTurns["expressions"];
  readonly #memory: StateMemory;

  constructor(environment: GroupKindParts<ConsumerGroupsConfig>, patternTurns = new PatternTurns(), memory = new StateMemory()) {
    this.#environment = environment;
    this.#memory = memory;
    this.#assignors = environment.config.assignors.map((name) => assignorsByName[name]);
    invariant(this.#assignors.length > 0, "there is an assignor");
    const { timers, topics } = environment;
    this.#expressions = patternTurns.expressions;
    this.#patterns = new PatternWatch({ timers, topics, turns: patternTurns, memory, find: (groupId) => this.#groups.get(groupId) });
  }

  heartbeat(request: ConsumerGroupHeartbeatRequest, from: HeartbeatSender, now: Now): HeartbeatDecision {
    const { config } = this.#environment;
    if (!config.enabled) return refused(refusal("UNSUPPORTED_VERSION", "The consumer group protocol is turned off."));
    const fault = faultOf(request, from.apiVersion, config.assignors);
    if (fault !== null) return refused(fault);
    const place = this.#placeFor(request);
    if ("error" in place) return refused(place);
    return isLeaving(request) ? this.#leave(place.group, request) : this.#join(place, request, from, now);
  }

  describe(groupId: string): Decision<DescribedConsumerGroup> {
    const group = this.#groups.get(groupId);
    if (group === undefined) {
      const isOther = this.#environment.groups.get(groupId) !== undefined;
      return answered(undescribed(groupId, "GROUP_ID_NOT_FOUND", `Group ${groupId} ${isOther ? "is not a consumer group" : "not found"}.`));
    }
    const { name } = preferredAssignor(group, null, this.#assignors);
    return answered(describeConsumerGroup(group, name, this.#environment.topics.current.topicNames));
  }

  /** Groups learn of it with the next heartbeat of one of their members: no member could be told any sooner. */
  topicsChanged(): readonly Decision<null>[] {
    this.#topicsChanges++;
    return [];
  }

  loaded(now: Now): void {
    for (const [groupId, group] of this.#groups) {
      for (const [memberId, { rebalanceTimeoutMs }] of group.members) {
        this.#awaitHeartbeat(groupId, memberId, now);
        this.#awaitRevocation(groupId, memberId, group.current(memberId), rebalanceTimeoutMs, now);
      }
    }
  }

  /** Another broker coordinates these groups now. */
  ended(): void {
    for (const group of this.#groups.values()) group.forget();
  }

  replay(keyVersion: number, key: Reader, value: Buffer | null): void {
    const { groupId, apply } = readRecord(keyVersion, key, value);
    const known = this.#groups.get(groupId);
    if (known === undefined && value === null) return;
    const group = known ?? new ConsumerGroup(groupId, this.#memory);
    apply(group);
    if (group.isGone) {
      this.#groups.delete(groupId);
      this.#lookedAt.delete(groupId);
      this.#patterns.forget(groupId);
      this.#environment.groups.delete(group);
    } else if (known === undefined) {
      this.#groups.set(groupId, group);
      this.#environment.groups.set(group);
    }
  }

  /**
   * The group of a heartbeat. Joining creates one, also where an empty group of another kind has the id: `records` then deletes that one.
   */
  #placeFor({ groupId, memberEpoch }: ConsumerGroupHeartbeatRequest): Place | Refusal {
    const group = this.#groups.get(groupId);
    if (group !== undefined) return { group, records: [] };
    const other = this.#environment.groups.get(groupId);
    const isFree = other === undefined || other.isEmpty;
    if (memberEpoch === joining && isFree) return { group: new ConsumerGroup(groupId, this.#memory), records: other?.tombstones() ?? [] };
    return refusal("GROUP_ID_NOT_FOUND", `Group ${groupId} ${other === undefined ? "not found" : "is not a consumer group"}.`);
  }

  #join({ group, records }: Place, request: ConsumerGroupHeartbeatRequest, from: HeartbeatSender, now: Now): HeartbeatDecision {
    const { config, random, topics } = this.#environment;
    const topicsChanges = this.#topicsChanges;
    const inputs: HeartbeatInputs = {
      ...from,
      newMemberId: request.memberId === "" ? newTopicId(random) : request.memberId,
      topics: topics.current,
      topicsMayDiffer: this.#lookedAt.get(group.groupId) !== topicsChanges,
      assignors: this.#assignors,
      membersMax: config.membersMax,
      compile: (pattern) => this.#expressions.admit(pattern, now.monotonicMs),
    };
    const outcome = heartbeat(group, request, inputs);
    if (outcome.error !== null) return refused(outcome);
    const moreBytes = outcome.askedBytes + (group.isGone ? groupOverheadBytes : 0);
    if (outcome.askedBytes > 0 && !this.#memory.hasRoomFor(moreBytes))
      return refused(refusal("COORDINATOR_NOT_AVAILABLE", "The coordinator has no memory left for more members of groups."));
    return {
      records: [...records, ...outcome.records],
      answer: accepted(outcome, config.heartbeatIntervalMs),
      accepted: () => {
        this.#lookedAt.set(group.groupId, topicsChanges);
        if (outcome.replaced !== null) this.#cancelTimers(group.groupId, outcome.replaced);
        this.#awaitHeartbeat(group.groupId, outcome.memberId, now);
        const { memberId, before, current, profile } = outcome;
        if (current !== before) this.#awaitRevocation(group.groupId, memberId, current, profile.rebalanceTimeoutMs, now);
        this.#patterns.look(this.#groups.get(group.groupId) ?? group, now);
        return [];
      },
    };
  }

  #leave(group: ConsumerGroup, { instanceId, memberId, memberEpoch }: ConsumerGroupHeartbeatRequest): HeartbeatDecision {
    const { groupId } = group;
    if (instanceId !== null) {
      const refusedInstance = instanceRefusal(group.staticMember(instanceId), memberId, instanceId);
      if (refusedInstance !== null) return refused(refusedInstance);
    }
    if (!group.members.has(memberId)) return refused(unknownMember(groupId, memberId));
    const answer = { ...blankAnswer, memberId, memberEpoch };
    if (memberEpoch !== leftForNow) return { ...this.#remove(group, memberId), answer };
    const away: CurrentAssignment = { ...group.current(memberId), epoch: leftForNow, pendingRevocation: new Map() };
    const stopWaiting = () => {
      this.#environment.timers.cancel(revocationKey(groupId, memberId)); // the session's timer keeps running: it ends the wait
      return [];
    };
    return { records: [currentRecord(groupId, memberId, away)], answer, accepted: stopWaiting };
  }

  #remove(group: ConsumerGroup, memberId: string): Decision<null> {
    const { groupId } = group;
    return {
      records: removeMember(group, memberId, this.#environment.topics.current),
      answer: null,
      accepted: () => {
        this.#cancelTimers(groupId, memberId);
        return [];
      },
    };
  }

  #awaitHeartbeat(groupId: string, memberId: string, { monotonicMs }: Now): void {
    const { timers, config } = this.#environment;
    timers.set(sessionKey(groupId, memberId), monotonicMs + config.sessionTimeoutMs, () => this.#removeIf(groupId, memberId, () => true));
  }

  /** A member that must revoke partitions has its rebalance timeout to do so. In any other state there is no deadline. */
  #awaitRevocation(groupId: string, memberId: string, current: CurrentAssignment, timeoutMs: number, { monotonicMs }: Now): void {
    const { timers } = this.#environment;
    const key = revocationKey(groupId, memberId);
    if (current.state !== "unrevoked" || current.epoch === leftForNow) return timers.cancel(key);
    const isStillOwed = (now: CurrentAssignment) => now.state === "unrevoked" && now.epoch === current.epoch;
    timers.set(key, monotonicMs + timeoutMs, () => this.#removeIf(groupId, memberId, isStillOwed));
  }

  #removeIf(groupId: string, memberId: string, isDue: (current: CurrentAssignment) => boolean): Decision<null> {
    const group = this.#groups.get(groupId);
    if (group === undefined || !group.members.has(memberId) || !isDue(group.current(memberId))) return answered(null);
    return this.#remove(group, memberId);
  }

  #cancelTimers(groupId: string, memberId: string): void {
    this.#environment.timers.cancel(sessionKey(groupId, memberId));
    this.#environment.timers.cancel(revocationKey(groupId, memberId));
  }
}

interface Place {
  readonly group: ConsumerGroup;
  readonly records: readonly GroupRecord[];
}

// a member id may contain anything, a length in front of the group's id keeps two keys apart
const sessionKey = (groupId: string, memberId: string) => `consumer-session:${groupId.length}:${groupId}:${memberId}`;
const revocationKey = (groupId: string, memberId: string) => `consumer-revocation:${groupId.length}:${groupId}:${memberId}`;

const blankAnswer: ConsumerGroupHeartbeatResponse = {
  throttleTimeMs: 0,
  errorCode: "NONE",
  errorMessage: null,
  memberId: null,
  memberEpoch: 0,
  heartbeatIntervalMs: 0,
  assignment: null,
};

function refused({ error, message }: Refusal): HeartbeatDecision {
  return answered<ConsumerGroupHeartbeatResponse>({ ...blankAnswer, errorCode: error, errorMessage: message });
}

function accepted({ memberId, current, tellsAssignment }: AcceptedHeartbeat, heartbeatIntervalMs: number): ConsumerGroupHeartbeatResponse {
  const assignment = tellsAssignment ? { topicPartitions: topicPartitions(current.assigned) } : null;
  return { ...blankAnswer, memberId, memberEpoch: current.epoch, heartbeatIntervalMs, assignment };
}

/** Which group the record belongs to, and what it does to the group. Throws MalformedFrame before anything is changed. */
function readRecord(keyVersion: number, key: Reader, value: Buffer | null): { groupId: string; apply: (group: ConsumerGroup) => void } {
  switch (keyVersion) {
    case keyVersions.groupEpoch: {
      const epoch = value === null ? null : readGroupEpoch(value);
      return { ...readKey(groupKeys.groupEpoch, keyVersion, key), apply: (group) => group.replayGroupEpoch(epoch) };
    }
    case keyVersions.subscribedTopics: {
      const topics = value === null ? null : readSubscribedTopics(value);
      return { ...readKey(groupKeys.subscribedTopics, keyVersion, key), apply: (group) => group.replaySubscribedTopics(topics) };
    }
    case keyVersions.assignmentEpoch: {
      const epoch = value === null ? null : readAssignmentEpoch(value);
      return { ...readKey(groupKeys.assignmentEpoch, keyVersion, key), apply: (group) => group.replayAssignmentEpoch(epoch) };
    }
    case keyVersions.member: {
      const { groupId, memberId } = readKey(memberKeys.member, keyVersion, key);
      const profile = value === null ? null : readMemberProfile(value);
      return { groupId, apply: (group) => group.replayProfile(memberId, profile) };
    }
    case keyVersions.pattern: {
      const { groupId, regularExpression } = readKey(patternKey, keyVersion, key);
      const topics = value === null ? null : readPatternTopics(value);
      return { groupId, apply: (group) => group.replayMatches(regularExpression, topics) };
    }
    case keyVersions.target: {
      const { groupId, memberId } = readKey(memberKeys.target, keyVersion, key);
      const target = value === null ? null : readTarget(value);
      return { groupId, apply: (group) => group.replayTarget(memberId, target) };
    }
    default: {
      invariant(keyVersion === keyVersions.current, "a record of a consumer group", () => ({ keyVersion }));
      const { groupId, memberId } = readKey(memberKeys.current, keyVersion, key);
      const current = value === null ? null : readCurrent(value);
      return { groupId, apply: (group) => group.replayCurrent(memberId, current) };
    }
  }
}
