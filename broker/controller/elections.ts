import { stillRecovering } from "../../coordinator-client/znodes/partition-state.ts";
import { type BrokerId, type IsrEpochs, noBroker } from "../../protocol/base/ids.ts";
import { invariant } from "../../protocol/base/invariant.ts";
import type { PartitionRecord } from "../../protocol/peer/messages.ts";
import type { Replicas } from "./assignment.ts";
import { type ControllerState, canLead, canLeadNow, isOnline, type TopicState } from "./controller-state.ts";

/** In an in-sync set's epochs, in place of a registration: the leader continued when that life had already ended. */
const outlivedEpoch = -1;

/**
 * What should become of a partition, decided from what is known now; null: leave it as it is. `stateVersion` of the result is that of the
 * state it was decided from: what the compare-and-set expects. Decided again on a fresh record whenever that fails, so a decision never
 * rests on a state that has been changed meanwhile.
 */
export type Decision = (state: ControllerState, topic: TopicState, record: PartitionRecord) => PartitionRecord | null;

/**
 * Elects, under a new leader epoch, where the leader is dead, absent, without its replica, outside of its own in-sync set (no controller
 * writes that, another tool may), or has registered again. No broker keeps leading under the epoch of an earlier life; but a broker that
 * came back with all its records stays in sync, and leads if no member that was never away can. The election comes at once: a state without
 * a leader in between would hide from the next controller which members were in doubt.
 *
 * A leader that is suspected has a successor too, if a member that is neither in doubt nor suspected can lead; it stays in the in-sync set,
 * for it may be well. Only its successor knows whether it fetches, and removes it.
 *
 * Where the leader stays, members of the in-sync set that may lack records are removed, under the same leader epoch: the leader adopts the
 * smaller set. Dead members, and those that are shutting down, are left for the leader to remove, which learns of them. If the controller
 * removed them:
 * 1. The leader dies, and this is not noticed yet.
 * 2. Its last live follower is asked to shut down, or loses only its session.
 * 3. The controller removes the follower. Then the leader's session ends.
 * 4. The follower is back with every record that was acknowledged, and must not lead: the set names the dead leader only.
 */
export function repair(uncleanAllowed: (topic: TopicState) => boolean): Decision {
  return (state, topic, record) => {
    if (
      record.isr.includes(record.leader) &&
      isOnline(state, topic.id, record.partition, record.leader) &&
      isSameLife(state, record, record.leader)
    ) {
      const successor = successorOf(state, topic, record);
      if (successor !== null) return led(state, record, successor);
      const isTrusted = (id: BrokerId) => hasAllItHad(state, record, id);
      const isr = record.isr.filter(isTrusted);
      invariant(isr.includes(record.leader), "a leader is in its own ISR", () => ({ topic: topic.name, record }));
      const isrEpochs = epochsOf(state, record, isr, isTrusted);
      return sameMembers(record, isr, isrEpochs) ? null : { ...record, isr, isrEpochs };
    }
    const elected = electForNow(state, topic, record, uncleanAllowed(topic));
    if (elected === null && record.leader === noBroker) return null;
    return led(state, record, elected);
  };
}

/**
 * Of a leader that is suspected. Where all others were not reached a moment ago, too, but are now, one of them is better than a leader that
 * is not. Null: it stays.
 */
function successorOf(state: ControllerState, topic: TopicState, record: PartitionRecord): Elected | null {
  if (!state.suspects.has(record.leader)) return null;
  const candidates = wholeOf(candidatesOf(state, topic, record));
  const calm = electOffline(candidates, false);
  if (calm !== null || !state.unreached.has(record.leader)) return calm;
  return electOffline({ ...candidates, canLead: (id) => canLeadNow(state, topic.id, record.partition, id) }, false);
}

/**
 * Where nobody else is whole, a member that is about to stop, or is suspected, leads as long as it is there. Otherwise: (1) two brokers
 * stop together, and nothing moves from one to the other; (2) the first is gone; (3) the second has to wait for a replica of another
 * partition: what the first led has no leader meanwhile.
 */
