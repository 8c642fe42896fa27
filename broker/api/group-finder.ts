import { InvariantViolation } from "../../protocol/base/invariant.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import { createTopicsRequest, createTopicsResponse } from "../../protocol/messages/create-topics.ts";
import { encodeWhole } from "../../protocol/schema/message.ts";
import { Reader } from "../../protocol/wire/reader.ts";
import type { ClusterImage, ImageSource } from "../cluster/contract.ts";
import { offsetsTopic, partitionOfGroup } from "../group/group-partition.ts";
import type { Endpoint } from "./api.ts";
import type { CoordinatorFinder } from "./find-coordinator.ts";
import { nodeOn, partitionRecord } from "./leader-hints.ts";
import { uncounted } from "./request-meter.ts";

export interface OffsetsTopicConfig {
  /** `offsets.topic.num.partitions` */
  readonly partitions: number;
  /** `offsets.topic.replication.factor`: as many replicas, or one on each broker that is alive when the topic is created. */
  readonly replicationFactor: number;
  /** `offsets.topic.segment.bytes` */
  readonly segmentBytes: number;
}

export interface GroupFinderParts {
  readonly images: Pick<ImageSource, "current">;
  /** CreateTopics as clients reach it: served here or forwarded to the controller. */
  readonly createTopics: Endpoint;
  /** Aborts when the broker shuts down. */
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly config: OffsetsTopicConfig;
}

const creationTimeoutMs = 30_000;
const version = createTopicsRequest.versions[1];

/**
 * A group's coordinator is the leader of its partition of `__consumer_offsets`, which is created when the first client asks. There are no
 * transaction coordinators yet.
 */
export function groupFinder({ images, createTopics, signal, log, config }: GroupFinderParts): CoordinatorFinder {
  let isCreating = false;
  const context = {
    apiVersion: version,
    clientId: null,
    listener: "",
    remote: "offsets topic",
    connectionId: -1,
    signal,
    meter: uncounted,
  };
  const create = async () => {
    const topic = newOffsetsTopic(images.current, config);
    const body = encodeWhole(createTopicsRequest, { topics: [topic], timeoutMs: creationTimeoutMs, validateOnly: false }, version);
    const answer = await createTopics.serve(body, context);
    for (const { errorCode, errorMessage } of createTopicsResponse.read(new Reader(Buffer.concat(answer ?? [])), version).topics) {
      if (errorCode === "NONE")
        log.info({ topic: topic.name, copies: topic.replicationFactor }, "created the topic that groups are kept in");
      else if (errorCode !== "TOPIC_ALREADY_EXISTS")
        log.warn({ topic: topic.name, error: errorCode, reason: errorMessage }, "could not create the topic that groups are kept in");
    }
  };
  const beginCreation = () => {
    if (isCreating) return;
    isCreating = true;
    void create()
      .catch((error: unknown) => {
        if (error instanceof InvariantViolation) throw error;
        log.warn({ err: error }, "could not create the topic that groups are kept in");
      })
      .finally(() => {
        isCreating = false;
      });
  };
  return {
    async find(kind, key, listener) {
      // librdkafka takes this error and one other as final, and retries all other errors for ever; the Java client shows the message with
      // this one, not with the other
      if (kind !== "group")
        return { error: "CLUSTER_AUTHORIZATION_FAILED", message: "transactions are not served: leave transactional.id out" };
      const image = images.current;
      const partitions = image.topics.get(offsetsTopic)?.partitions.length ?? 0;
      if (partitions === 0) {
        beginCreation();
        return { error: "COORDINATOR_NOT_AVAILABLE", message: "the topic that groups are kept in is being created" };
      }
      const record = partitionRecord(image, { topic: offsetsTopic, partition: partitionOfGroup(key, partitions) });
      const leader = record === undefined ? undefined : image.brokers.get(record.leader);
      const node = leader === undefined ? null : nodeOn(leader, listener);
      return node === null ? { error: "COORDINATOR_NOT_AVAILABLE" } : { error: null, node };
    },
  };
}

function newOffsetsTopic({ brokers, leavingBrokers }: ClusterImage, { partitions, replicationFactor, segmentBytes }: OffsetsTopicConfig) {
  const available = [...brokers.keys()].filter((id) => !leavingBrokers.has(id)).length;
  const configs = [
    { name: "cleanup.policy", value: "compact" },
    { name: "compression.type", value: "producer" },
    { name: "segment.bytes", value: String(segmentBytes) },
  ];
  return {
    name: offsetsTopic,
    numPartitions: partitions,
    replicationFactor: Math.max(1, Math.min(replicationFactor, available)),
    assignments: [],
    configs,
  };
}
