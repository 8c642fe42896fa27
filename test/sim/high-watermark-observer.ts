import type { ReplicaFetchedPartition, ReplicaFetchPartition } from "../../protocol/peer/messages.ts";
import type { TreeObserver } from "./observer.ts";
import type { SimBroker } from "./sim-broker.ts";
import { hostOf } from "./sim-network.ts";
import { readStoredLog, type StoredLog } from "./stored-log.ts";

export interface HighWatermarkObserverParts {
  readonly brokers: readonly SimBroker[];
  readonly observer: TreeObserver;
  readonly isCompacted: (topic: string) => boolean;
  /** Not held against this broker. */
  readonly mayLackRecords: (broker: number, topic: string, partition: number) => boolean;
  readonly onViolation: (claim: string) => void;
}

/**
 * I3, I2 and fencing, by what leaders tell their followers. A leader that gives a high watermark under an epoch claims that each member of
 * the in-sync set which the coordinator has at that moment holds everything below: the files of all members are looked at, of dead ones
 * too, for the coordinator may elect them. What it holds must be the leader's: where both have the record before the high watermark, it is
 * of one leader epoch.
 */
export class HighWatermarkObserver {
  readonly #parts: HighWatermarkObserverParts;
  /** Claims that were looked at, by leader and partition: nothing new is to be seen while neither the claim nor the in-sync set moves. */
  readonly #seen = new Map<string, string>();

  constructor(parts: HighWatermarkObserverParts) {
    this.#parts = parts;
  }

  told(by: string, asked: ReplicaFetchPartition, answer: ReplicaFetchedPartition): void {
    const { observer, onViolation } = this.#parts;
    const about = observer.findById(answer.topicId, answer.partition);
    if (about === null) return;
    const where = `${about.topic}-${about.partition}`;
    if (answer.error === "NONE" && asked.leaderEpoch !== answer.leaderEpoch)
      return onViolation(`${by} serves a fetch of ${where} under epoch ${asked.leaderEpoch}, and leads it under ${answer.leaderEpoch}`);
    const { state } = about;
    if (answer.leaderEpoch > state.leaderEpoch)
      return onViolation(`I2 ${by} leads ${where} under epoch ${answer.leaderEpoch}, and the coordinator has ${state.leaderEpoch}`);
    // a leader that does not know yet that it is none: its followers are gone, or about to be
    if (answer.leaderEpoch < state.leaderEpoch) return;
    if (`b${state.leader}` !== hostOf(by))
      return onViolation(`I2 ${by} leads ${where} under epoch ${answer.leaderEpoch}, which is broker ${state.leader}'s`);
    const claim = `${answer.leaderEpoch} ${answer.highWatermark} ${state.isr}`;
    if (this.#seen.get(`${by} ${where}`) === claim) return;
    this.#seen.set(`${by} ${where}`, claim);
    this.#judge(about.topic, about.partition, { by, epoch: answer.leaderEpoch, highWatermark: answer.highWatermark });
  }

  #judge(topic: string, partition: number, claim: { readonly by: string; readonly epoch: number; readonly highWatermark: number }): void {
    const { observer, brokers, mayLackRecords, onViolation } = this.#parts;
    const { by, epoch, highWatermark } = claim;
    const isr = observer.state(partition, topic)?.isr ?? [];
    const leader = brokers.find(({ host }) => host === hostOf(by));
    const leaders = leader === undefined || mayLackRecords(leader.id, topic, partition) ? null : this.#read(leader, topic, partition);
    for (const member of brokers) {
      if (!isr.includes(member.id) || mayLackRecords(member.id, topic, partition)) continue;
      const log = this.#read(member, topic, partition);
      const what = `I3 ${by} tells a high watermark of ${highWatermark} of ${topic}-${partition} under epoch ${epoch}; ${member.owner} is in sync and`;
      if (log === null) {
        if (highWatermark > 0) onViolation(`${what} has no log`);
      } else if (log.endOffset < highWatermark) onViolation(`${what} its log ends at ${log.endOffset}`);
      else if (leaders !== null) {
        const [theirs, ours] = [epochBefore(log, highWatermark), epochBefore(leaders, highWatermark)];
        if (theirs !== null && ours !== null && theirs !== ours)
          onViolation(`${what} has a record of epoch ${theirs} before it, the leader one of epoch ${ours}`);
      }
    }
  }

  #read(broker: SimBroker, topic: string, partition: number): StoredLog | null {
    const folder = broker.folderOf(`${topic}-${partition}`);
    return folder === null ? null : readStoredLog(broker.disk, folder, this.#parts.isCompacted(topic));
  }
}

/** Of the record at `endOffset - 1`; null when the log has it no more. */
function epochBefore({ batches }: StoredLog, endOffset: number): number | null {
  return batches.findLast(({ baseOffset, lastOffset }) => baseOffset < endOffset && lastOffset >= endOffset - 1)?.epoch ?? null;
}
