import type { TopicDeletion } from "../../coordinator-client/znodes/topic-deletion.ts";
import { type FinalizedFeatures, nothingFinalized } from "../../protocol/base/features.ts";
import type { BrokerId, TopicId } from "../../protocol/base/ids.ts";
import { invariant } from "../../protocol/base/invariant.ts";
import type { BrokerRecord, PartitionRecord, Reassignment, ReplicaName } from "../../protocol/peer/messages.ts";

/**
 * Everything the controller knows: a value, replaced whole by each change. What it says of partitions is what the coordinator has, or had
 * when last seen.
 */
export interface ControllerState {
  /** Live brokers, with the epoch of their registration. */
  readonly brokers: ReadonlyMap<BrokerId, BrokerRecord>;
  /**
   * Of live brokers whose process started after an unclean stop: the registration under which it started. Replicas that such a broker had
   * in sync before that may lack records.
   */
  readonly recoveredEpochs: ReadonlyMap<BrokerId, number>;
  /** Live brokers that asked to be shut down: they get no leadership and no new partition. */
  readonly shuttingDown: ReadonlySet<BrokerId>;
  /** Live brokers that cannot be reached, or could not until a moment ago: what others can lead they do not lead. */
  readonly suspects: ReadonlySet<BrokerId>;
  /** Those of them that cannot be reached now. */
  readonly unreached: ReadonlySet<BrokerId>;
  readonly topics: ReadonlyMap<string, TopicState>;
  readonly topicNames: ReadonlyMap<TopicId, string>;
  /** Deletions that not all brokers with replicas have carried out yet. */
  readonly deletions: ReadonlyMap<TopicId, TopicDeletion>;
  /** Dynamic broker settings: by broker id as text; `""` holds the cluster-wide default. */
  readonly brokerConfigs: ReadonlyMap<string, Config>;
  /** As `/feature` has them. */
  readonly features: FinalizedFeatures;
  /** The replicas that live brokers reported as unusable; forgotten with the broker's registration. */
  readonly offlineReplicas: ReadonlyMap<BrokerId, OfflineReplicas>;
}

export interface OfflineReplicas {
  /** Of the report that said so. */
  readonly sequence: number;
  /** By `offlineKey`. */
  readonly replicas: ReadonlyMap<string, OfflineReplica>;
}

export interface OfflineReplica extends ReplicaName {
  /** For the operator. */
  readonly reason: string;
}

export type Config = Readonly<Record<string, string>>;

/** Of a partition, as its topic's znode has it. */
export type PartitionAssignment = Pick<PartitionRecord, "replicas" | "reassignment" | "removed">;

export interface TopicState {
  readonly name: string;
  readonly id: TopicId;
  /** Data version of the topic's znode: what a change of the assignment starts from. */
  readonly version: number;
  /** By partition number, dense from 0. */
  readonly partitions: readonly PartitionRecord[];
  /**
   * Of the znode's partitions beyond these, which another tool has written into it: kept there as they are. A later term takes them up, for
   * what is read in the middle of one may be half written.
   */
  readonly beyond?: readonly PartitionAssignment[];
  readonly config: Config;
}

/** What the topic's znode says. */
export function storedAssignment({ partitions, beyond = [] }: Pick<TopicState, "partitions" | "beyond">): PartitionAssignment[] {
  return [...partitions.map(({ replicas, reassignment, removed }) => assignmentOf(replicas, reassignment, removed)), ...beyond];
}

/** Of partitions that are new. */
export function unreassigned(assignment: readonly (readonly BrokerId[])[]): PartitionAssignment[] {
  return assignment.map((replicas) => ({ replicas }));
}

/** A reassignment that neither adds nor removes anything is over. */
export function assignmentOf(
  replicas: readonly BrokerId[],
  { adding, removing }: Reassignment = { adding: [], removing: [] },
  removed: readonly BrokerId[] = [],
): PartitionAssignment {
  return {
    replicas,
    ...(adding.length + removing.length === 0 ? {} : { reassignment: { adding, removing } }),
    ...(removed.length === 0 ? {} : { removed }),
  };
}

export interface PartitionChange {
  readonly topic: string;
  readonly record: PartitionRecord;
}

export interface PartitionName {
  readonly topic: string;
  readonly partition: number;
}

export const emptyState: ControllerState = {
  brokers: new Map(),
  recoveredEpochs: new Map(),
  shuttingDown: new Set(),
  suspects: new Set(),
  unreached: new Set(),
  topics: new Map(),
  topicNames: new Map(),
  deletions: new Map(),
  brokerConfigs: new Map(),
  features: nothingFinalized,
  offlineReplicas: new Map(),
};

/** Only live brokers have state here: it is dropped with the registration. */
export function assertLiving({ brokers, recoveredEpochs, shuttingDown, suspects, unreached, offlineReplicas }: ControllerState): void {
  const values = () => ({ brokers, shuttingDown, suspects, unreached, offlineReplicas });
  for (const kept of [recoveredEpochs, shuttingDown, suspects, unreached, offlineReplicas])
    for (const id of kept.keys()) invariant(brokers.has(id), "only of living brokers anything is kept", values);
}

export function offlineKey(topicId: TopicId, partition: number): string {
  return `${topicId}:${partition}`;
}

/** Whether this broker may be given the leadership of the partition. */
export function canLead(state: ControllerState, topicId: TopicId, partition: number, id: BrokerId): boolean {
  return canLeadNow(state, topicId, partition, id) && !state.suspects.has(id);
}

/** The same, where nobody better is left: also a broker that is reached, but was not until a moment ago. */
export function canLeadNow(state: ControllerState, topicId: TopicId, partition: number, id: BrokerId): boolean {
  return isOnline(state, topicId, partition, id) && !state.shuttingDown.has(id) && !state.unreached.has(id);
}

