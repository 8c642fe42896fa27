import type { MemoryEnsemble } from "../../coordinator-client/memory-coordinator.ts";
import type { MetadataUpdateRequest } from "../../protocol/peer/messages.ts";
import type { TreeObserver } from "./observer.ts";
import type { SimBroker } from "./sim-broker.ts";
import { hostOf } from "./sim-network.ts";
import { readStoredLog } from "./stored-log.ts";
import type { ProduceAnswer, WireTap } from "./wire-tap.ts";

export interface AcknowledgementObserverParts {
  readonly brokers: readonly SimBroker[];
  readonly ensemble: MemoryEnsemble;
  readonly observer: TreeObserver;
  readonly nowMs: () => number;
  readonly sessionTimeoutMs: number;
  /**
   * A server that does not know yet that a session is over says that it is alive, and its client believes it for one more session timeout:
   * ZooKeeper's own limit.
   */
  readonly mayServersLag: boolean;
  readonly isCompacted: (topic: string) => boolean;
  /** Bits may rot: what is behind such a place in a log cannot be read here. */
  readonly mayRot: boolean;
  readonly onViolation: (claim: string) => void;
}

/** What a process was told, and has confirmed to act upon. */
interface Known {
  controllerEpoch: number;
  /** By topic and partition. */
  readonly leaders: Map<string, { readonly leader: number; readonly leaderEpoch: number; readonly sinceMs: number }>;
}

interface Registration {
  readonly createdZxid: number;
  /** Null: it is there. */
  goneAtMs: number | null;
}

/** After this time, a broker that knows that it does not lead has answered all waiting requests. */
const settleMaxMs = 500;
/** A batch of a transaction may wait for the transaction coordinator first, which knows nothing of who leads: so long, at most. */
const verificationMaxMs = 6_000;
const transactionalBit = 0x10;

/**
 * I8, what acks=1 means, and that no request waits for a broker that no longer leads: checked by what brokers answer to producers.
 * - I8: a broker whose registration has timed out at the coordinator acknowledges nothing. One whose session was ended otherwise may not
 *   know it yet, for a session timeout at most.
 * - acks=1: what is acknowledged is in the log of the broker that acknowledges it, at the offset in the answer.
 * - I7: a broker that has accepted a controller's update accepts none of an older controller.
 */
export class AcknowledgementObserver {
  readonly #parts: AcknowledgementObserverParts;
  readonly #known = new Map<string, Known>();
  /** By broker id: of its current process, or the last one. */
  readonly #registrations = new Map<number, Registration>();
  /** Sessions that somebody ended early. */
  readonly #forced = new Set<number>();
  #transactions = -1;
  /** Since when the coordinator has an older state than it had, or none; null: it has the right one. */
  #wrongSinceMs: number | null = null;

  constructor(parts: AcknowledgementObserverParts) {
    this.#parts = parts;
  }

  /** To be called before the session of this broker is ended by anything but its timeout. */
  sessionEnds(broker: number): void {
    const registration = this.#registrations.get(broker);
    if (registration !== undefined) this.#forced.add(registration.createdZxid);
  }

