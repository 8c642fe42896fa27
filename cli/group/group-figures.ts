import { setTimeout } from "node:timers/promises";
import { judgePosition } from "../../client/admin/group-lag.ts";
import type { Admin, CommittedOffset, GroupMemberDescription } from "../../client/index.ts";
import { partitionKey } from "../../protocol/base/ids.ts";
import { type Figures, figuresOf, type Sum } from "../topic/topic-figures.ts";

/** What a group's coordinator knows of it, apart from its state. */
export interface GroupFigures {
  readonly members: number;
  /** Over the partitions that it has positions in or that its members have; those that are deleted cannot lag. Null: it has none. */
  readonly lag: Sum | null;
}

interface Asked {
  readonly groupId: string;
  readonly members: readonly GroupMemberDescription[];
  readonly positions: readonly CommittedOffset[];
}

type Admins = Pick<Admin, "describeGroups" | "listGroupOffsets" | "describeTopics" | "listOffsets" | "describeLogDirs">;

/** A group costs a few requests to its coordinator; those of more groups than this are not asked about. */
export const groupsMax = 500;
const atOnceMax = 16;
/** Coordinators that do not answer are not waited for any longer. */
const coordinatorsMaxMs = 5_000;

/** Of the groups that could be asked about in time, by id. */
export async function groupFigures(admin: Admins, groupIds: readonly string[], nowMs: number): Promise<ReadonlyMap<string, GroupFigures>> {
  const asked = await askedInTime(admin, groupIds.slice(0, groupsMax));
  const names = new Set(
    asked.flatMap(({ positions, members }) => [...positions, ...members.flatMap(({ partitions }) => partitions)].map(({ topic }) => topic)),
  );
  const described = names.size === 0 ? [] : await admin.describeTopics([...names]);
  const topics = described.filter((topic) => topic.error === null);
  const existing = new Set(topics.flatMap(({ name, partitions }) => partitions.map(({ partition }) => partitionKey(name, partition))));
  const figures = await figuresOf(admin, topics, new Set(["positions"]), nowMs);
  return new Map(asked.map((group) => [group.groupId, { members: group.members.length, lag: lagOf(group, existing, figures) }]));
}

async function askedInTime(admin: Admins, groupIds: readonly string[]): Promise<readonly Asked[]> {
  const open = [...groupIds];
  const asked: Asked[] = [];
  const askInTurn = async () => {
    for (let groupId = open.shift(); groupId !== undefined; groupId = open.shift()) {
      const answers = Promise.all([admin.describeGroups([groupId]), admin.listGroupOffsets(groupId)]);
      const [[group], positions] = await answers.catch(() => [[], []] as const);
      // one that is deleted meanwhile is an error
      if (group?.error === null) asked.push({ groupId, members: group.members, positions });
    }
  };
  const late = setTimeout(coordinatorsMaxMs, undefined, { ref: false }).then(() => open.splice(0));
  await Promise.race([Promise.all(Array.from({ length: atOnceMax }, askInTurn)), late]);
  return [...asked];
}

function lagOf({ members, positions }: Asked, existing: ReadonlySet<string>, figures: Figures): Sum | null {
  const committed = new Map(positions.map(({ topic, partition, offset }) => [partitionKey(topic, partition), offset]));
  const owned = members.flatMap(({ partitions }) => partitions.map(({ topic, partition }) => partitionKey(topic, partition)));
  const lags = [...new Set([...committed.keys(), ...owned])]
    .filter((key) => existing.has(key))
    .map((key) => {
      const { startOffset = null, endOffset = null } = figures.get(key) ?? {};
      const position = committed.get(key) ?? -1;
      if (position < 0 || startOffset === null || endOffset === null) return null;
      return Math.max(0, judgePosition(position, { startOffset, endOffset }).lag);
    });
  if (lags.length === 0) return null;
  return { value: lags.reduce<number>((sum, lag) => sum + (lag ?? 0), 0), unknown: lags.filter((lag) => lag === null).length };
}
