import { stillRecovering } from "../../coordinator-client/znodes/partition-state.ts";
import type { BrokerId } from "../../protocol/base/ids.ts";
import type {
  BrokerRecord,
  ControlledShutdownRequest,
  ControlledShutdownResponse,
  IsrChangedRequest,
  PartitionRecord,
  PeerStatus,
  ReplicasOfflineRequest,
} from "../../protocol/peer/messages.ts";
import type { RegisteredBrokers } from "./cluster-loader.ts";
import {
  type ControllerState,
  type OfflineReplica,
  offlineKey,
  type PartitionChange,
  type PartitionName,
  partitionsWhere,
  type TopicState,
  usableBrokers,
  withBrokers,
  withOfflineReplicas,
  withPartitions,
  withShuttingDown,
  withSuspects,
} from "./controller-state.ts";
import { dirtyPartitions, nothingDirty } from "./dirty-set.ts";
import { type Decision, isImbalanced, leave, namesEarlierLife, prefer, repair, standingOf } from "./elections.ts";
import type { StateWriter } from "./state-writer.ts";
import type { TermContext } from "./term-context.ts";

const nothingRemains = { remaining: [], mayMoveLater: false } as const;

/**
 * Keeps every partition led by a broker that may lead it: decides again about the affected ones whenever a broker joins, leaves, asks to be
 * shut down, or reports something. Each method is one event of the term.
 */
export class LeaderKeeper {
  readonly #context: TermContext;
  readonly #states: StateWriter;
  readonly #repair: Decision;

  /** `uncleanAllowed`: by a topic's settings in force. */
  constructor(context: TermContext, states: StateWriter, uncleanAllowed: (topic: TopicState) => boolean) {
    this.#context = context;
    this.#states = states;
    this.#repair = repair(uncleanAllowed);
  }

  /** After loading, and before any update is sent: no broker may keep leading under the epoch of an earlier life. */
  endEarlierLives(): Promise<void> {
    return this.#apply((record) => namesEarlierLife(this.#context.book.current, record), this.#repair);
  }

  /** After loading: a broker that died while there was no controller still leads something, or is in sync. */
  repairAll(): Promise<void> {
    return this.#apply(() => true, this.#repair);
  }

  /** A partition without a leader may find one under changed settings. */
  repairLeaderless(): Promise<void> {
    return this.#apply(({ leader }) => leader < 0, this.#repair);
  }

  /** Moves leaderships back to brokers for which more than `percentage` of those that prefer them are led elsewhere. */
  async balance(percentage: number): Promise<void> {
    const { current } = this.#context.book;
    const imbalanced = new Set([...current.brokers.keys()].filter((id) => isImbalanced(current, id, percentage)));
    if (imbalanced.size === 0) return;
    await this.#returnTo(imbalanced);
  }

  /** Brokers came or went. Returns what changed; nothing has been sent to the brokers yet. */
  async brokersChanged({ brokers: registered, recoveredEpochs }: RegisteredBrokers): Promise<BrokerChanges> {
    const { book, log } = this.#context;
    const changes = brokerChanges(book.current.brokers, registered);
    const { died, arrived, updated } = changes;
    if (died.length + arrived.length + updated.length === 0) return changes;
    log.info({ died, arrived: arrived.map(({ id }) => id) }, "the live brokers changed");
    book.starting.gone(died);
    // a registration that ended took what it reported with it
    const offlineReplicas = book.current.offlineReplicas.size > 0;
    book.commit(withBrokers(book.current, registered, recoveredEpochs), { ...nothingDirty, brokers: true, offlineReplicas });
    await this.#states.refresh(partitionsWhere(book.current, (record) => this.#dependsOnDoubt(record)));
    const changed = new Set([...died, ...arrived.map(({ id }) => id)]);
    await this.#apply(({ leader, isr }) => leader < 0 || changed.has(leader) || isr.some((id) => changed.has(id)), this.#repair);
    return changes;
  }

  /**
   * Brokers are suspected, or are not any more. What the first lead moves to others; what the second are preferred for moves back
   * (`isBalanced`), once and not each time that a link comes and goes. Brokers learn of it together with the new leaders.
   */
  async suspectsChanged(now: Pick<ControllerState, "suspects" | "unreached">, isBalanced: boolean): Promise<void> {
    const { book, log } = this.#context;
    const { suspects, unreached } = now;
    const arisen = suspects.difference(book.current.suspects);
    const cleared = book.current.suspects.difference(suspects);
    if (arisen.size + cleared.size + unreached.symmetricDifference(book.current.unreached).size === 0) return;
    if (arisen.size + cleared.size > 0) log.warn({ arisen: [...arisen], cleared: [...cleared] }, "the suspected brokers changed");
    book.commit(withSuspects(book.current, now), null);
    // of all that are suspected: one that could not take over before may be reached, or trusted, by now
    await this.#apply(({ leader }) => leader < 0 || suspects.has(leader), this.#repair);
    book.commit(book.current, { ...nothingDirty, brokers: true });
    if (isBalanced) await this.#returnTo(cleared);
  }

