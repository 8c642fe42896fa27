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
 * I3, I2 and fencing, by what leaders tell their followers. A leader that reports a high watermark under an epoch claims that each member
 * of the coordinator's current ISR holds everything below it. The files of all members are checked, including dead ones, because the
 * coordinator may elect them. What a member holds must be the leader's: if both have the record before the high watermark, it has the same
 * leader epoch.
 */
export class HighWatermarkObserver {
  readonly #parts: HighWatermarkObserverParts;
  /** Claims that were checked, by leader and partition: nothing new can be seen while neither the claim nor the ISR changes. */
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
    // a leader that does not know yet that it was deposed: its followers are gone, or about to be
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

/** Epoch of the record at `endOffset - 1`; null when the log no longer has it. */
function epochBefore({ batches }: StoredLog, endOffset: number): number | null {
  return batches.findLast(({ baseOffset, lastOffset }) => baseOffset < endOffset && lastOffset >= endOffset - 1)?.epoch ?? null;
}