function electForNow(state: ControllerState, topic: TopicState, record: PartitionRecord, uncleanAllowed: boolean): Elected | null {
  const candidates = candidatesOf(state, topic, record);
  const elected = electOffline(candidates, uncleanAllowed);
  if (elected !== null && !elected.unclean) return elected;
  const canNow = (id: BrokerId) => canLeadNow(state, topic.id, record.partition, id);
  const canStill = (id: BrokerId) => isOnline(state, topic.id, record.partition, id);
  const others = { ...candidates, inDoubt: [] };
  return electOffline({ ...others, canLead: canNow }, false) ?? electOffline({ ...others, canLead: canStill }, false) ?? elected;
}

/**
 * What holds of every decision, whatever it was made from: another tool may have written any leader and any set into the coordinator, so
 * nothing is asserted about those. A set that was within the assignment stays within it.
 */
export function assertDecision(before: PartitionRecord, next: PartitionRecord): void {
  const values = () => ({ before, next });
  const isSameLeader = next.leader === before.leader;
  invariant(next.stateVersion === before.stateVersion, "a decision is written against the state it was made from", values);
  invariant(next.leaderEpoch >= before.leaderEpoch, "a leader epoch only rises", values);
  invariant(isSameLeader || next.leaderEpoch > before.leaderEpoch, "each leader has an epoch of its own", values);
  invariant(isSameLeader || next.leader === noBroker || next.replicas.includes(next.leader), "a leader is a replica", values);
  const isIn = (id: BrokerId, { replicas }: PartitionRecord) => id === noBroker || replicas.includes(id);
  invariant(isIn(next.leader, next) || !isIn(before.leader, before), "a replica that leads is not taken away", values);
  invariant(
    next.isr.every((id) => isIn(id, next) || !isIn(id, before)),
    "a replica that is in sync is not taken away",
    values,
  );
  const isSameAssignment = next.replicas.join() === before.replicas.join();
  invariant(isSameAssignment || next.leaderEpoch > before.leaderEpoch, "replicas change with the leader epoch", values);
  const isUnchanged = isSameLeader && next.isr === before.isr;
  invariant(isUnchanged || next.leader === noBroker || next.isr.includes(next.leader), "a leader is in its own ISR", values);
  invariant(
    next.isr.every((id) => id === next.leader || before.isr.includes(id)),
    "the controller takes nobody into an ISR but the leader it elects",
    values,
  );
  invariant(
    next.isr.length > 0 || before.isr.every((id) => before.isrEpochs[id] === outlivedEpoch),
    "the last members of an ISR are remembered",
    values,
  );
}

/** The preferred replica leads again where it can. */
export const prefer: Decision = (state, topic, record) => {
  const elected = electPreferred(candidatesOf(state, topic, record));
  if (elected === null || elected.leader === record.leader) return null;
  return led(state, record, elected);
};

/** The first of these leads where it can; one of them, if the leader is none. Nobody is waited for, or doubted, for that. */
export function electWanted(state: ControllerState, topic: TopicState, record: PartitionRecord, wanted: Replicas): PartitionRecord | null {
  if (record.leader === noBroker) return null;
  const candidates = { ...wholeOf(candidatesOf(state, topic, record)), replicas: wanted };
  const elected = electPreferred(candidates) ?? (wanted.includes(record.leader) ? null : electOffline(candidates, false));
  return elected === null || elected.leader === record.leader ? null : led(state, record, elected);
}

/** On demand: a partition without a living leader gets one, whatever is lost. */
export const electAnyone: Decision = (state, topic, record) => {
  if (record.leader !== noBroker && isOnline(state, topic.id, record.partition, record.leader)) return null;
  const candidates = candidatesOf(state, topic, record);
  const canStill = (id: BrokerId) => isOnline(state, topic.id, record.partition, id);
  const elected = electUnclean(candidates) ?? electUnclean({ ...candidates, canLead: canStill });
  return elected === null ? null : led(state, record, elected);
};