  /**
   * A broker wants to stop: its leaderships move to others, as far as another replica is in sync, but not to those of `together` (broker
   * epochs by id), which are about to ask for the same.
   */
  async controlledShutdown(
    { brokerId, brokerEpoch }: ControlledShutdownRequest,
    together: ReadonlyMap<BrokerId, number>,
  ): Promise<ControlledShutdownResponse> {
    const { book, log } = this.#context;
    const known = book.current.brokers.get(brokerId);
    if (known === undefined)
      return { error: "BROKER_ID_NOT_REGISTERED", message: `broker ${brokerId} is not registered`, ...nothingRemains };
    if (known.epoch !== brokerEpoch)
      return { error: "STALE_BROKER_EPOCH", message: `broker ${brokerId} has epoch ${known.epoch}, not ${brokerEpoch}`, ...nothingRemains };
    const stopping = [...together].filter(([id, epoch]) => book.current.brokers.get(id)?.epoch === epoch).map(([id]) => id);
    book.commit(withShuttingDown(book.current, [brokerId, ...stopping]), { ...nothingDirty, brokers: true });
    const isConcerned = ({ leader, replicas }: PartitionRecord) => leader === brokerId && replicas.length > 1;
    const concerned = partitionsWhere(book.current, isConcerned);
    await this.#states.applyInSteps(concerned, leave(brokerId));
    const remaining = partitionsWhere(book.current, isConcerned);
    log.info({ brokerId, moved: concerned.length, remaining: remaining.length }, "controlled shutdown");
    // a replica whose broker is gone, or is shutting down as well, will not be in sync in time
    const staying = new Set(usableBrokers(book.current).map(({ id }) => id));
    const mayMove = partitionsWhere(book.current, ({ leader, replicas }) => leader === brokerId && replicas.some((id) => staying.has(id)));
    return { error: "NONE", message: "", remaining, mayMoveLater: mayMove.length > 0 };
  }

  /** Adopts what a leader wrote; the coordinator has it already. */
  async isrChanged(request: IsrChangedRequest): Promise<PeerStatus> {
    const { book } = this.#context;
    if (book.current.brokers.get(request.brokerId)?.epoch !== request.brokerEpoch)
      return { error: "STALE_BROKER_EPOCH", message: `broker ${request.brokerId} is not registered with epoch ${request.brokerEpoch}` };
    const changes = adoptableReports(book.current, request);
    const named = changes.map(({ topic, record }) => ({ topic, partition: record.partition }));
    if (changes.length > 0) book.commit(withPartitions(book.current, changes), dirtyPartitions(named));
    // a member that has re-registered since the leader decided to add it
    const { topics, topicNames } = book.current;
    const reported = request.partitions.map(({ topicId, partition }) => ({ topic: topicNames.get(topicId) ?? "", partition }));
    const outdated = reported.filter(({ topic, partition }) => {
      const record = topics.get(topic)?.partitions[partition];
      return record !== undefined && namesEarlierLife(book.current, record);
    });
    await this.#states.apply(outdated, this.#repair);
    return { error: "NONE", message: "" };
  }

  /**
   * A broker cannot use some of its replicas, or can use some again: it loses the leaderships of those, and the other leaders, which learn
   * of it, remove it from the in-sync sets.
   */
  async replicasOffline(request: ReplicasOfflineRequest): Promise<PeerStatus> {
    const { book, writer, log } = this.#context;
    const taken = takeOfflineReport(book.current, writer.term.controllerEpoch, request);
    if (taken.kind === "answered") return taken.status;
    const { brokerId, offline } = request;
    const fields = { brokerId, wentOffline: taken.wentOffline, reasons: offline.slice(0, 3).map(({ reason }) => reason) };
    if (taken.changed.length > 0) log.warn(fields, "a broker reports which of its replicas cannot be used");
    book.commit(taken.state, { ...nothingDirty, offlineReplicas: true });
    await this.#states.apply(taken.changed, this.#repair);
    return { error: "NONE", message: "" };
  }

