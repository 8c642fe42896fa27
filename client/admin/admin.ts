import { type BrokerId, noBroker, partitionKey, type TopicPartition } from "../../protocol/base/ids.ts";
import { apis, type MessagePair } from "../../protocol/messages/apis.ts";
import type { MetadataResponse } from "../../protocol/messages/metadata.ts";
import type { ClientEventName, ClientListener, EventSource } from "../base/client-events.ts";
import type { ClientOptions } from "../base/client-options.ts";
import { ClientClosed, KafkaProtocolError } from "../base/errors.ts";
import type { CommittedOffset, OffsetToCommit } from "../group/group-offsets.ts";
import { whileAlive } from "../metadata/broker-watch.ts";
import { Cluster } from "../metadata/cluster.ts";
import { emptySnapshot, mergeMetadata } from "../metadata/cluster-snapshot.ts";
import { metadataRequest } from "../metadata/metadata-request.ts";
import { type FoundOffset, listOffsets } from "../metadata/offset-lookup.ts";
import type { BrokerConnection } from "../network/broker-connection.ts";
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
import { alteredConfigs, describedConfigs, wireChanges, wireReplacement, wireResource } from "./configs.ts";
import { type GroupLag, groupLag } from "./group-lag.ts";
import { type ItemAnswer, shouldAskAgain } from "./item-answer.ts";
import { electLeaders } from "./leader-election.ts";
import { alterReassignments, listReassignments, type PartitionReassignment, type ReplicasWanted } from "./reassignments.ts";
import { type DeletedRecords, deleteRecords, type RecordsToDelete } from "./records-deletion.ts";
import { alterReplicaLogDirectories, type BrokerLogDirectories, describeLogDirectories, type ReplicaMove } from "./replica-directories.ts";
import { TopicsDeletion } from "./topics-deletion.ts";

type Altered = ItemResult<{ readonly resource: ConfigResource }>;