/**
 * Moves leadership away from a broker that is going to stop. It stays in the in-sync set, as a follower, until the new leader, which learns
 * that it is shutting down, removes it. If that leader is dead too, the broker is not left alone in the set.
 */
export function leave(leaving: BrokerId): Decision {
  return (state, topic, record) => {
    if (record.leader !== leaving) return null;
    const elected = electForShutdown(candidatesOf(state, topic, record), leaving);
    return elected === null ? null : led(state, record, elected);
  };
}

/** A partition's first state: its replicas are all empty, so all are in sync; those that live are, unless none does. */
export function firstState(state: ControllerState, topic: TopicState, partition: number, replicas: readonly BrokerId[]): PartitionRecord {
  const all = { replicas, isr: replicas };
  const elected =
    electOffline({ ...all, canLead: (id) => canLead(state, topic.id, partition, id) }, false) ??
    electOffline({ ...all, canLead: (id) => isOnline(state, topic.id, partition, id) }, false);
  const isr = isrUnder(elected, replicas, (id) => canLead(state, topic.id, partition, id));
  return {
    partition,
    leader: elected?.leader ?? noBroker,
    leaderEpoch: 0,
    isr,
    isrEpochs: Object.fromEntries(isr.map((id) => [id, state.brokers.get(id)?.epoch ?? 0])),
    replicas,
    stateVersion: 0,
    leaderRecovering: false,
  };
}

/**
 * Whether the automatic rebalance should move leaderships back to this broker: more than `percentage` of those that prefer it and could be
 * led by it are led elsewhere.
 */
export function isImbalanced(state: ControllerState, id: BrokerId, percentage: number): boolean {
  let preferring = 0;
  let elsewhere = 0;
  for (const topic of state.topics.values()) {
    for (const record of topic.partitions) {
      if (record.replicas[0] !== id) continue;
      preferring++;
      if (record.leader !== id) elsewhere++;
    }
  }
  return preferring > 0 && elsewhere * 100 > preferring * percentage;
}

/** Live brokers stay in the set, also those that are shutting down, or cannot use their replica now: the new leader removes them. */
function led(state: ControllerState, record: PartitionRecord, elected: Elected | null): PartitionRecord {
  const stays = (id: BrokerId) => state.brokers.has(id) && hasAllItHad(state, record, id);
  // while nobody leads, the set is remembered; but a member that lacks records must not be found in it when it comes back
  const remembered = record.isr.filter((id) => standingOf(state, record, id) !== "outlived");
  const isr = isrUnder(elected, remembered, stays);
  return {
    ...record,
    leader: elected?.leader ?? noBroker,
    leaderEpoch: record.leaderEpoch + 1,
    isr,
    isrEpochs: epochsOf(state, record, isr, (id) => id === elected?.leader || stays(id)),
    leaderRecovering: elected?.unclean === true || stillRecovering(record, record.isr),
  };
}

/** A member that this controller vouches for is in the set with its present registration; for others the epoch stays what it was. */
function epochsOf(
  { brokers }: ControllerState,
  { isrEpochs }: PartitionRecord,
  isr: readonly BrokerId[],
  isVouchedFor: (id: BrokerId) => boolean,
): IsrEpochs {
  const epochOf = (id: BrokerId) => {
    const known = isrEpochs[id] ?? 0;
    return isVouchedFor(id) ? Math.max(known, brokers.get(id)?.epoch ?? 0) : known;
  };
  return Object.fromEntries(isr.map((id) => [id, epochOf(id)]));
}

function sameMembers(record: PartitionRecord, isr: readonly BrokerId[], isrEpochs: IsrEpochs): boolean {
  return isr.length === record.isr.length && isr.every((id) => isrEpochs[id] === record.isrEpochs[id]);
}

