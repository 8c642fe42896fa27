import type { BrokerId, TopicId } from "../../protocol/base/ids.ts";
import type { FeatureLevels, MetadataUpdateRequest, PartitionRecord, StartingLeader, TopicRecord } from "../../protocol/peer/messages.ts";
import type { ControllerState } from "./controller-state.ts";

/**
 * What one broker has not been told yet. Names only, never contents: sending takes the latest, so the set is no larger than the cluster.
 */
export interface DirtySet {
  /** Everything. */
  readonly full: boolean;
  /** Partition numbers by topic; empty: only the topic's settings. */
  readonly partitions: ReadonlyMap<string, ReadonlySet<number>>;
  readonly deletedTopics: ReadonlyMap<TopicId, string>;
  readonly brokerConfigs: boolean;
  /** The replicas that brokers cannot use. */
  readonly offlineReplicas: boolean;
  readonly features: boolean;
  /** The brokers go with every update; this alone makes one due. */
  readonly brokers: boolean;
}

export const nothingDirty: DirtySet = {
  full: false,
  partitions: new Map(),
  deletedTopics: new Map(),
  brokerConfigs: false,
  offlineReplicas: false,
  features: false,
  brokers: false,
};
export const allDirty: DirtySet = { ...nothingDirty, full: true };

export function isClean(dirty: DirtySet): boolean {
  const { full, brokers, brokerConfigs, offlineReplicas, features, partitions, deletedTopics } = dirty;
  return !full && !brokers && !brokerConfigs && !offlineReplicas && !features && partitions.size === 0 && deletedTopics.size === 0;
}

/** A full update says everything. The deletions on record are in it, also those that a broker learned of before. */
export function mergeDirty(a: DirtySet, b: DirtySet): DirtySet {
  if (a.full || b.full) return allDirty;
  const partitions = new Map(a.partitions);
  for (const [topic, numbers] of b.partitions) partitions.set(topic, new Set([...(partitions.get(topic) ?? []), ...numbers]));
  return {
    full: false,
    partitions,
    deletedTopics: new Map([...a.deletedTopics, ...b.deletedTopics]),
    brokerConfigs: a.brokerConfigs || b.brokerConfigs,
    offlineReplicas: a.offlineReplicas || b.offlineReplicas,
    features: a.features || b.features,
    brokers: a.brokers || b.brokers,
  };
}

export function dirtyPartitions(changed: Iterable<{ readonly topic: string; readonly partition: number }>): DirtySet {
  const partitions = new Map<string, Set<number>>();
  for (const { topic, partition } of changed) {
    const numbers = partitions.get(topic) ?? new Set();
    partitions.set(topic, numbers.add(partition));
  }
  return { ...nothingDirty, partitions };
}

export function dirtyTopicConfig(topic: string): DirtySet {
  return { ...nothingDirty, partitions: new Map([[topic, new Set()]]) };
}

export interface Sender {
  readonly controllerId: BrokerId;
  readonly controllerEpoch: number;
}

/** Partitions in one message at most: a few megabytes, well below a frame's bound. */
const partitionsPerUpdateMax = 20_000;

/**
 * The updates that, sent one after the other, make a broker which lacks exactly `dirty` know `state`. `nextSequence` is called once for
 * each. A full update in several parts takes effect with its last; changes may be split, since each partition's state is whole.
 */
export function updatesFor(
  state: ControllerState,
  dirty: DirtySet,
  to: {
    readonly sender: Sender;
    readonly brokerEpoch: number;
    readonly startingLeaders: readonly StartingLeader[];
    readonly nextSequence: () => number;
  },
  partitionsMax = partitionsPerUpdateMax,
): MetadataUpdateRequest[] {
  const parts = inParts(dirty.full ? allTopics(state) : changedTopics(state, dirty), partitionsMax);
  return parts.map((topics, index) => ({
    ...to.sender,
    brokerEpoch: to.brokerEpoch,
    sequence: to.nextSequence(),
    full: dirty.full,
    more: dirty.full && index < parts.length - 1,
    brokers: [...state.brokers.values()],
    leavingBrokers: [...state.shuttingDown],
    suspectedBrokers: [...state.unreached],
    startingLeaders: to.startingLeaders,
    topics,
    deletedTopics: index > 0 ? [] : [...deletionsTold(state, dirty)].map(([id, name]) => ({ id, name })),
    brokerConfigs: dirty.full || dirty.brokerConfigs ? Object.fromEntries(state.brokerConfigs) : null,
    offlineReplicas: dirty.full || dirty.offlineReplicas ? allOffline(state) : null,
    features: dirty.full || dirty.features ? featureLevels(state) : null,
  }));
}

/** The deletions that go with `updatesFor`, by topic id. */
export function deletionsTold({ deletions }: ControllerState, dirty: DirtySet): ReadonlyMap<TopicId, string> {
  return dirty.full ? new Map([...deletions].map(([id, { name }]) => [id, name])) : dirty.deletedTopics;
}

function featureLevels({ features: { epoch, levels } }: ControllerState): FeatureLevels {
  return { epoch, levels: Object.fromEntries(levels) };
}

function allOffline({ offlineReplicas }: ControllerState): MetadataUpdateRequest["offlineReplicas"] {
  return [...offlineReplicas].flatMap(([brokerId, { replicas }]) =>
    [...Map.groupBy(replicas.values(), ({ reason }) => reason)].map(([reason, some]) => ({
      brokerId,
      reason,
      replicas: some.map(({ topicId, partition }) => ({ topicId, partition })),
    })),
  );
}

/** At least one part; a topic larger than a part is spread over several. */
function inParts(topics: readonly TopicRecord[], partitionsMax: number): TopicRecord[][] {
  let part: TopicRecord[] = [];
  const parts = [part];
  let room = partitionsMax;
  for (const topic of topics) {
    let from = 0;
    do {
      if (room === 0) {
        part = [];
        parts.push(part);
        room = partitionsMax;
      }
      const partitions = topic.partitions.slice(from, from + room);
      part.push({ ...topic, partitions });
      from += partitions.length;
      // a topic without partitions, or with its settings only, counts too
      room -= Math.max(1, partitions.length);
    } while (from < topic.partitions.length);
  }
  return parts;
}

function allTopics(state: ControllerState): TopicRecord[] {
  return [...state.topics.values()].map(({ name, id, partitions, config }) => ({ name, id, partitions, config }));
}

function changedTopics(state: ControllerState, dirty: DirtySet): TopicRecord[] {
  const records: TopicRecord[] = [];
  for (const [name, numbers] of dirty.partitions) {
    const topic = state.topics.get(name);
    // deleted since: its deletion is in the set too
    if (topic === undefined) continue;
    const partitions: PartitionRecord[] = [];
    for (const number of [...numbers].sort((a, b) => a - b)) {
      const record = topic.partitions[number];
      if (record !== undefined) partitions.push(record);
    }
    records.push({ name, id: topic.id, partitions, config: topic.config });
  }
  return records;
}
