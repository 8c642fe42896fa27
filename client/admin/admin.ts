import { type BrokerId, partitionKey, type TopicPartition } from "../../protocol/base/ids.ts";
import { apis } from "../../protocol/messages/apis.ts";
import type { ClientEventName } from "../base/client-event-map.ts";
import type { ClientListener, EventSource } from "../base/client-events.ts";
import type { ClientMetrics } from "../base/client-metrics.ts";
import type { ClientOptions } from "../base/client-options.ts";
import { ClientClosed } from "../base/errors.ts";
import { checkOptions, clientOptionNames, type OptionNames } from "../base/known-options.ts";
import type { CommittedOffset, OffsetToCommit } from "../group/group-offsets.ts";
import { Cluster } from "../metadata/cluster.ts";
import { emptySnapshot, mergeMetadata } from "../metadata/cluster-snapshot.ts";
import { type FoundOffset, type Isolation, listOffsets } from "../metadata/offset-lookup.ts";
import { checkGroupId, checkList, checkNames, checkNewTopic } from "./admin-arguments.ts";
import {
  alterGroupOffsets,
  deleteGroup,
  deleteGroupOffsets,
  describeGroup,
  type GroupDescription,
  type GroupListing,
  listGroupOffsets,
  listGroups,
} from "./admin-groups.ts";
import { AdminRequests, type Altered } from "./admin-requests.ts";
import {
  abortTransaction,
  describeProducers,
  describeTransaction,
  listTransactions,
  type PartitionProducers,
  type TransactionDescription,
  type TransactionFilter,
  type TransactionListing,
  type TransactionToAbort,
} from "./admin-transactions.ts";
import type {
  ClusterDescription,
  ConfigResource,
  CreatedTopic,
  ItemResult,
  NewPartitions,
  NewTopic,
  OffsetRequest,
  OffsetResult,
  ResourceChange,
  ResourceConfigs,
  ResourceReplacement,
  TopicDescription,
} from "./admin-types.ts";
import { describedConfigs, wireChanges, wireReplacement, wireResource } from "./configs.ts";
import { type GroupLag, groupLag } from "./group-lag.ts";
import { electLeaders } from "./leader-elections.ts";
import { wirePartitions, wireTopic } from "./new-topics.ts";
import { alterReassignments, listReassignments, type PartitionReassignment, type ReplicasWanted } from "./reassignments.ts";
import { type DeletedRecords, deleteRecords, type RecordsToDelete } from "./records-deletion.ts";
import { alterReplicaLogDirectories, type BrokerLogDirectories, describeLogDirectories, type ReplicaMove } from "./replica-directories.ts";
import { createTopicIfMissing, type PresentTopic } from "./topic-creation.ts";
import { TopicsDeletion } from "./topics-deletion.ts";

export interface AdminOptions extends ClientOptions {
  /** How long an operation may take, attempts and pauses included. Milliseconds; default 60,000. */
  readonly operationTimeoutMs?: number;
}

const optionNames: OptionNames<AdminOptions> = { ...clientOptionNames, operationTimeoutMs: true };

/**
 * Manages topics, settings and leaders. Each item of a request succeeds or fails on its own: see `ItemResult` and `orThrow`.
 * Temporary failures (no controller, a lost connection) are retried until `operationTimeoutMs`. An attempt whose answer was lost may have
 * been carried out; the next one then finds, for example, that the topic exists already.
 *
 * ```ts
 * await using admin = new Admin({ bootstrap: "127.0.0.1:9092" });
 * orThrow(await admin.createTopics([{ name: "orders", partitions: 6, replicationFactor: 3 }]));
 * ```
 */
export class Admin implements EventSource, AsyncDisposable {
  readonly #cluster: Cluster;
  readonly #requests: AdminRequests;

