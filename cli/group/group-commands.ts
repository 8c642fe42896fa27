import type { Admin, CommittedOffset, GroupDescription, GroupMemberDescription } from "../../client/index.ts";
import { partitionKey, type TopicPartition } from "../../protocol/base/ids.ts";
import { failForErrors } from "../fail-for-errors.ts";
import { type Cell, table } from "../output/table.ts";
import { formatCount } from "../output/units.ts";
import type { Shown } from "../topic/topic-commands.ts";
import { isOffline } from "../topic/topic-health.ts";

export async function listGroups(admin: Admin, { output, json }: Shown): Promise<void> {
  const groups = await admin.listGroups();
  if (json) await output.json(groups.map(({ groupId, type, state, protocolType }) => ({ group: groupId, type, state, protocolType })));
  else if (groups.length > 0)
    await output.write(
      table(
        ["group", "type", "state"],
        groups.map(({ groupId, type, state }) => [groupId, type, state || "-"]),
      ),
    );
}

/** A partition that the group has a position in, a member has, or both. */
interface GroupPartition extends TopicPartition {
  /** Null: nobody has it now. */
  readonly member: string | null;
  readonly host: string | null;
  readonly clientId: string | null;
  /** Of the next record; null: none committed. */
  readonly position: number | null;
  /** Null while the partition has no leader, or is gone. */
  readonly end: number | null;
  readonly lag: number | null;
}

interface DescribedGroup {
  readonly group: string;
  readonly type: string;
  readonly state: string;
  readonly assignor: string;
  readonly members: readonly GroupMemberDescription[];
  readonly partitions: readonly GroupPartition[];
}

export async function describeGroups(admin: Admin, names: readonly string[], { output, json }: Shown): Promise<void> {
  const results = await admin.describeGroups(names);
  const found = results.filter((result) => result.error === null);
  const described = [];
  for (const group of found) described.push(await describe(admin, group));
  if (json) await output.json(described);
  else await output.write(described.map(asText).join("\n"));
  failForErrors(results);
}

async function describe(admin: Admin, { groupId, type, state, assignor, members }: GroupDescription): Promise<DescribedGroup> {
  const committed = await admin.listGroupOffsets(groupId);
  const partitions = await partitionsOf(admin, members, committed);
  return { group: groupId, type, state, assignor, members, partitions };
}

async function partitionsOf(
  admin: Admin,
  members: readonly GroupMemberDescription[],
  committed: readonly CommittedOffset[],
): Promise<GroupPartition[]> {
  const owners = new Map(
    members.flatMap((member) => member.partitions.map((each) => [partitionKey(each.topic, each.partition), member] as const)),
  );
  const positions = new Map(committed.map((each) => [partitionKey(each.topic, each.partition), each.offset]));
  const all = new Map<string, TopicPartition>();
  for (const { topic, partition } of [...committed, ...members.flatMap((member) => member.partitions)])
    all.set(partitionKey(topic, partition), { topic, partition });
  const sorted = [...all.values()].toSorted((a, b) => (a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1));
  const ends = await endsOf(admin, sorted);
  return sorted.map(({ topic, partition }) => {
    const key = partitionKey(topic, partition);
    const member = owners.get(key);
    const offset = positions.get(key) ?? -1;
    const position = offset < 0 ? null : offset;
    const end = ends.get(key) ?? null;
    const lag = position === null || end === null ? null : Math.max(0, end - position);
    const { memberId = null, host = null, clientId = null } = member ?? {};
    return { topic, partition, member: memberId, host, clientId, position, end, lag };
  });
}

/** Of the partitions that are there and have a leader. */
async function endsOf(admin: Admin, partitions: readonly TopicPartition[]): Promise<Map<string, number>> {
  const topics = await admin.describeTopics([...new Set(partitions.map(({ topic }) => topic))]);
  const alive = new Set(
    topics.flatMap((topic) =>
      topic.error === null ? topic.partitions.flatMap((each) => (isOffline(each) ? [] : [partitionKey(topic.name, each.partition)])) : [],
    ),
  );
  const asked = partitions.filter(({ topic, partition }) => alive.has(partitionKey(topic, partition)));
  const found = await admin.listOffsets(asked.map((each) => ({ ...each, spec: "latest" })));
  return new Map(found.map(({ topic, partition, offset }) => [partitionKey(topic, partition), offset]));
}

function asText({ group, type, state, assignor, members, partitions }: DescribedGroup): string {
  const lag = partitions.reduce((sum, each) => sum + (each.lag ?? 0), 0);
  const facts = [
    group,
    type,
    state,
    ...(assignor === "" ? [] : [assignor]),
    formatCount(members.length, "member"),
    `lag ${lag.toLocaleString("en")}`,
  ];
  const rows = partitions.map((each): Cell[] => [
    each.topic,
    each.partition,
    each.position === null ? "-" : String(each.position),
    each.end === null ? "-" : String(each.end),
    each.lag === null ? "-" : String(each.lag),
    each.member ?? "-",
    each.host ?? "-",
    each.clientId ?? "-",
  ]);
  const idle = members.filter((member) => member.partitions.length === 0);
  const idleRows = idle.map((member): Cell[] => ["-", "-", "-", "-", "-", member.memberId, member.host, member.clientId]);
  const head = ["topic", "partition", "position", "end", "lag", "member", "host", "client"];
  return `${facts.join("  ")}\n${rows.length + idleRows.length === 0 ? "" : table(head, [...rows, ...idleRows])}`;
}

export async function deleteGroups(admin: Admin, names: readonly string[], { output, json }: Shown): Promise<void> {
  const results = await admin.deleteGroups(names);
  const deleted = results.flatMap((result) => (result.error === null ? [result.groupId] : []));
  if (json) await output.json({ deleted });
  else for (const name of deleted) await output.line(`deleted ${name}`);
  failForErrors(results);
}