function candidatesOf(state: ControllerState, topic: TopicState, record: PartitionRecord): Candidates {
  const members = Map.groupBy(record.isr, (id) => standingOf(state, record, id));
  return {
    replicas: record.replicas,
    newcomers: record.reassignment?.adding ?? [],
    isr: members.get("same-life") ?? [],
    whole: members.get("whole") ?? [],
    inDoubt: members.get("in-doubt") ?? [],
    canLead: (id) => canLead(state, topic.id, record.partition, id),
  };
}

/** Without those that may have lost records: who has a leader that may be well is in no need of them. */
function wholeOf(candidates: Candidates): Candidates {
  return { ...candidates, inDoubt: [] };
}

/** As far as is known, it has every record that it had when it joined the in-sync set. */
function hasAllItHad(state: ControllerState, record: PartitionRecord, id: BrokerId): boolean {
  const standing = standingOf(state, record, id);
  return standing === "same-life" || standing === "whole";
}

function isSameLife(state: ControllerState, record: PartitionRecord, id: BrokerId): boolean {
  return standingOf(state, record, id) === "same-life";
}

/** What an election chooses from, as plain values. `canLead`: the broker is live, has the replica, and neither stops nor is suspected. */
export interface Candidates {
  /** Assignment order: the first is the preferred leader. */
  readonly replicas: readonly BrokerId[];
  /** Those that a reassignment adds: where nobody is in sync, they have less than others. */
  readonly newcomers?: readonly BrokerId[];
  /** Those of the in-sync set that were never away since they joined it. */
  readonly isr: readonly BrokerId[];
  /** Those of it that have re-registered with all their records. */
  readonly whole?: readonly BrokerId[];
  /** Those of it that may have lost records since. */
  readonly inDoubt?: readonly BrokerId[];
  readonly canLead: (id: BrokerId) => boolean;
}

export interface Elected {
  readonly leader: BrokerId;
  /** Taken from outside the in-sync set: records that were acknowledged may be gone. */
  readonly unclean: boolean;
}

/**
 * The leader is gone: the first replica of the assignment that is live and in sync, if possible one that was never away; with
 * `uncleanAllowed`, else the first live one. Null: nobody.
 *
 * The election of a member that may lack records counts as unclean. If it counted as clean, after a power failure of all brokers:
 * 1. The first one back is elected, though it lost its last records.
 * 2. Another kept more of them, up to a high watermark that it knows.
 * 3. It would have to truncate below that, which a clean election forbids: it would be set aside for ever.
 *
 * A partition's only replica has no other to disagree with.
 */
export function electOffline(candidates: Candidates, uncleanAllowed: boolean): Elected | null {
  const { replicas, newcomers = [], isr, whole = [], inDoubt = [], canLead } = candidates;
  const firstOf = (members: readonly BrokerId[]) => replicas.find((id) => canLead(id) && members.includes(id));
  const inSync = firstOf(isr) ?? firstOf(whole);
  if (inSync !== undefined) return { leader: inSync, unclean: false };
  const lastResort = firstOf(inDoubt);
  if (lastResort !== undefined) return { leader: lastResort, unclean: replicas.length > 1 };
  if (!uncleanAllowed) return null;
  const any = replicas.find((id) => canLead(id) && !newcomers.includes(id)) ?? replicas.find(canLead);
  return any === undefined ? null : { leader: any, unclean: true };
}

/** On demand, after loss of the whole in-sync set: as `electOffline`, and the loss of records is accepted. */
export function electUnclean(candidates: Candidates): Elected | null {
  return electOffline(candidates, true);
}

/** The first replica of the assignment, when it lives and is in sync; else nobody. */
export function electPreferred({ replicas, isr, whole = [], canLead }: Candidates): Elected | null {
  const preferred = replicas[0];
  if (preferred === undefined || !canLead(preferred) || !(isr.includes(preferred) || whole.includes(preferred))) return null;
  return { leader: preferred, unclean: false };
}

