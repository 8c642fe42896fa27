import { setTimeout } from "node:timers/promises";
import type { Admin, PartitionMetadata, TopicDescription } from "../../client/index.ts";
import { partitionKey } from "../../protocol/base/ids.ts";
import { configHead, configRow, describedConfigs, type ShownConfig } from "../config/show-configs.ts";
import { type Cell, table } from "../output/table.ts";
import { printable } from "../output/terminal-text.ts";
import { formatCount } from "../output/units.ts";
import { isOffline } from "./topic-health.ts";

export interface DescribeOptions {
  readonly configs: boolean;
  readonly offsets: boolean;
}

/** The newest record of a partition whose timestamp is in the future. */
export interface FutureRecord {
  readonly offset: number;
  readonly timestampMs: number;
}

interface PartitionOffsets {
  readonly startOffset: number;
  readonly endOffset: number;
}

/** A topic as `topic describe` shows it. Its JSON is this. */
export interface DescribedTopic {
  readonly name: string;
  readonly topicId: string;
  readonly partitions: readonly (PartitionMetadata & Partial<PartitionOffsets> & { readonly futureRecord?: FutureRecord })[];
  readonly configs?: readonly ShownConfig[];
}

export async function describeTopic(
  admin: Admin,
  topic: TopicDescription,
  futureRecords: FutureRecords,
  options: DescribeOptions,
): Promise<DescribedTopic> {
  const { name, topicId } = topic;
  const offsets = options.offsets ? await offsetsOf(admin, topic) : null;
  const partitions = topic.partitions.map((partition) => {
    const futureRecord = futureRecords.get(partitionKey(name, partition.partition));
    return { ...partition, ...offsets?.get(partition.partition), ...(futureRecord === undefined ? {} : { futureRecord }) };
  });
  return { name, topicId, partitions, ...(options.configs ? { configs: await describedConfigs(admin, { topic: name }) } : {}) };
}

export type FutureRecords = ReadonlyMap<string, FutureRecord>;

/** Clocks usually differ by less. */
const aheadMaxMs = 60_000;
/** A description is also for clusters in trouble: one whose leaders do not answer is described without this. */
const futureRecordsMaxMs = 2_000;

/** Records of these topics with timestamps in the future, by partition. Without those whose leaders did not answer in time. */
export async function futureRecordsOf(
  admin: Pick<Admin, "listOffsets">,
  topics: readonly TopicDescription[],
  nowMs: number,
): Promise<FutureRecords> {
  const led = topics.flatMap(({ name, partitions }) =>
    partitions.filter((partition) => !isOffline(partition)).map(({ partition }) => ({ topic: name, partition })),
  );
  const newest = admin.listOffsets(led.map((each) => ({ ...each, spec: "max-timestamp" }))).catch(() => []);
  const tooLate = setTimeout(futureRecordsMaxMs, [], { ref: false });
  const found = await Promise.race([newest, tooLate]);
  const future = found.filter(({ timestampMs }) => timestampMs > nowMs + aheadMaxMs);
  return new Map(future.map(({ topic, partition, offset, timestampMs }) => [partitionKey(topic, partition), { offset, timestampMs }]));
}

/** Partitions without a leader cannot be queried: they are left out. */
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
  const future = partitions.flatMap(({ partition, futureRecord }) =>
    futureRecord === undefined ? [] : [futureLine(partition, futureRecord)],
  );
  return summary + table(head, rows) + reasonsAsText(partitions) + future.join("") + settings;
}

/** Why replicas are offline although their brokers live: each reason once, with its replicas. */
function reasonsAsText(partitions: readonly PartitionMetadata[]): string {
  const reasons = partitions.flatMap(({ partition, offlineReasons }) => (offlineReasons ?? []).map((each) => ({ ...each, partition })));
  const groups = Map.groupBy(reasons, ({ brokerId, reason }) => `broker ${brokerId}: ${reason}`);
  return [...groups].map(([text, some]) => `offline ${some.map(({ partition }) => partition).join(",")} on ${text}\n`).join("");
}

function futureLine(partition: number, { offset, timestampMs }: FutureRecord): string {
  const time = timeOf(timestampMs);
  return `partition ${partition}: the record at offset ${offset} is of ${time}, which is to come: retention.ms keeps it, and all that come after it, until then\n`;
}

/** Dates end in the year 275760. */
function timeOf(timestampMs: number): string {
  return timestampMs <= 8.64e15 ? new Date(timestampMs).toISOString() : `${timestampMs} ms`;
}

function ids(brokers: readonly number[]): string {
  return brokers.length === 0 ? "-" : brokers.join(",");
}