/** Whether the broker lives and has its replica of the partition in use. */
export function isOnline(state: ControllerState, topicId: TopicId, partition: number, id: BrokerId): boolean {
  return state.brokers.has(id) && state.offlineReplicas.get(id)?.replicas.has(offlineKey(topicId, partition)) !== true;
}

/** Brokers that new partitions may be placed on. */
export function usableBrokers(state: ControllerState): BrokerRecord[] {
  return [...state.brokers.values()].filter(({ id }) => !state.shuttingDown.has(id));
}

/** All partitions that `wanted` holds for. */
export function partitionsWhere(state: ControllerState, wanted: (record: PartitionRecord) => boolean): PartitionName[] {
  return [...state.topics.values()].flatMap(({ name, partitions }) =>
    partitions.filter(wanted).map(({ partition }) => ({ topic: name, partition })),
  );
}

export function withTopic(state: ControllerState, topic: TopicState): ControllerState {
  return withTopics(state, [topic]);
}

export function withTopics(state: ControllerState, added: readonly TopicState[]): ControllerState {
  const topics = new Map(state.topics);
  const topicNames = new Map(state.topicNames);
  for (const topic of added) {
    topic.partitions.forEach((record, index) => {
      invariant(record.partition === index, "partitions are dense from 0", () => ({ topic: topic.name, index, record }));
    });
    const replaced = topics.get(topic.name);
    if (replaced !== undefined) topicNames.delete(replaced.id);
    topics.set(topic.name, topic);
    topicNames.set(topic.id, topic.name);
  }
  return { ...state, topics, topicNames };
}

export function withoutTopic(state: ControllerState, name: string): ControllerState {
  const topic = state.topics.get(name);
  if (topic === undefined) return state;
  const topics = new Map(state.topics);
  topics.delete(name);
  const topicNames = new Map(state.topicNames);
  topicNames.delete(topic.id);
  return { ...state, topics, topicNames };
}

/** A topic's znode as it was read. Deleted topics are skipped. */
export function withAssignment(
  state: ControllerState,
  name: string,
  { assignment, version }: { readonly assignment: readonly PartitionAssignment[]; readonly version: number },
): ControllerState {
  const topic = state.topics.get(name);
  if (topic === undefined) return state;
  const partitions = topic.partitions.map((record, partition) => reassigned(record, assignment[partition] ?? record));
  return withTopic(state, { ...topic, version, partitions, beyond: assignment.slice(partitions.length) });
}

export function reassigned(record: PartitionRecord, { replicas, reassignment, removed }: PartitionAssignment): PartitionRecord {
  const { reassignment: _reassignment, removed: _removed, ...others } = record;
  return { ...others, replicas, ...(reassignment === undefined ? {} : { reassignment }), ...(removed === undefined ? {} : { removed }) };
}

export function withDeletions(state: ControllerState, deletions: ReadonlyMap<TopicId, TopicDeletion>): ControllerState {
  return { ...state, deletions };
}

/**
 * Adopts newer partition states; a state that is older than what is known (by its znode's version) is left out. Deleted topics are skipped.
 */
export function withPartitions(state: ControllerState, changes: readonly PartitionChange[]): ControllerState {
  const topics = new Map(state.topics);
  const copied = new Map<string, PartitionRecord[]>();
  for (const { topic, record } of changes) {
    const known = topics.get(topic)?.partitions[record.partition];
    if (known === undefined || record.stateVersion < known.stateVersion) continue;
    const partitions = copied.get(topic) ?? [...topics.get(topic)!.partitions];
    partitions[record.partition] = record;
    copied.set(topic, partitions);
  }
  for (const [name, partitions] of copied) topics.set(name, { ...topics.get(name)!, partitions });
  return { ...state, topics };
}

export function withBrokers(
  state: ControllerState,
  brokers: ReadonlyMap<BrokerId, BrokerRecord>,
  recoveredEpochs: ReadonlyMap<BrokerId, number>,
): ControllerState {
  const sameLife = (id: BrokerId) => brokers.has(id) && brokers.get(id)?.epoch === state.brokers.get(id)?.epoch;
  return {
    ...state,
    brokers,
    recoveredEpochs,
    shuttingDown: new Set([...state.shuttingDown].filter(sameLife)),
    suspects: new Set([...state.suspects].filter(sameLife)),
    unreached: new Set([...state.unreached].filter(sameLife)),
    offlineReplicas: new Map([...state.offlineReplicas].filter(([id]) => sameLife(id))),
  };
}

export function withShuttingDown(state: ControllerState, ids: readonly BrokerId[]): ControllerState {
  for (const id of ids) invariant(state.brokers.has(id), "only a live broker can be shutting down", () => ({ id }));
  return { ...state, shuttingDown: new Set([...state.shuttingDown, ...ids]) };
}

export function withSuspects(
  state: ControllerState,
  { suspects, unreached }: Pick<ControllerState, "suspects" | "unreached">,
): ControllerState {
  return { ...state, suspects, unreached };
}

export function withOfflineReplicas(state: ControllerState, id: BrokerId, offline: OfflineReplicas): ControllerState {
  return { ...state, offlineReplicas: new Map(state.offlineReplicas).set(id, offline) };
}

export function withBrokerConfig(state: ControllerState, key: string, config: Config): ControllerState {
  return { ...state, brokerConfigs: new Map(state.brokerConfigs).set(key, config) };
}

export function withFeatures(state: ControllerState, features: FinalizedFeatures): ControllerState {
  return { ...state, features };
}