/**
 * The leader is shutting down: the first in-sync replica of the assignment that stays. Never unclean: the present leader still has
 * everything.
 */
export function electForShutdown({ replicas, isr, whole = [], canLead }: Candidates, leaving: BrokerId): Elected | null {
  return electOffline({ replicas, isr, whole, canLead: (id) => id !== leaving && canLead(id) }, false);
}

/**
 * The in-sync set under the elected leader. While nobody leads it stays as it was: each member has every committed record, and any of them
 * may bring the partition back.
 */
export function isrUnder(elected: Elected | null, isr: readonly BrokerId[], isOnline: (id: BrokerId) => boolean): readonly BrokerId[] {
  if (elected === null) return isr;
  return elected.unclean ? [elected.leader] : isr.filter((id) => id === elected.leader || isOnline(id));
}

/**
 * What a place in an in-sync set is worth, from the registration under which it was given and what that broker is now:
 * - `same-life`: it still is that registration, or the broker is not here to tell.
 * - `whole`: it has re-registered with all its records: only its session was lost, or it was stopped cleanly.
 * - `in-doubt`: it restarted after an unclean stop, which may have cost it records. It was in sync when it stopped, so it is the last
 *   resort where no better member is left.
 * - `outlived`: the same, and the leader is known to have continued without it. It was not really in sync: another replica has records that
 *   it lacks.
 */
export type Standing = "same-life" | "whole" | "in-doubt" | "outlived";

/** Of the state: the registered brokers, and since when. */
type Lives = Pick<ControllerState, "brokers" | "recoveredEpochs">;
type Membership = Pick<PartitionRecord, "leader" | "leaderEpoch" | "isr" | "isrEpochs">;

export function standingOf({ brokers, recoveredEpochs }: Lives, { isrEpochs }: Pick<PartitionRecord, "isrEpochs">, id: BrokerId): Standing {
  const takenInUnder = isrEpochs[id];
  if (takenInUnder === outlivedEpoch) return "outlived";
  const registered = brokers.get(id);
  if (takenInUnder === undefined || registered === undefined || registered.epoch <= takenInUnder) return "same-life";
  return (recoveredEpochs.get(id) ?? -1) <= takenInUnder ? "whole" : "in-doubt";
}

/** Whether part of this state holds only for an earlier life of a broker: it has to be decided again. */
export function namesEarlierLife(lives: Lives, record: Pick<PartitionRecord, "isr" | "isrEpochs">): boolean {
  return record.isr.some((id) => standingOf(lives, record, id) !== "same-life");
}

/**
 * The epochs of a state as read, with members marked that the leader has outlived. The race (KIP-903):
 * 1. The leader decides to take a follower back.
 * 2. The follower loses its power, and with it records that were committed without it, and registers again. It is not in the set, so there
 *    is nothing to remove it from.
 * 3. The leader's late write puts it in.
 * 4. The leader dies before anyone has noticed.
 *
 * Either of two things tells: the state was written after the new life's registration; or the set that this controller knew under this
 * leader did not have the follower (`known`), which means that the controller never removed it for its restart.
 */
export function withOutlived(lives: Lives, found: Membership, modifiedZxid: number, known: Membership | null): IsrEpochs {
  if (found.leader === noBroker) return found.isrEpochs;
  const isNew = (id: BrokerId) => known !== null && known.leaderEpoch === found.leaderEpoch && !known.isr.includes(id);
  const isOutlived = (id: BrokerId) => {
    if (id === found.leader) return false;
    if (!lives.brokers.has(id)) return isNew(id);
    return standingOf(lives, found, id) === "in-doubt" && (isNew(id) || (lives.recoveredEpochs.get(id) ?? -1) < modifiedZxid);
  };
  const outlived = found.isr.filter(isOutlived);
  return outlived.length === 0 ? found.isrEpochs : { ...found.isrEpochs, ...Object.fromEntries(outlived.map((id) => [id, outlivedEpoch])) };
}
