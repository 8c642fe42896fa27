import { setTimeout as sleep } from "node:timers/promises";
import type { Admin, NewTopic } from "../../client/index.ts";
import { configChanges, type SettingChanges } from "../config/asked-changes.ts";
import { type ChangedSetting, changesAsText, changingSettings } from "../config/changed-settings.ts";
import { CommandFailed, UsageError } from "../output/command-failed.ts";
import type { Output } from "../output/output.ts";
import { formatTopicSize } from "../output/units.ts";
import { failForErrors } from "../session/fail-for-errors.ts";
import { warnOfInsyncReplicas } from "./replica-warning.ts";

export interface Shown {
  readonly output: Output;
  readonly json: boolean;
}

/** How long to wait until a new topic's name is known to the broker that we ask; brokers learn of it a moment after it was created. */
const knownMaxMs = 5000;

export async function createTopic(admin: Admin, topic: NewTopic, ifNotExists: boolean, { output, json }: Shown): Promise<void> {
  const [result] = await admin.createTopics([topic]);
  const exists = result?.error?.code === "TOPIC_ALREADY_EXISTS";
  if (result === undefined || (result.error !== null && !(exists && ifNotExists))) throw result?.error ?? new CommandFailed("no answer");
  if (result.error !== null) {
    if (json) await output.json({ name: topic.name, created: false });
    else await output.line(`topic ${topic.name} exists already`);
    return;
  }
  await untilKnown(admin, topic.name);
  const { name, topicId, partitions, replicationFactor } = result;
  if (json) await output.json({ name, created: true, topicId, partitions, replicationFactor });
  else await output.line(`created ${name}: ${formatTopicSize(partitions, replicationFactor)}`);
  await warnOfInsyncReplicas(admin, { topic: name, set: topic.configs ?? {}, copies: replicationFactor });
}

async function untilKnown(admin: Admin, name: string): Promise<void> {
  for (let waitedMs = 0; waitedMs < knownMaxMs; waitedMs += 50) {
    const [described] = await admin.describeTopics([name]);
    if (described?.error === null && described.partitions.every(({ leader }) => leader >= 0)) return;
    await sleep(50);
  }
}

export interface TopicChanges extends SettingChanges {
  readonly partitions: number | null;
}

export async function alterTopic(admin: Admin, topic: string, changes: TopicChanges, { output, json }: Shown): Promise<void> {
  const configs = configChanges(changes);
  if (changes.partitions === null && configs.length === 0)
    throw new UsageError("nothing to alter: give --partitions, --replication-factor, --config or --delete-config");
  const before = await partitionsToChange(admin, topic, changes);
  const settings = await changingSettings(admin, { topic }, changes, async () => {
    if (configs.length > 0) failForErrors(await admin.incrementalAlterConfigs([{ resource: { topic }, changes: configs }]));
    if (changes.partitions !== null) failForErrors(await admin.createPartitions([{ topic, count: changes.partitions }]));
  });
  const changed = [...before, ...settings];
  if (json) await output.json({ name: topic, ...changes, changed });
  else {
    await output.line(`altered ${topic}`);
    await output.write(changesAsText(changed, output.look));
  }
  if (configs.some(({ name }) => name === "min.insync.replicas"))
    await warnOfInsyncReplicas(admin, { topic, set: changes.set, copies: null });
}

async function partitionsToChange(admin: Admin, topic: string, { partitions }: TopicChanges): Promise<ChangedSetting[]> {
  if (partitions === null) return [];
  const [described] = await admin.describeTopics([topic]);
  return [
    { name: "partitions", was: described?.partitions === undefined ? null : String(described.partitions.length), is: String(partitions) },
  ];
}

export async function deleteTopics(admin: Admin, names: readonly string[], ifExists: boolean, { output, json }: Shown): Promise<void> {
  const results = await admin.deleteTopics(names);
  const deleted = results.flatMap((result) => (result.error === null ? [result.name] : []));
  if (json) await output.json({ deleted });
  else for (const name of deleted) await output.line(`deleted ${name}`);
  failForErrors(results.filter(({ error }) => !(ifExists && error?.code === "UNKNOWN_TOPIC_OR_PARTITION")));
}