  /**
   * Its leader is gone, and whether a member that may have lost records can take its place depends on whether the leader has continued
   * without it: on when the state was written.
   */
  #dependsOnDoubt({ leader, isr, isrEpochs }: PartitionRecord): boolean {
    const state = this.#context.book.current;
    if (leader < 0 || (state.brokers.has(leader) && standingOf(state, { isrEpochs }, leader) === "same-life")) return false;
    return isr.some((id) => id !== leader && standingOf(state, { isrEpochs }, id) === "in-doubt");
  }

  /** What these brokers are preferred for they lead again. */
  #returnTo(preferred: ReadonlySet<BrokerId>): Promise<void> {
    const isElsewhere = ({ replicas, leader }: PartitionRecord) => preferred.has(replicas[0]!) && leader !== replicas[0];
    return this.#states.applyInSteps(partitionsWhere(this.#context.book.current, isElsewhere), prefer);
  }

  /** For all partitions that `concerned` holds for. */
  #apply(concerned: (record: PartitionRecord) => boolean, decide: Decision): Promise<void> {
    return this.#states.apply(partitionsWhere(this.#context.book.current, concerned), decide);
  }
}

/**
 * How the set of registrations differs. A broker that came back with a new epoch is in both `died` and `arrived`: even if nobody noticed,
 * what it had in memory is gone.
 */
export interface BrokerChanges {
  readonly died: readonly BrokerId[];
  readonly arrived: readonly BrokerRecord[];
  /** Same registration, other data (addresses). */
  readonly updated: readonly BrokerRecord[];
}

export function brokerChanges(known: ReadonlyMap<BrokerId, BrokerRecord>, registered: ReadonlyMap<BrokerId, BrokerRecord>): BrokerChanges {
  const died = [...known.values()].filter(({ id, epoch }) => registered.get(id)?.epoch !== epoch).map(({ id }) => id);
  const arrived = [...registered.values()].filter(({ id, epoch }) => known.get(id)?.epoch !== epoch);
  const updated = [...registered.values()].filter((broker) => {
    const before = known.get(broker.id);
    return before?.epoch === broker.epoch && JSON.stringify(before) !== JSON.stringify(broker);
  });
  return { died, arrived, updated };
}

/**
 * The new part of what a leader says it wrote: it leads in that epoch as far as is known, the state is newer, and the set is one that it
 * could have written.
 */
export function adoptableReports(state: ControllerState, request: IsrChangedRequest): PartitionChange[] {
  return request.partitions.flatMap(({ topicId, partition, leaderEpoch, isr, isrEpochs, stateVersion }) => {
    const topic = state.topics.get(state.topicNames.get(topicId) ?? "");
    const record = topic?.partitions[partition];
    if (topic === undefined || record === undefined) return [];
    if (record.leader !== request.brokerId || record.leaderEpoch !== leaderEpoch || record.stateVersion >= stateVersion) return [];
    if (!isr.includes(record.leader) || !isr.every((id) => record.replicas.includes(id))) return [];
    return [{ topic: topic.name, record: { ...record, isr, isrEpochs, stateVersion, leaderRecovering: stillRecovering(record, isr) } }];
  });
}

type TakenReport =
  | { readonly kind: "answered"; readonly status: PeerStatus }
  | {
      readonly kind: "news";
      readonly state: ControllerState;
      /** What is to be decided again: replicas that went offline, and those that can be used again. */
      readonly changed: readonly PartitionName[];
      readonly wentOffline: number;
    };

/** What a broker's report of its unusable replicas changes. Each report is complete, so that a lost or repeated one does no harm. */
export function takeOfflineReport(state: ControllerState, controllerEpoch: number, report: ReplicasOfflineRequest): TakenReport {
  const { brokerId, brokerEpoch, sequence } = report;
  const answered = (error: PeerStatus["error"], message: string): TakenReport => ({ kind: "answered", status: { error, message } });
  if (report.controllerEpoch !== controllerEpoch)
    return answered("STALE_CONTROLLER_EPOCH", `this controller has epoch ${controllerEpoch}, the report is for ${report.controllerEpoch}`);
  if (state.brokers.get(brokerId)?.epoch !== brokerEpoch)
    return answered("STALE_BROKER_EPOCH", `broker ${brokerId} is not registered with epoch ${brokerEpoch}`);
  const known = state.offlineReplicas.get(brokerId);
  if (known !== undefined && sequence <= known.sequence) return answered("NONE", "superseded");

  const replicas = new Map<string, OfflineReplica>();
  for (const { reason, replicas: reported } of report.offline)
    for (const { topicId, partition } of reported) replicas.set(offlineKey(topicId, partition), { topicId, partition, reason });
  const before = known?.replicas ?? new Map<string, OfflineReplica>();
  const wentOffline = [...replicas].filter(([key]) => !before.has(key));
  const cameBack = [...before].filter(([key]) => !replicas.has(key));
  const changed = [...wentOffline, ...cameBack].flatMap(([, { topicId, partition }]) => {
    const topic = state.topicNames.get(topicId);
    return topic === undefined ? [] : [{ topic, partition }];
  });
  return { kind: "news", state: withOfflineReplicas(state, brokerId, { sequence, replicas }), changed, wentOffline: wentOffline.length };
}
