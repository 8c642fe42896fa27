import type { Admin, OffsetSpec, TopicPartition } from "../../client/index.ts";
import { partitionKey, type TopicId } from "../../protocol/base/ids.ts";
import { CommandFailed, UsageError } from "../output/command-failed.ts";
import { complain } from "../output/complaints.ts";
import { table } from "../output/table.ts";
import { formatCount } from "../output/units.ts";
import { failForErrors } from "../session/fail-for-errors.ts";
import type { Shown } from "../topic/topic-commands.ts";
import { isOffline } from "../topic/topic-health.ts";
import { newPosition, type ResetTarget, type TopicSelection, targetIn } from "./reset-target.ts";

export interface ResetOrder {
  readonly group: string;
  /** Empty: every topic in which the group has positions. */
  readonly selections: readonly TopicSelection[];
  readonly target: ResetTarget;
  readonly dryRun: boolean;
  /** Wall clock. */
  readonly nowMs: number;
}

interface Chosen extends TopicPartition {
  /** Of the topic to which the offsets belong: it may be deleted and re-created before they are set. */
  readonly topicId: TopicId;
}

interface Move extends Chosen {
  /** -1: none. */
  readonly from: number;
  readonly to: number;
}

/** Moves a group's positions, or shows how it would. Only while the group has no members. */
export async function resetOffsets(admin: Admin, order: ResetOrder, { output, json }: Shown): Promise<void> {
  const { group, dryRun } = order;
  const isNew = !(await requireEmpty(admin, group));
  const moves = await plan(admin, order);
  if (!dryRun) {
    const offsets = moves.map(({ topic, topicId, partition, to }) => ({ topic, topicId, partition, offset: to }));
    failForErrors(await admin.alterGroupOffsets(group, offsets));
  }
  if (isNew) complain(dryRun ? `group ${group} does not exist: it would be created` : `group ${group} did not exist: created`);
  if (json) return output.json({ group, dryRun, partitions: moves.map(({ topicId, ...shown }) => shown) });
  const rows = moves.map(({ topic, partition, from, to }) => [topic, partition, from < 0 ? "-" : String(from), to]);
  await output.write(table(["topic", "partition", "from", "to"], rows, output.look));
  if (dryRun) await output.line(`nothing was changed; without --dry-run ${formatCount(moves.length, "position")} would be`);
}

/** Resolves with whether there is such a group. */
async function requireEmpty(admin: Admin, group: string): Promise<boolean> {
  const [described] = await admin.describeGroups([group]);
  // a group that does not exist yet may be given positions
  if (described === undefined || described.error?.code === "GROUP_ID_NOT_FOUND") return false;
  if (described.error !== null) throw described.error;
  if (described.members.length > 0)
    throw new CommandFailed(
      `group ${group} has ${formatCount(described.members.length, "member")}; stop them first, see \`ottla group describe ${group}\``,
    );
  return true;
}

async function plan(admin: Admin, { group, selections, target, nowMs }: ResetOrder): Promise<Move[]> {
  const committed = await admin.listGroupOffsets(group).catch((error: unknown) => {
    if ((error as { readonly code?: string }).code === "GROUP_ID_NOT_FOUND") return [];
    throw error;
  });
  const positions = new Map(committed.map(({ topic, partition, offset }) => [partitionKey(topic, partition), offset]));
  const chosen =
    selections.length > 0 ? selections : [...new Set(committed.map(({ topic }) => topic))].map((topic) => ({ topic, partitions: null }));
  if (chosen.length === 0) throw new CommandFailed(`group ${group} has no positions; name topics with --topic`);
  const partitions = await chosenPartitions(admin, chosen);
  const offsetsAt = async (spec: OffsetSpec) =>
    (await admin.listOffsets(partitions.map((each) => ({ ...each, spec })))).map(({ offset }) => offset);
  const timestampMs = target.kind === "time" ? target.timestampMs : target.kind === "back" ? Math.max(0, nowMs - target.durationMs) : null;
  const [starts, ends, times] = await Promise.all([
    offsetsAt("earliest"),
    offsetsAt("latest"),
    timestampMs === null ? null : offsetsAt({ timestampMs }),
  ]);
  return partitions.flatMap(({ topic, topicId, partition }, i): Move[] => {
    const from = positions.get(partitionKey(topic, partition)) ?? -1;
    const range = { position: from, startOffset: starts[i] as number, endOffset: ends[i] as number, atTime: times?.[i] ?? null };
    const to = newPosition(targetIn(target, partitionKey(topic, partition)), range);
    if (to === null)
      throw new CommandFailed(
        `group ${group} has no position in ${topic}-${partition} that could be shifted; choose another target for it`,
      );
    return [{ topic, topicId, partition, from, to }];
  });
}

async function chosenPartitions(admin: Admin, chosen: readonly TopicSelection[]): Promise<Chosen[]> {
  const names = [...new Set(chosen.map(({ topic }) => topic))];
  const results = await admin.describeTopics(names);
  const unique = new Map<string, Chosen>();
  for (const { topic, partitions } of chosen) {
    const described = results[names.indexOf(topic)];
    if (described === undefined || described.error !== null) throw described?.error ?? new CommandFailed(`no answer about topic ${topic}`);
    for (const partition of partitions ?? described.partitions.map((each) => each.partition)) {
      const known = described.partitions[partition];
      if (known === undefined)
        throw new UsageError(`${topic} has ${formatCount(described.partitions.length, "partition")}, none is ${partition}`);
      if (isOffline(known)) throw new CommandFailed(`${topic}-${partition} has no leader now; see \`ottla topic describe ${topic}\``);
      unique.set(partitionKey(topic, partition), { topic, partition, topicId: described.topicId });
    }
  }
  return [...unique.values()];
}