  constructor(options: AdminOptions) {
    checkOptions("Admin", options, optionNames);
    this.#cluster = new Cluster(options, { kind: "admin", mayCreateTopics: false });
    this.#requests = new AdminRequests(this.#cluster, options.operationTimeoutMs ?? 60_000);
    options.signal?.addEventListener("abort", () => this.#cluster.close(), { once: true, signal: this.#cluster.signal });
    if (options.signal?.aborted) this.#cluster.close();
  }

  /** Tells of what happens inside: see `ClientEventMap`. Returns a function that takes the listener away. */
  on<E extends ClientEventName>(event: E, listener: ClientListener<E>): () => void {
    return this.#cluster.events.on(event, listener);
  }

  /** Which client it is, in this process: in its log lines, and on diagnostics channels. */
  get id(): string {
    return this.#cluster.identity.id;
  }

  /** What it has counted, and how things stand now. */
  metrics(): ClientMetrics {
    return this.#cluster.metrics();
  }

  async createTopics(topics: readonly NewTopic[], { validateOnly = false } = {}): Promise<readonly ItemResult<CreatedTopic>[]> {
    checkList("createTopics", topics, '[{ name: "orders", partitions: 6 }]');
    for (const topic of topics) checkNewTopic(topic);
    return this.#createTopics(topics, validateOnly, this.#requests.deadlineMs());
  }

  /**
   * Creates a topic unless there is one of that name, and waits until it can be used: every broker that answers knows leaders of all its
   * partitions. One that was there already is not changed; `differences` tells where it is not as it was wanted. Throws what keeps it from
   * being created, or the last failure after `operationTimeoutMs`.
   */
  async createTopicIfMissing(topic: NewTopic): Promise<PresentTopic> {
    checkNewTopic(topic);
    const deadlineMs = this.#requests.deadlineMs();
    const create = async (wanted: NewTopic) => (await this.#createTopics([wanted], false, deadlineMs))[0] as ItemResult<CreatedTopic>;
    const describeConfigs: Admin["describeConfigs"] = (resources, options) => this.describeConfigs(resources, options);
    return createTopicIfMissing({ cluster: this.#cluster, deadlineMs, create, describeConfigs }, topic);
  }

  async #createTopics(
    topics: readonly NewTopic[],
    validateOnly: boolean,
    deadlineMs: number,
  ): Promise<readonly ItemResult<CreatedTopic>[]> {
    return this.#requests.perItem(
      topics.map(wireTopic),
      "creating topic",
      ({ name }) => name,
      async (open) => {
        const answer = await this.#requests.ask(apis.createTopics, () => ({
          topics: open,
          timeoutMs: this.#requests.brokerTimeoutMs(),
          validateOnly,
        }));
        return answer.topics.map(({ name, topicId, errorCode, errorMessage, numPartitions, replicationFactor }) => ({
          key: name,
          errorCode,
          errorMessage,
          value: { name, topicId, partitions: numPartitions, replicationFactor },
        }));
      },
      deadlineMs,
    );
  }

  /** Those that have these names now: one of them that is created anew meanwhile stays. */
  async deleteTopics(names: readonly string[]): Promise<readonly ItemResult<{ readonly name: string }>[]> {
    checkNames("deleteTopics", names);
    const deletion = new TopicsDeletion({
      metadata: (asked) => this.#requests.metadata(asked),
      ask: (api, build) => this.#requests.ask(api, build),
      brokerTimeoutMs: this.#requests.brokerTimeoutMs(),
    });
    const nameOf = (name: string) => name;
    return this.#requests.perItem(names, "deleting topic", nameOf, (open) => deletion.attempt(open));
  }

  async createPartitions(
    topics: readonly NewPartitions[],
    { validateOnly = false } = {},
  ): Promise<readonly ItemResult<{ readonly topic: string }>[]> {
    return this.#requests.perItem(
      topics,
      "adding partitions to topic",
      ({ topic }) => topic,
      async (open) => {
        const answer = await this.#requests.ask(apis.createPartitions, () => ({
          topics: open.map(wirePartitions),
          timeoutMs: this.#requests.brokerTimeoutMs(),
          validateOnly,
        }));
        return answer.results.map(({ name, errorCode, errorMessage }) => ({ key: name, errorCode, errorMessage, value: { topic: name } }));
      },
    );
  }

  /** Every topic, sorted by name. */
  async listTopics(): Promise<readonly TopicDescription[]> {
    const { topics } = mergeMetadata(emptySnapshot, await this.#requests.metadata(null));
    return [...topics.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  async describeTopics(names: readonly string[]): Promise<readonly ItemResult<TopicDescription>[]> {
    checkNames("describeTopics", names);
    return this.#requests.perItem(
      names,
      "describing topic",
      (name) => name,
      async (open) => {
        const { topics, topicErrors } = mergeMetadata(emptySnapshot, await this.#requests.metadata(open));
        return open.map((name) => {
          const value = topics.get(name);
          const errorCode = value === undefined ? (topicErrors.get(name)?.code ?? "UNKNOWN_TOPIC_OR_PARTITION") : "NONE";
          // an unknown topic is retriable for a producer, whose topic may be on its way; here it is the answer
          return { key: name, errorCode, errorMessage: null, value, isFinal: errorCode === "UNKNOWN_TOPIC_OR_PARTITION" };
        });
      },
    );
  }

  async describeCluster(): Promise<ClusterDescription> {
    const { clusterId, controllerId, brokers } = mergeMetadata(emptySnapshot, await this.#requests.metadata([]));
    return { clusterId, controllerId, brokers: [...brokers.values()].toSorted((a, b) => a.id - b.id) };
  }

  /** A broker's own settings are requested from that broker. `synonyms`: also where else each value could come from. */
  async describeConfigs(
    resources: readonly ConfigResource[],
    { names, synonyms = false }: { readonly names?: readonly string[]; readonly synonyms?: boolean } = {},
  ): Promise<readonly ItemResult<ResourceConfigs>[]> {
    const describe = async (resource: ConfigResource) => {
      const asked = { ...wireResource(resource), configurationKeys: names ?? null };
      const request = { resources: [asked], includeSynonyms: synonyms, includeDocumentation: false };
      return describedConfigs(resource, await this.#requests.askAbout(resource, apis.describeConfigs, request));
    };
    return Promise.all(resources.map(describe));
  }

  /** Changes what is named and leaves the rest. */
  async incrementalAlterConfigs(changes: readonly ResourceChange[], { validateOnly = false } = {}): Promise<readonly Altered[]> {
    const alter = (change: ResourceChange) =>
      this.#requests.alter(change.resource, apis.incrementalAlterConfigs, { resources: wireChanges([change]), validateOnly });
    return Promise.all(changes.map(alter));
  }

  /**
   * Replaces all that is set at run time. Two clients that do this at once undo each other's changes: `incrementalAlterConfigs` does not.
   */
  async alterConfigs(replacements: readonly ResourceReplacement[], { validateOnly = false } = {}): Promise<readonly Altered[]> {
    const alter = (replacement: ResourceReplacement) =>
      this.#requests.alter(replacement.resource, apis.alterConfigs, { resources: [wireReplacement(replacement)], validateOnly });
    return Promise.all(replacements.map(alter));
  }

  /** Null: every partition. Those where nothing had to change come back as ELECTION_NOT_NEEDED. */
  async electLeaders(
    type: "preferred" | "unclean",
    partitions: readonly TopicPartition[] | null = null,
  ): Promise<readonly ItemResult<TopicPartition>[]> {
    return electLeaders(this.#requests, type, partitions);
  }

  /** Moves partitions to other brokers, or changes how many have them. Done when `listPartitionReassignments` does not list it any more. */
  alterPartitionReassignments(
    wanted: readonly ReplicasWanted[],
    { allowReplicationFactorChange = true } = {},
  ): Promise<readonly ItemResult<TopicPartition>[]> {
    const ask = (open: readonly ReplicasWanted[]) =>
      alterReassignments((api, build) => this.#requests.ask(api, build), open, {
        timeoutMs: this.#requests.brokerTimeoutMs(),
        allowReplicationFactorChange,
      });
    return this.#requests.perItem(wanted, "reassigning", ({ topic, partition }) => partitionKey(topic, partition), ask);
  }

  /** Null: of every partition. Those that are not being reassigned are left out. */
  listPartitionReassignments(partitions: readonly TopicPartition[] | null = null): Promise<readonly PartitionReassignment[]> {
    return this.#requests.retrying(() =>
      listReassignments((api, build) => this.#requests.ask(api, build), partitions, this.#requests.brokerTimeoutMs()),
    );
  }

  /**
   * Offsets by position or time, in the order of the queries; with `isolation` "read_committed" the log ends before the first open
   * transaction. Throws when one cannot be found.
   */
  async listOffsets(
    requests: readonly OffsetRequest[],
    { isolation = "read_uncommitted" }: { readonly isolation?: Isolation } = {},
  ): Promise<readonly OffsetResult[]> {
    checkList("listOffsets", requests, '[{ topic: "orders", partition: 0, spec: "latest" }]');
    const found = await listOffsets(this.#cluster, requests, this.#requests.deadlineMs(), isolation);
    return requests.map(({ topic, partition }, index) => ({ topic, partition, ...(found[index] as FoundOffset) }));
  }

  /** Deletes the oldest records of partitions, from every live replica. */
  deleteRecords(wanted: readonly RecordsToDelete[]): Promise<readonly ItemResult<DeletedRecords>[]> {
    return deleteRecords(this.#cluster, wanted, {
      deadlineMs: this.#requests.deadlineMs(),
      brokerTimeoutMs: this.#requests.brokerTimeoutMs(),
    });
  }

  /** Every group, sorted by name. */
  listGroups(): Promise<readonly GroupListing[]> {
    return listGroups(this.#cluster, this.#requests.deadlineMs());
  }

  /** Groups of either protocol. A group that does not exist comes back as GROUP_ID_NOT_FOUND. */
  async describeGroups(groupIds: readonly string[]): Promise<readonly ItemResult<GroupDescription>[]> {
    checkNames("describeGroups", groupIds);
    return Promise.all(groupIds.map((groupId) => describeGroup(this.#cluster, groupId, this.#requests.deadlineMs())));
  }

  /** With their positions. A group that has members comes back as NON_EMPTY_GROUP. */
  async deleteGroups(groupIds: readonly string[]): Promise<readonly ItemResult<{ readonly groupId: string }>[]> {
    checkNames("deleteGroups", groupIds);
    return Promise.all(groupIds.map((groupId) => deleteGroup(this.#cluster, groupId, this.#requests.deadlineMs())));
  }

  /** What a group has committed: for these partitions in order (offset -1: nothing), or everything. */
  async listGroupOffsets(groupId: string, partitions: readonly TopicPartition[] | null = null): Promise<readonly CommittedOffset[]> {
    checkGroupId("listGroupOffsets", groupId);
    return listGroupOffsets(this.#cluster, groupId, partitions, this.#requests.deadlineMs());
  }

  /** How far behind a group is, in records and in time, wherever it has a position, and in `also`. */
  async groupLag(groupId: string, also: readonly TopicPartition[] = []): Promise<readonly GroupLag[]> {
    checkGroupId("groupLag", groupId);
    return groupLag(this.#cluster, groupId, also, this.#requests.deadlineMs());
  }

  /** Sets a group's positions. While it has members, they come back as NON_EMPTY_GROUP. */
  async alterGroupOffsets(groupId: string, offsets: readonly OffsetToCommit[]): Promise<readonly ItemResult<TopicPartition>[]> {
    checkGroupId("alterGroupOffsets", groupId);
    return alterGroupOffsets(this.#cluster, groupId, offsets, this.#requests.deadlineMs());
  }

  /** Deletes positions. Those in topics that members subscribe to come back as GROUP_SUBSCRIBED_TO_TOPIC. */
  async deleteGroupOffsets(groupId: string, partitions: readonly TopicPartition[]): Promise<readonly ItemResult<TopicPartition>[]> {
    checkGroupId("deleteGroupOffsets", groupId);
    return deleteGroupOffsets(this.#cluster, groupId, partitions, this.#requests.deadlineMs());
  }

  /** Every transactional id that a coordinator knows and that matches, sorted. */
  listTransactions(filter: TransactionFilter = {}): Promise<readonly TransactionListing[]> {
    return listTransactions(this.#cluster, filter, this.#requests.deadlineMs());
  }

  /** What the coordinators know. One that does not exist comes back as TRANSACTIONAL_ID_NOT_FOUND. */
  async describeTransactions(transactionalIds: readonly string[]): Promise<readonly ItemResult<TransactionDescription>[]> {
    checkNames("describeTransactions", transactionalIds);
    return Promise.all(transactionalIds.map((id) => describeTransaction(this.#cluster, id, this.#requests.deadlineMs())));
  }

  /** What the partitions' leaders remember of producers, their open transactions among it. */
  describeProducers(partitions: readonly TopicPartition[]): Promise<readonly ItemResult<PartitionProducers>[]> {
    return describeProducers(this.#cluster, partitions, this.#requests.deadlineMs());
  }

  /**
   * Ends a transaction in one partition past its coordinator: for one that no coordinator will ever end. One that is still written in loses
   * what it has there, and is torn.
   */
  abortTransaction(wanted: TransactionToAbort): Promise<void> {
    return abortTransaction(this.#cluster, wanted, this.#requests.deadlineMs());
  }

  /**
   * The brokers' log directories with the replicas in them, sorted by broker id; null: of all live brokers. `only`: replicas of these
   * partitions.
   */
  describeLogDirs(
    brokers: readonly BrokerId[] | null = null,
    only: readonly TopicPartition[] | null = null,
  ): Promise<readonly ItemResult<BrokerLogDirectories>[]> {
    return describeLogDirectories(this.#cluster, { brokers, only }, this.#requests.deadlineMs());
  }

  /** Moves replicas to other directories of the brokers that have them, while they continue to serve. */
  alterReplicaLogDirs(moves: readonly ReplicaMove[]): Promise<readonly ItemResult<ReplicaMove>[]> {
    return alterReplicaLogDirectories(this.#cluster, moves, this.#requests.deadlineMs());
  }

  async close(): Promise<void> {
    this.#cluster.close(new ClientClosed("the admin client was closed"));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
