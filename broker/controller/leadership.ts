import { type BrokerId, noBroker } from "../../protocol/base/ids.ts";
import { invariant } from "../../protocol/base/invariant.ts";
import type { PartitionRecord } from "../../protocol/peer/messages.ts";
import { stillRecovering } from "../cluster/recovery.ts";
import { type ControllerState, canLead, isOnline, type TopicState } from "./controller-state.ts";
import { type Candidates, type Elected, electForShutdown, electOffline, electPreferred, electUnclean, isrUnder } from "./elections.ts";

/**
 * What should become of a partition, decided from what is known now; null: leave it as it is. `stateVersion` of the result is that of the state it was decided from: what the
 * compare-and-set expects. Decided again on a fresh record whenever that fails, so a decision never rests on a state that someone else has changed.
 */
export type Decision = (state: ControllerState, topic: TopicState, record: PartitionRecord) => PartitionRecord | null;

/** Whether a broker's replica may lack records that were committed, for its process before this one ended uncleanly while the state already named it in sync. */
export type MayLackRecords = (topic: TopicState, partition: number, id: BrokerId) => boolean;

/** Leader dead, absent or without its replica: elect. Members of the in-sync set dead: take them out, under the same leader epoch (the leader adopts the smaller set). */
export function repair(uncleanAllowed: (topic: TopicState) => boolean, mayLack: MayLackRecords = () => false): Decision {
  return (state, topic, record) => {
    const candidates = candidatesOf(state, topic, record);
    const online = onlineIn(state, topic, record);
    if (record.leader !== noBroker && online(record.leader)) {
      const isr = record.isr.filter(online);
      invariant(isr.includes(record.leader), "a leader is in its own ISR", () => ({ topic: topic.name, record }));
      return isr.length === record.isr.length ? null : { ...record, isr };
    }
    const elected = electOffline(candidates, uncleanAllowed(topic));
    if (elected === null && record.leader === noBroker) return null;
    return led(record, inDoubt(elected, topic, record, mayLack), online);
  };
}

/**
 * The state names brokers that went and came back unseen. Nobody leads on under the epoch of an earlier life; but who came back with all it had (its session was lost, not its process) stays
 * in sync, and leads if nobody does who was never away; those who may lack records come last. The election comes at once: a state without a leader in between would hide from the next
 * controller who was in doubt.
 */
export function renew(isEarlierLife: (topic: TopicState, partition: number, id: BrokerId) => boolean, mayLack: MayLackRecords): Decision {
  return (state, topic, record) => {
    const online = onlineIn(state, topic, record);
    const isWhole = (id: BrokerId) => online(id) && !mayLack(topic, record.partition, id);
    const neverAway = (id: BrokerId) => isWhole(id) && !isEarlierLife(topic, record.partition, id);
    if (record.leader !== noBroker && neverAway(record.leader)) {
      const isr = record.isr.filter(isWhole);
      return isr.length === record.isr.length ? null : { ...record, isr };
    }
    const candidates = candidatesOf(state, topic, record);
    const electAmong = (mayStand: (id: BrokerId) => boolean) =>
      electOffline({ ...candidates, canLead: (id) => candidates.canLead(id) && mayStand(id) }, false);
    const elected = electAmong(neverAway) ?? electAmong(isWhole) ?? electAmong(() => true);
    if (elected === null && record.leader === noBroker) return null;
    return led(record, inDoubt(elected, topic, record, mayLack), isWhole);
  };
}

/** The preferred replica leads again where it can. */
export const prefer: Decision = (state, topic, record) => {
  const elected = electPreferred(candidatesOf(state, topic, record));
  if (elected === null || elected.leader === record.leader) return null;
  return led(record, elected, onlineIn(state, topic, record));
};

/** On demand: a partition without a living leader gets one, whatever is lost. */
export const electAnyone: Decision = (state, topic, record) => {
  const online = onlineIn(state, topic, record);
  if (record.leader !== noBroker && online(record.leader)) return null;
  const elected = electUnclean(candidatesOf(state, topic, record));
  return elected === null ? null : led(record, elected, online);
};

/** Moves leadership and membership of the in-sync set away from a broker that is going to stop. The only member of an in-sync set stays: it is all there is. */
export function leave(leaving: BrokerId): Decision {
  return (state, topic, record) => {
    const staysOnline = (id: BrokerId) => id !== leaving && isOnline(state, topic.id, record.partition, id);
    if (record.leader === leaving) {
      const elected = electForShutdown(candidatesOf(state, topic, record), leaving);
      return elected === null ? null : led(record, elected, staysOnline);
    }
    if (record.leader === noBroker || !record.isr.includes(leaving)) return null;
    return { ...record, isr: record.isr.filter((id) => id !== leaving) };
  };
}

/** A partition's first state: its replicas are all empty, so all are in sync; those that live are, unless none does. */
export function firstState(state: ControllerState, topic: TopicState, partition: number, replicas: readonly BrokerId[]): PartitionRecord {
  const elected = electOffline({ replicas, isr: replicas, canLead: (id) => canLead(state, topic.id, partition, id) }, false);
  return {
    partition,
    leader: elected?.leader ?? noBroker,
    leaderEpoch: 0,
    isr: isrUnder(elected, replicas, (id) => canLead(state, topic.id, partition, id)),
    replicas,
    stateVersion: 0,
    leaderRecovering: false,
  };
}

/** Whether the automatic rebalance should move leaderships back to this broker: more than `percentage` of those that prefer it and could be led by it are led elsewhere. */
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

/**
 * An election that nobody can vouch for counts as unclean. Else this would happen when the power of all brokers failed: (1) the first one back is elected though it lost its last records;
 * (2) another kept more of them, up to a high watermark it knows; (3) it would have to cut below that and, the election being clean, must not: it is set aside, for ever.
 */
function inDoubt(
  elected: Elected | null,
  topic: TopicState,
  { partition, replicas }: PartitionRecord,
  mayLack: MayLackRecords,
): Elected | null {
  // the only replica has nobody to disagree with
  if (elected === null || replicas.length === 1 || !mayLack(topic, partition, elected.leader)) return elected;
  return { ...elected, unclean: true };
}

function led(record: PartitionRecord, elected: Elected | null, online: (id: BrokerId) => boolean): PartitionRecord {
  return {
    ...record,
    leader: elected?.leader ?? noBroker,
    leaderEpoch: record.leaderEpoch + 1,
    isr: isrUnder(elected, record.isr, online),
    leaderRecovering: elected?.unclean === true || stillRecovering(record, record.isr),
  };
}

function candidatesOf(state: ControllerState, topic: TopicState, record: PartitionRecord): Candidates {
  return { replicas: record.replicas, isr: record.isr, canLead: (id) => canLead(state, topic.id, record.partition, id) };
}

function onlineIn(state: ControllerState, topic: TopicState, record: PartitionRecord): (id: BrokerId) => boolean {
  return (id) => isOnline(state, topic.id, record.partition, id);
}
