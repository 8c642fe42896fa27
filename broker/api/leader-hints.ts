import type { TopicPartition } from "../../protocol/base/ids.ts";
import { type BrokerId, noBroker } from "../../protocol/base/ids.ts";
import type { KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import type { BrokerRecord } from "../../protocol/peer/messages.ts";
import type { ClusterImage } from "../cluster/cluster-image.ts";

/** A broker as clients of one listener see it. */
export interface Node {
  readonly nodeId: BrokerId;
  readonly host: string;
  readonly port: number;
  readonly rack: string | null;
}

/** Null: the broker has no such listener. */
export function nodeOn(broker: BrokerRecord, listener: string): Node | null {
  const endpoint = broker.endpoints.find((candidate) => candidate.listener === listener);
  return endpoint === undefined ? null : { nodeId: broker.id, host: endpoint.host, port: endpoint.port, rack: broker.rack };
}

/** The live brokers that the listener's clients can reach, by rising id. */
export function nodesOn(image: ClusterImage, listener: string): Node[] {
  return [...image.brokers.values()]
    .map((broker) => nodeOn(broker, listener))
    .filter((node) => node !== null)
    .sort((a, b) => a.nodeId - b.nodeId);
}

export function partitionRecord(image: ClusterImage, { topic, partition }: TopicPartition) {
  return image.topics.get(topic)?.partitions[partition];
}

/**
 * The partitions here cannot tell a partition that does not exist from one that other brokers have; the metadata can. With
 * UNKNOWN_TOPIC_OR_PARTITION for an existing partition a client may give up; NOT_LEADER_OR_FOLLOWER makes it retry.
 */
export function asMetadataSays<E extends KafkaErrorCode>(
  image: ClusterImage,
  ref: TopicPartition,
  error: E,
): E | "UNKNOWN_TOPIC_OR_PARTITION" | "NOT_LEADER_OR_FOLLOWER" {
  const exists = partitionRecord(image, ref) !== undefined;
  if (error === "UNKNOWN_TOPIC_OR_PARTITION" && exists) return "NOT_LEADER_OR_FOLLOWER";
  if (error === "NOT_LEADER_OR_FOLLOWER" && !exists) return "UNKNOWN_TOPIC_OR_PARTITION";
  return error;
}

export interface LeaderHint {
  readonly leaderId: BrokerId;
  readonly leaderEpoch: number;
}

export const noLeaderHint: LeaderHint = { leaderId: noBroker, leaderEpoch: -1 };

/** Collects, for one response, the leaders of the partitions that the wrong broker was asked for, and their addresses (KIP-951). */
export class LeaderHints {
  readonly #image: ClusterImage;
  readonly #listener: string;
  readonly #nodes = new Map<BrokerId, Node>();

  constructor(image: ClusterImage, listener: string) {
    this.#image = image;
    this.#listener = listener;
  }

  /** The hint that goes with a partition's error; the empty one for errors that are not about the leader. */
  forError(ref: TopicPartition, error: KafkaErrorCode): LeaderHint {
    if (error !== "NOT_LEADER_OR_FOLLOWER" && error !== "FENCED_LEADER_EPOCH") return noLeaderHint;
    const record = partitionRecord(this.#image, ref);
    if (record === undefined) return noLeaderHint;
    const leader = this.#image.brokers.get(record.leader);
    const node = leader === undefined ? null : nodeOn(leader, this.#listener);
    if (node !== null) this.#nodes.set(node.nodeId, node);
    return { leaderId: record.leader, leaderEpoch: record.leaderEpoch };
  }

  get nodeEndpoints(): readonly Node[] {
    return [...this.#nodes.values()];
  }
}
