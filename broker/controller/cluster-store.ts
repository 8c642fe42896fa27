import type { Coordinator, Node, WriteOperation } from "../../coordinator-client/coordinator.ts";
import { pathPrefixes } from "../../coordinator-client/path-rules.ts";
import { type FoundPartitionState, readPartitionState } from "../../coordinator-client/read-partition-state.ts";
import {
  type AutoRebalanceNote,
  decodeAutoRebalanceNote,
  emptyAutoRebalanceNote,
  encodeAutoRebalanceNote,
} from "../../coordinator-client/znodes/auto-rebalance.ts";
import { decodeBrokerRegistration } from "../../coordinator-client/znodes/broker-registration.ts";
import {
  type ConfigEntity,
  decodeConfig,
  decodeConfigChange,
  encodeConfig,
  encodeConfigChange,
} from "../../coordinator-client/znodes/config.ts";
import { MalformedZnode } from "../../coordinator-client/znodes/json.ts";
import { encodePartitionState } from "../../coordinator-client/znodes/partition-state.ts";
import * as paths from "../../coordinator-client/znodes/paths.ts";
import { decodeTopicAssignment, encodeTopicAssignment } from "../../coordinator-client/znodes/topic-assignment.ts";
import { decodeTopicDeletion, encodeTopicDeletion, type TopicDeletion } from "../../coordinator-client/znodes/topic-deletion.ts";
import type { SupportedFeatures } from "../../protocol/base/features.ts";
import type { BrokerId, TopicId } from "../../protocol/base/ids.ts";
import type { BrokerRecord, PartitionRecord } from "../../protocol/peer/messages.ts";
import { pipelined } from "../runtime/pipelined.ts";
import type { Replicas } from "./assignment.ts";
import { assignmentOf, type Config, type PartitionAssignment, type PartitionChange, unreassigned } from "./controller-state.ts";

/** What settings are of. A broker's id null: what holds for every broker. */
export type ConfigResource = Exclude<ConfigEntity, { kind: "other" }>;

export interface StoredTopic {
  /** Null: written by a tool that does not know topic ids. */
  readonly id: TopicId | null;
  readonly assignment: readonly PartitionAssignment[];
  readonly version: number;
}

export interface NewTopic {
  readonly name: string;
  readonly id: TopicId;
  readonly assignment: readonly Replicas[];
  readonly config: Config;
}

/** How a topic is deleted. */
export interface TopicRemoval {
  readonly below: readonly WriteOperation[][];
  readonly last: readonly WriteOperation[];
  readonly record: DeletionRecord | null;
}

export interface DeletionRecord {
  readonly id: TopicId;
  readonly deletion: TopicDeletion;
}

export interface RegisteredBroker {
  readonly broker: BrokerRecord;
  /** See `recoveredEpochOf`. */
  readonly recoveredEpoch: number;
  readonly features: SupportedFeatures;
}

const readsAtOnceMax = 128;

/**
 * The cluster as the coordinator holds it: reads, and the operations that transactions are made of. Reads reject with
 * CoordinatorUnavailable, and with MalformedZnode: data may depend on what another tool broke, so nothing is guessed.
 */
export class ClusterStore {
  readonly #coordinator: Coordinator;
  readonly #controllerEpoch: number;

  constructor(coordinator: Coordinator, controllerEpoch: number) {
    this.#coordinator = coordinator;
    this.#controllerEpoch = controllerEpoch;
  }

