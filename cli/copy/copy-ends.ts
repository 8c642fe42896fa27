import type { Admin } from "../../client/admin/admin.ts";
import { orThrow, type TopicDescription } from "../../client/admin/admin-types.ts";
import type { StartPosition } from "../../client/fetch/assigned-partition.ts";
import { CommandFailed, UsageError } from "../output/command-failed.ts";
import { complain } from "../output/complaints.ts";
import { formatTopicSize } from "../output/units.ts";
import { logRanges } from "../session/log-ranges.ts";
import type { TopicIdentity } from "./copy-position.ts";

/** One end of a copy: a topic as it is now. */
export interface CopyEnd extends TopicIdentity {
  /** By partition. */
  readonly starts: readonly number[];
  readonly ends: readonly number[];
}

export interface CopyTarget extends CopyEnd {
  /** False: the topic gives its records times of its own. */
  readonly keepsTimestamps: boolean;
}

export async function findSource(admin: Admin, topic: string): Promise<CopyEnd> {
  const [described] = await admin.describeTopics([topic]);
  if (described === undefined || described.error !== null) throw described?.error ?? new CommandFailed(`topic ${topic} was not found`);
  return copyEnd(admin, described);
}

/** Creates the topic, where it does not exist, with as many partitions as the source has. */
export async function findTarget(admin: Admin, topic: string, source: CopyEnd, keepsPartitions: boolean): Promise<CopyTarget> {
  let [described] = await admin.describeTopics([topic]);
  if (described?.error?.code === "UNKNOWN_TOPIC_OR_PARTITION") {
    const [created] = orThrow(await admin.createTopics([{ name: topic, partitions: source.ends.length }]));
    const size = formatTopicSize(source.ends.length, created?.replicationFactor ?? 0);
    complain(`topic ${topic} did not exist and was created: ${size}`);
    [described] = await whenKnown(admin, topic);
  }
  if (described === undefined || described.error !== null) throw described?.error ?? new CommandFailed(`topic ${topic} was not found`);
  const target = await copyEnd(admin, described);
  if (target.topicId === source.topicId && target.cluster === source.cluster) throw new UsageError("a topic is not copied to itself");
  if (keepsPartitions && target.ends.length < source.ends.length)
    throw new CommandFailed(
      `${topic} has ${target.ends.length} partitions and the source ${source.ends.length}: leave --keep-partitions out`,
    );
  return { ...target, keepsTimestamps: await keepsTimestamps(admin, topic) };
}

/** Brokers learn of a new topic a moment after it was created. */
async function whenKnown(admin: Admin, topic: string) {
  for (let attempt = 0; ; attempt++) {
    const found = await admin.describeTopics([topic]);
    if (found[0]?.error === null || attempt === 100) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function copyEnd(admin: Admin, { name, topicId }: TopicDescription): Promise<CopyEnd> {
  const [{ clusterId }, ranges] = await Promise.all([admin.describeCluster(), logRanges(admin, [name], [])]);
  return {
    cluster: clusterId ?? "",
    topic: name,
    topicId,
    starts: ranges.map(({ start }) => start),
    ends: ranges.map(({ end }) => end),
  };
}

async function keepsTimestamps(admin: Admin, topic: string): Promise<boolean> {
  const [described] = orThrow(await admin.describeConfigs([{ topic }], { names: ["message.timestamp.type"] }));
  const keeps = described?.configs[0]?.value !== "LogAppendTime";
  if (!keeps) complain(`topic ${topic} gives records the time at which they are appended (message.timestamp.type): theirs are not kept`);
  return keeps;
}

/** Offsets at which the copy begins, by partition. */
export async function startOffsets(admin: Admin, { topic, starts, ends }: CopyEnd, from: StartPosition): Promise<number[]> {
  if (from === "beginning") return [...starts];
  if (from === "end") return [...ends];
  if ("offset" in from) throw new UsageError("--from is beginning, end or a time here: offsets differ by partition");
  const found = await admin.listOffsets(starts.map((_, partition) => ({ topic, partition, spec: from })));
  return found.map(({ offset }, partition) => (offset < 0 ? (ends[partition] ?? 0) : offset));
}
