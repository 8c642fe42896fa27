import type { Facts, GroupFacts, Probe, Settings } from "../../../../cli/doctor/facts.ts";
import type { BrokerMetadata, ConfigSource, GroupLag, TopicDescription } from "../../../../client/index.ts";
import { aBroker, aDirectory, aSample, aTopic, metricsRead, nowMs } from "../cluster-to-order.ts";

/** `value`, or the value and where it is from. */
export function settings(entries: Readonly<Record<string, string | readonly [string, ConfigSource]>>): Settings {
  return new Map(
    Object.entries(entries).map(([name, each]) => {
      const [value, source] = typeof each === "string" ? [each, "static-broker" as const] : each;
      return [name, { name, value, source, isReadOnly: false, isSensitive: false, synonyms: [] }];
    }),
  );
}

export function probe(id: number, more: Partial<Probe> = {}): Probe {
  return { address: `b${id}:9092`, trouble: null, versions: ["0:3-9", "1:4-11"], ...more };
}

export function aLag(partition: number, lag: number, more: Partial<GroupLag> = {}): GroupLag {
  return { topic: "t", partition, position: 100, startOffset: 0, endOffset: 100 + lag, outOfRange: null, lag, lagMs: lag * 1000, ...more };
}

export function aGroup(groupId: string, members: number, before: readonly GroupLag[], after: readonly GroupLag[]): GroupFacts {
  const description = {
    groupId,
    protocolType: "consumer",
    state: members === 0 ? "Empty" : "Stable",
    type: "classic" as const,
    assignor: "range",
    members: Array.from({ length: members }, (_, i) => ({
      memberId: `m${i}`,
      groupInstanceId: null,
      clientId: "c",
      host: "h",
      partitions: [{ topic: "t", partition: i }],
    })),
    rebalance: null,
  };
  return { description, before, after };
}

const ids = [1, 2, 3];
export const soundTopic = { "min.insync.replicas": "2", "unclean.leader.election.enable": "false", "retention.ms": "604800000" };

/** Of a cluster of three that has nothing wrong with it. */
export function sound(more: Partial<Facts> = {}): Facts {
  const topics = [aTopic("t", [{}, { replicas: [2, 3, 1] }, { replicas: [3, 1, 2] }])];
  return {
    nowMs,
    observedMs: 5_000,
    clusterId: "c",
    controllerId: 1,
    brokers: ids.map((id) => aBroker(id)),
    topics,
    bootstrap: [probe(1)],
    probes: new Map(ids.map((id) => [id, probe(id)])),
    settings: new Map(
      ids.map((id) => [id, { value: settings({ "broker.id": String(id), listeners: `PLAINTEXT://b${id}:9092` }), why: null }]),
    ),
    topicSettings: { value: new Map([["t", settings(soundTopic)]]), why: null },
    directories: new Map(ids.map((id) => [id, { value: [aDirectory("/data", 0.5)], why: null }])),
    metrics: new Map(ids.map((id) => [id, { before: aSample(id), after: metricsRead(aSample(id)) }])),
    moves: { value: { before: [], after: [] }, why: null },
    copies: copiesOf(
      ids.map((id) => aBroker(id)),
      topics,
    ),
    groups: { value: [], why: null },
    groupsCount: 0,
    zookeeper: { value: [{ server: "z:2181", latency: { averageMs: 1, maxMs: 9, outstanding: 0 } }], why: null },
    ...more,
  };
}

export function copiesOf(
  brokers: readonly BrokerMetadata[],
  topics: readonly TopicDescription[],
  bytes = 1000,
  moving = 0,
): Facts["copies"] {
  return {
    value: {
      brokers: brokers.map(({ id, rack }) => ({ id, rack, mayHold: true, roomBytes: null })),
      partitions: topics.flatMap(({ name, partitions }) =>
        partitions.map(({ partition, replicas, leader }) => ({ topic: name, partition, replicas, leader, bytes, traffic: 0 })),
      ),
      moving,
    },
    why: null,
  };
}