  /** The missing ones of the folders that hold everything else, parents first. */
  async missingFolders(): Promise<string[]> {
    const wanted = [...new Set(paths.persistentFolders.flatMap(pathPrefixes))];
    const found = await pipelined(wanted, readsAtOnceMax, (path) => this.#coordinator.read(path));
    return wanted.filter((_, index) => found[index] === null);
  }

  async brokerIds(): Promise<BrokerId[]> {
    return (await this.#names(paths.brokerIdsPath)).map(paths.numberedName).filter((id) => id !== null);
  }

  /** Null: deleted since. */
  async readBroker(id: BrokerId): Promise<RegisteredBroker | null> {
    const node = await this.#coordinator.read(paths.brokerPath(id));
    const broker = node === null ? null : brokerRecordOf(id, node);
    if (node === null || broker === null) return null;
    const { features = new Map() } = decodeBrokerRegistration(paths.brokerPath(id), node.data);
    return { broker, recoveredEpoch: recoveredEpochOf(id, node), features };
  }

  topicNames(): Promise<readonly string[]> {
    return this.#names(paths.topicsPath);
  }

  async readTopic(name: string): Promise<StoredTopic | null> {
    const path = paths.topicPath(name);
    const node = await this.#coordinator.read(path);
    if (node === null) return null;
    const { topicId, partitions, addingReplicas, removingReplicas, removedReplicas } = decodeTopicAssignment(path, node.data);
    const assignment = partitions.map((replicas, partition) => {
      const reassignment = { adding: addingReplicas.get(partition) ?? [], removing: removingReplicas.get(partition) ?? [] };
      return assignmentOf(replicas, reassignment, removedReplicas.get(partition));
    });
    return { id: topicId, assignment, version: node.version };
  }

  /** Whether the node is there that leaders' writes of in-sync sets check. */
  async hasIdNode(topic: string, id: TopicId): Promise<boolean> {
    return (await this.#coordinator.read(paths.topicIdPath(topic, id))) !== null;
  }

  readState(topic: string, partition: number): Promise<FoundPartitionState | null> {
    return readPartitionState(this.#coordinator, topic, partition);
  }

  /** Null: not even their parent node exists. */
  async readPartitionNodes(topic: string): Promise<ReadonlySet<number> | null> {
    const found = await this.#coordinator.children(paths.partitionsPath(topic));
    return found === null ? null : new Set(found.names.map(paths.numberedName).filter((partition) => partition !== null));
  }

  async readConfig(resource: ConfigResource): Promise<{ readonly config: Config; readonly version: number } | null> {
    const path = configPath(resource);
    const node = await this.#coordinator.read(path);
    return node === null ? null : { config: decodeConfig(path, node.data), version: node.version };
  }

  /** Null: the default of all brokers. */
  async brokerConfigIds(): Promise<(BrokerId | null)[]> {
    return (await this.#names(paths.brokerConfigsPath))
      .map((name) => (name === paths.defaultBrokerConfigName ? null : (paths.numberedName(name) ?? "other")))
      .filter((id) => id !== "other");
  }

  markedForDeletion(): Promise<readonly string[]> {
    return this.#names(paths.deletionsPath);
  }

  configChangeNames(): Promise<readonly string[]> {
    return this.#names(paths.configChangesPath);
  }

  /** Null: nothing that concerns us, or deleted. */
  async readConfigChange(name: string): Promise<ConfigResource | "unreadable" | null> {
    const path = configChangePath(name);
    const node = await this.#coordinator.read(path);
    if (node === null) return null;
    try {
      const entity = decodeConfigChange(path, node.data);
      return entity.kind === "other" ? null : entity;
    } catch (error) {
      if (error instanceof MalformedZnode) return "unreadable";
      throw error;
    }
  }

  /** One that cannot be read deletes nothing, and is left out. */
  async readDeletions(): Promise<Map<TopicId, TopicDeletion>> {
    const ids = await this.#names(paths.deletionRecordsPath);
    const found = await pipelined(ids, readsAtOnceMax, async (id) => {
      const path = paths.deletionRecordPath(id);
      const node = await this.#coordinator.read(path);
      if (node === null) return [];
      try {
        return [[id, decodeTopicDeletion(path, node.data)] as const];
      } catch (error) {
        if (error instanceof MalformedZnode) return [];
        throw error;
      }
    });
    return new Map(found.flat());
  }

  /** Version null: there is none. One that cannot be read says nothing. */
  async readAutoRebalanceNote(): Promise<{ readonly note: AutoRebalanceNote; readonly version: number | null }> {
    const path = paths.autoRebalancePath;
    const node = await this.#coordinator.read(path);
    if (node === null) return { note: emptyAutoRebalanceNote, version: null };
    try {
      return { note: decodeAutoRebalanceNote(path, node.data), version: node.version };
    } catch (error) {
      if (error instanceof MalformedZnode) return { note: emptyAutoRebalanceNote, version: node.version };
      throw error;
    }
  }

  /**
   * Everything of a topic that has to go, leaves first; `last` is one transaction: the topic's node, its settings, the marker, and the
   * record of the deletion in their place. So a topic's id is on record if, and only if, the topic is gone. `record` null: no broker can
   * have opened a log of it, for it never had an id.
   */
  async deletionOf(topic: string, nowMs: number): Promise<TopicRemoval> {
    const partitionsPath = paths.partitionsPath(topic);
    const partitions = await this.#coordinator.children(partitionsPath);
    const topicPath = paths.topicPath(topic);
    const beside = ((await this.#coordinator.children(topicPath))?.names ?? []).map((name) => `${topicPath}/${name}`);
    const below = await pipelined(partitions?.names ?? [], readsAtOnceMax, async (partition) => {
      const path = `${partitionsPath}/${partition}`;
      const inside = await this.#coordinator.children(path);
      return [...(inside?.names ?? []).map((name) => remove(`${path}/${name}`)), remove(path)];
    });
    if (beside.length > 0) below.push(beside.map(remove));
    const ends = [paths.topicPath(topic), configPath({ kind: "topic", name: topic }), paths.topicDeletionPath(topic)];
    const found = await pipelined(ends, ends.length, (path) => this.#coordinator.read(path));
    const last = ends.filter((_, index) => found[index] !== null).map(remove);
    const stored = await this.#readAnyTopic(topic);
    if (stored?.id == null) return { below, last, record: null };
    const brokers = [...new Set(stored.assignment.flatMap(({ replicas, removed = [] }) => [...replicas, ...removed]))].sort(
      (a, b) => a - b,
    );
    const record = { id: stored.id, deletion: { name: topic, brokers, timestampMs: nowMs } };
    const isThere = (await this.#coordinator.read(paths.deletionRecordPath(record.id))) !== null;
    // replicas that another tool adds meanwhile must be on the record
    const asRead: WriteOperation = { kind: "check", path: topicPath, version: stored.version };
    return { below, last: [asRead, isThere ? this.writeDeletion(record.id, record.deletion) : createDeletion(record), ...last], record };
  }

  /** Null: deleted, or the node's contents cannot be used. */
  async #readAnyTopic(topic: string): Promise<StoredTopic | null> {
    try {
      return await this.readTopic(topic);
    } catch (error) {
      if (error instanceof MalformedZnode) return null;
      throw error;
    }
  }

  /** Null: there is no such node. Its contents are the caller's to read: another tool may have written them. */
  readFeatures(): Promise<Node | null> {
    return this.#coordinator.read(paths.featurePath);
  }

  // Operations

  createFolder(path: string): WriteOperation {
    return create(path, Buffer.alloc(0));
  }

  setState({ topic, record }: PartitionChange): WriteOperation {
    return {
      kind: "set",
      path: paths.partitionStatePath(topic, record.partition),
      data: encodePartitionState({ ...record, controllerEpoch: this.#controllerEpoch }),
      version: record.stateVersion,
    };
  }

  createTopic(topic: NewTopic, configExists: boolean): { readonly operations: readonly WriteOperation[]; readonly configIndex: number } {
    const data = encodeConfig(topic.config);
    const path = configPath({ kind: "topic", name: topic.name });
    const operations: WriteOperation[] = [
      create(paths.topicPath(topic.name), encodeAssignment(topic.id, unreassigned(topic.assignment))),
      create(paths.partitionsPath(topic.name), Buffer.alloc(0)),
      this.createIdNode(topic.name, topic.id),
      configExists ? { kind: "set", path, data, version: -1 } : create(path, data),
    ];
    return { operations, configIndex: operations.length - 1 };
  }

  setAssignment(
    topic: { readonly name: string; readonly id: TopicId; readonly version: number },
    assignment: readonly PartitionAssignment[],
  ): WriteOperation {
    return { kind: "set", path: paths.topicPath(topic.name), data: encodeAssignment(topic.id, assignment), version: topic.version };
  }

  createIdNode(topic: string, id: TopicId): WriteOperation {
    return create(paths.topicIdPath(topic, id), Buffer.alloc(0));
  }

  createPartitionsNode(topic: string): WriteOperation {
    return create(paths.partitionsPath(topic), Buffer.alloc(0));
  }

  createPartition(topic: string, record: PartitionRecord, nodeExists: boolean): WriteOperation[] {
    const { partition } = record;
    const state = create(
      paths.partitionStatePath(topic, partition),
      encodePartitionState({ ...record, controllerEpoch: this.#controllerEpoch }),
    );
    return nodeExists ? [state] : [create(paths.partitionPath(topic, partition), Buffer.alloc(0)), state];
  }

  createDeletionMarker(topic: string): WriteOperation {
    return create(paths.topicDeletionPath(topic), Buffer.alloc(0));
  }

  deleteDeletionMarker(topic: string): WriteOperation {
    return remove(paths.topicDeletionPath(topic));
  }

  /** Without brokers: it is deleted. */
  writeDeletion(id: TopicId, deletion: TopicDeletion): WriteOperation {
    const path = paths.deletionRecordPath(id);
    return deletion.brokers.length === 0 ? remove(path) : { kind: "set", path, data: encodeTopicDeletion(deletion), version: -1 };
  }

  deleteConfigChange(name: string): WriteOperation {
    return remove(configChangePath(name));
  }

  /** `version` null: there is none yet. */
  writeAutoRebalanceNote(note: AutoRebalanceNote, version: number | null): WriteOperation {
    const path = paths.autoRebalancePath;
    const data = encodeAutoRebalanceNote(note);
    return version === null ? create(path, data) : { kind: "set", path, data, version };
  }

  /** `version` null: there is none yet. */
  writeFeatures(data: Buffer, version: number | null): WriteOperation {
    const path = paths.featurePath;
    return version === null ? create(path, data) : { kind: "set", path, data, version };
  }

  /** `version` null: there are no settings yet. */
  writeConfig(entity: ConfigResource, config: Config, version: number | null): WriteOperation[] {
    const path = configPath(entity);
    const data = encodeConfig(config);
    return [
      version === null ? create(path, data) : { kind: "set", path, data, version },
      { kind: "create", path: paths.configChangePrefix, data: encodeConfigChange(entity), mode: "persistent-sequential" },
    ];
  }

  async #names(path: string): Promise<readonly string[]> {
    return (await this.#coordinator.children(path))?.names ?? [];
  }
}

/**
 * The registration under which the broker came back from its last unclean stop, in this life or an earlier one: replicas that were in sync
 * before may lack records. -1: there was none. An epoch above its present registration is from a coordinator whose transaction ids have
 * started over since: everything before the present registration is in doubt.
 */
function recoveredEpochOf(id: BrokerId, node: Node): number {
  const { recoveredUnder } = decodeBrokerRegistration(paths.brokerPath(id), node.data);
  if (recoveredUnder === undefined) return -1;
  return recoveredUnder < 0 ? node.createdZxid : Math.min(recoveredUnder, node.createdZxid);
}

/**
 * A live broker as its registration tells. Null when it is not one of ours: it cannot be read, or has no address at which other brokers
 * could reach it.
 */
function brokerRecordOf(id: BrokerId, node: Node): BrokerRecord | null {
  try {
    const { endpoints, rack, peer } = decodeBrokerRegistration(paths.brokerPath(id), node.data);
    if (peer === null) return null;
    return { id, epoch: node.createdZxid, rack, endpoints: endpoints.map(({ listener, host, port }) => ({ listener, host, port })), peer };
  } catch (error) {
    if (error instanceof MalformedZnode) return null;
    throw error;
  }
}

/** Reassignments that are under way are kept: only who changes one may leave it out. */
function encodeAssignment(topicId: TopicId, assignment: readonly PartitionAssignment[]): Buffer {
  const those = (of: (partition: PartitionAssignment) => readonly BrokerId[] | undefined) =>
    new Map(assignment.map((each, partition) => [partition, of(each) ?? []] as const).filter(([, replicas]) => replicas.length > 0));
  return encodeTopicAssignment({
    topicId,
    partitions: assignment.map(({ replicas }) => replicas),
    addingReplicas: those(({ reassignment }) => reassignment?.adding),
    removingReplicas: those(({ reassignment }) => reassignment?.removing),
    removedReplicas: those(({ removed }) => removed),
  });
}

function createDeletion({ id, deletion }: DeletionRecord): WriteOperation {
  return create(paths.deletionRecordPath(id), encodeTopicDeletion(deletion));
}

function configPath(resource: ConfigResource): string {
  return resource.kind === "topic" ? paths.topicConfigPath(resource.name) : paths.brokerConfigPath(resource.id);
}

function configChangePath(name: string): string {
  return `${paths.configChangesPath}/${name}`;
}

function create(path: string, data: Buffer): WriteOperation {
  return { kind: "create", path, data, mode: "persistent" };
}

/** Whatever its version: what is deleted is not coming back. */
function remove(path: string): WriteOperation {
  return { kind: "delete", path, version: -1 };
}
