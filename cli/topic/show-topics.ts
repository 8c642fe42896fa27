import type { Admin, PartitionMetadata, TopicDescription } from "../../client/index.ts";
import { partitionKey } from "../../protocol/base/ids.ts";
import { configHead, configRow, describedConfigs, type ShownConfig } from "../config/show-configs.ts";
import { type Look, plainLook } from "../output/look.ts";
import { type Cell, quantity, type ShownCell, table } from "../output/table.ts";
import { printable } from "../output/terminal-text.ts";
import { formatBytes, formatCount } from "../output/units.ts";
import { failForErrors } from "../session/fail-for-errors.ts";
import { type FutureRecord, type FutureRecords, futureLine, futureRecordsOf } from "./future-records.ts";
import type { Shown } from "./topic-commands.ts";
import { type FigureName, type Figures, figuresOf } from "./topic-figures.ts";
import { copiesIn, isOffline, isUnderReplicated } from "./topic-health.ts";

export interface DescribeOptions {
  readonly configs: boolean;
  readonly offsets: boolean;
  /** Only partitions that lack copies, or a leader. */
  readonly underReplicated: boolean;
  /** Where no topic is named: those that the cluster keeps for itself, too. */
  readonly internal: boolean;
}

type DescribedPartition = PartitionMetadata & {
  readonly startOffset?: number | null;
  readonly endOffset?: number | null;
  /** Of the leader's copy; null: not known. */
  readonly sizeInBytes: number | null;
  readonly futureRecord?: FutureRecord;
};

/** A topic as `topic describe` shows it. Its JSON is this. */
export interface DescribedTopic {
  readonly name: string;
  readonly topicId: string;
  readonly partitions: readonly DescribedPartition[];
  readonly configs?: readonly ShownConfig[];
}

/** No names: all topics. */
export async function describeTopics(
  admin: Admin,
  names: readonly string[],
  options: DescribeOptions,
  { output, json }: Shown,
): Promise<void> {
  const results = names.length === 0 ? await everyTopic(admin, options) : await admin.describeTopics(names);
  const found = results.filter((result) => result.error === null);
  const shown = options.underReplicated ? found.map(onlyInTrouble).filter(({ partitions }) => partitions.length > 0) : found;
  const wanted = new Set<FigureName>(options.offsets ? ["sizes", "positions"] : ["sizes"]);
  const nowMs = Date.now();
  const [figures, futureRecords] = await Promise.all([figuresOf(admin, shown, wanted, nowMs), futureRecordsOf(admin, shown, nowMs)]);
  const described: DescribedTopic[] = [];
  for (const topic of shown) described.push(await describeTopic(admin, topic, { figures, futureRecords }, options));
  if (json) await output.json(described);
  else await output.write(described.map((topic) => topicAsText(topic, options, output.look)).join("\n"));
  // a program would take it for a topic
  if (!json && output.look.isTerminal && shown.length < found.length && shown.length === 0)
    await output.line("every partition has a leader and all its copies in sync");
  failForErrors(results);
}

/** Trouble is shown wherever it is. */
async function everyTopic(admin: Admin, { internal, underReplicated }: DescribeOptions) {
  const topics = await admin.listTopics();
  return topics.filter(({ isInternal }) => internal || underReplicated || !isInternal).map((topic) => ({ ...topic, error: null }));
}

function onlyInTrouble<T extends TopicDescription>(topic: T): T {
  return { ...topic, partitions: topic.partitions.filter((each) => isOffline(each) || isUnderReplicated(each)) };
}

export interface MoreOfTopics {
  readonly figures: Figures;
  readonly futureRecords: FutureRecords;
}

export async function describeTopic(
  admin: Admin,
  topic: TopicDescription,
  { figures, futureRecords }: MoreOfTopics,
  { configs, offsets }: DescribeOptions,
): Promise<DescribedTopic> {
  const { name, topicId } = topic;
  const partitions = topic.partitions.map((partition) => {
    const key = partitionKey(name, partition.partition);
    const { startOffset = null, endOffset = null, sizeInBytes = null } = figures.get(key) ?? {};
    const futureRecord = futureRecords.get(key);
    return {
      ...partition,
      ...(offsets && !isOffline(partition) ? { startOffset, endOffset } : {}),
      sizeInBytes,
      ...(futureRecord === undefined ? {} : { futureRecord }),
    };
  });
  return { name, topicId, partitions, ...(configs ? { configs: await describedConfigs(admin, { topic: name }) } : {}) };
}

export function topicAsText(
  { name, topicId, partitions, configs }: DescribedTopic,
  options: DescribeOptions,
  look: Look = plainLook,
): string {
  const { offsets, underReplicated } = options;
  const copies = copiesIn({ partitions });
  const count = formatCount(partitions.length, "partition");
  const summary = [
    printable(name),
    `id ${topicId}`,
    underReplicated ? `${count} under-replicated` : count,
    formatCount(copies, "copy", "copies"),
  ];
  const areMoving = partitions.some(({ addingReplicas, removingReplicas }) => (addingReplicas ?? removingReplicas) !== undefined);
  const movingHead = ["adding", "removing"];
  const head = [
    "partition",
    "leader",
    "epoch",
    "replicas",
    "isr",
    "offline",
    ...(areMoving ? movingHead : []),
    ...(offsets ? ["start", "end"] : []),
    "size",
  ];
  const rows = partitions.map((partition): Cell[] => [
    partition.partition,
    isOffline(partition) ? { text: "none", tone: "bad" } : String(partition.leader),
    partition.leaderEpoch,
    ids(partition.replicas),
    isUnderReplicated(partition) ? { text: ids(partition.isr), tone: "warning" } : ids(partition.isr),
    partition.offlineReplicas.length > 0 ? { text: ids(partition.offlineReplicas), tone: "bad" } : "-",
    ...(areMoving ? [ids(partition.addingReplicas ?? []), ids(partition.removingReplicas ?? [])] : []),
    ...(offsets ? [offsetCell(partition.startOffset), offsetCell(partition.endOffset)] : []),
    partition.sizeInBytes === null ? { text: "-", isQuantity: true } : quantity(partition.sizeInBytes, formatBytes, look),
  ]);
  const settings = configs === undefined ? "" : table(configHead, configs.map(configRow), look, { lastMayGoBelow: true });
  const future = partitions.flatMap(({ partition, futureRecord }) =>
    futureRecord === undefined ? [] : [futureLine(partition, futureRecord)],
  );
  return `${summary.join("  ")}\n${table(head, rows, look, { mayBeLeftOut: ["epoch", "size", "start", "end"] })}${reasonsAsText(partitions)}${future.join("")}${settings}`;
}

function offsetCell(offset: number | null | undefined): ShownCell {
  return { text: offset === null || offset === undefined ? "-" : String(offset), isQuantity: true };
}

/** Why replicas are offline although their brokers live: each reason once, with its replicas. */
function reasonsAsText(partitions: readonly PartitionMetadata[]): string {
  const reasons = partitions.flatMap(({ partition, offlineReasons }) => (offlineReasons ?? []).map((each) => ({ ...each, partition })));
  const groups = Map.groupBy(reasons, ({ brokerId, reason }) => `broker ${brokerId}: ${reason}`);
  return [...groups].map(([text, some]) => `offline ${some.map(({ partition }) => partition).join(",")} on ${text}\n`).join("");
}

function ids(brokers: readonly number[]): string {
  return brokers.length === 0 ? "-" : brokers.join(",");
}
