import type { Admin, PartitionMetadata, TopicDescription } from "../../client/index.ts";
import { configHead, configRow, describedConfigs, type ShownConfig } from "../config/describe-configs.ts";
import { printable } from "../output/printable.ts";
import { type Cell, table } from "../output/table.ts";
import { formatCount } from "../output/units.ts";
import { isOffline } from "./topic-health.ts";

export interface DescribeOptions {
  readonly configs: boolean;
  readonly offsets: boolean;
}

interface PartitionOffsets {
  readonly startOffset: number;
  readonly endOffset: number;
}

/** A topic as `topic describe` shows it. Its JSON is this. */
export interface DescribedTopic {
  readonly name: string;
  readonly topicId: string;
  readonly partitions: readonly (PartitionMetadata & Partial<PartitionOffsets>)[];
  readonly configs?: readonly ShownConfig[];
}

export async function describeTopic(admin: Admin, topic: TopicDescription, options: DescribeOptions): Promise<DescribedTopic> {
  const { name, topicId } = topic;
  const offsets = options.offsets ? await offsetsOf(admin, topic) : null;
  const partitions = topic.partitions.map((partition) => ({ ...partition, ...offsets?.get(partition.partition) }));
  return { name, topicId, partitions, ...(options.configs ? { configs: await describedConfigs(admin, { topic: name }) } : {}) };
}

/** Partitions without a leader have none to tell: they are left out. */
async function offsetsOf(admin: Admin, { name, partitions }: TopicDescription): Promise<Map<number, PartitionOffsets>> {
  const led = partitions.filter((partition) => !isOffline(partition)).map(({ partition }) => ({ topic: name, partition }));
  const [starts, ends] = await Promise.all([
    admin.listOffsets(led.map((each) => ({ ...each, spec: "earliest" }))),
    admin.listOffsets(led.map((each) => ({ ...each, spec: "latest" }))),
  ]);
  return new Map(led.map(({ partition }, i) => [partition, { startOffset: starts[i]?.offset ?? -1, endOffset: ends[i]?.offset ?? -1 }]));
}

export function topicAsText({ name, topicId, partitions, configs }: DescribedTopic, { offsets }: DescribeOptions): string {
  const copies = Math.max(0, ...partitions.map(({ replicas }) => replicas.length));
  const summary = `${printable(name)}  id ${topicId}  ${formatCount(partitions.length, "partition")}  ${formatCount(copies, "copy", "copies")}\n`;
  const head = ["partition", "leader", "epoch", "replicas", "isr", "offline", ...(offsets ? ["start", "end"] : [])];
  const rows = partitions.map((partition): Cell[] => [
    partition.partition,
    isOffline(partition) ? "none" : String(partition.leader),
    partition.leaderEpoch,
    ids(partition.replicas),
    ids(partition.isr),
    ids(partition.offlineReplicas),
    ...(offsets ? [String(partition.startOffset ?? "-"), String(partition.endOffset ?? "-")] : []),
  ]);
  const settings = configs === undefined ? "" : table(configHead, configs.map(configRow));
  return summary + table(head, rows) + reasonsAsText(partitions) + settings;
}

/** Why replicas are offline although their brokers live: each reason once, with the replicas that it holds for. */
function reasonsAsText(partitions: readonly PartitionMetadata[]): string {
  const reasons = partitions.flatMap(({ partition, offlineReasons }) => (offlineReasons ?? []).map((each) => ({ ...each, partition })));
  const groups = Map.groupBy(reasons, ({ brokerId, reason }) => `broker ${brokerId}: ${reason}`);
  return [...groups].map(([text, some]) => `offline ${some.map(({ partition }) => partition).join(",")} on ${text}\n`).join("");
}

function ids(brokers: readonly number[]): string {
  return brokers.length === 0 ? "-" : brokers.join(",");
}
