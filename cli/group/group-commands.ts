import type { Admin, GroupDescription, GroupLag, GroupMemberDescription, GroupRebalance } from "../../client/index.ts";
import { partitionKey } from "../../protocol/base/ids.ts";
import type { Look } from "../output/look.ts";
import { type Cell, table } from "../output/table.ts";
import { printable } from "../output/terminal-text.ts";
import { formatAge, formatCount } from "../output/units.ts";
import { failForErrors } from "../session/fail-for-errors.ts";
import type { Shown } from "../topic/topic-commands.ts";
import { lagText, rebalanceText, type TotalLag, totalLag } from "./group-facts.ts";

/** A partition in which the group has a position, that a member owns, or both. */
interface GroupPartition extends Omit<GroupLag, "startOffset" | "endOffset"> {
  /** Null: no member owns it now. */
  readonly member: string | null;
  readonly host: string | null;
  readonly clientId: string | null;
  /** Null while the partition has no leader, or is deleted. */
  readonly start: number | null;
  readonly end: number | null;
}

interface DescribedGroup extends TotalLag {
  readonly group: string;
  readonly type: string;
  readonly state: string;
  readonly assignor: string;
  readonly members: readonly GroupMemberDescription[];
  readonly partitions: readonly GroupPartition[];
  /** Null: the members have what they are to have. */
  readonly rebalance: GroupRebalance | null;
}

export async function describeGroups(admin: Admin, names: readonly string[], { output, json }: Shown): Promise<void> {
  const results = await admin.describeGroups(names);
  const found = results.filter((result) => result.error === null);
  const described = [];
  for (const group of found) described.push(await describe(admin, group));
  if (json) await output.json(described);
  else await output.write(described.map((group) => asText(group, output.look)).join("\n"));
  failForErrors(results);
}

async function describe(admin: Admin, { groupId, type, state, assignor, members, rebalance }: GroupDescription): Promise<DescribedGroup> {
  const owners = new Map(
    members.flatMap((member) => member.partitions.map((each) => [partitionKey(each.topic, each.partition), member] as const)),
  );
  const lags = await admin.groupLag(
    groupId,
    members.flatMap(({ partitions }) => partitions),
  );
  const partitions = lags.map(({ startOffset, endOffset, ...lag }) => {
    const { memberId = null, host = null, clientId = null } = owners.get(partitionKey(lag.topic, lag.partition)) ?? {};
    return { ...lag, member: memberId, host, clientId, start: startOffset, end: endOffset };
  });
  return { group: groupId, type, state, assignor, ...totalLag(lags), members, partitions, rebalance };
}

function asText(described: DescribedGroup, look: Look): string {
  const { group, type, state, assignor, members, partitions, rebalance } = described;
  const facts = [
    shownName(group),
    type,
    state,
    ...(assignor === "" ? [] : [printable(assignor)]),
    formatCount(members.length, "member"),
    lagText(described, partitions.length, rebalance !== null),
  ];
  const rows = partitions.map((each): Cell[] => [
    each.topic,
    each.partition,
    positionText(each),
    each.end === null ? "-" : String(each.end),
    each.lag === null ? "-" : String(each.lag),
    ageText(each),
    each.member ?? "-",
    each.host ?? "-",
    each.clientId ?? "-",
  ]);
  const idle = members.filter((member) => member.partitions.length === 0);
  const idleRows = idle.map((member): Cell[] => ["-", "-", "-", "-", "-", "-", member.memberId, member.host, member.clientId]);
  const head = ["topic", "partition", "position", "end", "lag", "behind", "member", "host", "client"];
  const waiting = rebalance === null ? "" : `${rebalanceText(rebalance, described, Date.now())}\n`;
  return `${facts.join("  ")}\n${waiting}${rows.length + idleRows.length === 0 ? "" : table(head, [...rows, ...idleRows], look)}`;
}

function positionText({ position, outOfRange, start, end }: GroupPartition): string {
  if (position === null) return "-";
  if (outOfRange === "before-start") return `${position} (gone, the log starts at ${start})`;
  return outOfRange === "behind-end" ? `${position} (behind the end, ${end})` : String(position);
}

function ageText({ lag, lagMs }: GroupPartition): string {
  if (lag === null) return "-";
  return lagMs === null ? "unknown" : formatAge(lagMs);
}

export async function deleteGroups(admin: Admin, names: readonly string[], { output, json }: Shown): Promise<void> {
  const results = await admin.deleteGroups(names);
  const deleted = results.flatMap((result) => (result.error === null ? [result.groupId] : []));
  if (json) await output.json({ deleted });
  else for (const name of deleted) await output.line(`deleted ${shownName(name)}`);
  failForErrors(results);
}

/** Offsets may be stored under an empty group id. */
export function shownName(group: string): string {
  return group === "" ? '""' : printable(group);
}