  /** A broker whose session was proved just before may continue for a session timeout. */
  coordinatorIsWrong(isWrong: boolean): void {
    this.#wrongSinceMs = isWrong ? this.#parts.nowMs() : null;
    for (const { id } of this.#parts.brokers) this.sessionEnds(id);
  }

  lookAtRegistrations(): void {
    const { brokers, ensemble, nowMs } = this.#parts;
    // gone is what no server has any more
    const trees = [ensemble.tree, ...ensemble.servers.map(({ tree }) => tree)];
    const transactions = trees.reduce((sum, tree) => sum + tree.transactions, 0);
    if (transactions === this.#transactions) return;
    this.#transactions = transactions;
    for (const { id } of brokers) {
      const path = `/brokers/ids/${id}`;
      const node = trees.map((tree) => tree.read(path)).reduce((a, b) => ((b?.createdZxid ?? 0) > (a?.createdZxid ?? 0) ? b : a), null);
      const known = this.#registrations.get(id);
      if (node !== null && node.createdZxid !== known?.createdZxid)
        this.#registrations.set(id, { createdZxid: node.createdZxid, goneAtMs: null });
      else if (node === null && known !== undefined) known.goneAtMs ??= nowMs();
      // re-created by the state of a coordinator that had lost it
      else if (known !== undefined) known.goneAtMs = null;
    }
  }

  updateTaken(by: string, { controllerEpoch, topics, deletedTopics }: MetadataUpdateRequest): void {
    const { onViolation, nowMs } = this.#parts;
    const known = this.#known.get(by) ?? { controllerEpoch, leaders: new Map() };
    this.#known.set(by, known);
    if (controllerEpoch < known.controllerEpoch)
      onViolation(`I7 ${by} takes an update of controller epoch ${controllerEpoch}, and knows epoch ${known.controllerEpoch}`);
    known.controllerEpoch = Math.max(controllerEpoch, known.controllerEpoch);
    for (const { name } of deletedTopics) for (const key of known.leaders.keys()) if (key.startsWith(`${name}-`)) known.leaders.delete(key);
    for (const { name, partitions } of topics) {
      for (const { partition, leader, leaderEpoch } of partitions) {
        const key = `${name}-${partition}`;
        const before = known.leaders.get(key);
        const isSame = before?.leader === leader && before.leaderEpoch === leaderEpoch;
        if (!isSame) known.leaders.set(key, { leader, leaderEpoch, sinceMs: nowMs() });
      }
    }
  }

  produceAnswered(by: string, answer: ProduceAnswer): void {
    if (answer.error !== "NONE") return;
    this.#judgeSession(by, answer);
    if (answer.acks === 1) this.#judgeWritten(by, answer);
  }

  /** Requests that wait for an answer that nobody is going to send. */
  lookAtWaiting({ conversations }: Pick<WireTap, "conversations">): void {
    const { brokers, nowMs, onViolation } = this.#parts;
    const sinceMs = nowMs() - settleMaxMs;
    for (const conversation of conversations) {
      const { by } = conversation;
      const broker = brokers.find(({ owner }) => owner === by);
      if (broker === undefined || !broker.isReady || broker.isPaused || broker.isStopping || broker.hasDiskFailure) continue;
      if (broker.goesOnSinceMs > sinceMs) continue;
      const waiting = conversation.waitingSince(sinceMs);
      // a request for several partitions is answered for all at once: it waits as long as one of them may be waited for
      const lostMs = waiting.map(({ topic, partition, acks, heardMs, records }) => {
        const leader = this.#known.get(by)?.leaders.get(`${topic}-${partition}`);
        const isLost = acks === -1 && leader !== undefined && leader.leader !== broker.id;
        const isOfTransaction = records.length >= 23 && (records.readInt16BE(21) & transactionalBit) !== 0;
        const settledMs = isOfTransaction ? nowMs() - verificationMaxMs : sinceMs;
        return isLost && leader.sinceMs < settledMs && leader.sinceMs > heardMs ? leader.sinceMs : null;
      });
      const [first] = waiting;
      if (first !== undefined && !lostMs.includes(null))
        onViolation(
          `a producer waits for ${first.topic}-${first.partition} at ${by}, which knows since ${lostMs[0]} that it leads no more`,
        );
    }
  }

  #judgeSession(by: string, { topic, partition, acks, decidedAfterMs }: ProduceAnswer): void {
    const { brokers, nowMs, sessionTimeoutMs, mayServersLag, onViolation } = this.#parts;
    const broker = brokers.find(({ owner }) => owner === by);
    const registration = broker === undefined ? undefined : this.#registrations.get(broker.id);
    if (this.#wrongSinceMs !== null && decidedAfterMs > this.#wrongSinceMs + sessionTimeoutMs)
      onViolation(
        `${by} acknowledges ${topic}-${partition} (acks=${acks}) at ${nowMs()}, the coordinator being wrong since ${this.#wrongSinceMs}`,
      );
    if (broker === undefined || registration?.goneAtMs == null) return;
    const mayNotKnowMs = mayServersLag || this.#forced.has(registration.createdZxid) ? sessionTimeoutMs : 0;
    const endMs = registration.goneAtMs + mayNotKnowMs;
    if (decidedAfterMs > endMs)
      onViolation(`I8 ${by} acknowledges ${topic}-${partition} (acks=${acks}) at ${nowMs()}, its session being over since ${endMs}`);
  }

  #judgeWritten(by: string, { topic, partition, baseOffset, records, decidedAfterMs }: ProduceAnswer): void {
    const { brokers, observer, isCompacted, mayRot, nowMs, onViolation } = this.#parts;
    if (decidedAfterMs < nowMs()) return;
    const broker = brokers.find(({ host }) => host === hostOf(by));
    const folder = broker?.folderOf(`${topic}-${partition}`) ?? null;
    if (broker === undefined || folder === null || observer.find(topic, partition) === null || records.length < 21) return;
    const log = readStoredLog(broker.disk, folder, isCompacted(topic));
    if (mayRot && log !== null && log.damage !== null) return;
    const batch = log?.batches.find((each) => each.baseOffset === baseOffset);
    const isIt = batch !== undefined && (isCompacted(topic) || batch.checksum === records.readUInt32BE(17));
    if (!isIt && (log?.startOffset ?? 0) <= baseOffset)
      onViolation(`${by} acknowledges ${topic}-${partition} at ${baseOffset} (acks=1), and its log ends at ${log?.endOffset}`);
  }
}