export interface AdminOptions extends ClientOptions {
  /** How long an operation may take, attempts and pauses included. Milliseconds; default 60,000. */
  readonly operationTimeoutMs?: number;
}

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
  readonly #operationTimeoutMs: number;
  /** The broker to ask, after one refused to forward; null: any. */
  #controller: BrokerId | null = null;

  constructor(options: AdminOptions) {
    this.#cluster = new Cluster(options, { mayCreateTopics: false });
    this.#operationTimeoutMs = options.operationTimeoutMs ?? 60_000;
    options.signal?.addEventListener("abort", () => this.#cluster.close(), { once: true, signal: this.#cluster.signal });
    if (options.signal?.aborted) this.#cluster.close();
  }

  /** Tells of what fails and is tried again: see `ClientEventMap`. Returns a function that takes the listener away. */
  on<E extends ClientEventName>(event: E, listener: ClientListener<E>): () => void {
    return this.#cluster.events.on(event, listener);
  }

  async createTopics(topics: readonly NewTopic[], { validateOnly = false } = {}): Promise<readonly ItemResult<CreatedTopic>[]> {
    const wanted = topics.map(({ name, partitions = -1, replicationFactor = -1, assignment = [], configs = {} }) => ({
      name,
      numPartitions: assignment.length > 0 ? -1 : partitions,
      replicationFactor: assignment.length > 0 ? -1 : replicationFactor,
      assignments: assignment.map((brokerIds, partitionIndex) => ({ partitionIndex, brokerIds })),
      configs: Object.entries(configs).map(([name, value]) => ({ name, value })),
    }));
    return this.#perItem(
      wanted,
      "creating topic",
      ({ name }) => name,
      async (open) => {
        const answer = await this.#ask(apis.createTopics, () => ({ topics: open, timeoutMs: this.#brokerTimeoutMs(), validateOnly }));
        return answer.topics.map(({ name, topicId, errorCode, errorMessage, numPartitions, replicationFactor }) => ({
          key: name,
          errorCode,
          errorMessage,
          value: { name, topicId, partitions: numPartitions, replicationFactor },
        }));
      },
    );
  }

  /** Those that have these names now: one of them that is created anew meanwhile stays. */
  async deleteTopics(names: readonly string[]): Promise<readonly ItemResult<{ readonly name: string }>[]> {
    const deletion = new TopicsDeletion({
      metadata: (asked) => this.#metadata(asked),
      ask: (api, build) => this.#ask(api, build),
      brokerTimeoutMs: this.#brokerTimeoutMs(),
    });
    const nameOf = (name: string) => name;
    return this.#perItem(names, "deleting topic", nameOf, (open) => deletion.attempt(open));
  }

  async createPartitions(
    topics: readonly NewPartitions[],
    { validateOnly = false } = {},
  ): Promise<readonly ItemResult<{ readonly topic: string }>[]> {
    return this.#perItem(
      topics,
      "adding partitions to topic",
      ({ topic }) => topic,
      async (open) => {
        const wanted = open.map(({ topic, count, assignment }) => ({
          name: topic,
          count,
          assignments: assignment?.map((brokerIds) => ({ brokerIds })) ?? null,
        }));
        const answer = await this.#ask(apis.createPartitions, () => ({
          topics: wanted,
          timeoutMs: this.#brokerTimeoutMs(),
          validateOnly,
        }));
        return answer.results.map(({ name, errorCode, errorMessage }) => ({ key: name, errorCode, errorMessage, value: { topic: name } }));
      },
    );
  }

  /** Every topic, sorted by name. */
  async listTopics(): Promise<readonly TopicDescription[]> {
    const { topics } = mergeMetadata(emptySnapshot, await this.#metadata(null));
    return [...topics.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  async describeTopics(names: readonly string[]): Promise<readonly ItemResult<TopicDescription>[]> {
    return this.#perItem(
      names,
      "describing topic",
      (name) => name,
      async (open) => {
        const { topics, topicErrors } = mergeMetadata(emptySnapshot, await this.#metadata(open));
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
    const { clusterId, controllerId, brokers } = mergeMetadata(emptySnapshot, await this.#metadata([]));
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
      return describedConfigs(resource, await this.#askAbout(resource, apis.describeConfigs, request));
    };
    return Promise.all(resources.map(describe));
  }

  /** Changes what is named and leaves the rest. */
  async incrementalAlterConfigs(changes: readonly ResourceChange[], { validateOnly = false } = {}): Promise<readonly Altered[]> {
    const alter = (change: ResourceChange) =>
      this.#alter(change.resource, apis.incrementalAlterConfigs, { resources: wireChanges([change]), validateOnly });
    return Promise.all(changes.map(alter));
  }

  /**
   * Replaces all that is set at run time. Two clients that do this at once undo each other's changes: `incrementalAlterConfigs` does not.
   */
  async alterConfigs(replacements: readonly ResourceReplacement[], { validateOnly = false } = {}): Promise<readonly Altered[]> {
    const alter = (replacement: ResourceReplacement) =>
      this.#alter(replacement.resource, apis.alterConfigs, { resources: [wireReplacement(replacement)], validateOnly });
    return Promise.all(replacements.map(alter));
  }

  /** Null: every partition. Those where nothing had to change come back as ELECTION_NOT_NEEDED. */
  async electLeaders(
    type: "preferred" | "unclean",
    partitions: readonly TopicPartition[] | null = null,
  ): Promise<readonly ItemResult<TopicPartition>[]> {
    return this.#retrying(() => electLeaders((api, build) => this.#ask(api, build), type, partitions, this.#brokerTimeoutMs()));
  }

  /** Moves partitions to other brokers, or changes how many have them. Done when `listPartitionReassignments` does not list it any more. */
  alterPartitionReassignments(
    wanted: readonly ReplicasWanted[],
    { allowReplicationFactorChange = true } = {},
  ): Promise<readonly ItemResult<TopicPartition>[]> {
    const ask = (open: readonly ReplicasWanted[]) =>
      alterReassignments((api, build) => this.#ask(api, build), open, { timeoutMs: this.#brokerTimeoutMs(), allowReplicationFactorChange });
    return this.#perItem(wanted, "reassigning", ({ topic, partition }) => partitionKey(topic, partition), ask);
  }

  /** Null: of every partition. Those that are not being reassigned are left out. */
  listPartitionReassignments(partitions: readonly TopicPartition[] | null = null): Promise<readonly PartitionReassignment[]> {
    return this.#retrying(() => listReassignments((api, build) => this.#ask(api, build), partitions, this.#brokerTimeoutMs()));
  }

  /** Offsets by position or time, in the order of the queries. Throws when one cannot be found. */
  async listOffsets(requests: readonly OffsetRequest[]): Promise<readonly OffsetResult[]> {
    const found = await listOffsets(this.#cluster, requests, this.#deadlineMs());
    return requests.map(({ topic, partition }, index) => ({ topic, partition, ...(found[index] as FoundOffset) }));
  }

  /** Deletes the oldest records of partitions, from every live replica. */
  deleteRecords(wanted: readonly RecordsToDelete[]): Promise<readonly ItemResult<DeletedRecords>[]> {
    return deleteRecords(this.#cluster, wanted, { deadlineMs: this.#deadlineMs(), brokerTimeoutMs: this.#brokerTimeoutMs() });
  }

  /** Every group, sorted by name. */
  listGroups(): Promise<readonly GroupListing[]> {
    return listGroups(this.#cluster, this.#deadlineMs());
  }

  /** Groups of either protocol. A group that does not exist comes back as GROUP_ID_NOT_FOUND. */
  describeGroups(groupIds: readonly string[]): Promise<readonly ItemResult<GroupDescription>[]> {
    return Promise.all(groupIds.map((groupId) => describeGroup(this.#cluster, groupId, this.#deadlineMs())));
  }

  /** With their positions. A group that has members comes back as NON_EMPTY_GROUP. */
  deleteGroups(groupIds: readonly string[]): Promise<readonly ItemResult<{ readonly groupId: string }>[]> {
    return Promise.all(groupIds.map((groupId) => deleteGroup(this.#cluster, groupId, this.#deadlineMs())));
  }

  /** What a group has committed: for these partitions in order (offset -1: nothing), or everything. */
  listGroupOffsets(groupId: string, partitions: readonly TopicPartition[] | null = null): Promise<readonly CommittedOffset[]> {
    return listGroupOffsets(this.#cluster, groupId, partitions, this.#deadlineMs());
  }

  /** How far behind a group is, in records and in time, wherever it has a position, and in `also`. */
  groupLag(groupId: string, also: readonly TopicPartition[] = []): Promise<readonly GroupLag[]> {
    return groupLag(this.#cluster, groupId, also, this.#deadlineMs());
  }

  /** Sets a group's positions. While it has members, they come back as NON_EMPTY_GROUP. */
  alterGroupOffsets(groupId: string, offsets: readonly OffsetToCommit[]): Promise<readonly ItemResult<TopicPartition>[]> {
    return alterGroupOffsets(this.#cluster, groupId, offsets, this.#deadlineMs());
  }

  /** Deletes positions. Those in topics that members subscribe to come back as GROUP_SUBSCRIBED_TO_TOPIC. */
  deleteGroupOffsets(groupId: string, partitions: readonly TopicPartition[]): Promise<readonly ItemResult<TopicPartition>[]> {
    return deleteGroupOffsets(this.#cluster, groupId, partitions, this.#deadlineMs());
  }

  /**
   * The brokers' log directories with the replicas in them, sorted by broker id; null: of all live brokers. `only`: replicas of these
   * partitions.
   */
  describeLogDirs(
    brokers: readonly BrokerId[] | null = null,
    only: readonly TopicPartition[] | null = null,
  ): Promise<readonly ItemResult<BrokerLogDirectories>[]> {
    return describeLogDirectories(this.#cluster, { brokers, only }, this.#deadlineMs());
  }

  /** Moves replicas to other directories of the brokers that have them, while they continue to serve. */
  alterReplicaLogDirs(moves: readonly ReplicaMove[]): Promise<readonly ItemResult<ReplicaMove>[]> {
    return alterReplicaLogDirectories(this.#cluster, moves, this.#deadlineMs());
  }

  async close(): Promise<void> {
    this.#cluster.close(new ClientClosed("the admin client was closed"));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #deadlineMs(): number {
    return this.#cluster.runtime.clock.monotonicMs() + this.#operationTimeoutMs;
  }

  /** How long a broker may take for its part; its answer should arrive before we close the connection. */
  #brokerTimeoutMs(): number {
    return Math.ceil(Math.min(this.#cluster.settings.requestTimeoutMs, this.#operationTimeoutMs) * 0.9);
  }

  #retrying<T>(attempt: () => Promise<T>): Promise<T> {
    return this.#cluster.retrying(this.#deadlineMs(), attempt);
  }

  async #metadata(names: readonly string[] | null): Promise<MetadataResponse> {
    const build = (version: number) => metadataRequest(names, version, { withReasons: true });
    return this.#retrying(() => this.#cluster.pool.askAny((connection, signal) => connection.request(apis.metadata, build, { signal })));
  }

  /**
   * Any broker will do: it forwards what only the controller may do. One that does not answers NOT_CONTROLLER, and then the controller is
   * asked.
   */
  async #ask<Req, Res>(api: MessagePair<Req, Res>, build: (version: number) => Req): Promise<Res> {
    try {
      const connection = await this.#cluster.connection(this.#controller);
      return await whileAlive(this.#cluster, connection, (signal) => connection.request(api, build, { signal }));
    } catch (error) {
      this.#controller = null;
      throw error;
    }
  }

  #askAbout<Req, Res>(resource: ConfigResource, api: MessagePair<Req, Res>, request: Req): Promise<Res> {
    return this.#retrying(async () => {
      const connection = await this.#connectionFor(resource);
      return whileAlive(this.#cluster, connection, (signal) => connection.request(api, () => request, { signal }));
    });
  }

  /** Again after a temporary failure, until the operation times out. To do the same twice changes nothing more. */
  async #alter<Req>(resource: ConfigResource, api: MessagePair<Req, Parameters<typeof alteredConfigs>[1]>, request: Req): Promise<Altered> {
    let altered: Altered | null = null;
    const attempt = async () => {
      altered = alteredConfigs(resource, await this.#askAbout(resource, api, request));
      const { error } = altered;
      if (error instanceof KafkaProtocolError && (shouldAskAgain(error.code) || error.code === "REQUEST_TIMED_OUT")) throw error;
      return altered;
    };
    return this.#retrying(attempt).catch((error: unknown) => {
      if (altered === null || altered.error !== error) throw error;
      return altered;
    });
  }

  async #connectionFor(resource: ConfigResource): Promise<BrokerConnection> {
    if ("topic" in resource || resource.broker === null) return this.#cluster.connection(null);
    if (!this.#cluster.metadata.snapshot.brokers.has(resource.broker)) await this.#cluster.metadata.refresh();
    return this.#cluster.connection(resource.broker);
  }

  /** Requests all items, then again those with temporary failures, until the operation times out. Results in the order of the items. */
  async #perItem<I, T>(
    items: readonly I[],
    doing: string,
    keyOf: (item: I) => string,
    ask: (open: readonly I[]) => Promise<readonly ItemAnswer<T>[]>,
  ): Promise<readonly ItemResult<T>[]> {
    const results = new Map<string, ItemResult<T>>();
    let open = items;
    const attempt = async () => {
      const answers = new Map((await ask(open)).map((answer) => [answer.key, answer]));
      let failure: KafkaProtocolError | null = null;
      const again: I[] = [];
      for (const item of open) {
        const key = keyOf(item);
        const { errorCode = "UNKNOWN_SERVER_ERROR", errorMessage = null, value, isFinal = false } = answers.get(key) ?? {};
        if (errorCode === "NONE") {
          results.set(key, { ...(value as T), error: null });
          continue;
        }
        const error = new KafkaProtocolError(errorCode, `${doing} ${key}`, errorMessage);
        results.set(key, { ...(value ?? ({} as Partial<T>)), error });
        if (!shouldAskAgain(errorCode) || isFinal) continue;
        again.push(item);
        failure = error;
      }
      open = again;
      if (failure !== null) await this.#followController(failure);
    };
    await this.#retrying(attempt).catch((error: unknown) => {
      // an answer with a reason is better than none
      if (!(error instanceof KafkaProtocolError) || open.some((item) => !results.has(keyOf(item)))) throw error;
    });
    return items.map((item) => results.get(keyOf(item)) as ItemResult<T>);
  }

  async #followController(failure: KafkaProtocolError): Promise<never> {
    if (failure.code === "NOT_CONTROLLER") {
      await this.#cluster.metadata.refresh();
      const { controllerId } = this.#cluster.metadata.snapshot;
      this.#controller = controllerId === noBroker ? null : controllerId;
    }
    throw failure;
  }
}
