import type { GroupDescription, GroupLag, GroupRebalance } from "../../client/index.ts";
import { printable } from "../output/terminal-text.ts";
import { formatAge, formatCount, formatTime } from "../output/units.ts";

/** What is known of a group's lag, over all its partitions. */
export interface TotalLag {
  /** Records, where it is known; null: nowhere. */
  readonly lag: number | null;
  /** Partitions in which it is not known: nothing is committed there yet, or there is no leader. */
  readonly lagUnknownIn: number;
}

export function totalLag(partitions: readonly Pick<GroupLag, "lag">[]): TotalLag {
  const known = partitions.flatMap(({ lag }) => (lag === null ? [] : [Math.max(lag, 0)]));
  const sum = known.reduce((total, lag) => total + lag, 0);
  return { lag: known.length === 0 ? null : sum, lagUnknownIn: partitions.length - known.length };
}

/** Between two assignments, nobody knows of partitions without a committed position. */
export function lagText({ lag, lagUnknownIn }: TotalLag, partitionsCount: number, isRebalancing: boolean): string {
  if (lag === null) return "lag unknown";
  const text = `lag ${lag.toLocaleString("en")}`;
  if (lagUnknownIn > 0) return `${text} (unknown in ${lagUnknownIn} of ${formatCount(partitionsCount, "partition")})`;
  return isRebalancing ? `${text} (where positions are committed)` : text;
}

/** So many names fit into a line. */
const namedMax = 5;

/** Whom a rebalance waits for, and since when, as far as the brokers tell. */
export function rebalanceText(
  { sinceMs, awaited, newcomers }: GroupRebalance,
  { members, state }: Pick<GroupDescription, "members" | "state">,
  nowMs: number,
): string {
  const since = sinceMs === null ? "" : ` since ${formatTime(sinceMs)} (${formatAge(Math.max(0, nowMs - sinceMs))})`;
  if (awaited === null) return `rebalancing${since}; these brokers do not tell who is waited for`;
  const hosts = new Map(members.map(({ memberId, host }) => [memberId, host]));
  const names = awaited.slice(0, namedMax).map((id) => `${printable(id)} (${printable(hosts.get(id) ?? "")})`);
  const more = awaited.length - names.length;
  const listed = `${names.join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
  const whom = [
    ...(awaited.length === 0 ? [] : [`${awaited.length} of ${formatCount(members.length, "member")}: ${listed}`]),
    ...(newcomers === 0 ? [] : [`${formatCount(newcomers, "client")} about to join`]),
  ];
  if (whom.length > 0) return `rebalancing${since}, waiting for ${whom.join("; and for ")}`;
  return state === "PreparingRebalance" ? `rebalancing${since}, waiting for more members to join` : `rebalancing${since}`;
}
