import { Admin } from "../../client/admin/admin.ts";
import { KafkaProtocolError } from "../../client/base/errors.ts";
import type { Producer } from "../../client/producer/producer.ts";
import { CommandFailed } from "../output/command-failed.ts";
import { complain } from "../output/complaints.ts";
import { formatTopicSize } from "../output/units.ts";

export interface TargetTopic {
  readonly partitionsCount: number;
  /** It is compacted: a record without key is refused. */
  readonly needsKey: boolean;
}

export interface TopicSearch {
  readonly topic: string;
  readonly bootstrap: readonly string[];
  readonly clientId: string;
}

/** What is nice to know must not hold up what was asked for. */
const describedMaxMs = 5_000;

/** Waits for the topic; where brokers create topics by themselves, it may be created by this, and that is told. */
export async function targetTopic(
  { topic, bootstrap, clientId }: TopicSearch,
  producer: Pick<Producer, "partitionsOf">,
  stop: AbortSignal,
): Promise<TargetTopic> {
  await using admin = new Admin({ bootstrap, clientId, operationTimeoutMs: describedMaxMs, signal: stop });
  const wasMissing = await isMissing(admin, topic);
  const { partitions } = await producer.partitionsOf(topic, { signal: stop }).catch((error) => {
    throw stop.aborted ? new CommandFailed("stopped before any broker answered; nothing was sent") : error;
  });
  if (wasMissing) {
    const copies = partitions[0]?.replicas.length ?? 0;
    complain(
      `topic ${topic} did not exist and was created: ${formatTopicSize(partitions.length, copies)} (\`ottla topic create\` lets you choose)`,
    );
  }
  return { partitionsCount: partitions.length, needsKey: await isCompacted(admin, topic) };
}

async function isMissing(admin: Admin, topic: string): Promise<boolean> {
  try {
    const [described] = await admin.describeTopics([topic]);
    return described?.error instanceof KafkaProtocolError && described.error.code === "UNKNOWN_TOPIC_OR_PARTITION";
  } catch {
    return false; // the producer has its own way to say what is wrong
  }
}

async function isCompacted(admin: Admin, topic: string): Promise<boolean> {
  try {
    const [described] = await admin.describeConfigs([{ topic }], { names: ["cleanup.policy"] });
    const policy = described?.error === null ? (described.configs[0]?.value ?? "") : "";
    return policy.split(",").includes("compact");
  } catch {
    return false;
  }
}
