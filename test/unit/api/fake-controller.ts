import type { AdminOptions, ControllerService, TopicCreation } from "../../../broker/controller/controller-service.ts";
import type { KafkaErrorCode } from "../../../protocol/errors/kafka-errors.ts";
import { topicId } from "./fixtures.ts";

/** Says yes to everything, or one error to everything, and keeps what it was asked. */
export class FakeController implements ControllerService {
  isController = true;
  error: KafkaErrorCode = "NONE";
  /** By what was asked about: a topic's name, or a resource's kind. */
  readonly errors = new Map<string, KafkaErrorCode>();
  readonly calls: { readonly method: string; readonly items: unknown; readonly options: AdminOptions }[] = [];

  #verdict(about: string) {
    const error = this.errors.get(about) ?? this.error;
    return { error, message: error === "NONE" ? null : `no: ${about}` };
  }

  async createTopics(topics: readonly TopicCreation[], options: AdminOptions) {
    this.calls.push({ method: "createTopics", items: topics, options });
    return topics.map(({ name }) => ({
      ...this.#verdict(name),
      name,
      topicId: topicId(name.slice(0, 8)),
      numPartitions: 4,
      replicationFactor: 3,
    }));
  }

  async deleteTopics(topics: Parameters<ControllerService["deleteTopics"]>[0], options: AdminOptions) {
    this.calls.push({ method: "deleteTopics", items: topics, options });
    return topics.map(({ name, id }) => ({
      ...this.#verdict(name ?? id ?? ""),
      name: name ?? "found by id",
      id: id ?? topicId("f"),
    }));
  }

  async createPartitions(topics: Parameters<ControllerService["createPartitions"]>[0], options: AdminOptions) {
    this.calls.push({ method: "createPartitions", items: topics, options });
    return topics.map(({ name }) => ({ ...this.#verdict(name), name }));
  }

  async electLeaders(kind: "preferred" | "unclean", partitions: Parameters<ControllerService["electLeaders"]>[1], options: AdminOptions) {
    this.calls.push({ method: `electLeaders ${kind}`, items: partitions, options });
    const all = partitions ?? [0, 1].map((partition) => ({ topic: "orders", partition }));
    return all.map(({ topic, partition }) => ({ ...this.#verdict(`${topic}-${partition}`), topic, partition }));
  }

  async alterPartitionReassignments(
    wanted: Parameters<ControllerService["alterPartitionReassignments"]>[0],
    options: Parameters<ControllerService["alterPartitionReassignments"]>[1],
  ) {
    this.calls.push({ method: "alterPartitionReassignments", items: wanted, options });
    return wanted.map(({ topic, partition }) => ({ ...this.#verdict(`${topic}-${partition}`), topic, partition }));
  }

  async listPartitionReassignments(partitions: Parameters<ControllerService["listPartitionReassignments"]>[0], timeoutMs: number) {
    this.calls.push({ method: "listPartitionReassignments", items: partitions, options: { timeoutMs, validateOnly: false } });
    const all = partitions ?? [0, 1].map((partition) => ({ topic: "orders", partition }));
    const reassignments = all.map(({ topic, partition }) => ({ topic, partition, replicas: [2, 3, 1], adding: [3], removing: [1] }));
    return { ...this.#verdict("list"), reassignments: this.error === "NONE" ? reassignments : [] };
  }

  async alterConfigs(changes: Parameters<ControllerService["alterConfigs"]>[0], options: AdminOptions) {
    this.calls.push({ method: "alterConfigs", items: changes, options });
    return changes.map(({ resource }) => this.#verdict(resource.kind));
  }

  async updateFeatures(updates: Parameters<ControllerService["updateFeatures"]>[0], options: AdminOptions) {
    this.calls.push({ method: "updateFeatures", items: updates, options });
    return this.#verdict("features");
  }
}
